"""Terms against the same losses in PyTorch libraries: values and gradients, in float64 there."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from objective_formulas import error
from term_harness import embeddings, plan_of, run
from third_party import needs

SIZE, DIM = 12, 8
LABELS = np.arange(SIZE) % 5


@dataclasses.dataclass(frozen=True)
class Oracle:
    """A term's config, and the same of a library: made once, then called with both embeddings."""

    spec: Mapping[str, Any]
    make: Callable[[], Callable]
    unit: bool = False  # whether the library is given unit vectors


def of_pairs(term, **options):
    return {"type": term, "pairs": (("a", "b"),), **options}


def of_views(term, temperature):
    return {"type": term, "views": ("a", "b"), "temperature": temperature}


def clip():
    loss = needs("open_clip.loss").ClipLoss()
    return lambda a, b: loss(a, b, 1 / 0.07)


def siglip():
    loss = needs("open_clip.loss").SigLipLoss()
    return lambda a, b: loss(a, b, 10.0, -10.0)


def metric_learning(name, labels, temperature):
    """A loss of rows with labels, both views as one set of rows."""
    torch = needs("torch")
    loss = getattr(needs("pytorch_metric_learning.losses"), name)(temperature=temperature)
    both = torch.tensor(np.concatenate([labels, labels]))
    return lambda a, b: loss(torch.cat([a, b]), both)


ORACLES = {
    "open_clip ClipLoss": Oracle(of_pairs("info_nce"), clip, unit=True),
    "open_clip SigLipLoss": Oracle(of_pairs("sigmoid"), siglip, unit=True),
    "lightly NTXentLoss": Oracle(
        of_views("nt_xent", 0.5), lambda: needs("lightly.loss").NTXentLoss(temperature=0.5)
    ),
    "pytorch_metric_learning NTXentLoss": Oracle(
        of_views("nt_xent", 0.2), lambda: metric_learning("NTXentLoss", np.arange(SIZE), 0.2)
    ),
    "pytorch_metric_learning SupConLoss": Oracle(
        of_views("sup_con", 0.1), lambda: metric_learning("SupConLoss", LABELS, 0.1)
    ),
    "lightly BarlowTwinsLoss": Oracle(
        of_pairs("barlow_twins"), lambda: needs("lightly.loss").BarlowTwinsLoss(lambda_param=0.0051)
    ),
    "lightly VICRegLoss": Oracle(of_pairs("vicreg"), lambda: needs("lightly.loss").VICRegLoss()),
}


@pytest.mark.parametrize("name", ORACLES)
def test_a_library_has_the_same_loss(name):
    torch, oracle = needs("torch"), ORACLES[name]
    loss = oracle.make()
    raws = embeddings(("a", "b"), SIZE, DIM)
    leaves = [torch.tensor(raw, dtype=torch.float64, requires_grad=True) for raw in raws.values()]
    given = [torch.nn.functional.normalize(x) if oracle.unit else x for x in leaves]
    want = loss(*given)
    want.backward()
    value, grads, _, _ = run(oracle.spec, plan_of("dense", 1, 1), raws, {"label": LABELS})
    assert error(value, want.detach().numpy()) < 1e-6
    for grad, leaf in zip(grads.values(), leaves, strict=True):
        assert error(grad, leaf.grad.numpy()) < 3e-6
