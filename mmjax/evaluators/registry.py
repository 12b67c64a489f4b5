"""The registry of evaluators, and the section `evaluators` of a recipe."""

from typing import Any, cast

from mmjax.errors import unknown
from mmjax.evaluators import base
from mmjax.evaluators.attack import AttackRobustness
from mmjax.evaluators.base import Evaluator, EvaluatorConfig
from mmjax.evaluators.choice import Choice
from mmjax.evaluators.clusters import Clusters
from mmjax.evaluators.code_usage import CodeUsage
from mmjax.evaluators.consistency import Consistency
from mmjax.evaluators.few_shot import FewShot
from mmjax.evaluators.generation import Generation
from mmjax.evaluators.geometry import Geometry
from mmjax.evaluators.grounding import Grounding
from mmjax.evaluators.inversion import Inversion
from mmjax.evaluators.knn import NearestNeighbours
from mmjax.evaluators.linear_map import LinearMap
from mmjax.evaluators.merged_retrieval import MergedRetrieval
from mmjax.evaluators.multilabel import MultiLabel
from mmjax.evaluators.open_vocabulary import OpenVocabulary
from mmjax.evaluators.probe import Probe
from mmjax.evaluators.regression import Regression
from mmjax.evaluators.rerank import Rerank
from mmjax.evaluators.retrieval import Retrieval
from mmjax.evaluators.retrieval_grid import RetrievalGrid
from mmjax.evaluators.rotation import Rotation
from mmjax.evaluators.segmentation import Segmentation
from mmjax.evaluators.selection import Selection
from mmjax.evaluators.spectrum import Spectrum
from mmjax.evaluators.structure import Structure
from mmjax.evaluators.sts import Sts
from mmjax.evaluators.token_probe import TokenProbe
from mmjax.evaluators.tuple_retrieval import TupleRetrieval
from mmjax.evaluators.universal_token import UniversalToken
from mmjax.evaluators.word_search import WordSearch
from mmjax.evaluators.zero_shot import ZeroShot
from mmjax.schema.names import check_name
from mmjax.schema.registry import Registry
from mmjax.schema.sections import section_of

EVALUATORS: Registry[Evaluator] = Registry(
    "evaluator",
    Evaluator,
    {
        "retrieval": Retrieval,
        "zero_shot": ZeroShot,
        "geometry": Geometry,
        "rerank": Rerank,
        "merged_retrieval": MergedRetrieval,
        "tuple_retrieval": TupleRetrieval,
        "retrieval_grid": RetrievalGrid,
        "choice": Choice,
        "selection": Selection,
        "linear_map": LinearMap,
        "probe": Probe,
        "token_probe": TokenProbe,
        "regression": Regression,
        "few_shot": FewShot,
        "knn": NearestNeighbours,
        "spectrum": Spectrum,
        "structure": Structure,
        "sts": Sts,
        "consistency": Consistency,
        "rotation": Rotation,
        "code_usage": CodeUsage,
        "multilabel": MultiLabel,
        "inversion": Inversion,
        "clusters": Clusters,
        "open_vocabulary": OpenVocabulary,
        "grounding": Grounding,
        "segmentation": Segmentation,
        "generation": Generation,
        "attack": AttackRobustness,
        "word_search": WordSearch,
        "universal_token": UniversalToken,
    },
)


class EvaluatorTable:
    """Reads the section `evaluators`: {type: {name: options, source and further sources}}."""

    def parse(self, value: Any, where: str, file: str) -> dict[str, dict[str, EvaluatorConfig]]:
        found: dict[str, dict[str, EvaluatorConfig]] = {}
        for kind, named in section_of(value, where, file).items():
            if kind not in EVALUATORS:
                raise unknown(kind, EVALUATORS, where, file)
            if named is None:  # left out by an override
                continue
            found[kind] = {
                check_name(name, f"{where}.{kind}", file): base.parse(
                    cast("type[Evaluator]", EVALUATORS[kind]),
                    {"type": kind, **section_of(spec, f"{where}.{kind}.{name}", file)},
                    EVALUATORS,
                    f"{where}.{kind}.{name}",
                    file,
                )
                for name, spec in section_of(named, f"{where}.{kind}", file).items()
                if spec is not None
            }
        return found
