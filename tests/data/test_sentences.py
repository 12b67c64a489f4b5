"""Texts in sentences: where they are cut, what is padding, and volumes with reports of lesions."""

import numpy as np
import pytest

from mmjax.data import BadExample
from mmjax.data.synthetic.lesion_volumes import SIDE, WORDS, LesionVolumes
from mmjax.data.tokenizers import BytesTokenizer, WordsTokenizer
from mmjax.data.views import SentencesView
from mmjax.data.views.sentences import split


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "No effusion. Heart is large!  Old scar?",
            ["No effusion.", "Heart is large!", "Old scar?"],
        ),
        ("A node of 2.5 cm; stable", ["A node of 2.5 cm;", "stable"]),
        ("one\ntwo\n\n three \n", ["one", "two", "three"]),
        (["a b. c", "", " d"], ["a b. c", "d"]),  # a list is of sentences already
        ("肺は正常。心臓は大きい。", ["肺は正常。", "心臓は大きい。"]),
        (" \n ", []),
    ],
)
def test_where_sentences_end(text, sentences):
    assert split(text) == sentences


def view(**options):
    words = WordsTokenizer(words=("no", "node", "here"))
    return SentencesView(**{"tokenizer": words, "sentences": 3, "length": 4, **options})


def test_sentences_keep_their_order_and_padding_is_behind_them():
    found = view()("no node\nhere here here here", None, False)
    np.testing.assert_array_equal(found, [[2, 4, 5, 3], [2, 6, 6, 3], [0] * 4])
    assert found.dtype == view().dtype
    assert found.shape == view().shape
    bare = view(bos=False, eos=False, lowercase=True)
    np.testing.assert_array_equal(bare(["NO", "here node"], None, True),
                                  [[4, 0, 0, 0], [6, 5, 0, 0], [0] * 4])  # fmt: skip
    np.testing.assert_array_equal(bare("no\nno\nno\nhere", None, False)[:, 0], [4, 4, 4])
    assert view().tokenizer.vocab_size == 7
    assert (view().eos, bare.eos) == (True, False)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("  \n", "the text has no sentence"),
        ([], "the text has no sentence"),
        (3, "the text is a int, not text"),
        (["a", 3], "the text is a int, not text"),
        ("good\nbad\ud800", "of sentence 2, the caption is not valid Unicode"),
    ],
)
def test_what_has_no_sentences_is_a_bad_example(value, said):
    with pytest.raises(BadExample) as caught:
        view(tokenizer=BytesTokenizer())(value, None, False)
    assert caught.value.reason.startswith(said)


def test_reports_name_the_lesions_of_their_volumes():
    source = LesionVolumes(examples=60, seed=3)
    words = SentencesView(tokenizer=WordsTokenizer(words=WORDS), sentences=5, length=5, bos=False,
                          eos=False)  # fmt: skip
    brighter = []
    for i in range(60):
        row = source[i]
        lines = row["text"].split("\n")
        assert len(lines) <= 5
        assert words(row["text"], None, False).min() != 1  # no word is unknown
        said = [line.split() for line in lines if "lesion in" in line]
        lesions = {place: (size, kind) for size, kind, *_, place in said if size != "no"}
        grid = row["mask"].reshape(4, 2, 2, 2, 2)  # each region has 2 x 2 columns of patches
        for region, place in enumerate(("R0", "R1", "R2", "R3")):
            own = grid[:, region // 2, :, region % 2]
            side = {"small": 3, "large": 5}.get(lesions.get(place, ("", ""))[0], 0)
            assert own.sum() * 64 == pytest.approx(side**3, abs=1e-3)
            if side:
                x = row["volume"][..., 0].reshape(4, 4, 4, 4, 4, 4).mean((1, 3, 5))
                x = x.reshape(4, 2, 2, 2, 2)[:, region // 2, :, region % 2]
                sign = 1 if lesions[place][1] == "hyper" else -1
                brighter += (sign * (x[own > 0.3] - x[own == 0].mean())).tolist()
        free = [line.split()[-1] for line in lines if line.startswith("no lesion")]
        assert len(free) == 1
        assert free[0] not in lesions
        assert row["sentence"] in lines
        assert row["lesions"] in row["holding"]
        others = {source[k]["lesions"] for k in range(60) if row["sentence"] in source[k]["text"]}
        assert others <= {*row["holding"]}
        without = {source[k]["lesions"] for k in range(60)} - others
        assert not without & {*row["holding"]}
    assert source[0]["volume"].shape == (SIDE, SIDE, SIDE, 1)
    assert 0.5 < np.mean(brighter) < 1.5  # 1.5 where a lesion fills a patch
