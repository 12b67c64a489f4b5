"""Sets of sounds: the embedded samples, Fish Fillets, and the generated events."""

import re
from itertools import permutations

import numpy as np
import pytest
from third_party import needs

from mmjax.data import SourceError
from mmjax.data.sets import FilletsSource, SamplesSource
from mmjax.data.sets.samples import FAMILIES, caption_of
from mmjax.data.synthetic.events import EVENTS, EventAudio, captions, sequences
from mmjax.data.views import AudioView, ImageView


def test_samples_are_whole_and_split_by_caption():
    train, test, everything = (SamplesSource(split=s) for s in ("train", "test", "all"))
    assert (len(train), len(test), len(everything)) == (131, 30, 161)
    assert sum(len(record["audio"]) for record in everything) == 206
    texts = [{r["text"] for r in source} for source in (train, test)]
    assert not texts[0] & texts[1]
    assert len(texts[0] | texts[1]) == 161
    assert {r["group"] for r in everything} <= set(FAMILIES.values())
    for record in everything:
        assert all(content[:4] == b"OggS" for content in record["audio"])
        assert everything[record["id"]] == record
        assert re.fullmatch(r"[a-z0-9 -]+", record["text"])


def test_captions_leave_out_what_tells_takes_apart():
    assert caption_of("tabla_ghe3") == caption_of("tabla_ghe1") == "tabla ghe"
    assert caption_of("drum_tom_hi_soft") == "drum kit tom high soft"
    assert caption_of("arovane_beat_c") == "beat"
    assert caption_of("tbd_pad_2") == "synthesizer pad"
    assert caption_of("bd_808") == "bass drum"


def test_samples_decode():
    needs("soundfile")
    view = AudioView(rate=16_000, length=32_000)
    for index in (0, 60, 130):
        x = view(SamplesSource()[index]["audio"], None, False)
        assert np.abs(x).max() > 0.01


@pytest.fixture
def game(tmp_path):
    """Three levels of a small Fish Fillets; `cave` is held out, as its hash says."""
    for level, lines in {
        "cave": [("a", 'What \\"is\\" that?', "Co to je?"), ("b", "Yes.", "Ano.")],
        "airplane": [("c", "yes.", "No jo."), ("d", "A wreck.", "Vrak."), ("e", "Silent.", "Nic.")],
    }.items():
        (tmp_path / "script" / level).mkdir(parents=True)
        (tmp_path / "sound" / level / "cs").mkdir(parents=True)
        text = "".join(
            f'dialogId("{n}", "font_big", "{en}")\ndialogStr("{cs}")\n\n' for n, en, cs in lines
        )
        (tmp_path / "script" / level / "dialogs_cs.lua").write_text(text, encoding="utf-8")
        german = text.replace("Vrak.", "Ein Wrack.").replace("Co to je?", "Was ist das?")
        (tmp_path / "script" / level / "dialogs_de.lua").write_text(german, encoding="utf-8")
        for name, _, _ in lines[:2]:
            (tmp_path / "sound" / level / "cs" / f"{name}.ogg").write_bytes(b"OggS" + name.encode())
    return tmp_path


def test_fillets_lines_are_split_by_level_and_no_words_are_on_both_sides(game, monkeypatch):
    monkeypatch.setattr("mmjax.data.sets.fillets.is_held_out", lambda level: level == "cave")
    test = list(FilletsSource(path=str(game), split="test"))
    assert [(r["text"], r["audio"], r["level"]) for r in test] == [
        (["Co to je?"], b"OggSa", "cave"),
        (["Ano."], b"OggSb", "cave"),
    ]
    train = FilletsSource(path=str(game), languages=("de", "en"))
    assert [r["text"] for r in train] == [["Ein Wrack.", "A wreck."]]
    everything = FilletsSource(path=str(game), split="all", languages=("en",))
    assert {r["key"]: r["id"] for r in everything} == {
        "fillets sound/airplane/cs/c.ogg": 0,
        "fillets sound/airplane/cs/d.ogg": 1,
        "fillets sound/cave/cs/a.ogg": 2,
        "fillets sound/cave/cs/b.ogg": 0,
    }
    assert [everything.id_of(i) for i in range(4)] == [r["id"] for r in everything]
    assert 'What "is" that?' in [r["text"][0] for r in everything]


def test_what_is_not_there_says_what_to_install(tmp_path, game):
    with pytest.raises(SourceError, match="install the Debian packages fillets-ng-data and"):
        FilletsSource(path=str(tmp_path / "nothing"))
    with pytest.raises(SourceError, match="no line is in 'xx'; there are cs, de, en"):
        FilletsSource(path=str(game), languages=("xx",))


def test_events_follow_each_other_as_the_caption_says():
    source = EventAudio(split="test", image=True)
    assert len(source) == 264
    assert len({r["id"] for r in source}) == 264
    spectra = {}
    for record in (source[i] for i in range(0, 264, 7)):
        assert record["audio"].shape == (8000,)
        a, b, c = (EVENTS[e] for e in record["order"])
        assert record["text"][0] == f"a {a} then a {b} then a {c}"
        assert record["text"][1] == f"a {c} after a {b} after a {a}"
        for k, event in enumerate(record["order"]):
            part = record["audio"][2400 * k + 480 : 2400 * k + 1440]
            power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2
            spectra.setdefault(event // 4, []).append(
                np.fft.rfftfreq(960, 1 / 8000)[power.argmax()]
            )
    low, middle, high = (np.array(spectra[pitch]) for pitch in range(3))
    # A sixth of an octave up or down, and an octave of a rise or a fall.
    for heard, base in ((low, 250), (middle, 600), (high, 1450)):
        assert (heard > base / 2.4).all()
        assert (heard < base * 2.4).all()


def test_sequences_that_are_tested_are_trained_in_no_order():
    splits = ("train", "validation", "test")
    found = {split: {tuple(s) for s in sequences(split)} for split in splits}
    assert {split: len(s) for split, s in found.items()} == dict(
        train=924, validation=132, test=264
    )
    assert set().union(*found.values()) == set(permutations(range(12), 3))
    sets = [frozenset(s) for split in splits for s in {frozenset(t) for t in found[split]}]
    assert len(set(sets)) == len(sets) == 220
    for split in splits:
        rows = EventAudio(split=split, examples=50)
        assert {tuple(o) for o in rows.fields["order"]} <= found[split]
    held_out = EventAudio(split="validation")
    assert {tuple(o) for o in held_out.fields["order"]} == found["validation"]


def test_scores_show_order_pitch_and_kind():
    source = EventAudio(split="test", image=True)
    for record in (source[i] for i in range(0, 264, 11)):
        ink = (record["image"] != 255).any(axis=2)
        assert ink.sum() == 3 * 36
        for k, event in enumerate(record["order"]):
            rows, columns = np.nonzero(ink[:, 8 * k : 8 * k + 8])
            assert abs(rows.mean() - (3.5 + 8 * (2 - event // 4))) <= 1
            colour = record["image"][rows[0], 8 * k + columns[0]]
            assert colour.argmax() == {0: 0, 1: 1, 2: 2, 3: 0}[event % 4]
    ImageView(size=24)(source[0]["image"], None, False)


def test_sounds_are_the_same_again_and_missing_ones_are_missing():
    a, b = EventAudio(examples=40, missing=0.5), EventAudio(examples=40, missing=0.5)
    there = ["audio" in r for r in a]
    assert 5 < sum(there) < 35
    assert a.may_lack == ("audio",)
    for x, y in zip(a, b, strict=True):
        assert ("audio" in x) == ("audio" in y)
        if "audio" in x:
            np.testing.assert_array_equal(x["audio"], y["audio"])
    assert (
        captions(np.array([0, 1, 2]))[2] == "first a low tone, second a low buzz, last a low rise"
    )
    apart = EventAudio(examples=40, missing=0.5, image=True, disjoint=True)
    assert apart.may_lack == ("audio", "text")
    for i in range(40):
        assert ("audio" in apart[i]) != ("text" in apart[i])
        assert "image" in apart[i]
    with pytest.raises(ValueError, match="event_audio: with disjoint=True rows need an image"):
        EventAudio(missing=0.5, disjoint=True)
    with pytest.raises(ValueError, match="event_audio: missing=1 must be in"):
        EventAudio(missing=1)
