"""Finds the held-out stamps that look nearly like others, for mmjax/data/sets/tux_paint.py.

    apt-get install tuxpaint-stamps-default
    python tools/tux_paint_twins.py              # or --path=FOLDER of the stamps

The rule is that of `tools/emoji_twins.py`, with `ALIKE` for stamps. The similarity of two captions
is that of their two most similar pictures, scaled to 64 pixels. Down to .92 they are eyes of
several colours, lamps of a traffic light and letters on a dreidel; below, more and more things that
share an outline only.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmjax.data.sets import tux_paint
from tools.build_emoji import square
from tools.emoji_twins import similarities, twins

ALIKE = 0.92


def read(path: str) -> tuple[np.ndarray, list[str], list[str]]:
    """Similarities f64[N, N] of all captions, the captions, and the split that each would be in."""
    stamps = tux_paint._stamps(path)
    rows = [(i, name) for i, stamp in enumerate(stamps) for name in stamp["pictures"]]
    pictures = [np.asarray(square((Path(path) / name).read_bytes())) for _, name in rows]
    owner = np.array([i for i, _ in rows])
    near = np.full((len(stamps), len(stamps)), -1.0)
    np.maximum.at(near, (owner[:, None], owner[None]), similarities(np.stack(pictures)))
    captions = [stamp["text"]["en"] for stamp in stamps]
    return near, captions, [tux_paint.by_number(caption) for caption in captions]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--path", default=tux_paint.ROOT, help="of the stamps")
    near, captions, parts = read(parser.parse_args().path)
    for one, other in twins(near, parts, ALIKE).items():
        note = f"{near[one, other]:.3f}, {parts[one]}, like {captions[other]!r}"
        print(f"    {tux_paint._plain(captions[one])!r},  # {note}")


if __name__ == "__main__":
    main()
