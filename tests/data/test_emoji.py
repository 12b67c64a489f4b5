"""The embedded emoji data: its files, splits, records, languages and labels."""

import hashlib
import io
import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from tool_files import load_tool

from mmjax.data.records import Source
from mmjax.data.registry import SOURCES
from mmjax.data.sets import EmojiSource, emoji
from mmjax.data.sets.emoji_twins import TWINS

# Those of the splits, and those that only the option `styles` names.
SPLIT_STYLES = ("fluent", "google", "twitter")
OTHERS = ("fluent_flat", "noto_v1", "emojione")
STYLES = (*SPLIT_STYLES, *OTHERS)


@pytest.fixture(scope="module")
def concepts():
    return json.loads((emoji.ASSETS / "concepts.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pixels():
    """style -> code -> the image over white, f32[64 * 64 * 3]; all images are decoded."""
    tool = load_tool("build_emoji")
    decoded = {}
    for style in STYLES:
        decoded[style] = {}
        for code, content in emoji._pictures(style).items():
            with Image.open(io.BytesIO(content)) as picture:
                assert (picture.format, picture.size) == ("WEBP", (64, 64))
                decoded[style][code] = tool.over_white(picture.convert("RGBA"))
    return decoded


def find(source, part):
    """The record with this in its key."""
    return next(r for r in map(source.__getitem__, range(len(source))) if part in r["key"])


# Files


def test_files_are_those_that_the_script_made():
    build = json.loads((emoji.ASSETS / "build.json").read_text())
    for name, sha256 in build["sha256"].items():
        assert hashlib.sha256((emoji.ASSETS / name).read_bytes()).hexdigest() == sha256, name
    assert build["packages"] == load_tool("build_emoji").PACKAGES
    there = {path.name for path in emoji.ASSETS.iterdir()}
    assert there == {*build["sha256"], "build.json", "NOTICE"}


def test_assets_are_small_and_have_their_notices():
    files = [path for path in emoji.ASSETS.parent.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 38e6
    notice = (emoji.ASSETS / "NOTICE").read_text()
    for name in (
        *(f"{style}.zip" for style in STYLES),
        "names.zip",
        "concepts.json",
        "labels.json",
        "emoji_8k.model",
        "LICENSE-cldr.txt",
        "LICENSE-emoji-data.txt",
        "LICENSE-emojibase.txt",
        "Microsoft Corporation",
        "Apache License 2.0",
        "CC BY 4.0",
        "Unicode License V3",
    ):
        assert name in notice, name
    for style in STYLES:
        assert f"{style}.zip: {len(emoji._pictures(style)):,} images" in notice
    for package in load_tool("build_emoji").PACKAGES:
        name, version = package.rsplit("@", 1)
        assert f"{name} {version}" in notice, package


def test_tables_agree(concepts):
    codes = [concept["code"] for concept in concepts]
    assert len(set(codes)) == len(codes) == 1834
    assert len({concept["name"] for concept in concepts}) == len(codes)
    for concept in concepts:
        points = [f"{ord(c):04x}" for c in concept["emoji"]]
        assert "-".join(p for p in points if p not in ("fe0f", "e007f")) == concept["code"]
        assert concept["split"] == ("new" if emoji.is_new(concept["code"]) else "train")
    assert set(emoji._pictures("google")) == set(emoji._pictures("twitter")) == set(codes)
    for style in ("fluent", *OTHERS):
        assert 1000 < len(emoji._pictures(style)) < len(codes)
        assert set(emoji._pictures(style)) < set(codes)
    for language in emoji.languages():
        texts = emoji.texts(language)
        assert len(texts["names"]) == len(texts["keywords"]) == len(codes)
        named = [name for name in texts["names"] if name is not None]
        assert len(named) > 0.8 * len(codes)
        assert all(name and name == " ".join(name.split(" ")).strip() for name in named)
    assert emoji.texts("en")["names"] == [concept["name"] for concept in concepts]


# Splits


def test_the_rule_of_the_split_is_fixed(concepts):
    for code, family in (("1f601", b"1f601"), ("1f468-200d-1f680", b"1f9d1-200d-1f680")):
        rule = int(hashlib.sha256(family).hexdigest(), 16) % 10 == 0
        assert emoji.is_new(code) == rule
    new = [concept["code"] for concept in concepts if emoji.is_new(concept["code"])]
    assert len(new) == 161
    assert new[:3] == ["1f601", "1f605", "1f92a"]
    assert hashlib.sha256(" ".join(new).encode()).hexdigest() == (
        "42e81ad5ed22c84af23b644a9fb45f475d560e72d08abc48b876ef28bc6afd01"
    )


@pytest.mark.parametrize(
    ("code", "family"),
    [
        ("1f436", "1f436"),
        ("1f468-200d-1f680", "1f9d1-200d-1f680"),  # man astronaut: astronaut
        ("1f469-200d-1f680", "1f9d1-200d-1f680"),
        ("1f9d1-200d-1f680", "1f9d1-200d-1f680"),
        ("1f6b6-200d-2640-200d-27a1", "1f6b6"),  # woman walking facing right: person walking
        ("1f6b6-200d-27a1", "1f6b6"),
        ("1f468-200d-1f467-200d-1f466", "1f9d1-200d-1f9d2-200d-1f9d2"),  # family
        ("1f474", "1f9d3"),
        ("2640", "2640"),  # the sign itself
        ("27a1", "27a1"),
        ("1f3f3-200d-26a7", "1f3f3-200d-26a7"),
        ("1f468-200d-2764-200d-1f468", "1f9d1-200d-2764-200d-1f9d1"),
    ],
)
def test_family_of_a_code(code, family):
    assert emoji.family(code) == family


def test_variants_of_gender_and_direction_are_in_one_split(concepts):
    split = {}
    for concept in concepts:
        name = f" {concept['name']} "
        for word in (" man ", " woman ", " men ", " women ", " person ", " people "):
            name = name.replace(word, " ")
        name = name.replace(" facing right ", " ").strip()
        split.setdefault(name, set()).add(concept["split"])
    assert {name for name, splits in split.items() if len(splits) > 1} == set()


def test_no_skin_tone_variants(concepts):
    tones = {f"1f3f{digit}" for digit in "bcdef"}
    assert not [c["code"] for c in concepts if tones & set(c["code"].split("-"))]


def test_splits_are_disjoint_and_complete(concepts):
    shown = {}  # split -> images, as (style, code)
    for split in emoji.SPLITS:
        source = EmojiSource(split=split)
        shown[split] = {
            (style, concepts[i]["code"])
            for i in source._ids
            for style in source.styles
            if concepts[i]["code"] in emoji._pictures(style)
        }
        assert len(shown[split]) == sum(len(source[i]["image"]) for i in range(len(source)))
    everything = {(style, code) for style in SPLIT_STYLES for code in emoji._pictures(style)}
    twins = {image for image in everything if image[1] in TWINS}
    parts = ("train", "new_concepts", "new_style_train_concepts", "new_style_new_concepts")
    assert set().union(*(shown[part] for part in parts)) == everything - twins
    assert sum(len(shown[part]) for part in parts) == len(everything - twins)
    assert shown["new_style"] == {image for image in everything if image[0] == "twitter"}
    trained = shown["train"]
    assert {style for style, _ in trained} == {"fluent", "google"}
    new = {code for _, code in shown["new_concepts"]}
    assert new == {code for _, code in shown["new_style_new_concepts"]}
    assert not new & {code for _, code in trained}
    for style in ("", "new_style_"):
        halves = [shown[f"{style}{half}_concepts"] for half in ("validation", "test")]
        assert not halves[0] & halves[1]
        assert halves[0] | halves[1] == shown[f"{style}new_concepts"]
        assert [len({code for _, code in half}) for half in halves] == [69, 69]


@pytest.mark.long
def test_no_new_concept_looks_like_a_trained_one(pixels):
    """Within a style, no two images on the two sides differ by less than 10 of 255 (RMS).

    The closest pair left is Twemoji's white square and white circle; before the rule of `family`
    it was Fluent's man firefighter and firefighter, at 6.
    """
    for style in STYLES:
        codes = list(pixels[style])
        new = np.array([emoji.is_new(code) for code in codes])
        vectors = np.stack([pixels[style][code] for code in codes])
        a, b = vectors[new], vectors[~new]
        squares = np.sum(a**2, 1)[:, None] + np.sum(b**2, 1) - 2 * a @ b.T
        assert np.sqrt(squares.min() / vectors.shape[1]) > 10, style


def test_styles_draw_the_same_concepts_differently(pixels):
    """A concept is nearer to itself in another style than to the mean concept, but not equal."""
    codes = [code for code in pixels["fluent"] if code in pixels["google"]]
    fluent, google, twitter = (np.stack([pixels[s][c] for c in codes]) for s in SPLIT_STYLES)
    for other in (fluent, google):
        same = np.sqrt(np.mean((other - twitter) ** 2, axis=1))
        mixed = np.sqrt(np.mean((other - np.roll(twitter, 100, axis=0)) ** 2, axis=1))
        assert same.min() > 1
        assert same.mean() < 0.8 * mixed.mean()


def test_other_styles_draw_what_the_first_ones_draw(pixels):
    """A concept is nearer to itself in Noto Emoji than to the mean concept, in every style."""
    for style in ("fluent_flat", "noto_v1", "emojione"):
        codes = list(pixels[style])
        own, google = (np.stack([pixels[s][code] for code in codes]) for s in (style, "google"))
        same = np.sqrt(np.mean((own - google) ** 2, axis=1))
        mixed = np.sqrt(np.mean((own - np.roll(google, 100, axis=0)) ** 2, axis=1))
        assert np.mean(same < mixed) > 0.8, style


# Records


def test_source_is_a_source_and_registered():
    source = EmojiSource()
    assert isinstance(source, Source)
    assert SOURCES["emoji"] is EmojiSource
    assert source.modalities == ("image", "text")


@pytest.mark.parametrize("split", emoji.SPLITS)
def test_records(split, concepts):
    source = EmojiSource(split=split)
    ids = []
    for i in range(len(source)):
        record = source[i]
        concept = concepts[record["id"]]
        ids.append(record["id"])
        assert record["key"] == f"emoji {concept['code']} ({concept['name']})"
        assert record["text"] == [concept["name"]]
        assert 1 <= len(record["image"]) <= len(source.styles)
        assert all(picture[:4] == b"RIFF" for picture in record["image"])
        assert (record["group"], record["subgroup"]) == (concept["group"], concept["subgroup"])
    assert len(set(ids)) == len(source)
    assert sorted(ids) == ids
    assert source.id_limit == len(concepts) > max(ids)
    assert source.may_lack == ()


def test_pictures_are_in_the_order_of_the_styles():
    source = EmojiSource()
    record = find(source, "1f436")
    assert record["image"] == [emoji._pictures(style)["1f436"] for style in ("fluent", "google")]
    flag = find(source, "flag: Germany")
    assert len(flag["image"]) == 1  # Fluent has no country flags
    assert len(EmojiSource(split="new_style")[0]["image"]) == 1


@pytest.mark.parametrize("split", ["train", "new_style"])
def test_other_styles_of_a_split(split, concepts):
    drawn = [emoji._pictures(style) for style in ("noto_v1", "fluent_flat")]
    source = EmojiSource(split=split, styles=("noto_v1", "fluent_flat"))
    parts = emoji.SPLITS[split][1]
    wanted = [c for c in concepts if emoji.part_of(c["code"]) in parts]
    wanted = [c["code"] for c in wanted if any(c["code"] in style for style in drawn)]
    assert [source[i]["key"].split()[1] for i in range(len(source))] == wanted
    record = find(source, "1f436")
    assert record["image"] == [style["1f436"] for style in drawn]
    assert "noto_v1 and fluent_flat" in source.describe()
    copied = pickle.loads(pickle.dumps(source))
    assert (copied.styles, len(copied)) == (source.styles, len(source))


@pytest.mark.parametrize(
    ("styles", "said"),
    [((), "one or more"), ("google", "one or more"), (("google",) * 2, "each once"),
     (("notto",), "Did you mean 'noto_v1'")],
)  # fmt: skip
def test_styles_that_cannot_be(styles, said):
    with pytest.raises(ValueError, match=said):
        EmojiSource(styles=styles)


def test_text_has_names_in_order_then_keywords(concepts):
    source = EmojiSource(languages=("de", "en"), keywords=True)
    record = find(source, "1f436")
    assert record["text"][:2] == ["Hundegesicht", "dog face"]
    assert {"Hund", "dog", "pet"} <= set(record["text"][2:])
    assert len(set(record["text"])) == len(record["text"])
    assert len(EmojiSource(languages=("de", "en"))[0]["text"]) == 2
    # The same name in two languages is one alternative.
    twice = EmojiSource(languages=("zh", "yue-Hans", "zh-Hant"))
    assert any(len(twice[i]["text"]) < 3 for i in range(len(twice)))


def test_a_language_may_lack_names():
    source = EmojiSource(languages=("da",), split="new_concepts")  # no country flags in Danish
    lacking = [r["key"] for r in map(source.__getitem__, range(len(source))) if "text" not in r]
    assert lacking
    assert all("flag" in key for key in lacking)
    assert source.may_lack == ("text",)
    assert EmojiSource(languages=("da", "en"), split="new_concepts").may_lack == ()


def test_all_languages_at_once():
    source = EmojiSource(languages=emoji.languages(), split="new_concepts")
    assert len(emoji.languages()) == 106
    assert {"en", "de", "zh", "ar", "hi", "sw", "ja", "ru", "th"} <= set(emoji.languages())
    assert np.mean([len(source[i]["text"]) for i in range(len(source))]) > 90


def test_describe():
    source = EmojiSource(split="new_concepts", languages=("en", "de"), keywords=True)
    assert source.describe() == (
        "emoji, new_concepts: 138 concepts in fluent and google, named in en, de with keywords"
    )


def test_indices():
    source = EmojiSource(split="new_concepts")
    with pytest.raises(IndexError):
        source[len(source)]
    assert source[-1] == source[len(source) - 1]
    assert len(list(source)) == len(source)


def test_pickle_is_small_and_threads_see_the_same():
    source = EmojiSource(languages=("en", "ja"), keywords=True, split="new_concepts")
    packed = pickle.dumps(source)
    assert len(packed) < 1000
    again = pickle.loads(packed)
    expected = [source[i] for i in range(len(source))]
    for cache in (emoji._concepts, emoji._pictures, emoji.texts):
        cache.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(again.__getitem__, range(len(again)))) == expected


# Labels


@pytest.mark.parametrize(("field", "classes"), [("group", 9), ("subgroup", 98)])
def test_labels(field, classes):
    source = EmojiSource(split="new_style")
    names = source.labels(field)
    assert len(names) == len(set(names)) == classes
    assert {source[i][field] for i in range(len(source))} == set(names)
    for language in emoji._labels()[field]:
        translated = source.labels(field, language)
        assert len(set(translated)) == classes, language
        assert language in emoji.languages()
    german = dict(zip(names, source.labels(field, "de"), strict=True))
    if field == "group":
        assert german["Animals & Nature"] == "Tiere & Natur"
    names.clear()  # a caller's list is its own
    assert len(source.labels(field)) == classes


def test_every_group_of_the_new_concepts_is_trained():
    def groups(split):
        source = EmojiSource(split=split)
        return {source[i]["group"] for i in range(len(source))}

    assert groups("new_concepts") == groups("train") == set(EmojiSource().labels("group"))


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "new_concept"}, "Did you mean 'new_concepts'"),
        ({"languages": ("en", "zh-hant")}, "'zh-hant'.*Did you mean 'zh-Hant'"),
        ({"languages": ("sr_Latn",)}, "Did you mean 'sr-Latn'"),
        ({"languages": ("xx",)}, "Unknown language of emoji names 'xx'; known are af, ak"),
        ({"languages": "en"}, r"one or more codes such as \('en', 'de'\), got 'en'"),
        ({"languages": ()}, "one or more codes"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        EmojiSource(**options)


def test_wrong_labels():
    source = EmojiSource()
    with pytest.raises(ValueError, match=r"'groups'; known are group, subgroup\. Did you mean 'gr"):
        source.labels("groups")
    with pytest.raises(ValueError, match="Unknown language of the group labels 'cy'"):
        source.labels("group", "cy")


def test_missing_files(tmp_path, monkeypatch):
    monkeypatch.setattr(emoji, "ASSETS", tmp_path)
    emoji._concepts.cache_clear()
    with pytest.raises(
        FileNotFoundError, match=r"concepts\.json is missing.*tools/build_emoji\.py"
    ):
        EmojiSource()


# The script


def test_build_finds_changed_files(tmp_path, capsys):
    tool = load_tool("build_emoji")
    picture = Image.new("RGBA", (64, 64), (200, 30, 30, 255))
    lossless = tool.webp(picture, {"lossless": True, "method": 0})
    other = tool.webp(picture, {"lossless": True, "method": 6, "exif": b"Exif\0\0II*\0\0\0\0\0"})
    assert lossless != other
    files = {"a.zip": tool.archive({"1.webp": lossless}, 0), "b.json": b"[]", "c.json": b"{}"}
    assert tool.archive({"1.webp": lossless}, 0) == files["a.zip"]
    (tmp_path / "build.json").write_text('{"pillow": "1", "libwebp": "2"}')
    (tmp_path / "a.zip").write_bytes(tool.archive({"1.webp": other}, 0))
    (tmp_path / "b.json").write_bytes(b"[]")
    assert tool.check(files, tmp_path) == 2
    output = capsys.readouterr().out
    assert "a.zip: other bytes, same content" in output
    assert "b.json: same bytes" in output
    assert "c.json: other bytes, OTHER content" in output
    assert "made with Pillow 1 and libwebp 2" in output


def test_build_drops_lookalikes_and_squares_pictures():
    tool = load_tool("build_emoji")
    assert tool.canonical("1F3F4-E0067-E007F") == "1f3f4-e0067"
    assert tool.canonical("23-fe0f-20e3") == tool.canonical("0023_20e3") == "0023-20e3"

    def gray(value):
        return Image.new("RGBA", (64, 64), (value, value, value, 255))

    pictures = {
        "x": {"a": gray(0), "b": gray(9), "c": gray(9), "d": gray(90)},
        "y": {"a": gray(0), "d": gray(0)},
    }
    # c is b in x; d is a in y, though not in x.
    assert tool.without_lookalikes(["a", "b", "c", "d"], pictures) == ["a", "b"]

    buffer = io.BytesIO()
    Image.new("RGBA", (64, 32), (9, 8, 7, 255)).save(buffer, "PNG")
    square = np.asarray(tool.square(buffer.getvalue()))
    assert square.shape == (64, 64, 4)
    assert (square[16:48] == (9, 8, 7, 255)).all()
    assert (square[:16] == 0).all()
    assert (square[48:] == 0).all()


def test_the_id_of_a_row_is_that_of_its_record():
    source = EmojiSource(split="test_concepts")
    assert [source.id_of(row) for row in range(len(source))] == [record["id"] for record in source]
