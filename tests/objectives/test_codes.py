"""Codes that nothing lights up use none, and even use has a known value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from term_harness import make

from mmjax.encoders import MLP
from mmjax.encoders.base import Encoding
from mmjax.model.embedding import Embedding, Quantized, unit_norm
from mmjax.model.heads import HEADS
from mmjax.model.towers import Tower
from mmjax.objectives import Context, TermError
from mmjax.parallel.pairwise import Plan


def overuse(codes):
    term = make({"type": "code_regularizer", "views": ("a",)})
    outputs = {"a": Embedding(codes, unit_norm(codes))}
    return term(outputs, {"id": jnp.arange(len(codes))}, Context(plan=Plan()))[0]


def test_even_use_is_one_and_one_word_for_all_is_the_number_of_words():
    assert overuse(jnp.eye(6)) == pytest.approx(1)
    assert overuse(jnp.eye(6)[jnp.array([2, 2, 2])]) == pytest.approx(6)
    assert overuse(3 * jnp.eye(6)[jnp.array([2, 2, 2])]) == pytest.approx(6)


def test_a_row_without_any_word_has_a_finite_gradient():
    codes = jnp.asarray([[1.0, 2.0], [0.0, 0.0]])
    value, gradient = jax.value_and_grad(overuse)(codes)
    assert value == pytest.approx(2 * ((1 / 6) ** 2 + (2 / 6) ** 2))
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("measure", ["entropy", "commitment"])
def test_tokens_are_rows_but_for_padding(measure):
    term = make({"type": "code_regularizer", "views": ("a",), "measure": measure})
    rng = np.random.default_rng(0)
    z, e = rng.normal(size=(2, 4, 3, 2)).astype(np.float32)
    mask = np.arange(3)[None] < np.array([3, 1, 2, 0])[:, None]

    def loss(z, e, encoding=None):
        mean = z.reshape(len(z), -1)[:, :2]
        embedding = Embedding(mean, unit_norm(mean), encoding, quantized=Quantized(z, e))
        return term({"a": embedding}, {"id": jnp.arange(len(z))}, Context(plan=Plan()))[0]

    want = loss(z[mask], e[mask])
    z[~mask] = np.nan
    assert loss(z, e, Encoding(z[:, 0], z, mask)) == pytest.approx(float(want), rel=1e-5)


def test_entropy_of_bits_needs_bits():
    rngs = nnx.Rngs(0)
    encoder = MLP(inputs=2, hidden=(), width=2, dtype=jnp.float32, rngs=rngs)
    term = make({"type": "code_regularizer", "views": ("a",), "measure": "entropy"})
    for options in ({"type": "lfq", "dim": 2}, {"type": "fsq", "levels": (3, 3)}):
        head = HEADS.spec(**options).build(width=2, dtype=jnp.float32, rngs=rngs)
        towers = {"a": Tower(encoder, head)}
        if options["type"] == "lfq":
            term.check(towers, {})
        else:
            with pytest.raises(TermError, match="which is of the bits of a head of type 'lfq'"):
                term.check(towers, {})
