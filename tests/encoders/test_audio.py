"""Encoders of waveforms: padding, odd lengths, segments, augmentation, published size."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax.encoders import CNN14, AudioTransformer, EncoderError, parameter_count
from mmjax.encoders.audio import SegmentFusion
from mmjax.encoders.audio_augmentation import AudioAugmentation, change_waves, mask_spectrograms
from mmjax.encoders.cnn14 import halve
from mmjax.encoders.spectrogram import Spectrogram, lengths_of

SOUND = Spectrogram(rate=1000, window=32, hop=16, fft=32, mels=8, low=20.0)
NETWORKS = {
    AudioTransformer: {"patch": 4, "stride": (3, 4), "width": 16, "depth": 1, "heads": 2},
    CNN14: {"widths": (8, 12), "norm": "layer"},
}
LENGTHS = (300, 517, 640)


def build(encoder, samples=700, **options):
    options = {"spectrogram": SOUND, **NETWORKS[encoder], **options}
    made = nnx.eval_shape(
        lambda: encoder(samples=samples, **options, dtype=jnp.float32, rngs=nnx.Rngs(0))
    )
    graph, state = nnx.split(made)
    rng = np.random.default_rng(3)
    leaves, tree = jax.tree.flatten(state)
    values = [(0.3 * rng.standard_normal(x.shape)).astype(x.dtype) for x in leaves]
    return nnx.merge(graph, jax.tree.unflatten(tree, values))


@functools.partial(jax.jit, static_argnums=0)
def call(graph, state, x, key):
    rngs = None if key is None else nnx.Rngs(dropout=key)
    return nnx.merge(graph, state, copy=True)(x, train=key is not None, rngs=rngs)


def run(module, x, key=None):
    return jax.tree.map(np.asarray, call(*nnx.split(module), x, key))


def waves(total=640, lengths=LENGTHS):
    rng = np.random.default_rng(0)
    x = np.zeros((len(lengths), total), np.float32)
    for row, length in zip(x, lengths, strict=True):
        row[:length] = rng.normal(size=length)
    return x


def test_cnn14_has_the_published_size():
    whole = nnx.eval_shape(lambda: CNN14(samples=320_000, dtype=jnp.float32, rngs=nnx.Rngs(0)))
    # PANNs' Cnn14 less its classifier of 527 classes.
    assert parameter_count(whole) == 80_753_615 - 2049 * 527
    assert whole.width == 2048


@pytest.mark.smoke
@pytest.mark.parametrize("encoder", NETWORKS)
def test_padding_changes_nothing(encoder):
    module = build(encoder)
    x = waves()
    long = run(module, np.pad(x, ((0, 0), (0, 60))))
    for row, length in enumerate(LENGTHS[:2]):  # one by one, of no round length
        short = run(module, x[row : row + 1, :length])
        np.testing.assert_allclose(short.pooled[0], long.pooled[row], atol=2e-5)
        real = long.mask[row].sum()
        assert short.mask[0].sum() == real
        kept = long.tokens[row][long.mask[row]]
        np.testing.assert_allclose(short.tokens[0][short.mask[0]], kept, atol=2e-5)


def test_what_is_padding_is_what_the_published_ast_attends_to():
    x = waves()
    masked, seen = (run(build(AudioTransformer, mask_padding=m), x) for m in (True, False))
    assert seen.mask is None
    differs = np.abs(masked.pooled - seen.pooled).max(axis=1)
    assert differs[0] > 1e-3


def test_segments_draw_by_the_key_of_their_row():
    """Dropout and masks of each segment are others, and those of a row are its own."""
    masks = AudioAugmentation(time_masks=1, time_width=6)
    module = build(AudioTransformer, samples=250, fusion="mean", dropout=0.3, augment=masks)
    keys = jax.random.split(jax.random.key(1), 3)
    x = np.tile(waves(total=250, lengths=(250,)), (3, 2))  # two segments, all the same
    whole = run(module, x, keys)
    assert np.abs(whole.tokens[:, 0] - whole.tokens[:, 1]).max(axis=1).min() > 1e-3
    assert np.abs(whole.tokens[0] - whole.tokens[1]).max() > 1e-3
    np.testing.assert_allclose(run(module, x[1:], keys[1:]).tokens, whole.tokens[1:], atol=2e-5)


@pytest.mark.parametrize("fusion", ["attention", "mean", "max"])
@pytest.mark.parametrize("encoder", NETWORKS)
def test_segments_of_long_audio(encoder, fusion):
    """Segment t is what the network makes of samples t n to (t + 1) n, and padding is none."""
    module = build(encoder, samples=250, fusion=fusion)
    out = run(module, waves())
    np.testing.assert_array_equal(out.mask, [[1, 1, 0], [1, 1, 1], [1, 1, 1]])
    padded = run(module, waves(total=1111))
    np.testing.assert_allclose(padded.pooled, out.pooled, atol=2e-5)
    for t in range(3):
        alone = run(module, waves(total=750)[:, 250 * t : 250 * (t + 1)]).tokens[:, 0]
        rows = out.mask[:, t]
        np.testing.assert_allclose(alone[rows], out.tokens[rows, t], atol=2e-5)
    kept = [tokens[mask] for tokens, mask in zip(out.tokens, out.mask, strict=True)]
    if fusion == "mean":
        np.testing.assert_allclose(out.pooled, [k.mean(axis=0) for k in kept], atol=2e-5)
    if fusion == "max":
        np.testing.assert_allclose(out.pooled, [k.max(axis=0) for k in kept], atol=2e-5)


def test_attention_over_segments_knows_their_order():
    graph, state = nnx.split(
        nnx.eval_shape(
            lambda: SegmentFusion(
                kind="attention", width=16, heads=2, dtype=jnp.float32, rngs=nnx.Rngs(0)
            )
        )
    )
    state = jax.tree.map(lambda x: jnp.asarray(np.linspace(-1, 1, x.size).reshape(x.shape)), state)
    pool = jax.jit(lambda state, x: nnx.merge(graph, state)(x, jnp.ones((2, 5), bool)))
    x = np.random.default_rng(0).normal(size=(2, 5, 16)).astype(np.float32)
    there, back = (np.asarray(pool(state, each)) for each in (x, x[:, ::-1]))
    assert np.abs(there - back).max() > 1e-4


def test_longer_audio_without_fusion_and_wrong_shapes_are_refused():
    module = build(CNN14, samples=300)
    with pytest.raises(EncoderError, match="640 samples for an encoder of samples=300: set fusion"):
        jax.eval_shape(module, waves())
    with pytest.raises(EncoderError, match=r"audio of shape \(2, 3, 4\) .* f32\[B, N\]"):
        jax.eval_shape(module, jnp.zeros((2, 3, 4)))
    with pytest.raises(EncoderError, match=r"mels=8 is not divisible by 16, as 5 stages need"):
        build(CNN14, widths=(8,) * 5)


def test_halving_takes_means_of_what_is_there():
    x = np.arange(1, 15, dtype=np.float32).reshape(1, 7, 2, 1)
    mask = np.array([1, 1, 1, 1, 1, 0, 0], bool).reshape(1, 7, 1, 1)
    y, there = map(np.asarray, jax.jit(halve)(x * mask, mask))
    np.testing.assert_allclose(
        y[0, :, 0, 0], [x[0, :2].mean(), x[0, 2:4].mean(), x[0, 4].mean(), 0]
    )
    np.testing.assert_array_equal(there.ravel(), [True, True, True, False])


def changed(x, key=0, **options):
    x, key = jnp.asarray(x), jax.random.key(key)
    settings = AudioAugmentation(**options)
    call = jax.jit(lambda x, key: change_waves(x, lengths_of(x), settings, 1000, key))
    return tuple(map(np.asarray, call(x, key)))


def test_gain_shift_noise_and_mixing_are_what_they_say():
    x = waves(lengths=(300, 517, 640, 200))
    lengths = np.array([300, 517, 640, 200])
    y, _ = changed(x, gain=6.0)
    factor = y[:, 0] / x[:, 0]
    np.testing.assert_allclose(y, x * factor[:, None], rtol=1e-5)
    assert (np.abs(20 * np.log10(factor)) <= 6).all()
    assert np.ptp(factor) > 0.1
    y, after = changed(x, shift=(-0.1, 0.2))
    for before, row, old, new in zip(x, y, lengths, after, strict=True):
        by = new - old if new < 640 else int(np.flatnonzero(row)[0])
        expected = np.zeros(640, np.float32)
        source, target = max(0, -by), max(0, by)
        count = 640 - max(source, target)
        expected[target : target + count] = before[source : source + count]
        np.testing.assert_array_equal(row, expected)
        assert -100 <= by <= 200
    y, _ = changed(x, noise=1.0, noise_decibels=(20.0, 20.0))
    noise = y - x
    for row, old, length in zip(noise, x, lengths, strict=True):
        assert not row[length:].any()
        decibels = 10 * np.log10(np.mean(old[:length] ** 2) / np.mean(row[:length] ** 2))
        assert abs(decibels - 20) < 1
    y, after = changed(x, mix=1.0, mix_decibels=(10.0, 10.0))
    np.testing.assert_array_equal(after, np.maximum(lengths, np.roll(lengths, 1)))
    other = np.roll(x, 1, axis=0)
    for i in range(4):
        power = [np.sum(v[i] ** 2) / n[i] for v, n in ((x, lengths), (other, np.roll(lengths, 1)))]
        scale = np.sqrt(power[0] / power[1]) * 10 ** (-10 / 20)
        np.testing.assert_allclose(y[i] - x[i], scale * other[i], atol=1e-5)


def test_masks_cover_spans_of_frames_and_bands():
    x = np.ones((64, 40, 20), np.float32)
    settings = AudioAugmentation(time_masks=1, time_width=6, mel_masks=1, mel_width=4)
    frames = np.full(64, 30)
    mask = jax.jit(lambda x, key: mask_spectrograms(x, frames, settings, key))
    y = np.asarray(mask(x, jax.random.key(0)))
    rows = np.flatnonzero((y == 0).any(axis=(1, 2)))
    assert len(rows) > 50
    for row in y:
        times = (row == 0).all(axis=1)
        bands = (row == 0).all(axis=0)
        np.testing.assert_array_equal(row == 0, times[:, None] | bands[None])
        assert times.sum() <= 6
        assert bands.sum() <= 4
        assert (np.diff(np.flatnonzero(times)) == 1).all()
        assert not times[30:].any()


def test_what_a_row_draws_is_its_own():
    """A slice of a batch is augmented as in the whole, given the rows' keys."""
    options = {"noise": 0.5, "gain": 6.0, "shift": (-0.1, 0.2), "time_masks": 1, "time_width": 4}
    module = build(AudioTransformer, augment=AudioAugmentation(**options))
    keys, x = jax.random.split(jax.random.key(1), 3), waves()
    whole, part = run(module, x, keys), run(module, x[1:], keys[1:])
    np.testing.assert_allclose(whole.pooled[1:], part.pooled, atol=2e-5)
    others = run(module, x, keys[np.array([1, 2, 0])])
    assert np.abs(whole.pooled - others.pooled).max(axis=1).min() > 1e-3
    with pytest.raises(EncoderError, match=r"augmentation of 1\.0 with train=True needs random"):
        jax.eval_shape(lambda x: module(x, train=True), x)


def test_mixing_is_a_statistic_of_the_batch():
    """So that exact microbatches refuse it, as they refuse batch norm."""
    kinds = [
        nnx.state(build(CNN14, augment=AudioAugmentation(mix=m)), nnx.BatchStat) for m in (0.0, 0.5)
    ]
    assert [len(jax.tree.leaves(state)) for state in kinds] == [0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mix": 1.5}, r"^mix=1.5 is a probability, in \[0, 1\]$"),
        ({"shift": (0.2, 0.1)}, r"^shift=\(0.2, 0.1\): the first is above the second$"),
        ({"gain": -3.0}, r"^gain=-3.0 is negative: give 0 for none$"),
    ],
)
def test_wrong_augmentation_is_one_sentence(options, message):
    with pytest.raises(EncoderError, match=message):
        AudioAugmentation(**options)
