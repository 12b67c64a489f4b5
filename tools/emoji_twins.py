"""Finds the new emoji concepts that look nearly like others, for mmjax/data/sets/emoji_twins.py.

    python tools/emoji_twins.py                      # prints the table
    python tools/emoji_twins.py --sheet=pairs.png    # pairs on both sides of the threshold, to see

The similarity of two concepts is that of their pictures in the style where it is highest. That of
two pictures is the correlation of their pixels (colour times opacity, around grey, and opacity),
after the mean picture of the style is subtracted. A new concept is a near-twin if its similarity to
a trained one is `ALIKE` or more, or if that to a test concept is and it is a validation one.

`ALIKE` was chosen by looking at the pairs in order. Down to .93 they are clock faces, flags of the
same stripes, hearts of neighbouring colours, an ewe and a ram, a file folder that is open or not;
among them are few that only share a blue square. Below, more and more pairs share an outline only.
"""

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmjax.data.sets import emoji

ALIKE = 0.93
STYLES = ("fluent", "google", "twitter")


def similarities(pictures: np.ndarray) -> np.ndarray:
    """Correlations of the pictures of one style: u8[N, H, W, 4] RGBA -> f64[N, N]."""
    pixels = pictures.astype(np.float64) / 255
    opacity = pixels[..., 3:]
    rows = np.concatenate([(pixels[..., :3] - 0.5) * opacity, opacity], axis=-1)
    rows = rows.reshape(len(rows), -1)
    rows -= rows.mean(axis=0)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return rows @ rows.T


def twins(near: np.ndarray, parts: list[str], alike: float = ALIKE) -> dict[int, int]:
    """Near-twin -> the concept that it is most like, on another side.

    Args:
      near: f[N, N], the similarities of all concepts.
      parts: `train`, `validation` or `test` of each, before any is left out.
      alike: the similarity of near-twins.
    """
    part, found = np.array(parts), {}
    for own, others in (("test", ("train",)), ("validation", ("train", "test"))):
        for concept in np.flatnonzero(part == own):
            # A test concept that is left out already cannot give anything away.
            there = np.flatnonzero(np.isin(part, others) & ~np.isin(np.arange(len(part)), [*found]))
            best = there[near[concept, there].argmax()]
            if near[concept, best] >= alike:
                found[int(concept)] = int(best)
    return dict(sorted(found.items()))


def read() -> tuple[np.ndarray, dict[str, dict[int, np.ndarray]]]:
    """Similarities f64[N, N] of all concepts in their best style, and the pictures by style."""
    concepts = emoji._concepts()
    near, seen = np.full((len(concepts), len(concepts)), -1.0), {}
    for style in STYLES:
        files = emoji._pictures(style)
        places = [i for i, concept in enumerate(concepts) if concept["code"] in files]
        images = [Image.open(io.BytesIO(files[concepts[i]["code"]])) for i in places]
        pictures = np.stack([np.asarray(image.convert("RGBA")) for image in images])
        block = np.ix_(places, places)
        near[block] = np.maximum(near[block], similarities(pictures))
        seen[style] = dict(zip(places, pictures, strict=True))
    return near, seen


def sheet(pairs: list[tuple[int, int]], seen: dict[str, dict[int, np.ndarray]]) -> Image.Image:
    """The pairs below each other, in all styles."""
    page = Image.new("RGBA", (len(STYLES) * 140, 68 * len(pairs)), "white")
    for row, pair in enumerate(pairs):
        for column, (style, one) in enumerate((s, i) for s in STYLES for i in pair):
            if one in seen[style]:
                picture = Image.fromarray(seen[style][one])
                page.alpha_composite(picture, (70 * column, 68 * row))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sheet", type=Path, help="a picture of pairs around the threshold")
    given = parser.parse_args()
    concepts = emoji._concepts()
    parts = [emoji.half_of(concept["code"]) for concept in concepts]
    near, seen = read()
    for concept, other in twins(near, parts).items():
        row, like = concepts[concept], concepts[other]["name"]
        note = f"{near[concept, other]:.3f}, {parts[concept]}"
        print(f'    "{row["code"]}": ("{row["name"]}", "{like}"),  # {note}')
    if given.sheet:
        new = [i for i, part in enumerate(parts) if part != "train"]
        trained = [i for i, part in enumerate(parts) if part == "train"]
        best = [(near[i, trained].max(), i, trained[near[i, trained].argmax()]) for i in new]
        sheet([pair[1:] for pair in sorted(best, reverse=True)[:60]], seen).save(given.sheet)


if __name__ == "__main__":
    main()
