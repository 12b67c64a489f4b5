"""Attention over the parts of a long audio, asked by the pieces of a text: formula and options."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from objective_formulas import logsumexp, normalize
from term_harness import PLANS, SIZE, Case, embeddings, make, plan_of, run

from mmjax import recipe as recipe_lib
from mmjax.encoders.base import Encoding
from mmjax.encoders.positions import sincos
from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context, TermError
from mmjax.parallel.pairwise import Plan
from mmjax.system.system import System

PARTS, DIM = 3, 4
SPEC = {
    "type": "late_interaction_nce",
    "pair": ("a", "b"),
    "dim": DIM,
    "tokens": ("a", "b"),
    "positions": True,
    "attention_scale": 2.0,
    "temperature": 0.3,
}


def padding(size):
    """Each has from 1 to all of its parts."""
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, PARTS + 1, size=(2, size))
    lengths[:, 0] = PARTS
    return {
        f"{n}_mask": np.arange(PARTS)[None] < k[:, None] for n, k in zip("ab", lengths, strict=True)
    }


def outputs(raws, batch):
    """Raw embeddings [B, T D] as T tokens, of which the first is the whole's vector, too."""
    made = {}
    for name, raw in raws.items():
        tokens = raw.reshape(len(raw), PARTS, DIM)
        mask = batch.get(f"{name}_mask")
        first = tokens[:, 0]
        made[name] = Embedding(
            first, unit_norm(first), Encoding(first, tokens, mask), unit_norm(tokens)
        )
    return made


def scores(u, heard, w, said, params, spec):
    """s of parts f[N, T, D] with pieces f[N, L, D], of which some are padding: f[N, N]."""
    c = np.einsum("atd,bld->ablt", u, w)
    there = np.broadcast_to(heard[:, None, None, :], c.shape)
    fusion = spec.get("fusion", "attention")
    if fusion == "max":
        best = np.where(there, c.real, -9).argmax(-1)
        of_pieces = np.take_along_axis(c, best[..., None], -1)[..., 0]
    else:
        logits = np.zeros(c.shape)
        if fusion == "attention":
            keys = u @ params["key/kernel"]
            if spec["positions"]:
                keys = keys + np.asarray(sincos((PARTS,), DIM), float)[: u.shape[1]]
            asked = normalize(w @ params["query/kernel"])
            logits = spec["attention_scale"] * np.einsum("atd,bld->ablt", normalize(keys), asked)
        a = np.where(there, np.exp(logits), 0)
        of_pieces = (a * c).sum(-1) / a.sum(-1)
    return (of_pieces * said).sum(-1) / said.sum(-1)


def formula_of(spec):
    def formula(raws, extra, params):
        seen = []
        for name in "ab":
            tokens = normalize(raws[name].reshape(-1, PARTS, DIM))
            mask = extra.get(f"{name}_mask", np.ones(tokens.shape[:2], bool))
            first = spec.get("skip", {}).get(name, 0)
            part = slice(first, None) if name in spec["tokens"] else slice(1)
            seen += [tokens[:, part], mask[:, part]]
        s = scores(*seen, params, spec) * np.exp(params["temperature/log_scale"])
        every = np.ones(s.shape, bool)
        return sum((logsumexp(s, every, k) - np.diag(s)).mean() / 2 for k in (0, 1))

    return formula


def case(**changes):
    spec = {**SPEC, **changes}
    return Case(spec, ("a", "b"), formula_of(spec), padding, PARTS * DIM, outputs=outputs)


ONE_TEXT = case(tokens=("a",), positions=False)
CASES = {"late_interaction": case(), "late_interaction_max": case(fusion="max")}


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_equals_the_formula(plan):
    CASES["late_interaction"].check(plan)


@pytest.mark.parametrize("fusion", ["mean", "max"])
def test_pooling_in_place_of_attention(fusion):
    metrics = case(fusion=fusion).check(PLANS[0])
    assert metrics["term/attention"] <= 1 + 1e-6


def test_a_text_of_one_vector():
    """As in the paper: the whole text asks."""
    metrics = ONE_TEXT.check(PLANS[0])
    assert 1 / PARTS < metrics["term/attention"] < 1
    assert metrics["term/chance"] == pytest.approx(np.log(SIZE))


def test_absent_rows_enter_nothing():
    CASES["late_interaction"].check_absent()


def test_one_row_has_no_negatives():
    CASES["late_interaction"].check_one_row()


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


def test_skipped_tokens_are_no_parts():
    without = {"a_mask": np.ones((SIZE, PARTS), bool), "b_mask": np.ones((SIZE, PARTS), bool)}
    spec = {**SPEC, "skip": {"b": 1}}
    Case(
        spec,
        ("a", "b"),
        formula_of(spec),
        lambda size: {n: m[:size] for n, m in without.items()},
        PARTS * DIM,
        outputs=outputs,
    ).check(PLANS[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pair": ("a", "a")}, "pair of two different"),
        ({"tokens": ("c",)}, "names others"),
        ({"fusion": "sum"}, "but is 'sum'"),
        ({"attention_scale": 0.0}, "attention_scale=0.0"),
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
