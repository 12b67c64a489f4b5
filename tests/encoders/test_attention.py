"""Attention in slices of the batch: the same numbers, less memory, nothing that travels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax._src.cudnn import fused_attention_stablehlo

from mmjax.encoders import ViT
from mmjax.encoders import attention as module
from mmjax.encoders.attention import attention
from mmjax.parallel import mesh as mesh_lib
from mmjax.preflight import hlo, hlo_cost

BATCH, LENGTH, HEADS, SIZE = 24, 7, 2, 4
SCORES = 4 * HEADS * LENGTH * LENGTH  # bytes of one example


@pytest.fixture
def operands(getkey):
    shape = (BATCH, LENGTH, HEADS, SIZE)
    return tuple(jax.random.normal(getkey(), shape) for _ in range(3))


def gradients(operands, **options):
    def loss(operands):
        return jnp.sum(jnp.sin(attention(*operands, **options)))

    return jax.jit(jax.value_and_grad(loss))(operands)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_slices_change_no_number(operands, causal, masked, monkeypatch):
    mask = jnp.arange(LENGTH) < jnp.arange(1, BATCH + 1)[:, None] if masked else None
    options = {"causal": causal, "mask": mask}
    if causal:
        options |= {"drop": 0.3, "rng": jax.random.key(1)}
    whole = gradients(operands, **options)
    monkeypatch.setattr(module, "SCORES_BYTES", 5 * SCORES)
    assert module.slices(*operands[:2]) == 6
    text = jax.jit(lambda o: attention(*o, sliced=True, **options)).lower(operands).as_text()
    assert "while" in text
    for a, b in zip(
        jax.tree.leaves(gradients(operands, sliced=True, **options)),
        jax.tree.leaves(whole),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_keys_are_left_out_before_the_softmax(operands):
    """By the formula, with the keys that are drawn; the others take over, nothing is rescaled."""
    rng, drop = jax.random.key(3), 0.9
    mask = np.arange(LENGTH) < 1 + np.arange(BATCH)[:, None] % LENGTH
    each = jax.random.split(rng, BATCH)
    kept = np.stack([jax.random.bernoulli(own, 0.1, (HEADS, LENGTH, LENGTH)) for own in each])
    assert 0.85 < 1 - kept.mean() < 0.95
    assert (kept[:, 0] != kept[:, 1]).any(axis=(1, 2)).all()  # of each head
    assert (kept[0] != kept[1]).any()
    assert (kept[:, :, 0] != kept[:, :, 1]).any()
    seen = mask[:, None, None, :] & np.tri(LENGTH, dtype=bool)
    left = kept & seen
    lost = ~left.any(-1, keepdims=True)
    assert lost.any()
    assert not lost.all()
    left = np.where(lost, seen, left)
    query, key, value = (np.asarray(x, np.float64) for x in operands)
    weight = np.exp(np.einsum("btnh,bsnh->bnts", query, key) / SIZE**0.5) * left
    want = np.einsum("bnts,bsnh->btnh", weight / weight.sum(-1, keepdims=True), value)
    found = attention(*operands, mask=jnp.asarray(mask), causal=True, drop=drop, rng=rng)
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)
    again = attention(*operands, mask=jnp.asarray(mask), causal=True, drop=drop, rng=each)
    np.testing.assert_array_equal(again, found)


def test_nothing_is_left_out_at_rate_0_or_without_random_numbers(operands):
    plain = jax.jit(lambda *o: attention(*o)).lower(*operands).as_text()
    for options in ({"drop": 0.0, "rng": jax.random.key(0)}, {"drop": 0.5, "rng": None}):
        text = jax.jit(lambda *o, options=options: attention(*o, **options)).lower(*operands)
        assert text.as_text() == plain


@pytest.mark.parametrize(
    ("batch", "fit", "count"),
    [(24, 24, 1), (24, 23, 2), (24, 5, 6), (24, 0.5, 24), (23, 5, 23), (1, 0.5, 1), (0, 5, 1)],
)
def test_slices_are_equal_and_fit(batch, fit, count, monkeypatch):
    monkeypatch.setattr(module, "SCORES_BYTES", int(fit * SCORES))
    x = jax.ShapeDtypeStruct((batch, LENGTH, HEADS, SIZE), jnp.float32)
    assert module.slices(x, x) == count


def test_small_batches_are_not_sliced(operands):
    text = jax.jit(lambda *o: attention(*o, sliced=True)).lower(*operands).as_text()
    assert "while" not in text


def test_on_a_mesh_nothing_travels(operands, monkeypatch):
    monkeypatch.setattr(module, "SCORES_BYTES", SCORES)
    mesh = mesh_lib.make_mesh(data=4, fsdp=2)
    placed = jax.device_put(operands, mesh_lib.batch_sharding(mesh))

    def both(operands):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            # Three rows on each of eight devices, one of each in a slice.
            assert module.slices(*operands[:2]) == 3
            value, pull = jax.vjp(lambda o: attention(*o, sliced=True), operands)
            return value, pull(value)

    compiled = jax.jit(both).lower(placed).compile()
    assert hlo_cost.cost(hlo.parse(compiled.as_text())).collectives == ()
    value, _ = compiled(placed)
    assert value.sharding.is_equivalent_to(mesh_lib.batch_sharding(mesh), value.ndim)
    np.testing.assert_allclose(value, attention(*operands), rtol=1e-6, atol=1e-6)


def test_scores_are_never_all_there(monkeypatch):
    batch, length = 32, 64
    scores = 4 * HEADS * length * length
    shape = jax.ShapeDtypeStruct((batch, length, HEADS, SIZE), jnp.float32)

    def temporaries(sliced):
        def loss(operands):
            return jnp.sum(attention(*operands, sliced=sliced) ** 2)

        compiled = jax.jit(jax.grad(loss)).lower((shape,) * 3).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    monkeypatch.setattr(module, "SCORES_BYTES", scores)
    assert temporaries(False) > batch * scores
    assert temporaries(True) < batch * scores / 2


@pytest.fixture
def on_gpu(monkeypatch):
    """Tracing as on a GPU with cuDNN, which is not here: programs are lowered, not run."""
    cudnn = fused_attention_stablehlo
    monkeypatch.setattr(cudnn, "check_cudnn_version", lambda: 91000)
    for name in ("check_compute_capability", "is_cuda_compute_capability_equal"):
        monkeypatch.setattr(cudnn, name, lambda capability: capability == "9.0")
    monkeypatch.setattr(module, "on_gpu", lambda: not module._portable.get())


HALF = (8, 198, 4, 64)  # B T N H, with as many keys


def lowered(options, dtype=jnp.bfloat16, shape=HALF):
    """The program of a loss and its gradients for an NVIDIA GPU."""
    operands = (jax.ShapeDtypeStruct(shape, dtype),) * 3

    def loss(operands):
        return attention(*operands, sliced=True, **options).astype(jnp.float32).sum()

    traced = jax.jit(jax.value_and_grad(loss)).trace(operands)
    return traced.lower(lowering_platforms=("cuda",)).as_text()


MASK = np.arange(198) < np.array([[198]] * 4 + [[7]] * 4)
BIAS = jnp.zeros((4, 198, 198))


@pytest.mark.parametrize(
    ("options", "length"),
    [
        ({}, 198),
        ({"causal": True}, 198),
        ({"mask": MASK}, 198),
        ({"bias": BIAS}, 198),
        ({"causal": True, "bias": BIAS}, 198),
        ({}, 197),
        ({"causal": True}, 77),
        ({"mask": MASK[:, :77]}, 77),
        ({"bias": BIAS[:, :77, :77]}, 77),
    ],
)
def test_a_gpu_has_cudnns_kernels_and_no_scores(options, length, on_gpu):
    text = lowered(options, shape=(8, length, 4, 64))
    assert "__cudnn$fmha" in text
    assert "Backward" in text
    for size in (length, length + 1):
        assert f"8x4x{size}x{size}x" not in text
    assert "stablehlo.while" not in text  # no slices
    assert "stablehlo.exponential" not in text


@pytest.mark.parametrize(
    ("options", "dtype", "shape"),
    [
        ({}, jnp.float32, HALF),
        ({}, jnp.bfloat16, (8, 198, 4, 60)),
        ({}, jnp.bfloat16, (8, 198, 2, 136)),
        ({"mask": MASK, "causal": True}, jnp.bfloat16, HALF),
        ({"mask": MASK, "bias": BIAS}, jnp.bfloat16, HALF),
        ({"window": np.tri(198, dtype=bool)}, jnp.bfloat16, HALF),
        ({"drop": 0.5, "rng": jax.random.key(0)}, jnp.bfloat16, HALF),
    ],
)
def test_what_cudnn_does_not_take_is_computed_plainly(options, dtype, shape, on_gpu):
    text = lowered(options, dtype, shape)
    assert "__cudnn" not in text
    assert "stablehlo.exponential" in text
    assert "stablehlo.while" not in text or "drop" in options  # of random numbers


def test_portable_programs_have_no_kernels_of_a_gpu(on_gpu):
    with module.portable():
        text = lowered({})
    assert "__cudnn" not in text
    assert "__cudnn" in lowered({})


def test_an_encoder_on_a_gpu_has_the_kernels_in_its_scan(on_gpu):
    options = {"image_size": (32, 32), "patch": 8, "width": 64, "depth": 3, "heads": 1}
    encoder = ViT(**options, remat="dots", dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    graphdef, state = nnx.split(encoder)

    def loss(state):
        images = jnp.zeros((4, 32, 32, 3))
        return nnx.merge(graphdef, state)(images).pooled.astype(jnp.float32).sum()

    text = jax.jit(jax.grad(loss)).trace(state).lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("__cudnn$fmhaSoftmax(") >= 1
    assert "__cudnn$fmhaSoftmaxBackward" in text


@pytest.mark.parametrize(
    ("kind", "places", "size"),
    [
        ("whole", 6, 6),
        ("whole", 5, 7),
        ("masked", 6, 6),
        ("masked", 6, 5),
        ("causal", 7, 7),
        ("bias", 5, 7),
    ],
)
def test_what_cudnn_is_asked_is_the_plain_formula(kind, places, size, monkeypatch):
    """With jax's own formula in the kernels' place, of the same lengths and moved keys."""
    rng = np.random.default_rng(0)
    operands = [
        jnp.asarray(rng.normal(size=(4, count, 2, 8)), jnp.float32)
        for count in (places, size, size)
    ]
    mask = rng.random((4, size)) < 0.5
    mask[0], mask[1] = True, np.arange(size) == 4
    options = {
        "whole": {},
        "masked": {"mask": mask},
        "causal": {"causal": True},
        "bias": {"bias": jnp.asarray(rng.normal(size=(2, places, size)), jnp.float32)},
    }[kind]

    def loss(operands, bias):
        given = options if bias is None else {"bias": bias}
        return jnp.sin(attention(*operands, **given).astype(jnp.float32)).sum()

    def both():
        gradients = jax.jit(jax.value_and_grad(lambda *args: loss(*args), argnums=(0, 1)))
        return gradients(operands, options.get("bias"))

    want = both()
    monkeypatch.setattr(module, "on_gpu", lambda: True)
    monkeypatch.setattr(module, "fused", lambda *_, **__: True)  # in single precision, too
    monkeypatch.setattr(module, "CUDNN", "xla")
    asked = str(jax.make_jaxpr(lambda o: attention(*o, **options))(operands))
    assert ("sort" in asked) is (kind == "masked")
    for a, b in zip(jax.tree.leaves(both()), jax.tree.leaves(want), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_the_plain_formula_can_be_asked_for(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert module.on_gpu()
    monkeypatch.setenv("MMJAX_PLAIN_ATTENTION", "1")
    assert not module.on_gpu()
    monkeypatch.setenv("MMJAX_PLAIN_ATTENTION", "0")
    with module.portable():
        assert not module.on_gpu()
