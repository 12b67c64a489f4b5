"""A head with named regions: volume-text pairs from the Debian package mricron-data.

The package has a T1 image of one head (ch2, Colin Holmes, 27 scans averaged) and the AAL atlas
(Tzourio-Mazoyer et al. 2002), which gives each of its 116 regions a name. A record is the part of
the head around one region and its name. One head and 116 regions: a set to try loaders and towers
of volumes on, and no ground for a claim about them.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np

from mmjax.data.formats.volumes import read_volume
from mmjax.data.records import Record, Source, SourceError
from mmjax.schema.bounds import Count

ROOT = "/usr/share/mricron/templates"
_SIDES = {"L": "left", "R": "right"}
_WORDS = {
    "Sup": "superior",
    "Inf": "inferior",
    "Mid": "middle",
    "Med": "medial",
    "Ant": "anterior",
    "Post": "posterior",
    "Orb": "orbital",
    "Oper": "opercular",
    "Tri": "triangular",
    "Supp": "supplementary",
}


class MricronSource(Source):
    """Regions of a head: ``{'id', 'key', 'volume': f32[D, H, W], 'text': 'left hippocampus'}``.

    Slices go from the feet to the head, rows from back to front, columns from left to right, one
    millimetre each. Reading needs nibabel, of the extra `volumes`.

    Args:
      path: folder of the atlas.
      side: of the cube around the middle of a region, in millimetres.

    Raises:
      SourceError: if there is no such folder; the message says what to install.
    """

    modalities = ("volume", "text")
    label_fields = ("side",)

    def __init__(self, *, path: str = ROOT, side: Count = 48):
        if side < 2:
            raise SourceError(f"mricron: side={side} has to be at least 2 millimetres")
        for name in ("ch2.nii.gz", "aal.nii.gz", "aal.nii.txt"):
            if not (Path(path) / name).is_file():
                raise SourceError(
                    f"there is no {name} in {path}: install the Debian package mricron-data "
                    "(apt-get install mricron-data), or set path to a copy of its templates"
                )
        self.path, self.side = str(path), side
        self._regions = _regions(self.path)
        self.id_limit = 1 + max(number for number, _ in self._regions)

    def __len__(self) -> int:
        return len(self._regions)

    def __getitem__(self, index: int) -> Record:
        number, name = self._regions[index]
        head, centres = _head(self.path)
        start = np.rint(centres[number]).astype(int) - self.side // 2
        cube = np.zeros((self.side,) * 3, np.float32)  # what is outside of the image is 0, as air
        inside = [
            slice(max(0, s), max(0, min(s + self.side, n)))
            for s, n in zip(start, head.shape, strict=True)
        ]
        there = [slice(i.start - s, i.stop - s) for i, s in zip(inside, start, strict=True)]
        cube[tuple(there)] = head[tuple(inside)]
        title = region_name(name)
        record: Record = {"id": number, "key": f"mricron aal {number} ({title})", "volume": cube}
        side = title.split()[0]
        return {**record, "text": title, **({"side": side} if side in _SIDES.values() else {})}

    def describe(self) -> str:
        return f"mricron: {len(self)} named regions of one head at {self.path}"


def region_name(name: str) -> str:
    """The atlas's `Frontal_Sup_L` in words: "left frontal superior"."""
    words = name.split("_")
    side = [_SIDES[words.pop()]] if words[-1] in _SIDES else []
    return " ".join([*side, *(_WORDS.get(word, word.lower()) for word in words)])


@functools.cache
def _regions(path: str) -> tuple[tuple[int, str], ...]:
    text = (Path(path) / "aal.nii.txt").read_text(encoding="utf-8")
    found = re.findall(r"^(\d+)\s+(\S+)", text, re.MULTILINE)
    if not found:
        raise SourceError(f"{path}/aal.nii.txt names no regions: '1 Precentral_L 2001' and so on")
    return tuple((int(number), name) for number, name in found)


@functools.cache
def _head(path: str) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """The head f32[D, H, W], and the middle of every region in it."""
    folder = Path(path)
    head = read_volume((folder / "ch2.nii.gz").read_bytes())[..., 0]
    atlas = read_volume((folder / "aal.nii.gz").read_bytes())[..., 0].astype(np.int64)
    if head.shape != atlas.shape:
        raise SourceError(
            f"{path}: ch2 is {head.shape} and aal is {atlas.shape}; they should match"
        )
    where = np.flatnonzero(atlas)
    of = atlas.ravel()[where]
    places = np.stack(np.unravel_index(where, atlas.shape), axis=1)
    counts = np.bincount(of)
    sums = np.stack([np.bincount(of, places[:, axis]) for axis in range(3)], axis=1)
    middles = {int(n): sums[n] / counts[n] for n in np.flatnonzero(counts)}
    lacking = [name for number, name in _regions(path) if number not in middles]
    if lacking:
        raise SourceError(f"{path}: the atlas has no voxels of {lacking[0]}")
    return head, middles
