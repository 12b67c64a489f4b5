"""The evaluators `word_search` and `universal_token`: their numbers by captions as strings."""

import jax
import numpy as np
import pytest

from mmjax import recipe as recipe_lib
from mmjax.configs import sage
from mmjax.data import inputs
from mmjax.data.synthetic.generated import Columns
from mmjax.data.synthetic.slot_captions import COLOURS, SHAPES
from mmjax.errors import ConfigError
from mmjax.evaluators import universal_token as universal_token_lib
from mmjax.evaluators.data import EvalData, embed_values
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.universal_token import UniversalToken
from mmjax.evaluators.word_search import WordSearch
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.embedder import Embedder
from mmjax.train import state as state_lib

WORDS = (sage.EMPTY, *sage.MODIFIERS[:9])
# An untrained tower of texts knows captions by captions.
HOW = dict(words=WORDS, template=sage.TEMPLATE, filler=sage.EMPTY, labels="name", modality="text")


@pytest.fixture(scope="module")
def tiny():
    """An untrained model, and records of generated captions."""
    tree = {**sage.slots(), "recipe": "tiny", "variant": "small", "steps": 0}
    recipe = recipe_lib.complete({**tree, "evaluators": {}}, "tiny.py")
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    plan = state_lib.plan(recipe, mesh)
    arrays = state_lib.initial(recipe, plan).evaluation_arrays()
    source = recipe.data.source.word(split="test", examples=300)
    data = EvalData(source, inputs.views(recipe.data), 64)
    return Embedder(plan.definition, arrays, mesh), data


def by_strings(model, data):
    """(names, unit means of their captions, function of captions to cosines with these)."""
    rows = [data.source[i] for i in range(len(data.source))]
    names = sorted({row["name"] for row in rows})
    x = embed_values(model, data, "text", [row["text"] for row in rows])
    means = np.stack([
        np.mean([v for v, row in zip(x, rows, strict=True) if row["name"] == name], 0)
        for name in names
    ])  # fmt: skip
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return names, lambda captions: embed_values(model, data, "text", captions) @ means.T


def said(name, choice):
    words = [WORDS[w] for w in choice]
    return " ".join([*words[:2], name, *words[2:]])


def margins(cosines, own):
    others = np.where(np.arange(cosines.shape[1]) == np.array(own)[:, None], -np.inf, cosines)
    return cosines[np.arange(len(own)), own] - others.max(1)


def test_random_search_is_that_of_captions_as_strings(tiny):
    model, data = tiny
    found = WordSearch(**HOW, budgets=(3, 12), draws=4, other=("text", "text"))(model, data)
    names, cosines = by_strings(model, data)
    own = np.arange(len(names))
    grammar, rng = WordSearch(**HOW).slots.grammar, np.random.default_rng([0, 0])

    def of(choices):
        return margins(cosines([said(*one) for one in zip(names, choices, strict=True)]), own)

    natural = [of([grammar.natural(rng) for _ in names]) >= 0 for _ in range(4)]
    assert found["natural/top_1"] == pytest.approx(np.mean(natural))
    starts = [grammar.natural(rng, 4) for _ in names]
    rows = np.flatnonzero(of(starts) >= 0)
    assert found["started"] == len(rows) > 5
    streams = [np.random.default_rng([0, r, 1]) for r in own]
    calls = np.zeros(len(own), int)
    for call in range(1, 13):
        choices = starts if call == 1 else [grammar.natural(stream) for stream in streams]
        calls = np.where((calls == 0) & (of(choices) < 0), call, calls)
    calls = calls[rows]
    assert (calls > 0).sum() > 0
    for k in (3, 12):
        expected = ((calls > 0) & (calls <= k)).mean()
        assert found[f"random/success@{k}"] == pytest.approx(expected)
    assert found["random/calls"] == pytest.approx(np.where(calls > 0, calls, 12).mean())
    for search in ("random", "climb", "gradient"):  # the same tower fails for the same captions
        assert found[f"{search}/transfer"] == 1


def test_a_model_that_classifies_nothing_has_nothing_to_search(tiny):
    model, data = tiny
    texts = ["plain plain red arch plain plain", "plain plain blue bell plain plain"]
    fields = {"text": texts, "name": ["blue bell", "red arch"]}
    other = EvalData(Columns("other", "test", fields, ("text",)), data.views, 64)
    found = WordSearch(**HOW, budgets=(2,), other=("text", "text"))(model, other)
    assert found["started"] == 0
    assert set(found.values()) == {0.0}


def test_a_free_word_is_the_word_and_has_its_gradient(tiny):
    model, data = tiny
    words = model.free_words("text")
    ids = np.stack([data.views["text"](t, None, False) for t in ("red arch plain", "blue bell")])
    free, place = ids.copy(), (0, 1)
    free[place] = len(words.table)
    v = words.table[ids[place]][None]
    program = jax.jit(words.embed)
    np.testing.assert_allclose(program(free, v), model.embed("text", ids), atol=1e-6)
    to = np.random.default_rng(0).normal(size=48).astype(np.float32)
    slope = jax.grad(lambda v: words.embed(free, v)[0] @ to)(v)
    for k in (0, 5):
        step = np.zeros_like(v)
        step[0, k] = 1e-2
        ends = [float(program(free, v + s * step)[0] @ to) for s in (1, -1)]
        assert float(slope[0, k]) == pytest.approx((ends[0] - ends[1]) / 2e-2, rel=0.02, abs=1e-3)


def test_a_universal_token_is_measured_on_captions_that_it_was_not_fitted_to(tiny, monkeypatch):
    model, data = tiny
    table, seen = model.free_words("text").table, []
    token = data.views["text"](WORDS[3], None, False)[0]

    def fitted(embed, ids, classes, target, start, *, bound, **how):
        seen.append((np.array(ids), bound, how))
        return table[token]

    monkeypatch.setattr(universal_token_lib, "fitted_token", fitted)
    evaluator = UniversalToken(**HOW, bounds=(2.0,), targets=2, captions=40, steps=7)
    found = evaluator(model, data)
    names, cosines = by_strings(model, data)
    rng, grammar = np.random.default_rng([0, 2]), evaluator.slots.grammar
    rows = rng.integers(len(names), size=(2, 40))
    choices = [[grammar.natural(rng) for _ in side] for side in rows]
    targets = rng.permutation(len(names))[:2]
    captions = [said(names[r], [*c[:3], 3]) for r, c in zip(rows[1], choices[1], strict=True)]
    nearest = cosines(captions).argmax(1)
    reached = [(nearest == t)[rows[1] != t].mean() for t in targets]
    longest = max(np.linalg.norm(table[data.views["text"](w, None, False)[0]]) for w in WORDS)
    for name in ("bound_2", "free"):
        assert found[f"{name}/reached"] == pytest.approx(np.mean(reached))
        assert found[f"{name}/length"] == pytest.approx(np.linalg.norm(table[token]) / longest)
    assert [bound for _, bound, _ in seen] == [pytest.approx(2 * longest)] * 2 + [None] * 2
    fitted_on = seen[0][0]
    assert fitted_on.shape[0] == 40
    assert ((fitted_on == len(table)).sum(1) == 1).all()
    rate = pytest.approx(0.1 * longest / 32**0.5)
    assert seen[0][2] == dict(steps=7, learning_rate=rate, temperature=0.07)


def test_a_long_vector_takes_every_caption_over_and_a_random_one_does_not(tiny):
    model, data = tiny
    found = UniversalToken(**HOW, bounds=(1.0,), targets=2, learning_rate=0.3, steps=80)(
        model, data
    )
    assert found["bound_1/length"] <= 1 + 1e-5
    assert found["free/length"] > 1
    assert found["free/reached"] > 0.9 > 0.3 > found["free/random"]
    assert found["bound_1/reached"] <= found["free/reached"]


def test_captions_may_be_of_the_records_own_texts(tiny):
    model, data = tiny
    things = [(c, f"{c} {s}") for c in COLOURS[:3] for s in SHAPES]
    fields = {"text": [text for _, text in things], "colour": [colour for colour, _ in things]}
    few = EvalData(Columns("few", "test", fields, ("text",)), data.views, 64)
    how = HOW | dict(labels="colour", template="* {} *", filler=None, own_texts=True)
    found = WordSearch(**how, budgets=(2,), draws=2, prompts=20)(model, few)
    x = embed_values(model, data, "text", fields["text"])
    means = np.stack([x[:8].mean(0), x[8:16].mean(0), x[16:].mean(0)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    drawn = sorted(np.random.default_rng([0, 3]).permutation(24)[:20])
    things = [things[row] for row in drawn]
    order = [sorted(COLOURS[:3]).index(colour) for colour, _ in things]
    means = means[np.argsort([sorted(COLOURS[:3]).index(c) for c in COLOURS[:3]])]
    rng, grammar, right = np.random.default_rng([0, 0]), WordSearch(**how).slots.grammar, []
    for _ in range(2):
        choices = [grammar.natural(rng) for _ in order]
        captions = [
            f"{WORDS[a]} {thing} {WORDS[b]}"
            for (_, thing), (a, b) in zip(things, choices, strict=True)
        ]
        right.append(margins(embed_values(model, data, "text", captions) @ means.T, order) >= 0)
    assert 0 < np.mean(right) < 1
    assert found["natural/top_1"] == pytest.approx(np.mean(right))
    with pytest.raises(EvaluationError, match="no room for slots beside any"):
        WordSearch(**how | dict(labels="name"))(model, data)  # captions of six words already
    # A text that is too long is left out, and the others are what they were.
    fields["text"].insert(3, "red red red red red arch")
    fields["colour"].insert(3, "red")
    longer = EvalData(Columns("few", "test", fields, ("text",)), data.views, 64)
    how = how | dict(budgets=(2,), draws=2, prompts=20)
    assert 0 < WordSearch(**how)(model, longer)["started"] <= 20


def test_what_cannot_be_searched_is_refused(tiny):
    model, data = tiny
    for bad, says in (
        (dict(template="{} {}"), "at least one slot"),
        (dict(template="a{} *"), "at least one slot"),
        (dict(words=WORDS[:3]), "at least two more than slots"),
        (dict(filler="red"), "none of the words"),
        (dict(budgets=()), "budgets is empty"),
    ):
        with pytest.raises(ValueError, match=says):
            WordSearch(**HOW | bad)
    unknown = HOW | dict(words=(*WORDS, "unheard", "unseen"))
    with pytest.raises(EvaluationError, match="same token of several"):
        WordSearch(**unknown)(model, data)
    two = HOW | dict(words=(*WORDS, "red red"))
    with pytest.raises(EvaluationError, match="with 'red red' in a slot"):
        WordSearch(**two)(model, data)
    for evaluator in (WordSearch, UniversalToken):  # before a run, too
        evaluator(**HOW).check(data)
        with pytest.raises(EvaluationError, match="with 'red red' in a slot"):
            evaluator(**two).check(data)
    with pytest.raises(ConfigError, match="no table of words"):
        model.free_words("image")
    one = EvalData(data.source.__class__(split="test", examples=1), data.views, 64)
    with pytest.raises(EvaluationError, match="all records are of one 'name'"):
        WordSearch(**HOW)(model, one)
