"""The registry of objective terms; the keyword arguments of each are its keys."""

from mmjax.objectives.adaptive import AdaptiveInfoNCE
from mmjax.objectives.base import Term
from mmjax.objectives.captioning import Captioning
from mmjax.objectives.centroids import CentroidGap
from mmjax.objectives.classification import Classification
from mmjax.objectives.codes import CodeRegularizer
from mmjax.objectives.contrastive import InfoNCE, Sigmoid
from mmjax.objectives.distillation import HybridDistillation, OffDiagonalDistillation
from mmjax.objectives.gallery import GalleryNCE
from mmjax.objectives.gated import GatedNCE
from mmjax.objectives.gram import GramVolume
from mmjax.objectives.hard_negatives import HardInfoNCE
from mmjax.objectives.hinge import Hinge
from mmjax.objectives.late_interaction import LateInteractionNCE
from mmjax.objectives.local_global import LocalGlobalNCE
from mmjax.objectives.masked_slots import MaskedSlots
from mmjax.objectives.masked_tokens import MaskedTokens
from mmjax.objectives.matching import Matching
from mmjax.objectives.mixup import GeodesicNegatives, MixupNCE
from mmjax.objectives.momentum import MomentumNCE
from mmjax.objectives.multi_view import MultiViewDHEL, MultiViewInfoNCE, NTXent
from mmjax.objectives.multiple_instance import MILNCE
from mmjax.objectives.one_to_k import OneToK
from mmjax.objectives.predictive import Predictive
from mmjax.objectives.prototypes import PrototypeAssignment
from mmjax.objectives.ranking import BayesianRanking
from mmjax.objectives.redundancy import BarlowTwins, CrossCovariance, VICReg
from mmjax.objectives.reference import RandomFeatureAlignment
from mmjax.objectives.regions import RegionNCE
from mmjax.objectives.regression import Regression
from mmjax.objectives.relevance import Relevance
from mmjax.objectives.sinkhorn import SinkhornSwap
from mmjax.objectives.soft_targets import SoftInfoNCE
from mmjax.objectives.stacked import StackedInfoNCE
from mmjax.objectives.sup_con import SupCon
from mmjax.objectives.symile import Symile
from mmjax.objectives.token_margin import TokenMargin
from mmjax.objectives.uniformity import Alignment, CrossUniformity, JointEntropy, Uniformity
from mmjax.schema.registry import Registry

TERMS = Registry(
    "term",
    Term,
    {
        "info_nce": InfoNCE,
        "stacked_info_nce": StackedInfoNCE,
        "sigmoid": Sigmoid,
        "adaptive_info_nce": AdaptiveInfoNCE,
        "hinge": Hinge,
        "bpr": BayesianRanking,
        "uniformity": Uniformity,
        "cross_uniformity": CrossUniformity,
        "alignment": Alignment,
        "joint_entropy": JointEntropy,
        "centroid_gap": CentroidGap,
        "code_regularizer": CodeRegularizer,
        "nt_xent": NTXent,
        "mv_infonce": MultiViewInfoNCE,
        "mv_dhel": MultiViewDHEL,
        "mil_nce": MILNCE,
        "sup_con": SupCon,
        "soft_info_nce": SoftInfoNCE,
        "hard_info_nce": HardInfoNCE,
        "momentum_nce": MomentumNCE,
        "local_global_nce": LocalGlobalNCE,
        "late_interaction_nce": LateInteractionNCE,
        "region_nce": RegionNCE,
        "matching": Matching,
        "relevance": Relevance,
        "masked_slots": MaskedSlots,
        "masked_tokens": MaskedTokens,
        "captioning": Captioning,
        "token_margin": TokenMargin,
        "mixup_nce": MixupNCE,
        "geodesic_negatives": GeodesicNegatives,
        "gallery_nce": GalleryNCE,
        "prototype_assignment": PrototypeAssignment,
        "gated_nce": GatedNCE,
        "symile": Symile,
        "gram_volume": GramVolume,
        "barlow_twins": BarlowTwins,
        "vicreg": VICReg,
        "cross_covariance": CrossCovariance,
        "predictive": Predictive,
        "sinkhorn_swap": SinkhornSwap,
        "classification": Classification,
        "regression": Regression,
        "hybrid_distill": HybridDistillation,
        "offdiag_distill": OffDiagonalDistillation,
        "rafa": RandomFeatureAlignment,
        "one_to_k": OneToK,
    },
    provided=("rngs",),
)
