"""Values and gradients of every term, under every schedule and mesh, against float64 formulas."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import objective_formulas as formulas
import pytest
from flax import nnx
from jax.sharding import AxisType

from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context, Objectives, configs
from mmjax.parallel.pairwise import Plan

LOG_SCALE = np.log(1 / 0.07)


def info_nce(x, y, p, ids):
    return formulas.info_nce(x, y, p["temperature/log_scale"])


def info_nce_masked(x, y, p, ids):
    return formulas.info_nce(
        x, y, LOG_SCALE, weights=(0.3, 0.7), smoothing=0.1, counted=formulas.not_duplicate(ids)
    )


def sigmoid(x, y, p, ids):
    return formulas.sigmoid(x, y, p["temperature/log_scale"], p["bias"])


def sigmoid_masked(x, y, p, ids):
    return formulas.sigmoid(x, y, np.log(5.0), -2.0, counted=formulas.not_duplicate(ids))


def uniformity(x, y, p, ids):
    return (formulas.uniformity(x, 2.0) + formulas.uniformity(y, 2.0)) / 2


def cross_uniformity(x, y, p, ids):
    return formulas.cross_uniformity(x, y, 3.0)


def alignment(x, y, p, ids):
    return formulas.alignment(x, y)


# formula, and the config of the term that should equal it
CASES = {
    "info_nce": (info_nce, {"type": "info_nce"}),
    "info_nce_masked": (
        info_nce_masked,
        {
            "type": "info_nce",
            "learn_temperature": False,
            "direction_weights": (0.3, 0.7),
            "label_smoothing": 0.1,
            "duplicates": "mask",
        },
    ),
    "sigmoid": (sigmoid, {"type": "sigmoid"}),
    "sigmoid_masked": (
        sigmoid_masked,
        {
            "type": "sigmoid",
            "temperature": 0.2,
            "learn_temperature": False,
            "bias": -2.0,
            "learn_bias": False,
            "duplicates": "mask",
        },
    ),
    "uniformity": (uniformity, {"type": "uniformity"}),
    "cross_uniformity": (cross_uniformity, {"type": "cross_uniformity", "t": 3.0}),
    "alignment": (alignment, {"type": "alignment"}),
}
MESHES = ((1, 1), (2, 1), (4, 1), (8, 1), (2, 4), (4, 2))


def mesh_of(data, fsdp):
    return jax.make_mesh(
        (data, fsdp, 1),
        ("data", "fsdp", "tensor"),
        axis_types=(AxisType.Auto,) * 3,
        devices=jax.devices()[: data * fsdp],
    )


def batch_of(size, seed=0, dim=5):
    """Raw embeddings of two modalities, of which the second follows the first, and ids."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(size, dim)).astype(np.float32)
    y = (x + rng.normal(size=(size, dim))).astype(np.float32)
    return x, y, (np.arange(size) * 3) // 4  # every third id is there twice


@functools.cache
def expected(case, size, keep=None):
    """The formula's value and gradients, on the kept rows alone."""
    formula, spec = CASES[case]
    x, y, ids = batch_of(size)
    kept = np.ones(size, bool) if keep is None else np.array(keep)
    params = parameters(term_of(spec))
    names = list(params)
    value, grads = formulas.value_and_grad(
        lambda x, y, *p: formula(x, y, dict(zip(names, p, strict=True)), ids[kept]),
        x[kept],
        y[kept],
        *params.values(),
    )
    spread = []
    for grad in grads[:2]:
        whole = np.zeros(x.shape)
        whole[kept] = grad
        spread.append(whole)
    return value, spread, dict(zip(names, grads[2:], strict=True))


def term_of(spec):
    return Objectives(configs({"term": spec}), rngs=nnx.Rngs(0))


def parameters(objectives):
    _, state = nnx.split(objectives.terms["term"])
    return {"/".join(path): np.asarray(v[...]) for path, v in nnx.to_flat_state(state)}


def computed(spec, plan, x, y, batch, dtype=jnp.float32):
    """Value, gradients of the raw embeddings and of the parameters, and metrics, all under jit."""
    graph, state = nnx.split(term_of(spec))

    @functools.partial(jax.value_and_grad, argnums=(0, 1, 2), has_aux=True)
    def loss(state, x, y):
        outputs = {
            name: Embedding(raw, unit_norm(raw).astype(dtype))
            for name, raw in (("image", x), ("text", y))
        }
        return nnx.merge(graph, state)(outputs, batch, Context(plan=plan, progress=0.5))

    (value, metrics), (d_state, dx, dy) = jax.jit(loss)(state, x, y)
    flat = {"/".join(path[2:]): v[...] for path, v in nnx.to_flat_state(d_state)}
    return value, (dx, dy), flat, metrics


@pytest.mark.parametrize("shape", MESHES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("schedule", ["dense", "gather", "ring"])
@pytest.mark.parametrize("case", CASES)
def test_equals_the_formula(case, schedule, shape):
    x, y, ids = batch_of(24)
    plan = Plan(mesh_of(*shape), schedule=schedule, tile=5)
    value, grads, d_params, _ = computed(CASES[case][1], plan, x, y, {"id": ids})
    want, want_grads, want_params = expected(case, 24)
    assert formulas.error(value, want) < 1e-6
    assert formulas.error(grads[0], want_grads[0]) < 1e-6
    assert formulas.error(grads[1], want_grads[1]) < 1e-6
    assert d_params.keys() == want_params.keys()
    for name in d_params:
        assert formulas.error(d_params[name], want_params[name]) < 2e-6, name


@pytest.mark.parametrize(("order", "sign"), [(1, -1), (-1, 1)], ids=["inwards", "outwards"])
def test_a_scale_is_held_above_its_least(order, sign):
    """The value is that of the bound; only a gradient that leads back inside passes."""
    x, y, ids = batch_of(24)
    y = y[::order]  # pairs, which want a larger scale, or strangers
    want, (dx, _, d_scale) = formulas.value_and_grad(formulas.info_nce, x, y, np.log(2.0))
    assert np.sign(d_scale) == sign
    objectives = term_of({"type": "info_nce", "temperature": 0.1, "min_scale": 2.0})
    objectives.terms["term"].temperature.log_scale[...] = np.log(1.5)  # where Adam may leave it
    graph, state = nnx.split(objectives)

    def loss(state, x):
        outputs = {
            name: Embedding(raw, unit_norm(raw)) for name, raw in (("image", x), ("text", y))
        }
        return nnx.merge(graph, state)(outputs, {"id": ids}, Context(plan=Plan(), progress=0.5))

    (value, metrics), (d_state, d_image) = jax.value_and_grad(loss, (0, 1), has_aux=True)(state, x)
    assert formulas.error(value, want) < 1e-6
    np.testing.assert_allclose(metrics["term/scale"], 2.0, rtol=1e-6)
    assert formulas.error(d_image, dx) < 1e-6
    ((_, moved),) = nnx.to_flat_state(d_state)
    np.testing.assert_allclose(moved[...], d_scale if sign < 0 else 0.0, rtol=1e-5)


@pytest.mark.parametrize("schedule", ["dense", "gather", "ring"])
@pytest.mark.parametrize("case", CASES)
def test_absent_rows_enter_nothing(case, schedule):
    x, y, ids = batch_of(24)
    image, text = np.arange(24) % 5 != 3, np.arange(24) % 7 != 0
    batch = {"id": ids, "image_present": image, "text_present": text}
    plan = Plan(mesh_of(2, 2), schedule=schedule, tile=4)
    if case == "uniformity":  # needs one modality at a time, so that each has its own rows
        spec = {"type": "uniformity", "modalities": ("image",)}
        value, grads, *_ = computed(spec, plan, x, y, batch)
        want, (dx,) = formulas.value_and_grad(lambda x: formulas.uniformity(x, 2.0), x[image])
        assert formulas.error(value, want) < 1e-6
        assert formulas.error(grads[0][image], dx) < 1e-6
        np.testing.assert_array_equal(grads[0][~image], 0)
        return
    # What stands in for a missing value may be anything.
    x[~image], y[~text] = np.nan, np.inf
    value, grads, _, metrics = computed(CASES[case][1], plan, x, y, batch)
    want, want_grads, _ = expected(case, 24, tuple(image & text))
    assert formulas.error(value, want) < 1e-6
    for grad, raw, want_grad in zip(grads, (x, y), want_grads, strict=True):
        finite = np.isfinite(raw).all(1)
        assert formulas.error(grad[finite], want_grad[finite]) < 1e-6
    if "term/chance" in metrics:
        np.testing.assert_allclose(metrics["term/chance"], np.log((image & text).sum()), rtol=1e-6)
