"""The source `collage`: scenes of several images of another source, with boxes and masks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image

from mmjax.data.around import Around
from mmjax.data.formats.images import MOST_PIXELS, EncodedImage
from mmjax.data.records import BadExample, Record, Source, SourceError, options
from mmjax.data.registry import SOURCES
from mmjax.schema.bounds import Count, NonNegative, NonNegativeInt, Positive
from mmjax.schema.registry import Spec

VISIBLE = 0.5  # of a pixel, to be in a box
_CACHE_BYTES = 512 * 2**20
_OWN = ("target", "boxes", "masks", "fits", "objects", "mask", "region")


class Collage(Around):
    """Scenes of several images of another source, cut out by their transparency.

    A row shows different records of the source, the objects, on a grey ground with noise. The first
    is the target: it goes through all records in a random order, again and again, and lies on top;
    the others are drawn. Images without transparency are whole rectangles. A row has

        image     u8[size, size, 3]              text     the texts of all objects, with commas
        example   an image of the target alone   phrase   the target's text

    where `example` is another of the target's images than the one in the scene, if it has several,
    and, for views of type `array` and evaluators, with the objects in the order of the text:

        boxes     f32[objects, 4], (left, top, width, height) of what is seen of each, as shares of
                  the side; zeros where nothing is
        masks     f32[objects, T], the share of each cell of `grid` that it covers, row by row
        fits      f32[objects], 1 for the target; `objects` i64[objects], their ids in the source
        mask      f32[T], that of the target; `region` u8[T], the cells that it covers by half, or
                  most

    beside `target`, the target's id in the source, its labels, and of each label `objects_<label>`,
    a list of those of all objects. With `vectors`, a source of
    vectors f32[D] of the same ids, also `vectors`, f32[objects, D + 4]: that of each object and its
    box.

    Args:
      source: of the single images and texts. Records that lack one of both are left out.
      examples: number of rows; each record once as the target where None.
      objects: of a row.
      cells: of the c x c cells of a scene each object has one for itself; None lets them lie
        anywhere, on each other, too.
      size: side of the scene, in pixels.
      scale: smallest and largest side of an object, as shares of the side of a cell (of a scene
        with as many cells as objects where `cells` is None).
      grid: (rows, columns) of the cells of masks, that of a tower's tokens.
      noise: standard deviation of the ground's noise, where white is 1.
      prompts: `either` gives a row the phrase or the example, in turn, so that no row pairs both.
      vectors: of the objects.
      image, text: the fields of the source.
      cache_decoded: keep the single images in memory, at most about 512 MiB.
      seed: of everything.

    Raises:
      SourceError: when the source has no such fields, too few records, or no vectors of one.
    """

    def __init__(
        self,
        *,
        source: Annotated[Spec[Source], SOURCES],
        examples: Count | None = None,
        objects: Count = 4,
        cells: Count | None = 2,
        size: Count = 64,
        scale: tuple[Positive, Positive] = (0.75, 1.0),
        grid: tuple[Count, Count] = (8, 8),
        noise: NonNegative = 0.1,
        prompts: Literal["both", "either"] = "both",
        vectors: Annotated[Spec[Source], SOURCES] | None = None,
        image: str = "image",
        text: str = "text",
        cache_decoded: bool = False,
        seed: NonNegativeInt = 0,
    ):
        super().__init__(source)
        for field in (image, text):
            if field not in self.inner.modalities:
                raise SourceError(
                    f"collage: the source has no field {field!r}, but "
                    f"{', '.join(map(repr, self.inner.modalities))}"
                )
        if cells is not None and cells**2 < objects:
            raise SourceError(f"collage: objects={objects} are more than cells={cells} squared")
        if not 0 < scale[0] <= scale[1] <= 1 or any(size % n for n in grid):
            raise SourceError(
                f"collage: scale={scale} should rise from above 0 to at most 1, and size={size} be "
                f"a multiple of both of grid={grid}"
            )
        self.image, self.text, self.size, self.grid = image, text, size, grid
        self.cells, self.scale, self.noise, self.seed = cells, scale, noise, seed
        names = [self.inner[row].get(text) for row in range(len(self.inner))]
        whole = [row for row, name in enumerate(names) if name and image in self.inner[row]]
        if len(whole) < objects:
            raise SourceError(
                f"collage: {len(whole)} records have {image!r} and {text!r}, fewer than "
                f"objects={objects}"
            )
        rng = np.random.default_rng([seed])
        count = len(whole) if examples is None else examples
        rounds = [rng.permutation(len(whole)) for _ in range(-(-count // len(whole)))]
        target = np.concatenate(rounds)[:count]
        others = [rng.choice(len(whole) - 1, objects - 1, replace=False) for _ in target]
        shifted = [own + (own >= first) for own, first in zip(others, target, strict=True)]
        self._rows = np.array(whole)[np.column_stack([target, *np.transpose(shifted)])]
        self._vectors = None if vectors is None else self._vectors_of(vectors.build())
        given = ("vectors",) if vectors is not None else ()
        self.modalities = ("image", "text", "phrase", "example", *given)
        self._listed_of = {f"objects_{name}": name for name in self.inner.label_fields}
        self.label_fields = (*self.inner.label_fields, *self._listed_of, *_OWN)
        self.left_out = ("example", "phrase") if prompts == "either" else ()
        self.may_lack, self._listed, self._id_limit = self.left_out, None, None
        self.cache_decoded = cache_decoded
        self._cache: dict[tuple[int, int], Image.Image] = {}

    def _vectors_of(self, source: Source) -> dict[int, np.ndarray]:
        """The vector of every record by its id."""
        (field,) = source.modalities[:1]
        found = {}
        for row in range(len(source)):
            record = source[row]
            if field in record:
                found[record["id"]] = np.asarray(options(record[field])[0], np.float32)
        for record in (self.inner[int(row)] for row in np.unique(self._rows)):
            if record["id"] not in found:
                raise SourceError(
                    f"collage: vectors have no {field!r} with the id {record['id']}, which the "
                    f"record {record['key']} has"
                )
        return found

    def __len__(self) -> int:
        return len(self._rows)

    def id_of(self, index: int) -> int:
        return index

    def __getitem__(self, index: int) -> Record:
        index = range(len(self))[index]
        rng = np.random.default_rng([self.seed, index])
        records = [self.inner[int(row)] for row in self._rows[index]]
        images = [options(record[self.image]) for record in records]
        shown = [int(rng.integers(len(own))) for own in images]
        cutouts = [
            self._cutout(int(row), number, record, own[number])
            for row, number, record, own in zip(
                self._rows[index], shown, records, images, strict=True
            )
        ]
        scene, seen = self._scene(rng, cutouts)
        order = rng.permutation(len(records))
        masks = _shares(seen[order], self.grid)
        place = int(np.argmin(order))  # of the target, which is the first record
        boxes = np.array([_box(each > VISIBLE) for each in seen[order]], np.float32) / self.size
        region = masks[place] >= min(0.5, masks[place].max())
        names = [options(records[k][self.text])[0] for k in order]
        others = [value for k, value in enumerate(images[0]) if k != shown[0]] or images[0]
        record = {
            **{name: records[0][name] for name in self.inner.label_fields if name in records[0]},
            **{
                new: [records[k][name] for k in order if name in records[k]]
                for new, name in self._listed_of.items()
            },
            "id": index,
            "key": f"row {index} ({', '.join(names)})",
            "image": scene,
            "text": ", ".join(names),
            "phrase": records[0][self.text],
            "example": others,
            "target": records[0]["id"],
            "boxes": boxes,
            "masks": masks,
            "fits": (order == 0).astype(np.float32),
            "objects": np.array([records[k]["id"] for k in order]),
            "mask": masks[place],
            "region": region.astype(np.uint8),
        }
        if self._vectors is not None:
            vectors = [self._vectors[records[k]["id"]] for k in order]
            record["vectors"] = np.concatenate([np.stack(vectors), boxes], axis=1)
        if self.left_out:
            del record[self.left_out[index % 2]]
        return record

    def _cutout(self, row: int, number: int, record: Record, value: Any) -> Image.Image:
        """An image of a row of the source, by its number."""
        if (row, number) in self._cache:
            return self._cache[row, number]
        try:
            cutout = EncodedImage(value, MOST_PIXELS).decode().convert("RGBA")
        except BadExample as error:
            raise BadExample(record["key"], self.image, error.reason) from error
        bytes_of_one = 4 * cutout.width * cutout.height
        if self.cache_decoded and len(self._cache) * bytes_of_one < _CACHE_BYTES:
            self._cache[row, number] = cutout
        return cutout

    def _scene(
        self, rng: np.random.Generator, cutouts: list[Image.Image]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pixels u8[size, size, 3], and what is seen of each, f32[objects, size, size]."""
        ground = rng.uniform(0.3, 0.7) + self.noise * rng.standard_normal((self.size, self.size, 3))
        scene = np.clip(255 * ground, 0, 255).astype(np.float32)
        seen = np.zeros((len(cutouts), self.size, self.size), np.float32)
        cells = self.cells or int(np.ceil(len(cutouts) ** 0.5))
        side = self.size // cells
        places = rng.permutation(cells**2)[: len(cutouts)]
        for k in reversed(range(len(cutouts))):
            most = rng.uniform(*self.scale) * side / max(cutouts[k].size)
            width, height = (max(round(most * length), 1) for length in cutouts[k].size)
            pixels = np.asarray(cutouts[k].resize((width, height), Image.Resampling.BILINEAR))
            cell = np.zeros(2, int) if self.cells is None else side * np.array(
                divmod(int(places[k]), cells))  # fmt: skip
            room = self.size if self.cells is None else side
            top, left = cell + rng.integers(0, room - np.array([height, width]) + 1)
            part = (slice(top, top + height), slice(left, left + width))
            alpha = pixels[..., 3].astype(np.float32) / 255
            scene[part] += alpha[..., None] * (pixels[..., :3] - scene[part])
            seen[(slice(None), *part)] *= 1 - alpha
            seen[(k, *part)] = alpha
        return np.rint(scene).astype(np.uint8), seen

    def describe(self) -> str:
        return f"{self.inner.describe()}, {len(self):,} collages of {self._rows.shape[1]}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}}


def _shares(seen: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """f32[n, T], the means over the cells of a grid of f32[n, H, W]."""
    count, height, width = seen.shape
    cells = seen.reshape(count, grid[0], height // grid[0], grid[1], width // grid[1])
    shares: np.ndarray = cells.mean((2, 4)).reshape(count, -1).astype(np.float32)
    return shares


def _box(seen: np.ndarray) -> tuple[int, int, int, int]:
    """(left, top, width, height) of the true pixels of bool[H, W]; zeros where there are none."""
    rows, columns = (np.flatnonzero(seen.any(axis)) for axis in (1, 0))
    if not len(rows):
        return 0, 0, 0, 0
    top, left = int(rows[0]), int(columns[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


SOURCES.register("collage", Collage)
