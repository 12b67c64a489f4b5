"""Codes that nothing lights up use none, and even use has a known value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from term_harness import make

from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context
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
