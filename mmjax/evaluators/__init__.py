"""What is measured of a trained model; every measure is streamed, and no N x N array ever exists.

An evaluator is configured under `evaluators.<type>.<name>` and called as
`evaluator(model, data, mesh) -> {metric: value}`; `run` calls several and names their metrics
`<type>/<name>/<metric>`.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from mmjax.evaluators.code_usage import CodeUsage
from mmjax.evaluators.consistency import Consistency
from mmjax.evaluators.data import EvalData, Model
from mmjax.evaluators.few_shot import FewShot
from mmjax.evaluators.geometry import Geometry
from mmjax.evaluators.knn import NearestNeighbours
from mmjax.evaluators.probe import Probe
from mmjax.evaluators.retrieval import Retrieval
from mmjax.evaluators.rotation import Rotation
from mmjax.evaluators.spectrum import Spectrum
from mmjax.evaluators.structure import Structure
from mmjax.evaluators.tuple_retrieval import TupleRetrieval
from mmjax.evaluators.zero_shot import ZeroShot

EVALUATORS = {
    "retrieval": Retrieval,
    "zero_shot": ZeroShot,
    "geometry": Geometry,
    "tuple_retrieval": TupleRetrieval,
    "probe": Probe,
    "few_shot": FewShot,
    "knn": NearestNeighbours,
    "spectrum": Spectrum,
    "structure": Structure,
    "consistency": Consistency,
    "rotation": Rotation,
    "code_usage": CodeUsage,
}

Evaluator = Callable[[Model, EvalData, Any], dict[str, float]]


def run(
    model: Model, evaluators: Mapping[str, tuple[Evaluator, EvalData]], mesh: Any = None
) -> dict[str, float]:
    """Runs evaluators on one state of a model.

    Args:
      model: the model.
      evaluators: `<type>/<name>` -> evaluator and its data. Evaluators of one EvalData object
        share its embeddings, so give equal sources the same object.
      mesh: of devices, handed on.

    Returns:
      `<type>/<name>/<metric>` -> value.
    """
    metrics = {}
    with contextlib.ExitStack() as stack:
        for _, data in evaluators.values():
            stack.enter_context(data.shared())
        for name, (evaluator, data) in evaluators.items():
            metrics |= {f"{name}/{m}": v for m, v in evaluator(model, data, mesh).items()}
        for sentence in dict.fromkeys(s for _, d in evaluators.values() for s in d.unreadable()):
            logging.getLogger(__name__).warning("left out of the evaluation: %s", sentence)
    return metrics
