"""Evaluators measure the records that have what they compare, and say nothing of the others."""

import numpy as np

from mmjax.data.sources import MemorySource
from mmjax.data.views import VectorView
from mmjax.evaluators import EVALUATORS
from mmjax.evaluators.data import EvalData


class Towers:
    """Unit vectors of vectors."""

    modalities = ("x", "y")

    def embed(self, modality, array, layer="unit"):
        return array / np.linalg.norm(array, axis=-1, keepdims=True)


def source(lacking):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 5))
    y = x + 0.7 * rng.normal(size=(40, 5))
    keep = [i for i in range(40) if i not in lacking]
    whole = {"x": [x[i] for i in keep], "y": [y[i] for i in keep]}
    masked = {"x": list(x), "y": [None if i in lacking else y[i] for i in range(40)]}
    labels = [str(i % 4) for i in range(40)]
    return (
        MemorySource(data=whole, labels={"group": [labels[i] for i in keep]}),
        MemorySource(data=masked, labels={"group": labels}),
    )


def test_what_is_missing_is_no_query_and_no_answer():
    views = {"x": VectorView(dim=5), "y": VectorView(dim=5)}
    measure = EVALUATORS["retrieval"](pairs=(("x", "y"),))
    whole, masked = (
        measure(Towers(), EvalData(part, views, 16)) for part in source({3, 4, 17, 39})
    )
    assert whole.keys() == masked.keys()
    # Of an x without a y nothing can be asked: it is left out, as if it were not there.
    assert masked["x_to_y/queries"] == masked["x_to_y/gallery"] == 36
    for name in whole:
        if name.startswith("x_to_y") or name == "unreadable":
            assert masked[name] == whole[name], name
    # But it is there to be found, wrongly.
    assert (masked["y_to_x/queries"], masked["y_to_x/gallery"]) == (36, 40)
    assert masked["y_to_x/mean_rank"] >= whole["y_to_x/mean_rank"]
