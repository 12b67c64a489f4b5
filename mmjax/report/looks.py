"""What evaluators let a person see of a model: maps over images, words, codes.

It is small and goes into one file, `report_looks.npz`, so that the page can be written again
without the model or the data.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw

from mmjax.evaluators.looks import Look, Row
from mmjax.files import DamagedFile, json_object, read_arrays, write_atomically
from mmjax.report.thumbnails import Thumbnails, data_url, thumbnail

FILE = "report_looks.npz"
SIDE = 144  # pixels of the longer side of a map


def gather(looks: Mapping[str, Look], folder: Path) -> None:
    """Writes what is to be seen of evaluators, by their names, in the first process.

    Args:
      looks: of evaluators.
      folder: of the run.
    """
    if not looks or jax.process_index() != 0:
        return
    thumbnails, maps = Thumbnails(), list[bytes]()

    def shown(row: Row) -> dict[str, Any]:
        places = []
        for caption, values in row.maps.items():
            places.append({"map": len(maps), "caption": caption})
            maps.append(drawn_over(values, row.items.raw(row.place), row.region))
        words = [[word, float(weight)] for word, weight in row.words]
        item = thumbnails.item(row.items, row.place)
        said = [list(pair) for pair in row.said]
        return {"item": item, "text": row.text, "maps": places, "words": words, "said": said}

    described = [
        {
            "name": name,
            "title": look.title,
            "note": look.note,
            "rows": [shown(row) for row in look.rows],
        }
        for name, look in looks.items()
    ]
    text = np.frombuffer(json.dumps({"looks": described}).encode(), np.uint8)
    arrays: dict[str, Any] = {
        f"picture/{n}": np.frombuffer(file, np.uint8) for n, file in thumbnails.files()
    }
    arrays |= {f"map/{n}": np.frombuffer(file, np.uint8) for n, file in enumerate(maps)}
    out = io.BytesIO()
    np.savez_compressed(out, description=text, **arrays)
    write_atomically(folder / FILE, out.getvalue())


def read(folder: Path) -> list[dict[str, Any]]:
    """What `gather` wrote, for the page; empty if there is nothing.

    Returns:
      Of each evaluator `name`, `title`, `note` and `rows` of `{item, text, maps, words, said}`: an
      item is `{key}` with `text`, or with `picture`; pictures and maps are data URLs.

    Raises:
      DamagedFile: if the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        content = read_arrays(path)
        text = content.pop("description", np.zeros(0)).tobytes()
        return [_read(look, content) for look in json_object(text, f"{path}: description")["looks"]]
    except (DamagedFile, LookupError, TypeError, ValueError, AttributeError) as error:
        said = str(error) if isinstance(error, DamagedFile) else f"{path} is damaged"
        raise DamagedFile(f"{said}: delete it or evaluate again") from error


def _read(look: Mapping[str, Any], content: Mapping[str, np.ndarray]) -> dict[str, Any]:
    def row(each: Mapping[str, Any]) -> dict[str, Any]:
        item = {key: str(value) for key, value in each["item"].items() if key != "picture"}
        if "picture" in each["item"]:
            item["picture"] = data_url(content[f"picture/{int(each['item']['picture'])}"])
        maps = [
            (data_url(content[f"map/{int(m['map'])}"]), str(m["caption"])) for m in each["maps"]
        ]
        words = [(str(word), float(weight)) for word, weight in each["words"]]
        largest = max((weight for _, weight in words), default=1.0) or 1.0
        return {
            "item": {"key": "", **item},
            "text": str(each["text"]),
            "maps": maps,
            "words": [(word, weight, weight / largest) for word, weight in words],
            "said": [(str(who), str(text)) for who, text in each.get("said", ())],
        }

    told = {name: str(look[name]) for name in ("name", "title", "note")}
    return {**told, "rows": [row(each) for each in look["rows"]]}


def drawn_over(values: np.ndarray, raw: Any, region: np.ndarray | None) -> bytes:
    """A PNG of a map, over the image that it is of, with a frame around a region.

    Args:
      values: f[h, w], dark where small and bright where large.
      raw: the item; only images are drawn below.
      region: bool[h, w].
    """
    values = np.asarray(values, np.float64)
    low, high = values.min(), values.max()
    scaled = (values - low) / max(high - low, 1e-12)
    colours = (255 * mpl.colormaps["viridis"](scaled)[..., :3]).astype(np.uint8)
    height, width = values.shape
    cell = max(1, SIDE // max(height, width))
    tall = max(cell, 12)  # a single row of many numbers should be seen, too
    size = (width * cell, height * (cell if height > 1 else tall))
    picture = Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)
    below = thumbnail(raw, SIDE)
    if below is not None:
        image = Image.open(io.BytesIO(below)).convert("L").convert("RGB").resize(size)
        picture = Image.blend(image, picture.resize(size), 0.55)
    if region is not None:
        _frame(ImageDraw.Draw(picture), np.asarray(region, bool), size)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def _frame(draw: ImageDraw.ImageDraw, region: np.ndarray, size: Sequence[int]) -> None:
    """Lines between the cells of a region and all others."""
    height, width = region.shape
    across, down = size[0] / width, size[1] / height
    padded = np.pad(region, 1)
    for y, x in zip(*np.nonzero(region), strict=True):
        left, top = x * across, y * down
        right, bottom = left + across - 1, top + down - 1
        for outside, line in (
            (not padded[y + 1, x], (left, top, left, bottom)),
            (not padded[y + 1, x + 2], (right, top, right, bottom)),
            (not padded[y, x + 1], (left, top, right, top)),
            (not padded[y + 2, x + 1], (left, bottom, right, bottom)),
        ):
            if outside:
                draw.line(line, fill="white", width=3)
                draw.line(line, fill="#c1121f", width=1)
