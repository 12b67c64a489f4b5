"""Characters, languages, long texts and tokenizers of one's own."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmjax.commands import data_source as command
from mmjax.commands.train_tokenizer import alphabet, captions, sentencepiece_model
from mmjax.data import BadExample
from mmjax.data.sources import ManifestSource, MemorySource
from mmjax.data.tokenizers import (
    BytesTokenizer,
    CharacterTokenizer,
    HuggingFaceTokenizer,
    SentencePieceTokenizer,
)
from mmjax.data.views import TextView
from mmjax.errors import ConfigError

# Hebrew with points, Arabic with digits, an emoji of five code points, decomposed accents.
SCRIPTS = {
    "hebrew": "חָתוּל אדום יושב על מחצלת",
    "arabic": "قطة حمراء رقم ١٢٣ على السجادة",
    "emoji": "👩🏽‍🚀 meets 👨‍👩‍👧‍👦 🏳️‍🌈",
    "accents": "cafe\u0301 nai\u0308f",
    "mixed": "price: 12₪ (שקל) today",
}


@pytest.fixture(scope="module")
def embedded():
    return SentencePieceTokenizer()


def test_characters_are_ids_and_back():
    tokenizer = CharacterTokenizer()
    assert tokenizer.vocab_size == 99
    text = "A cat, 3 dogs & a ~mouse"
    ids = tokenizer.encode(text)
    assert ids == [ord(c) - 28 for c in text]
    assert tokenizer.decode([2, *ids, 3, 0, 0]) == text
    assert tokenizer.encode("aé") == [tokenizer.encode("a")[0], tokenizer.unk_id]
    own = CharacterTokenizer(alphabet="abé")
    assert own.encode("e\u0301b") == own.encode("éb") == [6, 5]
    assert own.fingerprint != CharacterTokenizer(alphabet="aéb").fingerprint
    assert pickle.loads(pickle.dumps(own)).encode("ba") == [5, 4]
    with pytest.raises(UnicodeEncodeError):
        own.encode("a\ud800")


def test_alphabets_that_are_none(tmp_path):
    path = tmp_path / "alphabet.txt"
    path.write_text("שלום\nabc\n", encoding="utf-8")
    assert CharacterTokenizer(path=str(path)).encode("םa") == [7, 8]
    path.write_bytes(b"ab\xff")
    for options, message in (
        ({"path": str(path)}, "alphabet.txt is not UTF-8"),
        ({"path": str(tmp_path / "none")}, "there is no alphabet"),
        ({"alphabet": ""}, "the alphabet is empty"),
        ({"alphabet": "abca"}, "the character 'a' twice"),
        ({"alphabet": "a\ud800"}, "not valid Unicode"),
        ({"alphabet": "a", "path": str(path)}, "not both"),
    ):
        with pytest.raises(ValueError, match=message):
            CharacterTokenizer(**options)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_survives_bytes_characters_and_pieces(script, embedded):
    import unicodedata

    text = SCRIPTS[script]
    composed = unicodedata.normalize("NFC", text)
    for tokenizer, back in (
        (BytesTokenizer(), text),
        (CharacterTokenizer(alphabet="".join(dict.fromkeys(composed))), composed),
        (embedded, unicodedata.normalize("NFKC", text)),
    ):
        # In logical order: a text from right to left begins with its first word.
        tokens = TextView(tokenizer=tokenizer, length=150).tokens(text)
        assert tokens[0] == tokenizer.bos_id
        assert tokens[-1] == tokenizer.pad_id
        assert tokenizer.decode(tokens) == back
        short = TextView(tokenizer=tokenizer, length=5).tokens(text)
        np.testing.assert_array_equal(short[:4], tokens[:4])
        assert short[4] == tokenizer.eos_id


def test_a_caption_of_100_000_characters_is_cut_or_reported():
    long = "צבע 🎨 word " * 9_100
    assert len(long) > 100_000
    view = TextView(tokenizer=BytesTokenizer(), length=32)
    np.testing.assert_array_equal(view(long, None, False), view(long[:100], None, False))
    strict = TextView(tokenizer=BytesTokenizer(), length=32, max_characters=1000)
    with pytest.raises(BadExample, match=r"has 1\d\d,\d\d\d characters, more than max_characters"):
        strict(long, None, False)
    strict("x" * 1000, None, False)


@pytest.mark.parametrize("words", [30, 3000])
def test_training_sees_every_stretch_of_a_long_text(words):
    text = " ".join(f"{i:04}" for i in range(words))
    view = TextView(tokenizer=BytesTokenizer(), length=14, window="random")
    rng = np.random.default_rng(0)
    seen = [BytesTokenizer().decode(view(text, rng, True)) for _ in range(400)]
    assert all(len(s) == 12 and s in text for s in seen)
    starts = np.array([text.index(s) for s in seen]) / len(text)
    assert starts.min() < 0.05
    assert starts.max() > 0.9 * (1 - 12 / len(text))
    np.testing.assert_allclose(np.histogram(starts, 4, (0, 1))[0], 100, atol=45)
    assert BytesTokenizer().decode(view(text, None, False)) == text[:12]
    short = view("a few", rng, True)
    np.testing.assert_array_equal(short, view("a few", None, False))


@given(st.text(max_size=3000), st.integers(3, 40), st.integers(0, 99))
def test_any_text_under_any_window(text, length, seed):
    view = TextView(tokenizer=BytesTokenizer(), length=length, window="random")
    try:
        ids = view(text, np.random.default_rng(seed), True)
    except BadExample:
        assert not text.split() or any("\ud800" <= c <= "\udfff" for c in text)
        return
    ends = np.flatnonzero(ids == 3)
    assert len(ends) == 1
    assert (ids[ends[0] + 1 :] == 0).all()
    assert ends[0] >= 2


def test_languages_are_drawn_alike_and_evaluated_in_order():
    value = {"en": ["a", "b", "c"], "de": ["d"], "fr": "e", "it": []}
    rng = np.random.default_rng(0)

    def texts(count, **options):
        view = TextView(tokenizer=BytesTokenizer(), length=4, **options)
        return [BytesTokenizer().decode(view(value, rng, True)) for _ in range(count)]

    found = texts(900)
    assert 260 < found.count("d") < 340  # a third of them
    assert 260 < found.count("e") < 340
    assert set("abc") < set(found)
    assert set(texts(50, languages=("it", "de", "ja"))) == {"d"}
    first = TextView(tokenizer=BytesTokenizer(), length=4, languages=("ja", "fr", "en"))
    assert BytesTokenizer().decode(first(value, None, False)) == "e"
    with pytest.raises(BadExample, match=r"none of ja, only in en, de, fr, it"):
        TextView(tokenizer=BytesTokenizer(), length=4, languages=("ja",))(value, rng, True)
    with pytest.raises(BadExample, match=r"no language, only in nothing"):
        first.__class__(tokenizer=BytesTokenizer(), length=4)({}, rng, True)


def test_word_pieces_of_bert(tmp_path):
    """Longest match first, as Devlin et al. 2019 describe it, on a vocabulary written by hand."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "cat", "##s", ",", "a"]
    model = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {p: i for i, p in enumerate(pieces)},
    }
    made = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "strip_accents": None,
            "handle_chinese_chars": True,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": model,
    }
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(made))
    tokenizer = HuggingFaceTokenizer(
        path=str(file), bos="[CLS]", eos="[SEP]", pad="[PAD]", unk="[UNK]"
    )
    assert tokenizer.encode("Unaffable cats, a dog") == [4, 5, 6, 7, 8, 9, 10, 1]
    view = TextView(tokenizer=tokenizer, length=8)
    np.testing.assert_array_equal(view("a cat", None, False), [2, 10, 7, 3, 0, 0, 0, 0])
    model["vocab"]["##s"] = 70  # a vocabulary with a gap
    file.write_text(json.dumps(made))
    gap = HuggingFaceTokenizer(path=str(file), bos="[CLS]", eos="[SEP]", pad="[PAD]", unk="[UNK]")
    assert gap.vocab_size == 71
    assert gap.encode("cats") == [7, 70]
    file.write_bytes(b"\xff\xfe{")
    with pytest.raises(ValueError, match=r"is not a tokenizer.json: it is not UTF-8"):
        HuggingFaceTokenizer(path=str(file), bos="[CLS]", eos="[SEP]", pad="[PAD]")


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_tokenizer_is_trained_on_captions_of_a_source(kind, tmp_path):
    source = MemorySource(
        data={
            "text": [
                ["a red cat on a mat", "the cat"],
                {"en": "a blue dog", "he": ["כלב כחול"]},
                "a red\ndog",
                "a\ud800b",
                None,
            ]
        }
    )
    texts = list(captions(source, "text"))
    assert texts == [
        "a red cat on a mat",
        "the cat",
        "a blue dog",
        "כלב כחול",
        "a red\ndog",
        "a\ud800b",
    ]
    made = sentencepiece_model(texts, 310, kind)
    assert made == sentencepiece_model(iter(texts), 310, kind)
    path = tmp_path / "own.model"
    path.write_bytes(made)
    tokenizer = SentencePieceTokenizer(path=str(path))
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id, tokenizer.eos_id) == (0, 1, 2, 3)
    assert tokenizer.decode(tokenizer.encode("a red כלב 龘")) == "a red כלב 龘"
    assert len(tokenizer.encode("a red dog")) <= len("a red dog")
    assert alphabet(texts, 99)[:2] == " a"
    assert set(alphabet(texts, 7)) <= set(alphabet(texts, 99))
    assert len(alphabet(texts, 7)) == 3
    with pytest.raises(ConfigError, match="makes no model"):
        sentencepiece_model(texts, 20, kind)
    with pytest.raises(ConfigError, match="text is a int, not text"):
        list(captions(MemorySource(data={"text": [5]}), "text"))


def test_the_command_writes_files_that_recipes_read(tmp_path, set_flags, capsys):
    from mmjax.commands import train_tokenizer

    table = tmp_path / "t.csv"
    table.write_text("text\n" + "a red cat\na blue dog\n" * 3, encoding="utf-8")
    own = ManifestSource(path=str(table), columns={"text": "text"})
    assert len(own) == 6
    (tmp_path / "a.png").write_bytes(b"x")
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("image,text\n" + "a.png,a red cat\na.png,a blue dog\n", encoding="utf-8")
    for kind, name in (("sentencepiece", "own.model"), ("characters", "alphabet.txt")):
        set_flags(data=str(pairs), type=kind, out=str(tmp_path / name), vocab_size=300)
        train_tokenizer.main(None, [])
    said = capsys.readouterr().out
    assert "own.model: a SentencePiece model (bpe)" in said
    assert "alphabet.txt: 12 characters" in said
    characters = CharacterTokenizer(path=str(tmp_path / "alphabet.txt"))
    assert characters.decode(characters.encode("a red cat")) == "a red cat"
    with pytest.raises(ConfigError, match="say which data"):
        command.named_source("recipe.py", [])
