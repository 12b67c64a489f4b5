"""Retrieval by a term's own score, against one that is computed pair by pair in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jitted import drawn, jitted
from scipy.special import erf

from mmjax import recipe as recipe_lib
from mmjax.data.synthetic.generated import Columns
from mmjax.errors import ConfigError
from mmjax.evaluators import ranking
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.geometry import Geometry
from mmjax.evaluators.retrieval import Retrieval
from mmjax.model.definition import Definition
from mmjax.objectives import TermError
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.embedder import Embedder
from mmjax.system.system import System

NAMES, ROWS, PARTS, DIM = ("audio", "text"), 30, 4, 6
ENCODER = {"type": "token_mlp", "inputs": 5, "hidden": (), "width": 7}


def recipe(fusion="attention", term="own", tokens=NAMES, late=(), **options):
    view = {"type": "sequence", "length": PARTS, "dim": 5}
    head = {"type": "linear", "dim": DIM, "tokens": True}
    own = {"type": "late_interaction_nce", "dim": DIM, "tokens": tokens, "fusion": fusion}
    own.update(late)
    pairs = (("text", "audio"),)
    source = {"type": "concept_sets"}
    test = {"source": source, "pairs": pairs, "term": term, **options}
    return recipe_lib.complete(
        {
            "recipe": "late",
            "variant": "small",
            "paper": "-",
            "steps": 1,
            "data": {"source": source, "batch_size": 4, "views": dict.fromkeys(NAMES, view)},
            "model": {"towers": {m: {"encoder": ENCODER, "head": head} for m in NAMES}},
            "objectives": {"own": own, "clip": {"type": "info_nce", "pairs": pairs}},
            "optimizer": {"learning_rate": 0.1},
            "evaluators": {"retrieval": {"test": test}},
        },
        "late.py",
    )


def padded(rng):
    """Sequences of 1 to all parts, which end in rows of zeros."""
    x = rng.normal(size=(ROWS, PARTS, 5)).astype(np.float32)
    x[np.arange(PARTS) >= rng.integers(1, PARTS + 1, size=(ROWS, 1))] = 0
    return x


def model_of(config):
    def make():
        return System(config.model, config.objectives, dtype=jnp.float32, rngs=nnx.Rngs(0))

    system, mesh = drawn(make, seed=2), mesh_lib.make_mesh(devices=jax.devices()[:2])
    return system, Embedder(Definition.of(make), Definition.arrays(system), mesh)


def data_of(values):
    def view(value, rng, train):
        return value

    columns = {m: list(x) for m, x in values.items()}
    return EvalData(Columns("test", "test", columns, NAMES), dict.fromkeys(NAMES, view), 8)


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def expected(system, values, fusion, tokens):
    """s f64[audio, text], pair by pair."""
    term, sides = system.objectives.terms["own"], []
    for m in NAMES:
        encoding = jitted(system.towers[m].encoder)(values[m])
        kernel = np.asarray(system.towers[m].head.project.kernel[...], np.float64)
        whole, parts = (np.asarray(e, np.float64) for e in (encoding.pooled, encoding.tokens))
        there = (values[m] != 0).any(-1)
        one_by_one = [unit(p[t] @ kernel) for p, t in zip(parts, there, strict=True)]
        sides.append(one_by_one if m in tokens else list(unit(whole @ kernel)[:, None]))

    def mean(name, over, of):
        if term.share is None:
            return of.mean()
        own = term.share[name]
        kernel, bias = (
            np.asarray(v[...], np.float64) for v in (own.hidden.kernel, own.hidden.bias)
        )
        hidden = over @ kernel + bias
        logits = hidden * (1 + erf(hidden / np.sqrt(2))) / 2 @ np.asarray(own.logit.kernel[...])
        weights = np.exp(logits[:, 0])
        return (weights * of).sum() / weights.sum()

    scores = np.zeros((ROWS, ROWS))
    for i, j in np.ndindex(ROWS, ROWS):
        u, w = sides[0][i], sides[1][j]
        c = w @ u.T
        if fusion == "max":
            of_pieces = c.max(1)
            if term.symmetric:
                both = mean("text", w, of_pieces), mean("audio", u, c.max(0))
                scores[i, j] = sum(both) / 2
                continue
        elif fusion == "mean":
            of_pieces = c.mean(1)
        else:
            key, query = (np.asarray(k.kernel[...], np.float64) for k in (term.key, term.query))
            weight = np.exp(10 * unit(w @ query) @ unit(u @ key).T)
            of_pieces = (c * weight).sum(1) / weight.sum(1)
        scores[i, j] = mean("text", w, of_pieces)
    return scores


@pytest.mark.parametrize(
    ("fusion", "tokens", "options"),
    [
        ("attention", NAMES, {}),
        ("max", NAMES, {}),
        ("max", NAMES, {"symmetric": True}),
        ("max", NAMES, {"symmetric": True, "weights": "learned"}),
        ("mean", ("text",), {}),
    ],
)
def test_ranks_are_those_of_the_terms_score(fusion, tokens, options, monkeypatch):
    monkeypatch.setattr(ranking, "ROW_TILE", 7)  # several tiles, the last of which are padded
    monkeypatch.setattr(ranking, "COLUMN_TILE", 11)
    rng = np.random.default_rng(0)
    values = {m: padded(rng) for m in NAMES}
    system, model = model_of(recipe(fusion, tokens=tokens, late=options))

    data = data_of(values)
    found = Retrieval(pairs=(("text", "audio"),), term="own", ks=(1, 3))(model, data)
    scores = expected(system, values, fusion, tokens)
    for direction, s in (("audio_to_text", scores), ("text_to_audio", scores.T)):
        rank = 1 + (s > np.diag(s)[:, None]).sum(1)
        assert found[f"{direction}/mean_rank"] == pytest.approx(rank.mean())
        assert found[f"{direction}/R@3"] == pytest.approx((rank <= 3).mean())
    with pytest.raises(EvaluationError, match="the term 'own' scores"):
        Retrieval(pairs=(("text", "text"),), term="own")(model, data)
    with pytest.raises(TermError, match="no term 'clip' with a score of its own; there are"):
        Retrieval(pairs=(("text", "audio"),), term="clip")(model, data)


def test_the_gap_may_be_that_of_predictions():
    values = {m: padded(np.random.default_rng(2)) for m in NAMES}
    sizes = {"type": "predictive", "pairs": (NAMES,), "dim": DIM, "hidden": 5, "norm": False}
    config = recipe().plain()
    config["objectives"]["mean"] = sizes
    system, model = model_of(recipe_lib.complete(config, "late.py"))
    predicted = [
        unit(
            np.asarray(
                system.objectives.terms["mean"].predictors[m](model.embed(m, x, "raw"), None)
            )
        )
        for m, x in values.items()
    ]
    data = data_of(values)
    found = Geometry(pair=NAMES, term="mean")(model, data)
    for name, value in Geometry(pair=NAMES).measure(*predicted).items():
        assert found[name] == pytest.approx(value, abs=1e-4), name
    assert found["alignment"] != pytest.approx(Geometry(pair=NAMES)(model, data)["alignment"])
    with pytest.raises(EvaluationError, match="the term 'own' compares is not one unit vector"):
        Geometry(pair=NAMES, term="own")(model, data)


def test_a_term_that_cannot_score_is_found_before_a_run():
    for term in ("clip", "late"):
        with pytest.raises(ConfigError, match=f"unknown term with a score of its own '{term}'"):
            recipe(term=term)
    with pytest.raises(ConfigError, match="'term' and 'bits' are two scores; give one"):
        recipe(bits=1).evaluators["retrieval"]["test"].evaluator.build()


def test_the_layer_of_tokens_is_that_of_the_joint_space():
    values = padded(np.random.default_rng(1))
    system, model = model_of(recipe())
    found = model.embed("audio", values, "tokens").reshape(ROWS, PARTS, DIM)
    there = (values != 0).any(-1)
    encoding = system.towers["audio"].encoder(jnp.asarray(values))
    kernel = np.asarray(system.towers["audio"].head.project.kernel[...])
    expected = unit(np.asarray(encoding.tokens) @ kernel)
    np.testing.assert_allclose(found, np.where(there[..., None], expected, 0), atol=1e-5)
    further = recipe().plain()
    head = {"type": "linear", "dim": 5, "tokens": True}
    further["model"]["towers"]["audio"]["heads"] = {"mask": head, "tokenless": {"type": "none"}}
    system, model = model_of(recipe_lib.complete(further, "late.py"))
    found = model.embed("audio", values, "mask.tokens").reshape(ROWS, PARTS, 5)
    encoding = system.towers["audio"].encoder(jnp.asarray(values))
    expected = unit(np.asarray(encoding.tokens) @ np.asarray(
        system.towers["audio"].heads["mask"].project.kernel[...]))  # fmt: skip
    np.testing.assert_allclose(found, np.where(there[..., None], expected, 0), atol=1e-5)
    found = model.embed("audio", values, "encoder.tokens").reshape(ROWS, PARTS, -1)
    tokens = np.asarray(encoding.tokens)
    np.testing.assert_allclose(found, np.where(there[..., None], tokens, 0), atol=1e-5)
    with pytest.raises(ValueError, match=r"layer='tokenless\.tokens': the tower of"):
        model.embed("audio", values, "tokenless.tokens")
    config = recipe_lib.complete(
        {
            **recipe().plain(),
            "model": {"towers": {m: {"encoder": ENCODER} for m in NAMES}},
            "objectives": {"clip": {"type": "info_nce", "pairs": (NAMES,)}},
            "evaluators": {},
        },
        "late.py",
    )
    with pytest.raises(ValueError, match="the tower of 'audio' gives no tokens; give it a head"):
        model_of(config)[1].embed("audio", values, "tokens")
