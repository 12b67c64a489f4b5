"""Stamps of Tux Paint as a source, on a few stamps of our own."""

import hashlib
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tool_files import load_tool

from mmjax.data import SOURCES, SourceError
from mmjax.data.sets import tux_paint
from mmjax.data.sets.tux_paint import TuxPaintSource, by_number, part_of


def stamp(folder, name, text, colour=(200, 30, 30, 255)):
    file = folder / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGBA", (20, 10), colour).save(file)
    if text is not None:
        file.with_suffix(".txt").write_text(text, encoding="utf-8")


@pytest.fixture
def stamps(tmp_path):
    stamp(tmp_path, "food/apple", "A red  apple.\nde.utf8=Ein roter Apfel.\nja.utf8=\nbroken\n")
    stamp(tmp_path, "food/apple_green", "a red apple.\nde.utf8=Grün.\n", (30, 200, 30, 255))
    stamp(tmp_path, "animals/birds/duck", "A duck.\nde.utf8=Eine Ente.\npt_BR.utf8=Um pato.\n")
    stamp(tmp_path, "animals/birds/duck_mirror", None)
    stamp(tmp_path, "animals/cat", "\n")
    stamp(tmp_path, "symbols/letters/a", "The letter A.")
    stamp(tmp_path, "space/moon", "The moon.\n")
    return tmp_path


@pytest.mark.smoke
def test_a_record_is_a_caption_with_all_of_its_pictures(stamps):
    source = TuxPaintSource(path=str(stamps), split="all")
    assert SOURCES["tux_paint"] is TuxPaintSource
    assert [r["text"] for r in source] == [["A duck."], ["A red apple."], ["The moon."]]
    apple = source[1]
    assert apple["id"] == 1
    assert apple["key"] == "tux_paint food/apple"
    assert apple["category"] == "food"
    colours = [np.asarray(Image.open(io.BytesIO(b)))[0, 0, :2].tolist() for b in apple["image"]]
    assert colours == [[200, 30], [30, 200]]
    assert source.labels("category") == ["animals", "food", "space"]
    assert (source.id_limit, source.may_lack) == (3, ())
    again = pickle.loads(pickle.dumps(source))
    assert again[0] == source[0]


def test_languages(stamps):
    source = TuxPaintSource(path=str(stamps), split="all", languages=("de", "pt_BR"))
    assert [r.get("text") for r in source] == [
        ["Eine Ente.", "Um pato."],
        ["Ein roter Apfel."],
        None,
    ]
    assert source.may_lack == ("text",)
    with pytest.raises(SourceError, match="no caption is in 'xx'; there are de, en, pt_BR"):
        TuxPaintSource(path=str(stamps), languages=("xx",))
    with pytest.raises(SourceError, match="should be codes"):
        TuxPaintSource(path=str(stamps), languages="en")


def test_splits_follow_the_rule(stamps):
    for i in range(60):
        stamp(stamps, f"toys/{i}", f"Toy  number {i}!")
    everything = [r["text"][0] for r in TuxPaintSource(path=str(stamps), split="all")]
    found = {}
    for split in ("train", "validation", "test"):
        found[split] = [r["text"][0] for r in TuxPaintSource(path=str(stamps), split=split)]
    assert sorted(c for captions in found.values() for c in captions) == sorted(everything)
    for split, captions in found.items():
        for caption in captions:
            number = int(hashlib.sha256(caption.lower().encode()).hexdigest(), 16) % 5
            assert split == {0: "test", 1: "validation"}.get(number, "train")
    assert len(found["train"]) > len(found["test"]) > 4
    assert part_of("A  RED apple.") == part_of("a red apple.")


def test_near_twins_are_in_no_split(stamps):
    stamp(stamps, "people/eye_brown", "A  brown eye.")
    stamp(stamps, "people/eye_green", "A green eye.")
    assert part_of("A brown  eye.") == "twin"
    assert all(by_number(caption) != "train" for caption in tux_paint.TWINS)
    found = {
        split: [r["text"][0] for r in TuxPaintSource(path=str(stamps), split=split)]
        for split in ("train", "validation", "test", "all")
    }
    assert [s for s, captions in found.items() if "A brown eye." in captions] == ["all"]
    assert [s for s, captions in found.items() if "A green eye." in captions] == ["test", "all"]


def test_near_twins_are_those_that_the_tool_finds():
    if not Path(tux_paint.ROOT).is_dir():
        pytest.skip("needs the Debian package tuxpaint-stamps-default")
    tool = load_tool("tux_paint_twins")
    near, captions, parts = tool.read(tux_paint.ROOT)
    found = {tux_paint._plain(captions[i]) for i in tool.twins(near, parts, tool.ALIKE)}
    assert found == tux_paint.TWINS
    part = np.array([part_of(caption) for caption in captions])
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert near[np.ix_(part == one, part == other)].max() < tool.ALIKE


def test_what_it_refuses(tmp_path):
    with pytest.raises(SourceError, match="install the Debian package tuxpaint-stamps-default"):
        TuxPaintSource(path=str(tmp_path))
    with pytest.raises(SourceError, match="split is 'dev'"):
        TuxPaintSource(path=str(tmp_path), split="dev")


def test_sounds_and_captions_read_aloud(stamps):
    (stamps / "animals/birds/duck.ogg").write_bytes(b"quack")
    (stamps / "animals/birds/duck_desc.ogg").write_bytes(b"a duck")
    (stamps / "animals/birds/duck_desc_fr.wav").write_bytes(b"un canard")
    (stamps / "food/apple_green_desc_fr.ogg").write_bytes(b"une pomme")
    (stamps / "food/apple_desc_x.txt").write_bytes(b"no sound")
    tux_paint._stamps.cache_clear()
    plain = TuxPaintSource(path=str(stamps), split="all")
    assert plain.modalities == ("image", "text")
    assert all(set(r) == {"id", "key", "image", "text", "category"} for r in plain)
    source = TuxPaintSource(path=str(stamps), split="all", effects=True, speech=("fr", "en"))
    assert source.modalities == ("image", "text", "audio", "speech")
    assert source.may_lack == ("audio", "speech")
    assert [r.get("audio") for r in source] == [[b"quack"], None, None]
    assert [r.get("speech") for r in source] == [[b"un canard", b"a duck"], [b"une pomme"], None]
    with pytest.raises(SourceError, match="nothing is read aloud in 'de'; there are en, fr"):
        TuxPaintSource(path=str(stamps), speech=("de",))
