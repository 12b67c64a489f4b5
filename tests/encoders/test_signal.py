"""Signal encoders: padding, odd lengths, missing leads, published sizes, formulas in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax.encoders import SignalResNet, SignalTransformer, parameter_count

KINDS = [
    (SignalTransformer, {}),
    (SignalTransformer, {"pool": "cls", "stem": "conv", "patch": 2}),
    (SignalTransformer, {"pool": "map", "positions": "sincos"}),
    (SignalResNet, {}),
    (SignalResNet, {"stem": "imagenet", "norm": "group", "pool": "max"}),
    (SignalResNet, {"stem": "imagenet", "dims": 2, "block": "bottleneck"}),
]


def signals(rows, length, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, length, 3)).astype(np.float32)


def padded(x, length):
    behind = ((0, 0), (0, length - x.shape[1]), (0, 0))
    return np.pad(x, behind, constant_values=np.nan)


@pytest.mark.smoke
@pytest.mark.parametrize(("encoder", "options"), KINDS)
def test_padding_changes_nothing(make, run, encoder, options):
    """Of signals of odd lengths, alone and with NaN behind them."""
    module = make(encoder, **options)
    for length in (23, 36):
        x = signals(3, length)
        alone = run(module, x)
        out = run(module, padded(x, 40))
        np.testing.assert_allclose(out.pooled, alone.pooled, atol=3e-6)
        count = int(alone.mask[0].sum())
        assert alone.mask[:, :count].all()
        np.testing.assert_array_equal(out.mask[:, :count], True)
        np.testing.assert_array_equal(out.mask[:, count:], False)
        np.testing.assert_allclose(out.tokens[:, :count], alone.tokens[:, :count], atol=3e-5)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_padding_is_in_no_statistic_of_training(make, run, norm):
    options = {"norm": norm, "stem": "imagenet"}
    x, modules = signals(4, 31), [make(SignalResNet, **options) for _ in range(2)]
    short = run(modules[0], x, train=True)
    long = run(modules[1], padded(x, 40), train=True)
    np.testing.assert_allclose(long.pooled, short.pooled, atol=1e-5)
    statistics = [nnx.state(m, nnx.BatchStat) for m in modules]
    for a, b in zip(*map(jax.tree.leaves, statistics), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_absent_signals_are_in_no_statistic_of_training(make):
    """A batch with placeholders trains as the batch without them."""
    x, present = signals(4, 24), np.asarray([True, False, True, False])
    there, without = (make(SignalResNet, blocks=(1,), widths=(8,)) for _ in range(2))
    x[1::2] = 7.0

    @nnx.jit
    def pooled(module, x, present):
        return module(x, train=True, present=present).pooled

    y = np.asarray(pooled(there, x, present))
    z = pooled(without, x[::2], present[::2])
    np.testing.assert_allclose(y[::2], z, atol=1e-5)
    assert np.isfinite(y).all()
    for a, b in zip(
        *(jax.tree.leaves(nnx.state(m, nnx.BatchStat)) for m in (there, without)), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(("encoder", "options"), KINDS)
def test_missing_signals_and_leads_are_finite(make, run, gradient, encoder, options):
    module, x = make(encoder, **options), signals(3, 40)
    x[0], x[1, :, 2], x[2, 9:21] = np.nan, np.nan, np.nan
    value, grads = gradient(module, x)
    assert np.isfinite(value)
    for path, g in grads.items():
        assert np.isfinite(g).all(), path
    out = run(module, x)
    zeros = run(module, np.nan_to_num(x))
    np.testing.assert_allclose(out.pooled[1], zeros.pooled[1], atol=2e-6)  # a lead is 0
    assert np.abs(out.pooled[2] - zeros.pooled[2]).max() > 1e-3  # a gap is no signal of zeros


@pytest.mark.parametrize("encoder", [SignalTransformer, SignalResNet])
def test_channels_first_is_the_transpose(make, run, encoder):
    x = signals(3, 36)
    one = run(make(encoder), x)
    other = run(make(encoder, channels_first=True), x.transpose(0, 2, 1))
    np.testing.assert_allclose(one.pooled, other.pooled, atol=1e-6)


def test_patches_in_numpy(make, run):
    """The embedding of patches, by the formula in float64; the blocks are set to do nothing."""
    module = make(SignalTransformer, positions="sincos")
    for name in ("attention", "mlp"):
        block = getattr(module.transformer.blocks, name)
        last = block.out if name == "attention" else block.down
        for value in (last.kernel, last.bias):
            value[...] = np.zeros(value.shape, np.float32)
    x = signals(2, 37)
    cut = np.pad(x.astype(np.float64), ((0, 0), (0, 3), (0, 0))).reshape(2, 10, 12)
    project = module.stem.project
    y = cut @ np.float64(project.kernel[...]) + np.float64(project.bias[...])
    t, k = np.arange(10)[:, None], np.arange(8)
    angle = t * 10_000.0 ** (-k / 7)
    y = y + np.concatenate([np.sin(angle), np.cos(angle)], 1)
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-6)
    norm = module.transformer.norm
    y = y * np.float64(norm.scale[...]) + np.float64(norm.bias[...])
    out = run(module, x)
    np.testing.assert_allclose(out.tokens, y, atol=1e-4)
    np.testing.assert_allclose(out.pooled, y.mean(1), atol=1e-4)


def test_a_convolution_in_numpy(make, run):
    """Stem and one block of a 1-D network, by the formula in float64."""
    module = make(SignalResNet, blocks=(1,), widths=(8,), stem="imagenet", norm="layer")
    x = signals(1, 21)[0].astype(np.float64)

    def conv(x, layer, stride=1):
        kernel = np.float64(layer.kernel[...])
        size = len(kernel)
        x = np.pad(x, ((size // 2, size // 2), (0, 0)))
        starts = range(0, len(x) - size + 1, stride)
        return np.stack([np.einsum("kc,kcd->d", x[t : t + size], kernel) for t in starts])

    def norm(x, layer):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * np.float64(layer.norm.scale[...]) + np.float64(layer.norm.bias[...])

    y = np.maximum(norm(conv(x, module.stem, 2), module.stem_norm), 0)
    y = np.pad(y, ((1, 1), (0, 0)), constant_values=-np.inf)
    y = np.stack([y[t : t + 3].max(0) for t in range(0, len(y) - 2, 2)])
    block = module.blocks[0]
    z = np.maximum(norm(conv(y, block.convs[0]), block.norms[0]), 0)
    y = np.maximum(y + norm(conv(z, block.convs[1]), block.norms[1]), 0)
    out = run(module, np.float32(x[None]))
    np.testing.assert_allclose(out.tokens[0], y, atol=1e-4)


@pytest.mark.parametrize(
    ("encoder", "options", "tokens", "count"),
    [
        # ResNet-18 of torchvision, whose first convolution sees one channel: Symile-MIMIC's.
        (SignalResNet, {"dims": 2}, 157, 11_689_512 - 513 * 1000 - 2 * 64 * 49),
        # Its 3x3 kernels become ones of 3, its 7x7 of 3 channels a 7 of 12; 1x1 and norms stay.
        (
            SignalResNet,
            {"dims": 1},
            157,
            (11_176_512 - 64 * 3 * 49 - 172_032 - 9_600) // 3 + 64 * 12 * 7 + 172_032 + 9_600,
        ),
        # ViT-B/16's blocks, class token, norm and 197 positions behind MoRE's two convolutions.
        (
            SignalTransformer,
            {"pool": "cls", "stem": "conv", "patch": 5, "length": 5000 // 5},
            197,
            86_567_656
            - 769 * 1000
            - (768 * 768 + 768)
            + 60 * 256
            + 256
            + 5 * 256 * 768
            + 2 * (256 + 768),
        ),
    ],
)
def test_published_sizes(encoder, options, tokens, count):
    module = nnx.eval_shape(
        lambda: encoder(**options, channels_first=True, dtype=jnp.float32, rngs=nnx.Rngs(0))
    )
    length = options.get("length", 5000)
    out = jax.eval_shape(encoder.__call__, module, jnp.zeros((1, 12, length)))
    assert out.tokens.shape[1] == tokens
    assert parameter_count(module) == count
