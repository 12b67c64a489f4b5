"""What evaluators show of a few examples is what they measure of them."""

import numpy as np
import pytest

from mmjax.data.synthetic.generated import Columns
from mmjax.data.tokenizers import WordsTokenizer
from mmjax.data.views import TextView
from mmjax.evaluators import EVALUATORS
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.looks import COUNT, few

ROWS, TOKENS, DIM = 20, 6, 4
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Given:
    """Embeds what it is given."""

    modalities = ("image", "text")

    def embed(self, modality, values, layer="unit"):
        return np.asarray(values, np.float32)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def data_of(fields, views):
    names = ("image", "text")
    return EvalData(Columns("test", "test", fields, names), views, 8)


def as_it_is(value, rng, train):
    return np.asarray(value, np.float32)


def test_few_are_the_same_ones_every_time_and_of_the_source():
    fields = {"image": list(np.arange(ROWS)[:, None]), "text": list(np.arange(ROWS)[:, None])}
    data = data_of(fields, {})
    one, other = few(data), few(data)
    rows = [int(one.source[i]["image"][0]) for i in range(len(one.source))]
    assert rows == [int(other.source[i]["image"][0]) for i in range(COUNT)]
    assert rows == sorted(set(rows))
    assert [one.source.id_of(i) for i in range(COUNT)] == [data.source.id_of(i) for i in rows]
    assert len(few(data, 50).source) == ROWS


def test_maps_of_phrases():
    rng = np.random.default_rng(0)
    region = np.zeros((ROWS, 2, 3), bool)
    region[:, 1, 2] = True
    image = unit(rng.normal(size=(ROWS, TOKENS, DIM)))
    text = unit(rng.normal(size=(ROWS, DIM)))
    fields = {"image": list(image.reshape(ROWS, -1)), "text": list(text), "region": list(region)}
    data = data_of(fields, dict.fromkeys(("image", "text"), as_it_is))
    look = EVALUATORS.get("grounding")(grid=(2, 3)).look(Given(), data)
    assert len(look.rows) == COUNT
    for row in look.rows:
        place = next(i for i in range(ROWS) if fields["image"][i] is row.items.raw(row.place))
        ((caption, found),) = row.maps.items()
        expected = (image[place] @ text[place]).reshape(2, 3)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert caption == f"cosines {expected.min():.2f} to {expected.max():.2f}"
        assert row.region.tolist() == region[place].tolist()
    # Without a grid a row, as these make no square.
    look = EVALUATORS.get("grounding")().look(Given(), data)
    assert next(iter(look.rows[0].maps.values())).shape == (1, TOKENS)


@pytest.mark.parametrize("words", [None, "text"])
def test_the_largest_codes_and_their_words(words):
    rng = np.random.default_rng(1)
    codes = len(WORDS) + 4
    weights = {m: rng.random((ROWS, codes)).clip(0.4) - 0.4 for m in ("image", "text")}
    numbers = {m: list(w) for m, w in weights.items()}
    tokenizer = WordsTokenizer(words=WORDS)

    class Read(TextView):
        def __call__(self, value, rng, train):
            return np.asarray(value, np.float32)

    view = Read(tokenizer=tokenizer, length=4)
    data = data_of(numbers, {"image": as_it_is, "text": view})
    look = EVALUATORS.get("code_usage")(words=words).look(Given(), data)
    assert len(look.rows) == 2 * COUNT
    assert [row.text for row in look.rows[:2]] == ["image", "text"]
    for row in look.rows:
        own = row.items.raw(row.place)
        order = sorted(range(codes), key=lambda k: (-own[k], k))[:8]
        names = {0: "[0]", 1: "(unknown)", 2: "[2]", 3: "[3]"}
        expected = [
            (str(k) if words is None else names.get(k, WORDS[k - 4]), own[k])
            for k in order
            if own[k] > 0
        ]
        assert [name for name, _ in row.words] == [name for name, _ in expected]
        np.testing.assert_allclose([x for _, x in row.words], [x for _, x in expected], rtol=1e-6)


def test_a_whole_code_is_a_strip():
    signs = np.sign(np.random.default_rng(2).normal(size=(2, ROWS, 5))) / np.sqrt(5)
    fields = {"image": list(signs[0]), "text": list(signs[1])}
    data = data_of(fields, dict.fromkeys(("image", "text"), as_it_is))
    look = EVALUATORS.get("code_usage")(whole=True).look(Given(), data)
    for row in look.rows:
        np.testing.assert_allclose(row.maps[""][0], row.items.raw(row.place), rtol=1e-6)
    with pytest.raises(ValueError, match="a whole embedding has no 'words'"):
        EVALUATORS.get("code_usage")(whole=True, words="text")


def test_others_show_nothing():
    assert (
        EVALUATORS.get("geometry")().look(Given(), data_of({"image": [0], "text": [0]}, {})) is None
    )
