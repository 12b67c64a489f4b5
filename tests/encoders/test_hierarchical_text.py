"""Texts in sentences: levels by hand, padding and order, and the same on many devices."""

import jax
import numpy as np
import pytest
from flax import nnx
from jitted import jitted

from mmjax.encoders import EncoderError, HierarchicalText, TextTransformer
from mmjax.encoders.base import of_level
from mmjax.parallel import mesh as mesh_lib

SIZES = {"vocab_size": 30, "length": 7, "width": 16, "heads": 2}


@pytest.fixture
def made(make):
    return lambda **options: make(
        HierarchicalText, **{**SIZES, "depth": 3, "blocks": (1, 1), **options}
    )


def texts(seed=0, rows=4):
    """Sentences of different lengths; the last row is all padding."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, 30, (rows, 4, 5), dtype=np.int32)
    ids[np.arange(5) >= rng.integers(1, 6, (rows, 4, 1))] = 0
    ids[:, 3], ids[0, 2], ids[-1] = 0, 0, 0
    return ids


def run(module, x):
    return jax.tree.map(np.asarray, jitted(module)(x))


def test_words_see_their_sentence_alone_and_are_those_of_a_text_transformer(make, made):
    """A text of one block, of the same parameters, sentence by sentence."""
    module, x = made(depth=2, blocks=(1, 1)), texts()
    options = {**SIZES, "depth": 2, "causal": False, "pool": "mean"}
    flat = make(TextTransformer, **options)
    state = {"/".join(map(str, p)): v for p, v in nnx.to_flat_state(nnx.state(module, nnx.Param))}
    own = nnx.to_flat_state(nnx.state(flat, nnx.Param))
    assert set(state) == {"/".join(map(str, p)) for p, _ in own}  # weights of a BERT fit both
    nnx.update(flat, nnx.from_flat_state([(p, state["/".join(map(str, p))]) for p, _ in own]))

    @jax.jit
    def one_block(flat, ids):
        y = flat.transformer(flat._embed(ids), mask=ids != 0, part=(0, 1))
        return flat.transformer.norm(y).reshape(20, -1)

    want = np.asarray(one_block(flat, x[1]))
    found = run(module, x).levels["words"]
    real = found.mask[1]
    np.testing.assert_allclose(found.tokens[1][real], want[real], atol=2e-5)
    np.testing.assert_array_equal(found.mask, x.reshape(4, -1) != 0)
    np.testing.assert_allclose(found.pooled[1], want[real].mean(0), atol=2e-5)


@pytest.mark.parametrize("blocks", [(1, 1), (3, 0), (1, 2)])
def test_means_of_words_are_sentences_and_means_of_sentences_the_text(made, blocks):
    module, x = made(blocks=blocks), texts()
    found = run(module, x)
    np.testing.assert_array_equal(found.mask, (x != 0).any(2))
    sentences, words = found.levels["sentences"], found.levels["words"]
    for row in range(3):
        there = found.mask[row]
        np.testing.assert_allclose(found.pooled[row], found.tokens[row][there].mean(0), atol=1e-5)
        if blocks == (3, 0):
            own = words.tokens[row].reshape(4, 5, -1)
            for s in np.flatnonzero(there):
                mean = own[s][x[row, s] != 0].mean(0)
                np.testing.assert_allclose(sentences.tokens[row, s], mean, atol=1e-5)
        if blocks != (1, 1):  # no block is left of the text
            np.testing.assert_array_equal(found.tokens, sentences.tokens)


def test_padding_changes_nothing_and_gives_no_nan(made):
    """Neither more of it, nor a sentence or a text of nothing else, in values and gradients."""
    module, x = made(), texts()
    found = run(module, x)
    wider = np.zeros((4, 6, 7), np.int32)
    wider[:, :4, :5] = x
    again = run(module, wider)
    for a, b in ((found, again), *((found.levels[n], again.levels[n]) for n in found.levels)):
        np.testing.assert_allclose(a.pooled, b.pooled, atol=1e-5)
    assert not np.any(found.pooled[-1])
    graph, state = nnx.split(module)

    def loss(state):
        encoding = nnx.merge(graph, state)(x)
        parts = (encoding, *encoding.levels.values())
        return sum((each.pooled**2).sum() + (each.tokens**2).sum() for each in parts)

    value, grads = jax.jit(jax.value_and_grad(loss))(state)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))


def test_the_order_of_sentences_counts_only_where_they_see_each_other(made):
    x = texts()[1:2, :3]
    assert (x != 0).any(2).all()
    turned = x[:, [2, 0, 1]]
    for blocks, same in (((3, 0), True), ((1, 1), False)):
        module = made(blocks=blocks)
        a, b = run(module, x), run(module, turned)
        difference = np.abs(a.pooled - b.pooled).max()
        assert (difference < 1e-5) == same
        # A sentence's words do not know where it stands.
        words = [e.levels["words"].tokens.reshape(1, 3, 5, -1) for e in (a, b)]
        np.testing.assert_allclose(words[0][:, [2, 0, 1]], words[1], atol=1e-5)


def test_it_is_the_same_on_many_devices(made):
    module, x = made(), texts(rows=8)
    want = run(module, x)
    mesh = mesh_lib.make_mesh(4, 2, 1, jax.devices()[:8])
    graph, state = nnx.split(module)
    batch = mesh_lib.to_device({"x": x}, mesh)["x"]
    with jax.set_mesh(mesh):
        found = jax.jit(lambda s, x: nnx.merge(graph, s)(x))(state, batch)
    np.testing.assert_allclose(found.pooled, want.pooled, atol=1e-5)
    for name, level in want.levels.items():
        np.testing.assert_allclose(found.levels[name].tokens, level.tokens, atol=1e-5)


def test_a_level_that_is_not_there_is_named(made):
    encoding = run(made(), texts())
    assert of_level(encoding, None) is encoding
    with pytest.raises(EncoderError, match=r"level='word', .* levels are 'sentences', 'words'"):
        of_level(encoding, "word")
