"""One causal sequence of several towers: it is the trunk over their tokens, and nothing leaks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jitted import drawn, jitted

from mmjax.errors import ConfigError
from mmjax.model.config import ModelConfig
from mmjax.objectives import TermError, configs
from mmjax.system.generation import caption_term
from mmjax.system.system import System

WIDTH, SUMMARY = 8, 2
TRUNK = {"width": WIDTH, "depth": 2, "heads": 2, "mlp_width": 12, "causal": True,
         "summary": SUMMARY}  # fmt: skip
SHARED = {"type": "trunk_tokens", "trunk": "decoder", "width": WIDTH, "pool": "summary",
          "init": "xavier"}  # fmt: skip
WORDS = {"type": "bag_of_tokens", "vocab_size": 9, "length": 4, "embedding": WIDTH, "width": None}
IMAGE = {**SHARED, "stem": {"type": "identity", "inputs": 6}, "prefix": 3, "length": 3}
TOWERS = {"image": {"encoder": IMAGE},
          "text": {"encoder": {**SHARED, "stem": WORDS, "length": 4}}}  # fmt: skip
ANSWER = {"type": "trunk_sequence", "trunk": "decoder", "answer": True,
          "inputs": ("image", "text"), "also": {"again": ("text@2", "text")}}  # fmt: skip
BOTH = {"type": "trunk_sequence", "trunk": "decoder", "inputs": ("image", "text")}
CAPTIONS = {"type": "captioning", "text": "text", "conditions": (), "within": ("told",),
            "inputs": {"text": WIDTH}, "depth": 0, "vocab_size": 9}  # fmt: skip


def model(trunk=(), towers=(), told=(), **terms):
    config = {"towers": {**TOWERS, **dict(towers)}, "trunks": {"decoder": {**TRUNK, **dict(trunk)}},
              "fusions": {"told": {**ANSWER, **dict(told)}, "both": BOTH}}  # fmt: skip
    return System(ModelConfig.of(config), configs(terms), dtype=jnp.float32, rngs=nnx.Rngs(0))


def batch(size=3):
    rng = np.random.default_rng(0)
    text = rng.integers(4, 9, size=(size, 4)).astype(np.int32)
    return {"image": rng.normal(size=(size, 6)).astype(np.float32), "text": text,
            "text@2": text[::-1].copy(), "id": np.arange(size, dtype=np.int32)}  # fmt: skip


@pytest.fixture(scope="module")
def system():
    return drawn(model)


@pytest.fixture(scope="module")
def embed(system):
    graphdef, state = nnx.split(system)

    @jax.jit
    def run(batch):
        own = nnx.merge(graphdef, state)
        outputs = own.embed(batch)
        return outputs | own.fuse(outputs, batch)

    return lambda batch: jax.tree.map(np.asarray, run(batch))


def test_a_sequence_is_the_trunk_over_the_tokens_of_its_towers(system, embed):
    """In the order of the inputs, and the summary where it should be."""
    made = embed(batch())
    x = {name: made[name].encoding.inputs for name in ("image", "text", "text@2")}
    summary = np.asarray(system.trunks["decoder"].summary[...])
    summary = np.broadcast_to(summary, (3, SUMMARY, WIDTH))
    run = jitted(system.trunks["decoder"].transformer)
    for name, parts, at in (
        ("image", (x["image"], summary), 4),
        ("text", (x["text"], summary), 5),
        ("told", (x["image"], summary, x["text"]), 4),
        ("told@again", (x["text@2"], summary, x["text"]), 5),
        ("both", (x["image"], x["text"], summary), 8),
    ):
        want = np.asarray(run(np.concatenate(parts, axis=1), causal=True))
        np.testing.assert_allclose(made[name].raw, want[:, at], atol=1e-5, err_msg=name)
        if name in ("told", "told@again", "both"):
            np.testing.assert_allclose(made[name].encoding.tokens, want, atol=1e-5)
    assert np.abs(made["image"].raw[0] - made["image"].raw[1]).max() > 1e-3


def test_what_the_summary_says_of_an_image_is_its_embedding(embed):
    """Captions train the state that is compared later; of texts likewise."""
    made = embed(batch())
    np.testing.assert_allclose(made["told"].unit, made["image"].unit, atol=1e-5)
    np.testing.assert_allclose(made["told@again"].unit, made["text@2"].unit, atol=1e-5)
    assert np.abs(made["both"].unit - made["image"].unit).max() > 1e-2


def test_an_answer_sees_what_is_before_it_and_no_later_word(embed):
    given = batch()
    before = embed(given)["told"].encoding.tokens
    later = {**given, "text": given["text"].copy()}
    later["text"][:, 2] = 4 + (later["text"][:, 2] - 3) % 5
    after = embed(later)["told"].encoding.tokens
    np.testing.assert_array_equal(after[:, :-2], before[:, :-2])
    assert np.all(np.abs(after[:, -2:] - before[:, -2:]).max(-1) > 1e-4)
    seen = embed({**given, "image": given["image"] + 1})["told"].encoding.tokens
    assert np.all(np.abs(seen - before).max(-1) > 1e-4)


def test_padding_before_the_summary_says_nothing(embed):
    given = batch()
    given["text"][:, 3], given["text@2"][:, 2:] = 0, 0
    made = embed(given)
    short = embed({**given, "text@2": given["text@2"][:, :2]})
    for name in ("text@2", "told@again"):
        np.testing.assert_allclose(made[name].raw, short[name].raw, atol=1e-5)
    states = [each["told@again"].encoding for each in (made, short)]
    np.testing.assert_allclose(*(each.tokens[:, -4:-1] for each in states), atol=1e-5)
    np.testing.assert_array_equal(states[0].mask[0], [1, 1, 0, 0, 1, 1, 1, 1, 1, 0])


def test_captions_train_the_projector_the_summary_and_the_trunk():
    system, given = drawn(lambda: model(captions=CAPTIONS)), batch()
    graphdef, state = nnx.split(system)

    @jax.jit
    @jax.grad
    def gradient(state):
        own = nnx.merge(graphdef, state)
        outputs = own.embed(given)
        outputs |= own.fuse(outputs, given)
        return own.objectives.terms["captions"](outputs, given, None)[0]

    found = {"/".join(map(str, p)): v[...] for p, v in nnx.to_flat_state(gradient(state))}
    learns = {path for path, g in found.items() if np.abs(g).max() > 0}
    assert {
        "towers/image/encoder/project/kernel", "towers/text/encoder/stem/token",
        "trunks/decoder/summary", "objectives/terms/captions/answer/kernel",
    } <= learns  # fmt: skip
    assert sum(path.startswith("trunks/") for path in learns) > 10


def test_texts_are_not_generated_within_a_sequence():
    with pytest.raises(TermError, match="has a loss, but does not generate them"):
        nnx.eval_shape(lambda: caption_term(model(captions=CAPTIONS), "captions").answer)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"trunk": {"summary": 0}}, "towers.image.encoder.pool' is 'summary', but the trunk"),
        (
            {"trunk": {"summary": 0}, "towers": {
                name: {"encoder": {**each["encoder"], "pool": "last"}}
                for name, each in TOWERS.items()}},
            "'model.fusions.told' reads a summary: set 'model.trunks.decoder.summary' to 1",
        ),
        ({"trunk": {"causal": False}}, "'model.fusions.told.answer' needs a trunk that is causal"),
        ({"told": {"trunk": "decodr"}}, "unknown trunk 'decodr' .*did you mean 'decoder'"),
        (
            {"towers": {"image": {"encoder": {"type": "identity", "inputs": 8}}}},
            "'model.fusions.told' has the input 'image', whose tower does not run through",
        ),
        ({"told": {"inputs": ("image",)}}, "'?model.fusions.told.*answer=True needs two inputs"),
        (
            {"captions": {**CAPTIONS, "within": ("both",)}},
            "'captions' reads 'text' within 'both': this should be of a fusion",
        ),
        (
            {"captions": {**CAPTIONS, "within": ("image",)}},
            "'captions' reads 'text' within 'image': this should be of a fusion",
        ),
        (
            {"trunk": {"skills": ("a",)}, "towers": {
                name: {"encoder": {**each["encoder"], "skills": ("a",)}}
                for name, each in TOWERS.items()}},
            "is for a trunk without skills: leave out 'model.trunks.decoder.skills'",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(changed, said):
    with pytest.raises((ConfigError, TermError), match=said) as caught:
        nnx.eval_shape(lambda: model(**changed))
    assert "\n" not in str(caught.value)
