"""The text transformer: padding, causality, and which position each pooling reads."""

import numpy as np
import pytest
from jitted import jitted

from mmjax.encoders import TextTransformer
from mmjax.encoders.text import real_positions

POOLS = [
    {"pool": "eot"},
    {"pool": "last"},
    {"pool": "mean"},
    {"pool": "cls", "causal": False},
    {"pool": "mean", "causal": False},
    {"pool": "map", "causal": False},
]


@pytest.mark.parametrize("options", POOLS)
def test_padding_does_not_change_the_embedding(make, run, options):
    module = make(TextTransformer, **options)
    tight = np.asarray([[5, 9, 4, 1], [7, 3, 1, 0]])
    loose = np.pad(tight, ((0, 0), (0, 5)))
    a, b = run(module, tight), run(module, loose)
    np.testing.assert_allclose(a.pooled, b.pooled, atol=1e-6)
    np.testing.assert_array_equal(b.mask.sum(axis=1), [4, 3])
    np.testing.assert_allclose(a.tokens[0], b.tokens[0, :4], atol=1e-6)


@pytest.mark.parametrize("options", POOLS[1:5:2])
def test_padding_with_the_end_id_is_padding(make, run, options):
    """CLIP's tokenizer as published pads with its end-of-text id."""
    zero = make(TextTransformer, **options)
    same = make(TextTransformer, **options, pad_id=1)
    a = run(zero, np.asarray([[5, 9, 4, 1, 0, 0], [7, 1, 0, 0, 0, 0]]))
    b = run(same, np.asarray([[5, 9, 4, 1, 1, 1], [7, 1, 1, 1, 1, 1]]))
    np.testing.assert_array_equal(a.mask, b.mask)
    np.testing.assert_allclose(a.pooled, b.pooled, atol=1e-6)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_causal_positions_see_only_what_came_before(make, run, inputs, norm):
    x = np.asarray(inputs(TextTransformer)).copy()
    x[:, 2] = 2
    changed = x.copy()
    changed[:, 2] = 3
    for causal in (True, False):
        module = make(TextTransformer, causal=causal, norm=norm, pool="mean")
        a, b = (run(module, v).tokens for v in (x, changed))
        assert np.all(np.abs(a - b)[:, 2].max(axis=1) > 1e-4)
        before = np.abs(a - b)[:, :2].max()
        assert (before == 0) if causal else (before > 1e-6)


def test_pooling_reads_the_right_position(make, run):
    x = np.asarray([[5, 9, 1, 4, 1, 0], [7, 8, 6, 0, 0, 0]])  # two ends; none
    for causal in (True, False):
        out = run(make(TextTransformer, causal=causal), x)
        np.testing.assert_array_equal(out.pooled[0], out.tokens[0, 2])
        np.testing.assert_array_equal(out.pooled[1], out.tokens[1, 2])
    last = run(make(TextTransformer, pool="last"), x)
    np.testing.assert_array_equal(last.pooled, np.stack([last.tokens[0, 4], last.tokens[1, 2]]))
    mean = run(make(TextTransformer, pool="mean"), x)
    expected = [np.mean(mean.tokens[0, :5], axis=0), np.mean(mean.tokens[1, :3], axis=0)]
    np.testing.assert_allclose(mean.pooled, expected, atol=1e-6)
    first = run(make(TextTransformer, pool="cls", causal=False), x)
    np.testing.assert_array_equal(first.pooled, first.tokens[:, 0])


def test_the_last_real_positions_alone_are_kept(make, run):
    x = np.asarray([[5, 9, 4, 7, 1, 0], [7, 1, 0, 0, 0, 0]])
    whole, kept = (run(make(TextTransformer, pool="mean", keep_last=n), x) for n in (0, 3))
    np.testing.assert_array_equal(kept.tokens[0], whole.tokens[0, 2:5])
    np.testing.assert_array_equal(kept.tokens[1, 1:], whole.tokens[1, :2])
    np.testing.assert_array_equal(kept.mask, [[True] * 3, [False, True, True]])
    expected = [np.mean(whole.tokens[0, 2:5], axis=0), np.mean(whole.tokens[1, :2], axis=0)]
    np.testing.assert_allclose(kept.pooled, expected, atol=1e-6)
    more = run(make(TextTransformer, pool="mean", keep_last=8), x)
    np.testing.assert_array_equal(more.mask.sum(1), whole.mask.sum(1))
    np.testing.assert_array_equal(more.tokens[0, 3:], whole.tokens[0, :5])


def test_siglip_attends_to_padding_and_reads_the_last_position(make, run):
    module = make(TextTransformer, pool="last", causal=False, mask_padding=False)
    x = np.asarray([[5, 9, 1, 0, 0, 0]])
    out = run(module, x)
    np.testing.assert_array_equal(out.pooled, out.tokens[:, 5])
    np.testing.assert_array_equal(out.mask, [[True] * 3 + [False] * 3])
    assert np.abs(out.tokens[:, :3] - run(module, x[:, :3]).tokens).max() > 1e-4


def test_segments_are_added_where_given(make):
    module = make(TextTransformer, segments=2, causal=False, pool="cls")
    x = np.asarray([[5, 9, 1]])

    def pooled(**given):
        return np.asarray(jitted(module)(x, **given).pooled)

    zero = pooled()
    np.testing.assert_allclose(pooled(segments=np.zeros((1, 3), np.int32)), zero, atol=1e-6)
    assert np.abs(pooled(segments=np.asarray([[0, 1, 1]])) - zero).max() > 1e-4
    with pytest.raises(ValueError, match="built with segments=0"):
        make(TextTransformer)(x, segments=np.zeros((1, 3), np.int32))


def test_an_id_outside_the_vocabulary_shows(make, run):
    assert np.isnan(run(make(TextTransformer), np.asarray([[5, 30, 1]])).pooled).all()


def test_real_positions():
    ids = np.asarray([[0, 4, 2, 0], [0, 0, 0, 0], [2, 2, 2, 2]])
    expected = [[False, True, True, False], [False] * 4, [True] * 4]
    np.testing.assert_array_equal(real_positions(ids, pad_id=0, eos_id=2), expected)
    expected = [[True] * 3 + [False], [True] * 4, [True] + [False] * 3]
    np.testing.assert_array_equal(real_positions(ids, pad_id=2, eos_id=2)[2], expected[2])
