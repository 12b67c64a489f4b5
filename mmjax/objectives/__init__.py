"""Objective terms, and the weighted sum of them that a recipe trains.

A term is `term(outputs, batch, context) -> (loss, metrics)`, see `base.Term`. `TERMS` lists those a
config may name; the constructor's keyword arguments are the config's keys.
"""

import dataclasses
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
from flax import nnx

from mmjax import recipe as config_lib
from mmjax.objectives.base import Context, Term, TermError
from mmjax.objectives.classification import Classification
from mmjax.objectives.contrastive import InfoNCE, Sigmoid
from mmjax.objectives.distillation import HybridDistillation, OffDiagonalDistillation
from mmjax.objectives.gated import GatedNCE
from mmjax.objectives.gram import GramVolume
from mmjax.objectives.hard_negatives import HardInfoNCE
from mmjax.objectives.late_interaction import LateInteractionNCE
from mmjax.objectives.local_global import LocalGlobalNCE
from mmjax.objectives.matching import Matching
from mmjax.objectives.mixup import GeodesicNegatives, MixupNCE
from mmjax.objectives.momentum import MomentumNCE
from mmjax.objectives.multi_view import MultiViewDHEL, MultiViewInfoNCE, NTXent
from mmjax.objectives.one_to_k import OneToK
from mmjax.objectives.predictive import Predictive
from mmjax.objectives.redundancy import BarlowTwins, VICReg
from mmjax.objectives.reference import RandomFeatureAlignment
from mmjax.objectives.sinkhorn import SinkhornSwap
from mmjax.objectives.soft_targets import SoftInfoNCE
from mmjax.objectives.sup_con import SupCon
from mmjax.objectives.symile import Symile
from mmjax.objectives.temperature import Temperature
from mmjax.objectives.uniformity import Alignment, CrossUniformity, Uniformity
from mmjax.schema.schedule import Weight

__all__ = ["TERMS", "Context", "Objectives", "Term", "TermError", "Weight"]

TERMS = {
    "info_nce": InfoNCE,
    "sigmoid": Sigmoid,
    "uniformity": Uniformity,
    "cross_uniformity": CrossUniformity,
    "alignment": Alignment,
    "nt_xent": NTXent,
    "mv_infonce": MultiViewInfoNCE,
    "mv_dhel": MultiViewDHEL,
    "sup_con": SupCon,
    "soft_info_nce": SoftInfoNCE,
    "hard_info_nce": HardInfoNCE,
    "momentum_nce": MomentumNCE,
    "local_global_nce": LocalGlobalNCE,
    "late_interaction_nce": LateInteractionNCE,
    "matching": Matching,
    "mixup_nce": MixupNCE,
    "geodesic_negatives": GeodesicNegatives,
    "gated_nce": GatedNCE,
    "symile": Symile,
    "gram_volume": GramVolume,
    "barlow_twins": BarlowTwins,
    "vicreg": VICReg,
    "predictive": Predictive,
    "sinkhorn_swap": SinkhornSwap,
    "classification": Classification,
    "hybrid_distill": HybridDistillation,
    "offdiag_distill": OffDiagonalDistillation,
    "rafa": RandomFeatureAlignment,
    "one_to_k": OneToK,
}


class Objectives(nnx.Module):
    """The loss of a recipe: a weighted sum of terms.

    Args:
      specs: name -> dict with `type` (one of `TERMS`), the constructor's arguments, and `weight`, a
        number or a schedule (see `Weight`); 1 if it is left out. And `head`, for a term that is to
        read embeddings by that one of the towers' further heads.
      rngs: for the parameters that terms own.
    """

    def __init__(self, specs: Mapping[str, Mapping[str, Any]], *, rngs: nnx.Rngs):
        terms, weights, heads = {}, [], []
        for name, spec in specs.items():
            options = {key: v for key, v in spec.items() if key not in ("weight", "head")}
            terms[name] = config_lib.build(TERMS, options, rngs=rngs)
            weight = Weight.of(spec.get("weight", 1.0), f"objectives.{name}.weight")
            weights.append((name, weight))
            heads.append((name, spec.get("head")))
        self.terms = nnx.Dict(terms)
        self.weights, self.heads = tuple(weights), tuple(heads)

    def __call__(
        self, outputs: Mapping[str, NamedTuple], batch: Mapping[str, jax.Array], context: Context
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """The loss of a batch, an f32 scalar, and what to log.

        Metrics: `loss`; for each term `<name>/loss`, before weighting, `<name>/weight` if it is
        scheduled, and the term's own as `<name>/<metric>`.
        """
        context = dataclasses.replace(context, scales=self._scales())
        loss, metrics = 0.0, {}
        for (name, weight), (_, head) in zip(self.weights, self.heads, strict=True):
            seen, known = _by_head(name, head, outputs, _own_rng(context, name))
            value, own = self.terms[name](seen, batch, known)
            factor = weight(context.progress)
            loss = loss + factor * value
            metrics[f"{name}/loss"] = value
            if not weight.constant:
                metrics[f"{name}/weight"] = factor
            metrics.update({f"{name}/{key}": metric for key, metric in own.items()})
        return loss, {"loss": loss, **metrics}

    def _scales(self) -> dict[str, jax.Array]:
        """1/temperature of the terms that have one."""
        scales = {}
        for name, term in self.terms.items():
            if isinstance(getattr(term, "temperature", None), Temperature):
                scales[name] = term.temperature()
            elif isinstance(term, GramVolume):
                scales[name] = 1 / term.tau()
        return scales


def _by_head(
    name: str, head: str | None, outputs: Mapping[str, NamedTuple], context: Context
) -> tuple[Mapping[str, NamedTuple], Context]:
    """Outputs and context with the embeddings by a further head of the towers that have it."""
    if head is None:
        return outputs, context

    def chosen(embeddings: Mapping[str, NamedTuple]) -> dict[str, NamedTuple]:
        return {view: e.heads[head] for view, e in embeddings.items() if head in (e.heads or {})}

    found = chosen(outputs)
    if not found:
        known = sorted({other for e in outputs.values() for other in e.heads or {}})
        raise TermError(
            f"'objectives.{name}.head' is {head!r}, but no tower has a head of that name in its "
            f"'heads': there are {known or 'none'}."
        )
    if context.teacher is not None:
        context = dataclasses.replace(context, teacher=chosen(context.teacher))
    return found, context


def _own_rng(context: Context, name: str) -> Context:
    """The context with random numbers of the term's own: no two terms draw the same."""
    if context.rng is None:
        return context
    return dataclasses.replace(
        context, rng=jax.random.fold_in(context.rng, zlib.crc32(name.encode()))
    )
