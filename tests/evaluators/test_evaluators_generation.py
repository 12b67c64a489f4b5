"""Generated texts: metrics by hand and by a library, of a model that says given texts."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from third_party import needs

from mmjax.data.synthetic.generated import Columns
from mmjax.data.tokenizers import WordsTokenizer
from mmjax.data.views import TextView
from mmjax.decoding import DECODERS, Texts
from mmjax.evaluators import EVALUATORS
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.text_metrics import bleu, diversity
from mmjax.system.generation import Likelihood

WORDS = ("a", "red", "blue", "dog", "cat", "runs")
LENGTH, BATCH = 8, 2
TEXTS = [["a red dog runs", "a dog runs"], ["a blue cat"], ["a dog"]]
SAID = ["a dog runs", "a cat cat cat cat", "red"]
GREEDY = {"greedy": DECODERS.spec("greedy")}


class Says:
    """A model that says `SAID` after what it is given, and notes what that was."""

    modalities = ("image", "text")

    def __init__(self, tokenizer, said=SAID):
        self.tokenizer, self.said, self.calls, self.texts = tokenizer, said, [], self

    def embed(self, modality, values, layer="unit"):
        return np.tile(np.float32([1, 0]), (len(values), 1))

    def generate(self, term, decoder, given, start, *, eos, never):
        self.calls.append(SimpleNamespace(term=term, given=given, eos=eos, never=never))
        assert len(start.ids) == BATCH
        ids, length = np.array(start.ids), np.array(start.length)
        for k, row in enumerate(start.row):
            new = [*self.tokenizer.encode(self.said[row]), *([] if eos is None else [eos])]
            new = new[: ids.shape[1] - length[k]]
            ids[k, length[k] : length[k] + len(new)] = new
            length[k] += len(new)
        return Texts(ids, length, -0.5 * (length - np.array(start.length)).astype(np.float32))

    def likelihood(self, term, given, ids):
        count = np.float32((ids != 0).sum(1) - 1)
        return Likelihood(-math.log(3) * count, 0.25 * count, count)


def made(texts=TEXTS, **view):
    tokenizer = WordsTokenizer(words=WORDS)
    views = {
        "image": lambda value, rng, train: np.float32(value),
        "text": TextView(tokenizer=tokenizer, length=LENGTH, **view),
    }
    fields = {"image": list(np.eye(len(texts), dtype=np.float32)), "text": texts}
    data = EvalData(Columns("test", "test", fields, ("image", "text")), views, 8)
    return Says(tokenizer), data


def evaluator(**options):
    return EVALUATORS["generation"](**{"decoders": GREEDY, "batch_size": BATCH, **options})


def test_captions_are_held_against_all_texts_of_a_record():
    model, data = made()
    found = evaluator(conditions=("image",), term="words")(model, data)
    # 1-grams 3 + 2 + 0 of 3 + 5 + 1, but BLEU-4 is 0: no 4-gram of three words is right.
    assert found == {
        "perplexity": pytest.approx(3),
        "accuracy": pytest.approx(0.25),
        "examples": 3,
        "greedy/diversity": pytest.approx((1 + 2 / 4) / 2 * (1 + 2 / 3) / 2 * 1),
        "greedy/tokens": 3,
        "greedy/log_likelihood": pytest.approx(-0.5),
        "greedy/BLEU@4": 0,
        "greedy/exact": pytest.approx(1 / 3),
        "greedy/word_recall": pytest.approx((1 + 2 / 3 + 0) / 3),
    }
    first, second = model.calls
    assert (first.term, first.eos, first.never) == ("words", 3, (0, 1, 2))
    np.testing.assert_array_equal(first.given["image"], np.eye(3)[:2])
    np.testing.assert_array_equal(second.given["image"], np.eye(3)[[2, 2]])


def test_a_prompt_is_given_and_not_measured():
    model, data = made(eos=False)
    found = evaluator(prompt=1, tokens=2)(model, data)
    assert found["greedy/tokens"] == pytest.approx((2 + 2 + 1) / 3)
    assert found["greedy/diversity"] == 1
    assert model.calls[0].eos is None
    assert model.calls[0].never == (0, 1, 2, 3)
    # What a text of one word begins with is that word, not the padding behind it.
    model, data = made([["a"], ["a blue cat"]])
    assert evaluator(prompt=2)(model, data)["examples"] == 2


def test_the_source_says_how_likely_a_text_is():
    model, data = made()
    known = {word: -float(k) for k, word in enumerate(WORDS)}
    with pytest.raises(EvaluationError, match="knows how likely a text is, such as 'markov_text'"):
        evaluator(reference="source").check(data)
    data.source.log_likelihood = lambda words: np.array([known[word] for word in words])
    measured = evaluator(reference="source", prompt=1)
    measured.check(data)
    found = measured(model, data)
    total = [known[word] for said in SAID for word in said.split()]
    assert found["greedy/coherence"] == pytest.approx(np.mean(total))
    assert "greedy/exact" not in found


def test_the_look_is_what_was_said_and_the_record_s_own_text():
    model, data = made()
    look = evaluator(conditions=("image",)).look(model, data)
    assert look.title == "captions"
    assert [dict(row.said) for row in look.rows] == [
        {"greedy": said, "own text": own[0]} for said, own in zip(SAID, TEXTS, strict=True)
    ]
    assert [row.items.modality for row in look.rows] == ["image"] * 3
    look = evaluator(prompt=1).look(model, data)
    assert look.title == "generated texts"
    assert "from their first 1 tokens" in look.note


@pytest.mark.parametrize(
    ("options", "view", "message"),
    [
        ({}, {"bos": False}, "bos=False, so that a text needs a first token: set 'prompt'"),
        ({"prompt": 5, "tokens": 3}, {}, "6 tokens and 3 more are more than the length"),
        ({"text": "image"}, {}, "'image' is no view of text"),
    ],
)
def test_what_cannot_be_generated_is_named(options, view, message):
    with pytest.raises(EvaluationError, match=message):
        evaluator(**options).check(made(**view)[1])


def test_a_model_without_a_decoder_is_named():
    model, data = made()
    model.texts = None
    with pytest.raises(EvaluationError, match="this model has no decoder"):
        evaluator()(model, data)
    with pytest.raises(ValueError, match="'decoders' names none"):
        evaluator(decoders={})


def test_diversity_is_the_share_of_different_runs():
    assert diversity([[1, 2, 3, 4, 5, 6]]) == 1
    # 2-grams 2 of 5, 3-grams 2 of 4, 4-grams 2 of 3.
    assert diversity([[1, 2, 1, 2, 1, 2]]) == pytest.approx(2 / 5 * 2 / 4 * 2 / 3)
    assert diversity([[1, 2, 1, 2, 1, 2], [7]]) == pytest.approx(2 / 5 * 2 / 4 * 2 / 3)


def test_bleu_is_that_of_a_library():
    metric = needs("torchmetrics.text").BLEUScore(n_gram=4)
    rng = np.random.default_rng(0)
    texts, references = [], []
    for _ in range(30):
        own = [list(rng.choice(list("abcdefg"), rng.integers(5, 12))) for _ in range(3)]
        changed = [w if rng.random() < 0.8 else "z" for w in own[0][: rng.integers(4, 12)]]
        texts.append(changed)
        references.append(sorted(own, key=len))  # of equally near ones theirs takes the first
    want = metric([" ".join(t) for t in texts], [[" ".join(r) for r in own] for own in references])
    assert 0.2 < want < 0.9
    assert bleu(texts, references) == pytest.approx(float(want), rel=1e-5)
