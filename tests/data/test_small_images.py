"""Digits, scenes of glyphs, and the views and the tokenizer that suit them."""

import pickle

import numpy as np
import pytest

from mmjax.data.records import BadExample
from mmjax.data.registry import TOKENIZERS
from mmjax.data.synthetic import DigitDomains, DigitsSource, TexturedDigits, digit_domains, glyphs
from mmjax.data.synthetic.digits import FILLERS, NAMES, NUMERALS, STOP_WORDS, SYNONYMS, WORDS
from mmjax.data.tokenizers.words import WordsTokenizer
from mmjax.data.views import AugmentedTextView, PixelsView


def test_digits_are_split_by_the_seed_and_captions_say_what_is_seen():
    train, test = DigitsSource(examples=300), DigitsSource(split="test")
    assert (len(train), len(test)) == (300, 700)
    seen = {row["image"].tobytes() for row in map(train.__getitem__, range(300))}
    assert not seen & {row["image"].tobytes() for row in map(test.__getitem__, range(700))}
    for source in (train, test):
        for i in range(len(source)):
            row = source[i]
            assert row["image"].shape == (8, 8)
            assert row["image"].max() <= 16
            words = row["text"].split()
            said = [word for word in words if word in NAMES + NUMERALS]
            assert said in ([NAMES[row["label"]]], [NUMERALS[row["label"]]])
            assert sum(word in FILLERS for word in words) == 5
            assert set(words) <= set(WORDS)
            assert row["name"] == NAMES[row["label"]]
    # A nearest class mean tells the digits apart, so that images and labels belong together.
    x = np.stack([train[i]["image"].ravel() for i in range(300)]).astype(float)
    y = np.array([train[i]["label"] for i in range(300)])
    means = np.stack([x[y == digit].mean(0) for digit in range(10)])
    hits = [
        np.argmin(((test[i]["image"].ravel() - means) ** 2).sum(1)) == test[i]["label"]
        for i in range(700)
    ]
    assert np.mean(hits) > 0.8
    with pytest.raises(ValueError, match="examples=2000"):
        DigitsSource(examples=2000)
    with pytest.raises(ValueError, match="split is 'dev'"):
        DigitsSource(split="dev")


@pytest.mark.parametrize("common", ["texture", "emoji"])
def test_textured_digits_share_one_factor_and_half_have_another(common):
    rows = {
        split: [source[i] for i in range(len(source))]
        for split in ("train", "validation", "test")
        for source in [TexturedDigits(split=split, examples=200, common=common)]
    }
    for found in rows.values():
        assert sum(row["target"] for row in found) == 100
        assert all(("digit" in row) == (row["target"] == 1) for row in found)
        assert {row["texture"] for row in found} == set(range(10))
        inside = {
            target: np.mean([row["image"][4:12, 4:12] for row in found if row["target"] == target])
            for target in (0, 1)
        }
        assert inside[1] > inside[0] + 20
    again = TexturedDigits(split="test", examples=200, common=common)
    np.testing.assert_array_equal(again[3]["image"], rows["test"][3]["image"])
    all_of_them = TexturedDigits(share=1.0, examples=50, common=common)
    assert all(all_of_them[i]["target"] == 1 for i in range(50))


def test_another_domain_has_the_same_digits_before_backgrounds():
    plain = dict(background=0.0, noise=0.0)
    splits = {split: DigitDomains(split=split, **plain) for split in DigitDomains.splits}
    rows = {name: [source[i] for i in range(len(source))] for name, source in splits.items()}
    every = [row["image"].tobytes() for found in rows.values() for row in found]
    assert len(every) == len(set(every)) == 1797  # no image is in two splits
    named = {row["name"]: row["label"] for row in rows["pretrain"]}
    assert sorted(named.values()) == list(range(10))
    assert list(named) != list(NAMES)  # the seed draws which are base classes
    for split, found in rows.items():
        for row in found:
            said = [word for word in row["text"].split() if word in NAMES + NUMERALS]
            assert said in ([row["name"]], [NUMERALS[NAMES.index(row["name"])]])
            assert set(row["text"].split()) <= set(digit_domains.WORDS)
            assert named[row["name"]] == row["label"]
            assert split == "pretrain" or row["id"] == row["label"]
    shots = [row["label"] for row in rows["train"]]
    assert sorted(shots[:5]) == list(range(5)) == sorted(set(shots))
    kept = [row["image"].tobytes() for row in rows["validation"]]
    again = DigitDomains(split="validation", seed=1, **plain)
    assert [again[i]["image"].tobytes() for i in range(len(again))] == kept

    before = np.stack([row["image"] for row in rows["test"]])
    shown = DigitDomains(split="test", background=0.5, noise=0.0)
    after = np.stack([shown[i]["image"] for i in range(len(shown))])
    black = before == 0
    assert 0.05 < after[black].mean() < 0.4  # the background itself, at half its brightness
    assert after.min() >= 0
    assert after[black].max() <= 0.5
    assert (after[before == 1] >= 0.5).all()
    noisy = DigitDomains(split="test", background=0.0, noise=0.2)
    error = np.stack([noisy[i]["image"] for i in range(len(noisy))]) - before
    assert error.std() == pytest.approx(0.2, rel=0.02)
    with pytest.raises(ValueError, match="examples=41 must be at most the 40 of the split 'train'"):
        DigitDomains(split="train", examples=41)


def test_a_reflected_border_mirrors_and_an_offset_is_one_number():
    image = np.arange(36, dtype=np.uint8).reshape(6, 6)
    options = {"size": 6, "channels": 1, "peak": 1.0}
    view = PixelsView(**options, shift=2, border="reflect")
    padded, seen = np.pad(image, 2, mode="reflect"), set()
    for seed in range(60):
        x = view(image, np.random.default_rng(seed), True)[..., 0]
        windows = [(i, j) for i in range(5) for j in range(5)]
        seen |= {w for w in windows if np.array_equal(x, padded[w[0] :, w[1] :][:6, :6])}
    assert len(seen) > 15
    np.testing.assert_array_equal(view(image, None, False)[..., 0], image)
    moved = PixelsView(**options, offset=0.5)(image, np.random.default_rng(0), True)[..., 0] - image
    assert np.ptp(moved) < 1e-5
    assert 0 < abs(moved[0, 0]) <= 0.5
    with pytest.raises(ValueError, match="below the side"):
        PixelsView(**options, shift=6, border="reflect")


def test_validation_images_of_digits_are_the_same_for_every_seed_and_in_no_other_split():
    held_out = {}
    for seed in (0, 1):
        images = {}
        for split in ("train", "test", "validation"):
            source = DigitsSource(split=split, seed=seed, validation=True)
            images[split] = [source[i]["image"].tobytes() for i in range(len(source))]
        assert {split: len(rows) for split, rows in images.items()} == {
            "train": 700,
            "test": 700,
            "validation": 397,
        }
        assert not {*images["validation"]} & {*images["train"], *images["test"]}
        held_out[seed] = images["validation"]
    assert held_out[0] == held_out[1]
    with pytest.raises(ValueError, match="needs validation=True"):
        DigitsSource(split="validation")


def test_captions_of_scenes_name_the_shape_and_not_the_glyph():
    source = glyphs.GlyphScenes(examples=1500)
    rows = [source[i] for i in range(len(source))]
    for row in rows[:50]:
        assert len(row["image"]) == 8
        colour, shape, *fillers = row["text"].split()
        assert (colour, shape) == (glyphs.COLOURS[row["colour"]], glyphs.SHAPES[row["shape"]])
        assert row["name"] == f"{colour} {shape}"
        assert len(fillers) == 3
        assert set(fillers) <= set(glyphs.FILLERS)
    # Each factor is in the part of the image that is its own: nearest means of half the rows.
    x = np.stack([row["image"][0] for row in rows]).astype(float)
    for field, part in (("shape", x[:, :8, :8]), ("colour", x[:, :8, :8]), ("glyph", x[:, 8:, 8:])):
        y = np.array([row[field] for row in rows])
        part = part.max(-1) if field != "colour" else part.mean((1, 2))
        part = part.reshape(len(x), -1)
        part = part / np.linalg.norm(part, axis=1, keepdims=True)
        means = np.stack([part[:750][y[:750] == c].mean(0) for c in range(y.max() + 1)])
        near = ((part[750:, None] - means) ** 2).sum(-1).argmin(1)
        assert (near == y[750:]).mean() > 0.7, field
        glyph = np.array([row["glyph"] for row in rows])
        other = {word for row in rows for word in row["text"].split()}
        assert len(other) == len(glyphs.WORDS)
        assert len(set(glyph)) == glyphs.GLYPHS


def test_pixels_are_shifted_scaled_erased_and_noisy_in_training_only():
    picture = np.arange(64, dtype=np.uint8).reshape(8, 8) + 1
    rng = np.random.default_rng(0)
    plain = PixelsView(size=8, channels=1, peak=64.0)
    np.testing.assert_allclose(plain(picture, rng, True)[..., 0], picture / 64)
    shifted = PixelsView(size=8, channels=1, peak=64.0, shift=1)
    np.testing.assert_allclose(shifted(picture, None, False)[..., 0], picture / 64)
    moves = set()
    for _ in range(60):
        x = shifted(picture, rng, True)[..., 0]
        (move,) = [
            (a, b)
            for a in (-1, 0, 1)
            for b in (-1, 0, 1)
            if np.allclose(x, np.roll(picture, (a, b), (0, 1)) / 64)
        ]
        moves.add(move)
    assert len(moves) == 9
    bright = PixelsView(size=8, channels=1, peak=64.0, brightness=0.3, erase=3)
    for _ in range(20):
        x = bright(picture, rng, True)[..., 0]
        gone = np.argwhere(x == 0)
        assert len(gone) == 9
        assert (np.ptp(gone, axis=0) == 2).all()
        factor = (x / (picture / 64))[x > 0]
        assert np.ptp(factor) < 1e-5
        assert 0.7 <= factor[0] <= 1.3
    noisy = PixelsView(size=8, channels=1, peak=64.0, noise=0.15)
    rest = np.stack([noisy(picture, rng, True)[..., 0] - picture / 64 for _ in range(50)])
    np.testing.assert_allclose(rest.std(), 0.15, rtol=0.05)
    with pytest.raises(BadExample, match=r"\[8, 8, 1\], but the view takes \[8, 8, 3\]"):
        PixelsView(size=8)(picture, None, False)
    with pytest.raises(ValueError, match="erase=9"):
        PixelsView(size=8, erase=9)


def test_words_are_ids_and_back():
    tokenizer = pickle.loads(pickle.dumps(TOKENIZERS["words"](words=("red", "harp"))))
    assert tokenizer.encode("harp  red drum") == [5, 4, tokenizer.unk_id]
    assert tokenizer.decode([2, 5, 4, 3, 0]) == "harp red"
    assert tokenizer.vocab_size == 6
    assert tokenizer.fingerprint != WordsTokenizer(words=("harp", "red")).fingerprint
    with pytest.raises(ValueError, match="'two words' is not one word"):
        WordsTokenizer(words=("two words",))
    with pytest.raises(ValueError, match="duplicate word 'a'"):
        WordsTokenizer(words=("a", "a"))


def changed(text, count=400, **options):
    """How often each text comes out of the view."""
    tokenizer = WordsTokenizer(words=WORDS)
    view = AugmentedTextView(tokenizer=tokenizer, length=12, bos=False, eos=False, **options)
    rng = np.random.default_rng(0)
    found = [tokenizer.decode(view(text, rng, True)) for _ in range(count)]
    assert tokenizer.decode(view(text, None, False)) == text
    return {out: found.count(out) / count for out in dict.fromkeys(found)}


def test_stop_words_go_all_or_none():
    found = changed("the digit 7 word3", stop_words=STOP_WORDS, drop_stop_words=0.8)
    assert found.keys() == {"7 word3", "the digit 7 word3"}
    assert abs(found["7 word3"] - 0.8) < 0.07
    assert changed("the digit", stop_words=STOP_WORDS, drop_stop_words=1.0) == {"the digit": 1.0}


def test_one_operation_is_done_by_weight():
    assert changed("seven word3", replace=1.0, synonyms=SYNONYMS) == {"7 word3": 1.0}
    assert changed("word1 word3", replace=1.0, synonyms=SYNONYMS) == {"word1 word3": 1.0}
    assert changed("word1 word3", swap=2.0) == {"word3 word1": 1.0}
    assert changed("word1", swap=1.0) == {"word1": 1.0}
    found = changed("word1 word2", delete=1.0, delete_rate=0.5, count=2000)
    assert found.keys() == {"word1", "word2", "word1 word2"}
    assert abs(found["word1 word2"] - 0.5) < 0.05  # both stay, or both would go
    found = changed(
        "7 word2", synonyms=SYNONYMS, replace=0.4, swap=0.4, delete=0.2, delete_rate=1.0
    )
    assert found.keys() == {"seven word2", "word2 7", "7 word2"}
    assert abs(found["7 word2"] - 0.2) < 0.06
