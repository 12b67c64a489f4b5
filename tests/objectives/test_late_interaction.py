"""Attention over the parts of a long audio: padding, duplicates, options, real segments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases.late_interaction import DIM, PARTS, SPEC, outputs, padding
from flax import nnx
from term_harness import SIZE, embeddings, make, plan_of, run

from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError
from mmjax.objectives import Context, TermError
from mmjax.parallel.pairwise import Plan
from mmjax.system.system import System


def test_what_is_padding_changes_nothing():
    """Neither its values, nor a row of nothing else, which counts as absent."""
    raws, batch = embeddings(("a", "b"), SIZE, PARTS * DIM), padding(SIZE)
    batch["a_mask"][5] = False
    plan = plan_of("dense", 1, 1)
    value, grads, *_ = run(SPEC, plan, raws, {"id": np.arange(SIZE), **batch}, outputs=outputs)
    other = {n: r.reshape(SIZE, PARTS, DIM).copy() for n, r in raws.items()}
    for name, tokens in other.items():
        tokens[~batch[f"{name}_mask"]] = 7.0
    other = {n: t.reshape(SIZE, -1) for n, t in other.items()}
    again, *_ = run(SPEC, plan, other, {"id": np.arange(SIZE), **batch}, outputs=outputs)
    np.testing.assert_allclose(again, value, rtol=1e-6)
    for name in "ab":
        assert not np.any(grads[name].reshape(SIZE, PARTS, DIM)[~batch[f"{name}_mask"]])
    assert not np.any(grads["b"][5])


def test_duplicates_can_be_masked():
    raws = embeddings(("a", "b"), SIZE, PARTS * DIM)
    raws = {name: np.concatenate([raw[:8], raw[:8]]) for name, raw in raws.items()}
    losses = {}
    for duplicates in ("negative", "mask"):
        spec = {**SPEC, "duplicates": duplicates}
        batch = {"id": np.arange(SIZE) % 8}
        losses[duplicates], *_ = run(spec, plan_of("ring", 2, 1), raws, batch, outputs=outputs)
    half = {name: raw[:8] for name, raw in raws.items()}
    alone, *_ = run(SPEC, plan_of("dense", 1, 1), half, {"id": np.arange(8)}, outputs=outputs)
    assert losses["mask"] < losses["negative"]
    # Half of the rows, twice: every row sees itself and the seven others twice.
    assert losses["mask"] > alone


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pair": ("a", "a")}, "pair of two different"),
        ({"tokens": ("c",)}, "names others"),
        ({"fusion": "sum"}, "but is 'sum'"),
        ({"layer": "encoder"}, "has layer='encoder' with fusion='attention'"),
        ({"symmetric": True}, "has symmetric=True with fusion='attention'; only 'max'"),
        ({"fusion": "max", "groups": "max", "symmetric": True}, "leave out 'symmetric'"),
        ({"groups": "mean", "tokens": ("b",)}, "name it in 'tokens'"),
        ({"group": "kind"}, "needs groups='max' or 'mean'"),
        ({"groups": "max", "hard_positive": True}, "which needs 'group'"),
        ({"direction_weights": (0.0, 0.0)}, "not both 0"),
        ({"attention_scale": 0.0}, "attention_scale' should be at least 1e-15"),
    ],
)
def test_options_that_make_no_sense(changes, message):
    with pytest.raises((TermError, ConfigError), match=message):
        make({**SPEC, **changes})


def test_towers_without_tokens_or_of_another_size_are_refused():
    raws = {name: jnp.ones((4, DIM)) for name in "ab"}
    with pytest.raises(TermError, match="needs the tokens of 'a' in the joint space"):
        run(SPEC, plan_of("dense", 1, 1), raws, {"id": np.arange(4)})
    with pytest.raises(TermError, match="has dim=9, but embeddings of 'a' have 4 numbers"):
        run(
            {**SPEC, "dim": 9, "positions": False},
            plan_of("dense", 1, 1),
            raws,
            {"id": np.arange(4)},
        )


def test_parts_without_groups_are_refused():
    raws = {name: jnp.ones((4, PARTS * DIM)) for name in "ab"}
    spec = {**SPEC, "groups": "max"}
    with pytest.raises(TermError, match="'a' has none: take a fusion of type 'transformer'"):
        run(spec, plan_of("dense", 1, 1), raws, {"id": np.arange(4)}, outputs=outputs)


def test_it_reads_the_segments_of_an_audio_tower():
    """Segments of a long audio, through the tower's head, with the mask of what is heard."""
    audio = {
        "type": "audio_transformer",
        "samples": 400,
        "fusion": "mean",
        "width": 8,
        "depth": 1,
        "heads": 2,
        "patch": 4,
        "stride": (4, 4),
        "spectrogram": {"rate": 1000, "window": 64, "hop": 32, "fft": 64, "mels": 8},
    }
    text = {
        "type": "text_transformer",
        "vocab_size": 9,
        "length": 5,
        "width": 8,
        "depth": 1,
        "heads": 2,
    }
    towers = {
        "audio": {"encoder": audio, "head": {"type": "linear", "dim": 6, "tokens": True}},
        "text": {"encoder": text, "head": {"type": "linear", "dim": 6}},
    }
    tree = {
        "recipe": "t",
        "variant": "small",
        "paper": "none",
        "steps": 1,
        "data": {
            "source": {"type": "event_audio"},
            "batch_size": 4,
            "tokenizer": {"type": "bytes"},
            "views": {
                "audio": {"type": "audio", "rate": 1000, "length": 1200},
                "text": {"type": "text", "length": 5},
            },
        },
        "model": {"towers": towers},
        "objectives": {"term": {"type": "late_interaction_nce", "dim": 6}},
        "optimizer": {"learning_rate": 0.1},
    }
    config = recipe_lib.complete(tree, "test")

    def loss(audio, text):
        system = System(config.model, config.objectives, dtype=jnp.float32, rngs=nnx.Rngs(0))
        outputs = system.embed({"audio": audio, "text": text})
        assert outputs["audio"].tokens.shape == (4, 3, 6)
        return system.objectives(outputs, {"id": jnp.arange(4)}, Context(plan=Plan()))[0]

    wave = np.sin(np.arange(1200, dtype=np.float32))[None] * np.ones((4, 1), np.float32)
    wave[0, 500:] = 0  # two of its three segments are heard
    shape = jax.eval_shape(loss, wave, np.ones((4, 5), np.int32))
    assert shape.shape == ()
