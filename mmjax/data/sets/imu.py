"""Inertial sensors with names of what was done, from packages on PyPI: the extra `imu`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmjax import extras
from mmjax.data.formats.files import existing
from mmjax.data.formats.signal import Signal
from mmjax.data.records import Record, Source, SourceError
from mmjax.schema.bounds import CountOrZero, Positive

AXES = ("ax", "ay", "az", "wx", "wy", "wz")

Row = tuple[str, Signal, tuple[str, ...], dict[str, Any]]


class _Labelled(Source):
    """Records of signals with captions; an id is a caption, so that equal ones are equally right.

    Args:
      name: of the set, for keys and messages.
      split: of these records.
      rows: (key, signal, captions, labels) of each.
    """

    modalities = ("imu", "text")

    def __init__(self, name: str, split: str, rows: list[Row]):
        captions = sorted({captions[0] for _, _, captions, _ in rows})
        number = {caption: i for i, caption in enumerate(captions)}
        self.name, self.split = name, split
        self.label_fields = tuple(rows[0][3])
        self.id_limit = len(captions)
        self._records: list[Record] = [
            {"id": number[texts[0]], "key": key, "imu": signal, "text": list(texts), **labels}
            for key, signal, texts, labels in rows
        ]

    def __len__(self) -> int:
        return len(self._records)

    def id_of(self, index: int) -> int:
        return int(self._records[index]["id"])

    def __getitem__(self, index: int) -> Record:
        return dict(self._records[index])

    def describe(self) -> str:
        count = f"{len(self):,} signals of {self.id_limit} captions"
        return f"{self.name}, {self.split}: {count}"


class ShoulderExercises(_Labelled):
    """Shoulder exercises as a smartwatch on the wrist measures them, and their names.

    140 recordings of sets of 20 repetitions, seven exercises with either arm of each of ten people,
    of Burns et al. 2018 (arXiv 1802.01489), as the package `seglearn` (BSD) has them: acceleration
    in g and angular velocity in rad/s, at 50 Hz. The recordings are cut into windows. The package's
    file is a pickle, which is not read here: `tools/convert_watch.py` makes arrays of it, once.

    ``source[i]`` is::

        {'id': 3, 'key': 'shoulder_exercises recording 17, second 12',
         'imu': Signal f32[T, 6] at 50 Hz,
         'text': ['external rotation of the left arm', 'external rotation'],
         'exercise': 'external rotation', 'side': 'left', 'person': 7}

    Nobody is in both splits: fold f holds out the persons 2f + 1 and 2f + 2.

    Args:
      split: 'train', 'test' or 'all'.
      fold: 0 to 4, who is held out.
      seconds: of a window; what fills no window at the end of a recording is left out.
      path: the converted file, `watch_dataset.npz`, if it is not beside the package's own.

    Raises:
      SourceError: without the file, for an unknown split, or for no window.
      MissingExtra: without the extra.
    """

    RATE = 50.0
    EXERCISES = (
        "pendulum",
        "abduction",
        "forward elevation",
        "internal rotation",
        "external rotation",
        "trapezius extension",
        "upright row",
    )

    def __init__(
        self,
        *,
        split: Literal["train", "test", "all"] = "train",
        fold: CountOrZero = 0,
        seconds: Positive = 6.0,
        path: str | None = None,
    ):
        if split not in ("train", "test", "all") or fold not in range(5):
            raise SourceError(
                f"shoulder_exercises: split={split!r} should be 'train', 'test' or 'all', and "
                f"fold={fold} in 0..4"
            )
        data = _watch(str(existing(path, "file") if path else _in_package()))
        length = round(seconds * self.RATE)
        if length < 1:
            raise SourceError(f"shoulder_exercises: seconds={seconds} is no window")
        held_out = (2 * fold + 1, 2 * fold + 2)
        rows: list[Row] = []
        recordings = np.split(data["samples"], np.cumsum(data["lengths"])[:-1])
        columns = (data[name] for name in ("exercise", "person", "right"))
        for number, (x, y, person, right) in enumerate(zip(recordings, *columns, strict=True)):
            if split != "all" and (int(person) in held_out) != (split == "test"):
                continue
            exercise, side = self.EXERCISES[int(y)], "right" if right else "left"
            labels = {"exercise": exercise, "side": side, "person": int(person)}
            texts = (f"{exercise} of the {side} arm", exercise)
            for start in range(0, len(x) - length + 1, length):
                key = f"shoulder_exercises recording {number}, second {start / self.RATE:g}"
                window = x[start : start + length]
                rows.append((key, Signal(window, self.RATE, AXES), texts, labels))
        if not rows:
            raise SourceError(f"shoulder_exercises: no recording has a window of {seconds} seconds")
        super().__init__("shoulder_exercises", split, rows)


def _in_package() -> Path:
    """The converted file beside that of the installed package, which need not be imported."""
    what = "a source of type 'shoulder_exercises'"
    found = extras.find("seglearn", "imu", what, "or give the path of its converted file")
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "data" / "watch_dataset.npz"


@functools.lru_cache(maxsize=2)
def _watch(path: str) -> dict[str, np.ndarray]:
    """The content of the converted file, checked; both splits of a run share it."""
    if not Path(path).is_file():
        raise SourceError(
            f"there is no file {path}: make it of seglearn's, once, by tools/convert_watch.py of "
            "mmjax's repository"
        )
    shapes = {"samples": (None, 6), "lengths": (None,)}
    shapes |= dict.fromkeys(("exercise", "person", "right"), (None,))
    try:
        with np.load(path, allow_pickle=False) as arrays:
            data = {name: arrays[name] for name in shapes}
        if any(data[n].shape[1:] != shape[1:] or not data[n].ndim for n, shape in shapes.items()):
            raise ValueError("its arrays are of other shapes")
        lengths, count = data["lengths"], len(data["lengths"])
        if {len(data[n]) for n in ("exercise", "person", "right")} != {count}:
            raise ValueError("its arrays differ in length")
        kinds = [data[n].dtype.kind in "iub" for n in ("lengths", "exercise", "person", "right")]
        if not all(kinds) or data["samples"].dtype != np.float32:
            raise ValueError("its arrays are of other types")
        if lengths.min() < 0 or lengths.sum() != len(data["samples"]):
            raise ValueError("its recordings do not fill its samples")
        known = range(len(ShoulderExercises.EXERCISES))
        if not set(data["exercise"].tolist()) <= set(known):
            raise ValueError("it has an exercise that is none of the seven")
    except Exception as error:  # damaged headers make NumPy and zipfile raise nearly anything
        said = " ".join(str(error).split()) or type(error).__name__
        raise SourceError(
            f"{path} is no file of tools/convert_watch.py that can be read ({said:.200})"
        ) from error
    return data


class BasicMotions(_Labelled):
    """Standing, walking, running and badminton as a smartwatch measures them (Clements 2015).

    80 recordings of 10 s at 10 Hz, acceleration and angular velocity; half of them are 'train', by
    the split of the UEA archive (Bagnall et al. 2018, arXiv 1811.00075). From the package `aeon`.

    Args:
      split: 'train' or 'test'.

    Raises:
      SourceError: for an unknown split.
      MissingExtra: without the extra.
    """

    RATE = 10.0

    def __init__(self, *, split: Literal["train", "test"] = "train"):
        if split not in ("train", "test"):
            raise SourceError(f"basic_motions: split={split!r} should be 'train' or 'test'")
        extras.find("aeon", "imu", "a source of type 'basic_motions'")
        from aeon.datasets import load_basic_motions  # an extra

        signals, names = load_basic_motions(split=split)
        rows: list[Row] = [
            (
                f"basic_motions {split} row {i}",
                Signal(np.array(x.T, np.float32), self.RATE, AXES),
                (str(name),),
                {"activity": str(name)},
            )
            for i, (x, name) in enumerate(zip(signals, names, strict=True))
        ]
        super().__init__("basic_motions", split, rows)
