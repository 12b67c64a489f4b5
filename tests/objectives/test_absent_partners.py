"""Every term there is: a row without one of the modalities that it needs contributes nothing."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import TERMS, Context, Objectives, configs
from mmjax.parallel.pairwise import Plan
from mmjax.recipe import signature

SIZE, DIM, CLASSES = 9, 4, 3
# What a term has to be told beside the sizes below; a new term that needs nothing is tried as it
# is, with the modalities of its own defaults.
OPTIONS = {
    # Of several modalities each has its own rows.
    "uniformity": {"modalities": ("image",)},
    "late_interaction_nce": {"pair": ("image", "text"), "tokens": ()},
    "one_to_k": {"anchor": "image", "others": ("text", "audio")},
}
SIZES = {"classes": CLASSES, "dim": DIM, "width": DIM, "hidden": 6}
# Terms that need more than embeddings and labels, and have a test of absent rows of their own.
OTHERS = ("local_global_nce", "matching")  # tokens of both sides


def spec_of(kind):
    """The config of a term, and the modalities that it compares."""
    fields = signature(TERMS[kind])
    spec = {"type": kind, **OPTIONS.get(kind, {})}
    for name, size in SIZES.items():
        default = fields.get(name, (None, None))[1]
        if default is inspect.Parameter.empty or isinstance(default, int):
            spec[name] = size
    options = {key: value for key, value in spec.items() if key != "type"}
    names = [name for _, name in TERMS.spec(kind, **options).reads()]
    return spec, tuple(dict.fromkeys(names))


@functools.cache
def computed(kind):
    """`(raws, batch) -> value, gradients` of a term, compiled once."""
    spec, names = spec_of(kind)
    graph, state = nnx.split(Objectives(configs({"term": spec}), rngs=nnx.Rngs(0)))
    plan = Plan(schedule="dense")

    @jax.jit
    @jax.value_and_grad
    def loss(raws, batch, teachers):
        outputs, taught = (
            {name: Embedding(raw, unit_norm(raw)) for name, raw in given.items()}
            for given in (raws, teachers)
        )
        context = Context(plan=plan, progress=0.5, rng=jax.random.key(0), teacher=taught)
        return nnx.merge(graph, state, copy=True)(outputs, batch, context)[0]

    return loss, names


@pytest.mark.parametrize("kind", [kind for kind in TERMS if kind not in OTHERS])
@settings(max_examples=6, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32 - 1), part=st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_a_row_without_a_partner_contributes_to_nothing(kind, seed, part):
    loss, names = computed(kind)
    rng = np.random.default_rng(seed)
    raws = {name: rng.normal(size=(SIZE, DIM)).astype(np.float32) for name in names}
    batch = {"id": np.arange(SIZE), "label": rng.integers(0, CLASSES, SIZE).astype(np.int32)}
    valid = np.ones(SIZE, bool)
    for modality in {name.partition("@")[0] for name in names}:
        batch[f"{modality}_present"] = rng.random(SIZE) >= part
        valid &= batch[f"{modality}_present"]
    teachers = {name: rng.normal(size=(SIZE, DIM)).astype(np.float32) for name in names}
    value, grads = loss(raws, batch, teachers)
    assert np.isfinite(value)
    for name in names:
        assert np.isfinite(grads[name]).all(), name
        np.testing.assert_array_equal(grads[name][~valid], 0, err_msg=name)

    # Neither what stands in for the missing one, nor the partners that are there, count.
    def other(given, stand_in):
        return {
            name: np.where(valid[:, None], raw, stand_in).astype(np.float32)
            for name, raw in given.items()
        }

    noise = 30 * rng.normal(size=(SIZE, DIM))
    again, others = loss(other(raws, noise), batch, other(teachers, noise))
    np.testing.assert_array_equal(again, value)
    for name in names:
        np.testing.assert_array_equal(others[name], grads[name])

    # Not even if a tower made no number of it.
    again, others = loss(other(raws, np.nan), batch, other(teachers, np.nan))
    np.testing.assert_array_equal(again, value)
    for name in names:
        np.testing.assert_array_equal(others[name][valid], grads[name][valid])


def test_terms_that_are_not_tried_here_exist():
    assert set(OTHERS) <= set(TERMS)


def test_a_lack_of_everything_is_no_loss():
    """A batch in which no row is whole teaches nothing, and breaks nothing."""
    for kind in ("info_nce", "sigmoid", "barlow_twins"):
        loss, names = computed(kind)
        raws = {name: jnp.ones((SIZE, DIM)) for name in names}
        batch = {"id": np.arange(SIZE), "label": np.zeros(SIZE, np.int32)}
        batch |= {"image_present": batch["id"] < 4, "text_present": batch["id"] >= 4}
        value, grads = loss(raws, batch, raws)
        assert np.isfinite(value)
        assert not any(np.any(g) for g in grads.values())
