"""Sound samples with their names: the audio-text set of the package.

206 sounds for making music (drums, tabla, guitars, synthesizers, loops, vinyl, voices of machines)
that Sonic Pi collected, all given to the public domain (CC0), as mono OGG at 16 kHz of at most six
seconds. What is in the files and who gave them: `assets/samples/NOTICE` and `PROVENANCE.md`; how
they are made: `tools/build_samples.py`.

Captions are made of the names: `drum_tom_hi_soft` is "drum kit tom high soft". Numbers and single
letters tell takes of one sound apart (`tabla_ghe1`, `tabla_ghe2`) and are no part of a caption.
Sounds of one caption are alternatives of one record, so that a caption is never on both sides. A
caption is held out (split `test`) if and only if ``int(sha256(caption).hexdigest(), 16) % 5 == 0``.
"""

from __future__ import annotations

import functools
import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any, Literal

from mmjax import extras
from mmjax.data.records import Record, Source
from mmjax.data.sets.packaged import packaged

FILE = Path(__file__).resolve().parents[1] / "assets" / "samples" / "samples.zip"
FAMILIES = {
    "ambi": "ambience",
    "arovane": "beat",
    "bass": "bass",
    "bd": "bass drum",
    "drum": "drum kit",
    "elec": "electronic",
    "glitch": "glitch",
    "guit": "guitar",
    "hat": "hi-hat",
    "loop": "loop",
    "mehackit": "machine",
    "misc": "noise",
    "perc": "percussion",
    "ride": "ride cymbal",
    "sn": "snare drum",
    "tabla": "tabla",
    "tbd": "synthesizer",
    "vinyl": "vinyl",
}
_WORDS = {
    "hi": "high",
    "lo": "low",
    "mid": "middle",
    "filt": "filtered",
    "perc": "percussion",
    "bd": "bass drum",
    "dnb": "drum and bass",
    "amen": "amen break",
}

Split = Literal["train", "test", "all"]


def caption_of(name: str) -> str:
    """A sample's name in words: `tabla_ghe1` is "tabla ghe"."""
    family, *rest = re.sub(r"\d+$", "", name).rstrip("_").split("_")
    kept = [_WORDS.get(word, word) for word in rest if len(word) > 1 and not word.isdigit()]
    if kept and FAMILIES[family].endswith(kept[0]):
        kept = kept[1:]
    return " ".join([FAMILIES[family], *kept])


def is_held_out(caption: str) -> bool:
    """Whether the sounds of this caption are in the split `test`."""
    return int(hashlib.sha256(caption.encode()).hexdigest(), 16) % 5 == 0


class SamplesSource(Source):
    """Sound samples and what they are called, in 18 families.

    ``source[i]`` is::

        {'id': 131, 'key': 'sample tabla_ghe1 (tabla ghe)',
         'audio': [bytes, ...],         # OGG, mono, 16 kHz, one for each take
         'text': 'tabla ghe',
         'group': 'tabla'}              # one of 18 families

    The view `audio` decodes them.

    Args:
      split: 'train', 'test' or 'all'.

    Raises:
      ValueError: for another split, or without the extra `audio`.
    """

    modalities = ("audio", "text")
    label_fields = ("group",)

    def __init__(self, *, split: Split = "train"):
        if split not in ("train", "test", "all"):
            raise ValueError(f"samples: split is {split!r}; it can be 'train', 'test' or 'all'")
        extras.find("soundfile", "audio", "reading sound files")
        self.split = split
        captions = _captions()
        self._ids = [
            i
            for i, caption in enumerate(captions)
            if split == "all" or is_held_out(caption) == (split == "test")
        ]
        self.id_limit = len(captions)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Record:
        number = self._ids[index]
        caption, names = list(_captions().items())[number]
        files = _files()
        return {
            "id": number,
            "key": f"sample {names[0]} ({caption})",
            "audio": [files[name] for name in names],
            "text": caption,
            "group": FAMILIES[names[0].split("_")[0]],
        }

    def __reduce__(self) -> Any:
        return functools.partial(type(self), split=self.split), ()

    def describe(self) -> str:
        takes = sum(len(list(_captions().values())[i]) for i in self._ids)
        return f"samples, {self.split}: {len(self)} captions of {takes} sounds"


@functools.cache
def _files() -> dict[str, bytes]:
    """Name of a sample -> its OGG file."""
    file = packaged(FILE, "The samples are", "build_samples.py")
    with zipfile.ZipFile(file) as archive:
        return {name.removesuffix(".ogg"): archive.read(name) for name in archive.namelist()}


@functools.cache
def _captions() -> dict[str, list[str]]:
    """Caption -> names of its samples, in the order of names."""
    found: dict[str, list[str]] = {}
    for name in sorted(_files()):
        found.setdefault(caption_of(name), []).append(name)
    return found
