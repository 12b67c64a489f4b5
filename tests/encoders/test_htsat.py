"""HTSAT: published size, windows and shifts, stretching, and what it refuses.

Parity with `transformers` is in tests/checkpoints/test_weights_clap.py.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from encoder_settings import SETTINGS
from flax import nnx

from mmjax.encoders import HTSAT, EncoderError, parameter_count
from mmjax.encoders import htsat as module
from mmjax.encoders.initializers import initialization
from mmjax.encoders.long_sounds import LongSounds


def test_published_size():
    whole = nnx.eval_shape(lambda: HTSAT(dtype=jnp.float32, rngs=nnx.Rngs(0)))
    assert whole.width == 768
    # Swin-T without a classifier has 27,519,354 (Liu et al. 2021, table 1: 28 M, with one); its
    # first layer has two more channels of colour, its heads are 3, 6, 12, 24 with windows of 7.
    swin = 27_519_354 - 2 * 16 * 96
    biases = 225 * np.dot((2, 2, 6, 2), (4, 8, 16, 32)) - 169 * np.dot((2, 2, 6, 2), (3, 6, 12, 24))
    assert parameter_count(whole) == swin + biases + 2 * 64


def test_shifted_windows_see_what_was_near():
    """Position by position, against the rule: near in the image, not around its edge."""
    height, width, window, shift = 8, 12, 4, 2
    seen = module.together(height, width, window, shift)
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    rolled = [np.roll(x, (-shift, -shift), axis=(0, 1)) for x in (rows, columns)]
    number = 0
    for i in range(0, height, window):
        for j in range(0, width, window):
            cut = [x[i : i + window, j : j + window].ravel() for x in rolled]
            for a in range(window**2):
                for b in range(window**2):
                    near = all(abs(int(x[a]) - int(x[b])) < window for x in cut)
                    assert seen[number, a, b] == near
            number += 1
    assert number == len(seen)


def test_offsets_are_those_between_positions():
    table = module.offsets(3)
    assert table.shape == (9, 9)
    assert len(np.unique(table)) == 25
    for a in range(9):
        for b in range(9):
            down, right = a // 3 - b // 3, a % 3 - b % 3
            assert table[a, b] == (down + 2) * 5 + right + 2


def test_stretching_keeps_lines_and_ends():
    weights = module.stretching(9, 16).astype(np.float64)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    x = np.random.default_rng(0).normal(size=9)
    np.testing.assert_allclose((weights @ x)[[0, -1]], x[[0, -1]], atol=1e-6)
    np.testing.assert_allclose(module.stretching(5, 5), np.eye(5), atol=1e-6)
    # A kernel of parameter -0.75 bends lines a little; a constant stays one.
    inside = (weights @ np.arange(9.0))[3:-3]
    assert np.abs(inside - np.linspace(0, 8, 16)[3:-3]).max() < 0.1


@pytest.mark.smoke
def test_a_block_without_shift_mixes_its_window_only(make):
    encoder = make(HTSAT, depths=(1,), heads=(2,), drop_path=0.0)
    graph, state = nnx.split(encoder)
    run = jax.jit(lambda state, x: nnx.merge(graph, state)(x).tokens)
    x = np.random.default_rng(0).normal(size=(1, 16, 4)).astype(np.float32)
    y = x.copy()
    y[0, 10, 1] += 1.0  # part 1, time 2: row 4 + 1, column 2 of the square, and patches around
    changed = np.abs(run(state, y) - run(state, x)).max(axis=(0, 2)).reshape(8, 8) > 1e-6
    expected = np.zeros((8, 8), bool)
    expected[4:, :4] = True
    np.testing.assert_array_equal(changed, expected)


def test_only_longer_sounds_are_fused_and_counted():
    fusion = LongSounds(
        width=4,
        reduction=2,
        patch=2,
        stride=2,
        init=initialization("xavier", width=4, depth=1),
        dtype=jnp.float32,
        rngs=nnx.Rngs(0),
    )
    graph, state = nnx.split(fusion)

    @jax.jit
    def run(whole, parts, longer):
        module = nnx.merge(graph, state, copy=True)
        y = module(whole, parts, longer, train=True)
        return y, [gate.down_norm.norm.mean[...] for gate in (module.local, module.overall)]

    rng = np.random.default_rng(0)
    whole = rng.normal(size=(3, 4, 4, 4)).astype(np.float32)
    parts = rng.normal(size=(3, 3, 8, 8)).astype(np.float32)
    longer = np.array([True, False, True])
    fused, means = run(whole, parts, longer)
    assert (fused[1] == whole[1]).all()
    assert (fused[::2] != whole[::2]).all()
    whole[1], parts[1] = 7.0, -7.0
    again, same = run(whole, parts, longer)
    np.testing.assert_array_equal(again[::2], fused[::2])
    np.testing.assert_array_equal(same, means)
    # Where nothing is longer, the statistics are still numbers.
    none, means = run(whole, parts, np.zeros(3, bool))
    assert (none == whole).all()
    assert np.isfinite(means).all()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"frames": 20}, r"frames=20 is not mels=4 times a square number.*: use frames=36"),
        ({"patch": 2}, "patch=2 has to be stride=1 plus an even number"),
        ({"heads": (2,)}, r"depths=\(2, 1\) and heads=\(2,\): both name every stage"),
        ({"heads": (3, 2)}, "heads=3 does not divide the width 8"),
        ({"window": 3}, "stages of 8, 4: each has to be whole and divisible by window=3"),
        ({"fusion_reduction": 9}, "fusion_reduction=9 is not between 1 and width=8"),
        ({"drop_path": 1.0}, r"drop_path=1.0 is not in \[0, 1\)"),
    ],
)
def test_what_it_refuses(options, says):
    with pytest.raises(EncoderError, match=says):
        HTSAT(**{**SETTINGS[HTSAT].small, **options}, dtype=jnp.float32, rngs=nnx.Rngs(0))


def test_inputs_that_it_refuses(make):
    with pytest.raises(EncoderError, match=r"where \[B, 16, 4\] is expected"):
        make(HTSAT, abstract=True)(jnp.zeros((2, 17, 4)))
    with pytest.raises(EncoderError, match=r"where \[B, 16, 4\] is expected"):
        make(HTSAT, abstract=True)(jnp.zeros((2, 4, 16, 4)))
