"""What every encoder promises: shapes, dtypes, determinism, dropout, gradients, one-line errors."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import structure_settings
from encoder_settings import SMALL
from flax import nnx

from mmjax.encoders import (
    CNN14,
    ENCODERS,
    HTSAT,
    MLP,
    AudioTransformer,
    EncoderError,
    ResNet,
    TextTransformer,
    ViT,
)
from mmjax.encoders.ast import SpectrogramTransformer
from mmjax.encoders.efficientnet import EfficientNetLite
from mmjax.encoders.signal import SignalTransformer
from mmjax.encoders.signal_resnet import SignalResNet
from mmjax.encoders.tokens import TokenMLP

DROPPING = [
    *structure_settings.DROPPING,
    (MLP, {"dropout": 0.3}),
    (ViT, {"dropout": 0.3}),
    (ViT, {"drop_path": 0.9}),
    (ViT, {"patch_dropout": 0.5, "pool": "mean"}),
    (TextTransformer, {"dropout": 0.3}),
    (TextTransformer, {"drop_path": 0.9}),
    (ResNet, {"drop_path": 0.9, "norm": "layer"}),
    (HTSAT, {"drop_path": 0.9}),
    (CNN14, {"dropout": 0.2, "norm": "layer"}),
]
EVERY = [
    *structure_settings.EVERY,
    (MLP, {}),
    (MLP, {"hidden": (), "activation": "gelu"}),
    (ViT, {}),
    (ViT, {"pool": "mean", "positions": "sincos", "registers": 2, "layer_scale": 0.1}),
    (ViT, {"pool": "map", "activation": "swiglu", "bias": False, "init": "xavier"}),
    (ViT, {"stem": "conv", "pre_norm": True, "patch_bias": False, "init": "clip"}),
    (TextTransformer, {}),
    (
        TextTransformer,
        {"causal": False, "pool": "cls", "norm": "post", "embedding_norm": True, "segments": 2},
    ),
    (TextTransformer, {"causal": False, "pool": "pooler", "norm": "post"}),
    (TextTransformer, {"causal": False, "pool": "map", "activation": "gelu_tanh"}),
    (TextTransformer, {"pool": "last", "activation": "quick_gelu", "init": "clip"}),
    (ResNet, {}),
    (ResNet, {"norm": "group", "pool": "max", "block": "bottleneck", "stem": "imagenet"}),
    (
        ResNet,
        {
            "norm": "layer",
            "pool": "attention",
            "heads": 2,
            "pool_width": 12,
            "stem": "clip",
            "antialias": True,
        },
    ),
    (TokenMLP, {}),
    (TokenMLP, {"pool": "max", "activation": "relu"}),
    (AudioTransformer, {}),
    (AudioTransformer, {"samples": 130, "fusion": "attention"}),
    (CNN14, {}),
    (CNN14, {"norm": "group", "samples": 130, "fusion": "max"}),
    (SignalTransformer, {"pool": "cls", "stem": "conv"}),
    (SignalResNet, {"norm": "group", "pool": "max", "block": "bottleneck"}),
    (SignalResNet, {"dims": 2, "stem": "imagenet", "norm": "layer"}),
    (SpectrogramTransformer, {}),
    (HTSAT, {}),
]


@pytest.mark.parametrize(("encoder", "options"), EVERY)
def test_shapes_and_gradients(make, inputs, gradient, encoder, options):
    module, x = make(encoder, **options), inputs(encoder)
    out = jax.eval_shape(encoder.__call__, module, x)
    assert out.pooled.shape == (3, module.width)
    assert out.pooled.dtype == jnp.float32
    if out.tokens is not None:
        assert out.tokens.shape[0] == 3
        assert out.tokens.ndim == 3
    if out.mask is not None:
        assert out.mask.shape == out.tokens.shape[:2]
    value, grads = gradient(module, x)
    assert np.isfinite(value)
    idle = {path for path, g in grads.items() if not np.any(g)}
    for path, g in grads.items():
        assert np.all(np.isfinite(g)), path
    # All parameters learn, but for the biases of keys: they add the same number to all scores of a
    # query, which softmax ignores.
    assert {path for path in idle if not path.endswith("key/bias")} == set()


@pytest.mark.parametrize(("encoder", "options"), EVERY[::3])
def test_bfloat16_computes_close_to_float32(make, run, inputs, encoder, options):
    x = inputs(encoder, rows=4)
    exact, rough = make(encoder, **options), make(encoder, dtype=jnp.bfloat16, **options)
    for leaf in jax.tree.leaves(nnx.state(rough)):
        assert leaf.dtype == jnp.float32
    a, b = run(exact, x, train=True).pooled, run(rough, x, train=True).pooled
    assert b.dtype == jnp.bfloat16
    a, b = np.asarray(a), np.asarray(b, np.float32)
    assert 0 < np.abs(a - b).max() <= 0.1 * np.abs(a).max()


@pytest.mark.parametrize("encoder", SMALL)
def test_examples_do_not_see_each_other_in_evaluation(make, run, inputs, encoder):
    module, x = make(encoder), inputs(encoder, rows=5)
    together = run(module, x).pooled
    for i in range(5):
        alone = run(module, x[i : i + 1]).pooled[0]
        np.testing.assert_allclose(alone, together[i], atol=2e-6)


@pytest.mark.parametrize(("encoder", "options"), DROPPING)
def test_dropout_needs_rngs_and_is_off_in_evaluation(make, run, inputs, encoder, options):
    module, x = make(encoder, **options), inputs(encoder, rows=8)

    def pooled(seed, *, train=True):
        return np.asarray(run(module, x, train=train, key=jax.random.key(seed)).pooled)

    with pytest.raises(EncoderError, match=r"needs random numbers: pass rngs="):
        run(module, x, train=True)
    quiet = pooled(0, train=False)
    np.testing.assert_array_equal(pooled(1, train=False), quiet)
    np.testing.assert_array_equal(pooled(1), pooled(1))
    assert np.abs(pooled(1) - pooled(2)).max() > 1e-3
    assert np.abs(pooled(1) - quiet).max() > 1e-3


def test_every_encoder_of_a_recipe_is_tested_here():
    # EfficientNet-Lite has fifty layers at its smallest, and tests of its own.
    assert set(ENCODERS.values()) == {*SMALL, EfficientNetLite}


@pytest.mark.smoke
@pytest.mark.parametrize("encoder", SMALL)
def test_no_dropout_needs_no_rngs(make, run, inputs, encoder):
    assert np.all(np.isfinite(run(make(encoder), inputs(encoder), train=True).pooled))


@pytest.mark.parametrize(
    ("encoder", "options", "message"),
    [
        *structure_settings.WRONG_OPTIONS,
        (MLP, {"inputs": 0}, r"^inputs=0: at least 1 is needed$"),
        (MLP, {"hidden": (8, 0)}, r"^hidden=\(8, 0\): every layer needs at least 1 unit$"),
        (MLP, {"activation": "tanh"}, r"^activation='tanh' is not one of 'relu', 'gelu', "),
        (MLP, {"dropout": 1.0}, r"^dropout=1.0 is not in \[0, 1\)$"),
        (ViT, {"patch": 5}, r"^image_size=\(16, 24\) is not divisible by patch=5$"),
        (ViT, {"patch": 0}, r"^patch=0: at least 1"),
        (ViT, {"heads": 3}, r"^heads=3 does not divide width=16$"),
        (ViT, {"depth": 0}, r"^depth=0: at least 1 is needed$"),
        (ViT, {"pool": "max"}, r"^pool='max' is not one of 'cls', 'mean', 'map'$"),
        (ViT, {"positions": "rope"}, r"^positions='rope' is not one of 'learned', 'sincos'$"),
        (ViT, {"stem": "patches"}, r"^stem='patches' is not one of"),
        (ViT, {"stem": "conv", "patch": 12, "image_size": (24, 24)}, r"^patch=12: .* power of 2$"),
        (ViT, {"positions": "sincos", "width": 18}, r"^width=18: sincos positions .* by 4$"),
        (ViT, {"activation": "swish"}, r"^activation='swish' is not one of 'gelu', "),
        (ViT, {"init": "he"}, r"^init='he' is not one of 'trunc_normal', 'clip', 'xavier'$"),
        (ViT, {"remat": "all"}, r"^remat='all' is not one of 'none', 'full', "),
        (ViT, {"drop_path": -0.1}, r"^drop_path=-0.1 is not in \[0, 1\)$"),
        (ViT, {"patch_dropout": 1}, r"^patch_dropout=1 is not in \[0, 1\)$"),
        (ViT, {"registers": -1}, r"^registers=-1 is negative: give 0 for none$"),
        (SignalTransformer, {"stem": "conv", "length": 16}, r"^length=16 is 4 patches of patch=4"),
        (SignalTransformer, {"positions": "sincos", "width": 15}, r"^width=15: sincos .* by 2$"),
        (SignalResNet, {"dims": 2}, r"^stem='patch' cuts along time only: use dims=1"),
        (SignalResNet, {"dims": 3}, r"^dims=3 is not one of 1, 2$"),
        (TextTransformer, {"pool": "max"}, r"^pool='max' is not one of 'eot', "),
        (TextTransformer, {"norm": "rms"}, r"^norm='rms' is not one of 'pre', 'post'$"),
        (TextTransformer, {"pool": "cls"}, r"^pool='cls' reads position 0, .* causal=False$"),
        (TextTransformer, {"eos_id": 30}, r"^eos_id=30 is no id of .* vocab_size=30"),
        (TextTransformer, {"length": 0}, r"^length=0: at least 1 is needed$"),
        (TextTransformer, {"dropout": 2.0}, r"^dropout=2.0 is not in"),
        (ResNet, {"blocks": (1, 0)}, r"^blocks=\(1, 0\): every stage needs at least one block$"),
        (ResNet, {"blocks": ()}, r"^blocks=\(\): every stage"),
        (ResNet, {"widths": (8,)}, r"^widths=\(8,\) and blocks=\(1, 2\) are of different lengths"),
        (ResNet, {"block": "wide"}, r"^block='wide' is not one of 'basic', 'bottleneck'$"),
        (ResNet, {"stem": "patch3"}, r"^stem='patch3' is not one of 'imagenet', "),
        (ResNet, {"norm": "none"}, r"^norm='none' is not one of 'batch', 'group', 'layer'$"),
        (ResNet, {"pool": "cls"}, r"^pool='cls' is not one of 'mean', 'max', "),
        (ResNet, {"pool_width": 8}, r"^pool_width is .*'attention'.*; pool='mean' has none$"),
        (ResNet, {"pool": "attention", "heads": 3}, r"^heads=3 does not divide width=16$"),
        (ResNet, {"pool": "attention", "image_size": (20, 24)}, r"^image_size=\(20, 24\) is not "),
    ],
)
def test_wrong_options_are_one_sentence(make, encoder, options, message):
    with pytest.raises(EncoderError) as caught:
        make(encoder, abstract=True, **options)
    assert re.search(message, str(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("encoder", "options", "x", "message"),
    [
        *structure_settings.WRONG_INPUTS,
        (MLP, {}, np.zeros((2, 7)), r"vectors of shape \(2, 7\) where \[B, 6\] is expected"),
        (ViT, {}, np.zeros((2, 16, 24, 1)), r"shape \(2, 16, 24, 1\) where \[B, H, W, 3\]"),
        (ViT, {}, np.zeros((2, 24, 24, 3)), r"images of \(24, 24\) .* learned positions for \(16"),
        (ViT, {"positions": "sincos"}, np.zeros((2, 20, 24, 3)), r"divisible by patch=8"),
        (ResNet, {}, np.zeros((2, 16, 24)), r"shape \(2, 16, 24\) where \[B, H, W, 3\]"),
        (ResNet, {}, np.zeros((2, 16, 22, 3)), r"not divisible by the stride 4 of the stem"),
        (ResNet, {"pool": "attention", "heads": 2}, np.zeros((2, 16, 16, 3)), r"attention pooling"),
        (SignalTransformer, {}, np.zeros((2, 3, 40)), r"\(2, 3, 40\) where \[B, T, 3\] is"),
        (SignalTransformer, {}, np.zeros((2, 41, 3)), r"\(41,\) for learned positions up to \(40,"),
        (SignalResNet, {"channels_first": True}, np.zeros((2, 40, 3)), r"where \[B, 3, T\] is"),
        (TextTransformer, {}, np.zeros((2, 5)), r"type float\S+ where i32\[B, T\] is needed"),
        (TextTransformer, {}, np.zeros((2, 10), np.int32), r"10 tokens for an encoder of length=9"),
    ],
)
def test_wrong_inputs_are_one_sentence(make, encoder, options, x, message):
    with pytest.raises(EncoderError, match=message) as caught:
        jax.eval_shape(encoder.__call__, make(encoder, abstract=True, **options), jnp.asarray(x))
    assert "\n" not in str(caught.value)
