"""The term that docs/engine.md shows is one: it equals its formula."""

import re
from pathlib import Path

import jax
import numpy as np
import pairwise_formulas as formulas

from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context
from mmjax.objectives.base import Term
from mmjax.parallel.pairwise import Plan

PAGE = Path(__file__).parents[2] / "docs" / "engine.md"


def test_the_example_equals_its_formula():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    names = {}
    exec(compile(code, str(PAGE), "exec"), names)
    rng = np.random.default_rng(0)
    raw = [rng.normal(size=(12, 5)).astype(np.float32) for _ in range(2)]
    present = np.arange(12) % 5 != 3
    plan = Plan(formulas.mesh_of(2, 2), schedule="ring", tile=2)

    def loss(x, y):
        outputs = {"image": Embedding(x, unit_norm(x)), "text": Embedding(y, unit_norm(y))}
        term = names["Decoupled"](temperature=0.5)
        assert isinstance(term, Term)
        return term(outputs, {"text_present": present}, Context(plan=plan))[0]

    value, grads = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(*raw)

    def formula(x, y):
        x, y = (z / np.sqrt((z**2).sum(1, keepdims=True)) for z in (x[present], y[present]))
        s = x @ y.T / 0.5
        others = ~np.eye(len(s), dtype=bool)
        rows, cols = (formulas.logsumexp(s, others, axis) for axis in (1, 0))
        return ((rows + cols) / 2 - np.diag(s)).mean()

    assert formulas.error(value, formula(*formulas.wide(raw))) < 1e-6
    for grad, want in zip(grads, formulas.gradients(formula, tuple(raw)), strict=True):
        assert formulas.error(grad, want) < 1e-6
