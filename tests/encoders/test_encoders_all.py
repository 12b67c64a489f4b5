"""What every encoder promises: shapes, dtypes, determinism, dropout, gradients, one-line errors."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from encoder_settings import BROKEN, FILES, SETTINGS, SMALL
from flax import nnx
from tiers import long_but

from mmjax.encoders import ENCODERS, EncoderError


def every(attribute):
    """(encoder, ...) for every entry that the settings have of this."""
    return [
        (encoder, *(entry if isinstance(entry, tuple) else (entry,)))
        for encoder, setting in SMALL.items()
        for entry in getattr(setting, attribute)
    ]


# Of each encoder the first variant, and every third.
SOME = [(encoder, options) for encoder, s in SMALL.items() for options in s.variants[::3]]


def is_first(case):
    encoder, options = case
    return options == SMALL[encoder].variants[0]


def is_common(case):
    return is_first(case) and case[0].__name__ in (
        "ViT",
        "TextTransformer",
        "ResNet",
        "CNN14",
        "MLP",
    )


def is_first_to_drop(case):
    encoder, options = case
    return options == SMALL[encoder].dropping[0]


@pytest.mark.parametrize("file", FILES)
def test_a_file_of_settings_can_be_read(file):
    if file in BROKEN:
        raise BROKEN[file]


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_has_a_setting(name):
    """Without one nothing is known of it: add a file to `encoder_settings/`."""
    assert ENCODERS[name] in SETTINGS


@pytest.mark.parametrize(("encoder", "options"), long_but(is_first, every("variants")))
def test_shapes_and_gradients(make, inputs, gradient, encoder, options):
    module, x = make(encoder, **options), inputs(encoder)
    out = jax.eval_shape(encoder.__call__, module, x)
    assert out.pooled.shape == (3, module.width)
    assert out.pooled.dtype == jnp.float32
    if out.tokens is not None:
        assert out.tokens.shape[0] == 3
        assert out.tokens.ndim == 3
        assert out.tokens.shape[2] == (module.token_width or module.width)
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


@pytest.mark.parametrize(("encoder", "options"), long_but(is_common, SOME))
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
    # By one program for all, since to compile is what takes long.
    for rows in ([4, 3, 2, 1, 0], *([i] * 5 for i in range(5))):
        np.testing.assert_allclose(run(module, x[np.array(rows)]).pooled, together[rows], atol=2e-6)


@pytest.mark.long
@pytest.mark.parametrize("encoder", SMALL)
def test_an_example_alone_is_what_it_is_among_others(make, run, inputs, encoder):
    module, x = make(encoder), inputs(encoder, rows=5)
    together = run(module, x).pooled
    for i in range(5):
        alone = run(module, x[i : i + 1]).pooled[0]
        np.testing.assert_allclose(alone, together[i], atol=2e-6)


@pytest.mark.parametrize(("encoder", "options"), long_but(is_first_to_drop, every("dropping")))
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


@pytest.mark.smoke
@pytest.mark.parametrize("encoder", SMALL)
def test_no_dropout_needs_no_rngs(make, run, inputs, encoder):
    train = functools.partial(encoder.__call__, train=True)
    assert jax.eval_shape(train, make(encoder, abstract=True), inputs(encoder)).pooled.ndim == 2


@pytest.mark.long
@pytest.mark.parametrize("encoder", SMALL)
def test_training_without_dropout_is_finite(make, run, inputs, encoder):
    assert np.all(np.isfinite(run(make(encoder), inputs(encoder), train=True).pooled))


@pytest.mark.parametrize(("encoder", "options", "message"), every("wrong_options"))
def test_wrong_options_are_one_sentence(make, encoder, options, message):
    with pytest.raises(EncoderError) as caught:
        make(encoder, abstract=True, **options)
    assert re.search(message, str(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("encoder", "options", "x", "message"), every("wrong_inputs"))
def test_wrong_inputs_are_one_sentence(make, encoder, options, x, message):
    with pytest.raises(EncoderError, match=message) as caught:
        jax.eval_shape(encoder.__call__, make(encoder, abstract=True, **options), jnp.asarray(x))
    assert "\n" not in str(caught.value)
