"""The kernel for short sequences, by the interpreter: the same numbers, and where it is taken."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import third_party
from encoder_settings import SETTINGS

from mmjax.encoders import ViT, tpu_attention
from mmjax.encoders import attention as module
from mmjax.encoders.tpu_attention import short_attention, takes
from mmjax.parallel import mesh as mesh_lib
from mmjax.preflight import hlo, hlo_cost, topology

interpreted = partial(short_attention, interpret=True)


def operands(batch, places, others, heads, size, dtype=np.float32):
    rng = np.random.default_rng(0)
    return [
        rng.normal(size=(batch, length, heads, size)).astype(dtype)
        for length in (places, others, others)
    ]


def formula(query, key, value, mask=None, causal=False):
    """In float64; where nothing may be attended to, the mean of what causality leaves."""
    query, key, value = (np.asarray(x, np.float64) for x in (query, key, value))
    scores = np.einsum("btnh,bsnh->bnts", query, key) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = np.where(mask[:, None, None], scores, -1e30)
    if causal:
        scores = np.where(np.tri(*scores.shape[2:], dtype=bool), scores, -1e30)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("bnts,bsnh->btnh", weights / weights.sum(-1, keepdims=True), value)


def slopes(attend, given, **options):
    rng = np.random.default_rng(1)
    direction = rng.normal(size=given[0].shape).astype(np.float32)

    @jax.jit
    @partial(jax.value_and_grad, argnums=(0, 1, 2))
    def run(*given):
        return (attend(*given, **options) * direction).sum()

    return jax.tree.leaves(run(*given))


@pytest.mark.parametrize(
    ("shape", "causal", "masked"),
    [
        ((2, 21, 21, 4, 64), False, False),
        ((3, 13, 30, 4, 32), False, True),
        ((3, 17, 17, 2, 128), True, True),
        ((2, 9, 9, 4, 64), True, False),
    ],
)
@pytest.mark.parametrize("each", [True, False])
def test_values_are_the_formula_and_gradients_those_of_the_plain_one(
    shape, causal, masked, each, monkeypatch
):
    given = operands(*shape)
    others = shape[2]
    mask = np.arange(others) < np.array([[others], [others - 4], [0]]) if masked else None
    if each:  # one register of heads in each call
        monkeypatch.setattr(tpu_attention, "_groups", lambda *sizes: 1)
    options = {"mask": mask, "causal": causal}
    found = jax.jit(partial(interpreted, **options))(*given)
    np.testing.assert_allclose(found, formula(*given, **options), atol=2e-6)
    for a, b in zip(
        slopes(interpreted, given, **options),
        slopes(module.attention, given, **options),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=3e-6)


def test_half_precision_is_that_of_the_operands():
    given = operands(2, 21, 21, 2, 64, jnp.bfloat16)
    found = jax.jit(interpreted)(*given)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(found, np.float32), formula(*given), atol=2e-2)


@pytest.mark.parametrize(
    ("query", "others", "dtype", "taken"),
    [
        ((8, 197, 12, 64), 197, jnp.bfloat16, True),  # ViT-B/16
        ((8, 257, 16, 64), 257, jnp.bfloat16, True),  # ViT-L/14
        ((8, 77, 8, 64), 77, jnp.float32, True),
        ((8, 577, 16, 64), 577, jnp.bfloat16, True),  # of 384 pixels: a register in each call
        ((8, 1025, 16, 64), 1025, jnp.bfloat16, False),  # a head's scores are too large
        ((8, 50, 11, 64), 50, jnp.bfloat16, False),  # half a register
        ((8, 50, 16, 80), 50, jnp.bfloat16, False),
        ((8, 50, 16, 64), 50, jnp.float16, False),
        ((8, 1, 12, 64), 197, jnp.bfloat16, False),  # a probe
    ],
)
def test_what_it_takes(query, others, dtype, taken):
    key = (query[0], others, *query[2:])
    assert takes(jnp.zeros(query, dtype), jnp.zeros(key, dtype)) == taken


def test_calls_are_as_large_as_fits():
    half, whole = jnp.bfloat16, jnp.float32
    assert tpu_attention._groups(half, 197, 197, 768) == 6
    assert tpu_attention._groups(half, 577, 577, 1024) == 1
    assert tpu_attention._groups(whole, 257, 257, 1024) == 4


def test_each_device_has_rows_of_its_own():
    given = operands(8, 12, 12, 2, 64)
    mesh = mesh_lib.make_mesh(2, 4, 1)
    rows = mesh_lib.batch_sharding(mesh)
    mask = np.arange(12) < np.arange(5, 13)[:, None]

    @jax.jit
    @jax.grad
    def slope(given):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            assert takes(*given[:2])
            return (interpreted(*given[:3], mask=given[3]) ** 2).sum()

    placed = jax.device_put((*given, mask.astype(np.float32)), rows)
    text = slope.lower(placed).compile().as_text()
    assert not [kind for kind in ("all-gather", "all-to-all", "permute") if kind in text]
    alone = jax.grad(lambda given: (interpreted(*given[:3], mask=given[3]) ** 2).sum())
    for a, b in zip(slope(placed)[:3], jax.jit(alone)((*given, mask * 1.0))[:3], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_batch_or_a_mesh_that_does_not_divide_is_not_taken():
    query = jnp.zeros((6, 12, 2, 64))
    for shape in ((2, 2, 1), (2, 1, 2)):  # 6 rows on 4 devices; heads split over `tensor`
        mesh = mesh_lib.make_mesh(*shape, jax.devices()[:4])
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            assert not takes(query, query)


@pytest.fixture
def tpu(monkeypatch):
    """Tracing as for a TPU, whose kernel the interpreter runs; counts its calls."""
    calls = []

    def counted(*given, **options):
        calls.append(given[0].shape)
        return interpreted(*given, **options)

    monkeypatch.setattr(module, "device_kind", lambda: "TPU v5")
    monkeypatch.setattr(tpu_attention, "short_attention", counted)
    return calls


def test_an_encoder_computes_the_same_with_it(tpu, make, monkeypatch):
    options = {**SETTINGS[ViT].small, "width": 128, "heads": 2}
    vit = make(ViT, **options)
    x = np.random.default_rng(0).normal(size=(3, *vit.image_size, 3)).astype(np.float32)

    def pooled():
        return jax.jit(lambda module, x: module(x).pooled)(vit, x)

    found = pooled()
    assert tpu
    count = len(tpu)
    monkeypatch.setenv(module.PLAIN, "1")
    np.testing.assert_allclose(found, pooled(), atol=1e-5)
    assert len(tpu) == count


def test_what_the_kernel_does_not_know_goes_the_plain_way(tpu):
    given = operands(2, 8, 8, 2, 64)
    for options in (
        {"bias": jnp.zeros((2, 8, 8))},
        {"window": jnp.ones((8, 8), bool)},
        {"drop": 0.5, "rng": jax.random.key(0)},
    ):
        module.attention(*given, **options)
    with module.portable():
        module.attention(*given)
    assert not tpu
    module.attention(*given, drop=0.5)  # nothing is dropped without random numbers
    assert len(tpu) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "share"),  # slices of the batch stay in the VMEM of two of them
    [("v5e:2x2", 0.8), ("v5p:2x2x1", 0.5), ("v6e:2x2", 0.8), ("tpu7x:2x2x1", 0.5)],
)
def test_compiled_ahead_of_time_it_moves_fewer_bytes(name, share, monkeypatch):
    third_party.needs("libtpu")
    mesh = mesh_lib.make_mesh(2, 2, 1, topology.devices(name)[:4])
    rows, everywhere = mesh_lib.batch_sharding(mesh), mesh_lib.replicated(mesh)
    x = jax.ShapeDtypeStruct((256, 197, 768), jnp.bfloat16, sharding=rows)
    kernel = jax.ShapeDtypeStruct((768, 2304), jnp.bfloat16, sharding=everywhere)

    def cost():
        @jax.jit
        @partial(jax.grad, argnums=(0, 1))
        def slope(x, kernel):
            with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
                three = jnp.split((x @ kernel).reshape(256, 197, 36, 64), 3, axis=2)
                return (module.attention(*three, sliced=True).astype(jnp.float32) ** 2).sum()

        text = slope.lower(x, kernel).compile().as_text()
        return text.count('custom_call_target="tpu_custom_call"'), hlo_cost.cost(hlo.parse(text))

    calls, ours = cost()
    monkeypatch.setenv(module.PLAIN, "1")
    none, plain = cost()
    assert (calls, none) == (2, 0)
    assert ours.memory < share * plain.memory
    assert ours.flops == pytest.approx(plain.flops, rel=0.01)


def test_a_program_for_tpus_is_that_of_tpus_wherever_it_is_compiled(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(module, "device_kind", lambda: "TPU v5")
    assert module.on_tpu()
    assert not module.on_gpu()
