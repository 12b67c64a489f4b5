"""Tokenizers: round trips in many scripts, bytes for what is rare, cut captions, wrong files."""

import importlib.util
import io
import json
import pickle
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from third_party import needs

from mmjax.data.records import BadExample
from mmjax.data.registry import TOKENIZERS
from mmjax.data.sets import emoji
from mmjax.data.tokenizers import (
    BytesTokenizer,
    HuggingFaceTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
)
from mmjax.data.views import TextView

TEXTS = {
    "english": "a photo of a grinning cat with smiling eyes",
    "capitals and signs": 'The "Café" costs $3.50 (50% off) -- x_y@z.org/?q=a&b=[c]{d}~`^|\\',
    "german": "Mann in Straßenkleidung, größer",
    "turkish": "ıİğüşöç",
    "vietnamese": "mặt cười với đôi mắt cười",
    "yoruba": "Ojú Ajá ẹ́ ọ̀",
    "greek": "πρόσωπο σκύλου",
    "russian": "морда собаки",
    "armenian": "շան դեմք",
    "georgian": "ძაღლის სახე",
    "cherokee": "ᎩᎵ ᎤᎧᏛ",
    "hebrew, right to left": "פרצוף של כלב",
    "arabic, right to left": "وجه كلب",
    "persian with joiners": "می‌خواهم خنده‌دار",
    "mixed directions": "the word כלב means dog, كلب too",
    "hindi": "कुत्ते का चेहरा",
    "bengali": "কুকুরের মুখ",
    "tamil": "நாயின் முகம்",
    "malayalam": "നായയുടെ മുഖം",
    "sinhala with joiners": "සතුටු ශ්‍රී මුහුණ",
    "thai": "หน้าสุนัข",
    "lao": "ໜ້າໝາ",
    "khmer": "មុខ​ឆ្កែ",
    "burmese": "ခွေး မျက်နှာ",
    "amharic": "የውሻ ፊት",
    "chinese": "狗脸，红旗。",
    "rare chinese": "龘靐齉爩",
    "japanese": "イヌの顔",
    "korean": "강아지 얼굴 뷁",
    "beyond the training text": "ꦲꦏ꧀ꦱꦫ ⰳⰾⰰⰳⱁⰾⰻⱌⰰ 𒀭𒈹 𓂀",
    "mathematics": "∀x∈ℝ∖{0}: ∂f⁄∂x ≥ 0",
    "emoji": "😀🐶",
    "emoji of a sequence": "👩🏽‍🚀 🏳️‍🌈 👨‍👩‍👧 🇯🇵 #️⃣",
    "emoji in a text": "I ❤️ my 🐶!",
    "names of marks": "<s></s><pad><unk><0x41>",
}


@pytest.fixture(scope="module")
def embedded():
    return SentencePieceTokenizer()


@pytest.fixture(scope="module", params=["embedded", "bytes"])
def tokenizer(request):
    return SentencePieceTokenizer() if request.param == "embedded" else BytesTokenizer()


# What every tokenizer has to do


def test_interface(tokenizer):
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id, tokenizer.eos_id) == (0, 1, 2, 3)
    assert len(tokenizer.fingerprint) == 64
    assert tokenizer.encode("") == []
    assert tokenizer.decode([]) == ""
    for name in Tokenizer.__annotations__:
        assert hasattr(tokenizer, name)
    assert type(tokenizer) in TOKENIZERS.values()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_round_trip(tokenizer, text):
    ids = tokenizer.encode(text)
    assert all(type(i) is int and 4 <= i < tokenizer.vocab_size for i in ids)
    expected = text
    if isinstance(tokenizer, SentencePieceTokenizer):
        expected = unicodedata.normalize("NFKC", text)
    assert tokenizer.decode(ids) == expected
    # Marks are left out wherever they are, and numpy's integers do.
    padded = np.array([tokenizer.bos_id, *ids, tokenizer.eos_id, *[tokenizer.pad_id] * 3], np.int32)
    assert tokenizer.decode(padded) == expected


def test_a_text_cannot_write_marks(tokenizer):
    """'</s>' in a caption is four or more ordinary pieces, not the end mark."""
    for mark in ("<s>", "</s>", "<pad>", "<unk>", "<0x00>"):
        assert not {0, 1, 2, 3} & set(tokenizer.encode(f"a {mark} b"))


def test_lone_surrogates_are_an_error(tokenizer):
    with pytest.raises(UnicodeEncodeError):
        tokenizer.encode("a \ud83d")


def test_pickle(tokenizer):
    again = pickle.loads(pickle.dumps(tokenizer))
    for text in TEXTS.values():
        assert again.encode(text) == tokenizer.encode(text)
    assert again.fingerprint == tokenizer.fingerprint
    assert again.vocab_size == tokenizer.vocab_size


# The embedded model


def test_every_name_comes_back(embedded):
    """All names of all languages; NFKC and single spaces are what the model does to a text."""
    names = {n for code in emoji.languages() for n in emoji.texts(code)["names"] if n is not None}
    assert len(names) > 150_000
    lost = [
        name
        for name in names
        if embedded.decode(embedded.encode(name))
        != " ".join(unicodedata.normalize("NFKC", name).split(" "))
    ]
    assert lost == []


def test_vocabulary(embedded):
    processor = embedded._processor
    assert embedded.vocab_size == 8000
    special = [i for i in range(8000) if processor.is_control(i) or processor.is_unknown(i)]
    assert special == [0, 1, 2, 3]
    assert [processor.id_to_piece(i) for i in range(4, 260)] == [f"<0x{b:02X}>" for b in range(256)]
    assert all(processor.is_byte(i) for i in range(4, 260))
    # English captions need no bytes, and printable ASCII is there whatever it was trained on.
    for character in map(chr, range(0x21, 0x7F)):
        assert not any(processor.is_byte(i) for i in embedded.encode(character)), character


def test_names_are_short(embedded):
    """Tokens per name of new concepts, which the model was not trained on."""

    def mean_length(language):
        names = emoji.texts(language)["names"]
        new = [i for i, c in enumerate(emoji._concepts()) if emoji.is_new(c["code"])]
        return np.mean([len(embedded.encode(names[i])) for i in new if names[i] is not None])

    assert mean_length("en") < 4.6
    for language in ("de", "fr", "ru", "es", "zh", "ja", "ko", "ar", "sw"):
        assert mean_length(language) < 8, language
    for language in ("hi", "th", "ta", "am", "bn"):
        assert mean_length(language) < 10.5, language


def test_rare_characters_become_their_bytes(embedded):
    ids = embedded.encode("龘")
    pieces = [embedded._processor.id_to_piece(i) for i in ids]
    assert pieces[0] == "▁"
    assert pieces[1:] == [f"<0x{b:02X}>" for b in "龘".encode()]
    # Half a character is no error.
    assert "�" in embedded.decode(ids[:-1])


def test_compatibility_forms_are_folded_and_joiners_kept(embedded):
    # "fi" as one letter, full-width letters, a non-breaking space.
    assert embedded.decode(embedded.encode("ﬁsh ＡＢＣ\u00a0x")) == "fish ABC x"
    assert embedded.encode("e\u0301") == embedded.encode("\xe9")
    assert embedded.decode(embedded.encode("a\u200cb\u200dc")) == "a\u200cb\u200dc"


def test_the_script_makes_the_embedded_model(embedded):
    path = Path(__file__).resolve().parents[2] / "tools" / "train_tokenizer.py"
    spec = importlib.util.spec_from_file_location("train_tokenizer", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    if sentencepiece.__version__ != tool.MADE_WITH:
        pytest.skip(f"the model was made with sentencepiece {tool.MADE_WITH}")
    model = tool.train()
    assert model == tool.MODEL.read_bytes()
    assert embedded.fingerprint == SentencePieceTokenizer(path=str(tool.MODEL)).fingerprint


# Captions of a fixed length


def test_a_long_caption_is_cut_and_keeps_its_end(tokenizer):
    view = TextView(tokenizer=tokenizer, length=16)
    for text in ("dog " * 1000, "狗" * 1000, "😀" * 1000, "x" * 1_000_000):
        tokens = view(text, None, False)
        assert tokens.shape == (16,)
        assert tokens.dtype == np.int32
        assert (tokens[0], tokens[-1]) == (tokenizer.bos_id, tokenizer.eos_id)
        assert tokens[1:-1].tolist() == tokenizer.encode(text[:1000])[:14]


@pytest.mark.parametrize(("bos", "eos"), [(True, True), (True, False), (False, True)])
def test_lengths_around_the_limit(tokenizer, bos, eos):
    ids = tokenizer.encode("the dog")
    marked = [tokenizer.bos_id] * bos + ids + [tokenizer.eos_id] * eos
    for length in (len(marked) - 1, len(marked), len(marked) + 1, len(marked) + 5):
        view = TextView(tokenizer=tokenizer, length=length, bos=bos, eos=eos)
        tokens = view("the dog", None, False).tolist()
        if length >= len(marked):
            assert tokens == marked + [tokenizer.pad_id] * (length - len(marked))
        else:
            assert tokens == marked[: length - eos] + [tokenizer.eos_id] * eos


def test_a_caption_that_is_no_unicode_is_a_bad_example(tokenizer):
    with pytest.raises(BadExample, match="not valid Unicode"):
        TextView(tokenizer=tokenizer, length=8)("a \ud83d", None, False)


# Bytes


def test_bytes_are_bytes():
    tokenizer = BytesTokenizer()
    assert tokenizer.encode("aé") == [101, 0xC3 + 4, 0xA9 + 4]
    assert tokenizer.vocab_size == 260 > max(tokenizer.encode("\U0010ffff")) == 0xF4 + 4
    assert tokenizer.decode(tokenizer.encode("aé")[:-1]) == "a\ufffd"
    assert tokenizer.fingerprint != SentencePieceTokenizer().fingerprint


# Wrong files


def test_unknown_files(tmp_path):
    for path in ("emoji_8", str(tmp_path), str(tmp_path / "x.model")):
        with pytest.raises(ValueError, match=r"there is no Sentence.*emoji_8k") as error:
            SentencePieceTokenizer(path=path)
        assert path in str(error.value)


@pytest.mark.parametrize("kind", ["text", "zeros", "cut", "json", "picture"])
def test_files_that_are_no_model(kind, tmp_path):
    model = (emoji.ASSETS.parent / "emoji_8k.model").read_bytes()
    content = {
        "text": b"hello world\n" * 20,
        "zeros": bytes(100),
        "cut": model[:-1000],
        "json": json.dumps({"model": {"vocab": {"a": 1}}}).encode(),
        "picture": emoji._pictures("google")["1f436"],
    }[kind]
    path = tmp_path / "x.model"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.model is not a SentencePiece model"):
        SentencePieceTokenizer(path=str(path))


def test_an_empty_file(tmp_path):
    (tmp_path / "x.model").touch()
    with pytest.raises(ValueError, match=r"x\.model is empty"):
        SentencePieceTokenizer(path=str(tmp_path / "x.model"))


def small_model(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["hello world foo bar"] * 50),
        model_writer=model,
        hard_vocab_limit=False,
        vocab_size=30,
        minloglevel=2,
        **options,
    )
    return model.getvalue()


def test_a_model_without_marks_says_how_to_train_one(tmp_path):
    path = tmp_path / "x.model"
    path.write_bytes(small_model(bos_id=-1))  # pad is -1 unless asked for
    with pytest.raises(ValueError, match=r"has no pad and no bos piece; train it with --pad_id=0"):
        SentencePieceTokenizer(path=str(path))


def test_a_model_of_ones_own(tmp_path):
    path = tmp_path / "x.model"
    path.write_bytes(small_model(pad_id=3, unk_id=0, bos_id=1, eos_id=2))
    tokenizer = SentencePieceTokenizer(path=str(path))
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id, tokenizer.eos_id) == (3, 0, 1, 2)
    assert tokenizer.decode([1, *tokenizer.encode("hello bar"), 2, 3, 3]) == "hello bar"
    # Without byte fallback what is unknown is one unk, and the text is not the same again.
    assert tokenizer.unk_id in tokenizer.encode("hello 龘")
    tokens = TextView(tokenizer=tokenizer, length=32)("hello", None, False)
    assert tokens[0] == 1
    assert tokens[-1] == 3
    assert 2 in tokens


def _clip_like(folder: Path) -> Path:
    """A byte-level BPE with CLIP's marks, as `tokenizer.json`."""
    tokenizers = needs("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["!", "<|startoftext|>", "<|endoftext|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator(TEXTS.values(), trainer)
    # What a published file has switched on must not reach the ids of a view.
    made.enable_truncation(4)
    made.enable_padding(length=9)
    file = folder / "tokenizer.json"
    made.save(str(file))
    return file


MARKS = {"bos": "<|startoftext|>", "eos": "<|endoftext|>", "pad": "!"}


def test_hugging_face_files(tmp_path):
    tokenizer = HuggingFaceTokenizer(path=str(_clip_like(tmp_path)), **MARKS)
    assert (tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id) == (0, 1, 2)
    assert tokenizer.vocab_size <= 400
    for text in TEXTS.values():
        ids = tokenizer.encode(text)
        assert max(ids) < tokenizer.vocab_size
        assert tokenizer.decode([1, *ids, 2, 0, 0]) == text
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.encode("a grinning cat") == tokenizer.encode("a grinning cat")
    tokens = TextView(tokenizer=tokenizer, length=6).tokens("a photo of a grinning cat")
    assert tokens[0] == 1
    assert tokens[-1] == 2


def test_hugging_face_errors(tmp_path):
    file = _clip_like(tmp_path)
    with pytest.raises(ValueError, match="no tokenizer file"):
        HuggingFaceTokenizer(path=str(tmp_path / "none.json"), **MARKS)
    with pytest.raises(ValueError, match="has no token '<s>' for bos"):
        HuggingFaceTokenizer(path=str(file), **{**MARKS, "bos": "<s>"})
    broken = tmp_path / "broken.json"
    broken.write_text(file.read_text()[:100])
    with pytest.raises(ValueError, match=r"broken.json is not a tokenizer.json"):
        HuggingFaceTokenizer(path=str(broken), **MARKS)
    with pytest.raises(UnicodeEncodeError):
        HuggingFaceTokenizer(path=str(file), **MARKS).encode("a \ud800")


@pytest.mark.parametrize("kind", ["WordLevel", "WordPiece", "BPE", "Unigram"])
def test_a_tokenizer_without_its_unknown_token_is_refused(tmp_path, kind):
    tokenizers = needs("tokenizers")
    models = tokenizers.models
    vocab = {"<|startoftext|>": 0, "<|endoftext|>": 1, "!": 2, "a": 3}
    make = {
        "WordLevel": lambda **unk: models.WordLevel(vocab, **unk),
        "WordPiece": lambda **unk: models.WordPiece(vocab, **unk),
        "BPE": lambda **unk: models.BPE(vocab, [], **unk),
        "Unigram": lambda **_: models.Unigram([(name, -1.0) for name in vocab], None, False),
    }[kind]
    file = tmp_path / "tokenizer.json"
    tokenizers.Tokenizer(make(unk_token="[UNK]")).save(str(file))
    with pytest.raises(ValueError, match=r"tokenizer\.json has no token for what is not in its"):
        HuggingFaceTokenizer(path=str(file), **MARKS)
