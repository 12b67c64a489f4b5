"""Meshes and point sets from the bytes of OBJ, PLY, XYZ, NPY, STL, OFF and GLB files.

Of OBJ the vertices (with colours, where they have them) and faces; of PLY, in text or binary, the
elements `vertex` and `face`; XYZ is a table of numbers in text, one point a line; NPY an array
[N, C]. STL, OFF and GLB are read by trimesh, of the extra `shapes`. (Not OBJ and PLY: trimesh 5.2
takes vertices that are counted back from a face for those counted back from the end of the file,
refuses triangles beside quadrilaterals in a binary PLY, and reads a PLY in text that was cut off as
a smaller shape.)
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmjax import extras
from mmjax.data.formats.numbers import load_array, real
from mmjax.data.formats.ply import read_ply
from mmjax.data.records import unusable

# What may stand in an OBJ file before its first vertex or face.
_BEFORE = ("mtllib", "usemtl", "o", "g", "s", "vt", "vn", "vp")


@dataclass(frozen=True)
class Shape:
    """A mesh, or a set of points.

    Attributes:
      points: f64[V, C], the vertices: three coordinates, then what the file says of each, such as
        its colour.
      faces: i64[F, 3], triangles of rows of `points`; None for a set of points.
      materials: of an OBJ file: the name of the material of every face.
    """

    points: np.ndarray
    faces: np.ndarray | None = None
    materials: tuple[str, ...] = ()


def read_shape(value: Any) -> Shape:
    """A shape from the bytes of a file, from an array [N, C] of points, or a `Shape`.

    Raises:
      BadExample: of a view, for bytes of no such format, damaged ones, a mesh without faces, and
        coordinates that are not finite.
      MissingExtra: for STL, OFF and GLB without trimesh.
    """
    if isinstance(value, Shape):
        shape = value
    elif isinstance(value, bytes | bytearray | memoryview):
        shape = _from_bytes(bytes(value))
    else:
        try:
            shape = Shape(np.asarray(real(value), np.float64))
        except (TypeError, ValueError) as error:
            raise unusable(f"it is no array of numbers: {error}") from error
    points, faces = shape.points, shape.faces
    if points.ndim != 2 or points.shape[1] < 3 or not len(points):
        raise unusable(f"points should be [1 or more, 3 or more], not {list(points.shape)}")
    if not np.isfinite(points).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise unusable(f"point {row} holds NaN or infinite numbers")
    if faces is not None:
        if not len(faces):
            raise unusable(
                f"the mesh has {len(points)} vertices and no faces, so it has no surface to sample "
                "(points alone go into an .xyz or .npy file)"
            )
        if faces.min() < 0 or faces.max() >= len(points):
            where = int(np.flatnonzero((faces < 0).any(1) | (faces >= len(points)).any(1))[0])
            raise unusable(f"face {where} names a vertex that is none of the {len(points)}")
    return shape


def sample_surface(shape: Shape, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points that are uniform on the surface of a mesh, f64[count, C].

    A face is drawn by its area, then a point in it (Osada et al. 2002, "Shape distributions",
    equation 1); numbers beside the coordinates are interpolated between the vertices.

    Raises:
      BadExample: if all faces together have no area.
    """
    chosen, weights = draw_on_faces(shape, count, rng)
    assert shape.faces is not None
    points: np.ndarray = np.einsum("nk,nkc->nc", weights, shape.points[shape.faces[chosen]])
    return points


def draw_on_faces(
    shape: Shape, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Faces i64[count], drawn by area, and weights f64[count, 3] of their corners."""
    faces = shape.faces
    assert faces is not None
    a, b, c = (shape.points[faces[:, corner], :3] for corner in range(3))
    with np.errstate(over="ignore", invalid="ignore"):
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        total = np.cumsum(area)
    if not np.isfinite(total[-1]) or total[-1] <= 0:
        raise unusable(f"the {len(area)} faces of the mesh have no area that can be sampled")
    chosen = np.searchsorted(total, rng.random(count) * total[-1], side="right")
    chosen = np.minimum(chosen, len(area) - 1)
    root, u = np.sqrt(rng.random(count)), rng.random(count)
    return chosen, np.stack([1 - root, root * (1 - u), root * u], axis=1)


def _from_bytes(content: bytes) -> Shape:
    if content.startswith(b"\x93NUMPY"):
        try:
            return Shape(np.asarray(load_array(content), np.float64))
        except Exception as error:  # a damaged header makes NumPy raise nearly anything
            raise unusable(f"the .npy file cannot be read: {error}") from error
    if content.startswith((b"ply\n", b"ply\r")):
        return Shape(*read_ply(content))
    if kind := _kind_for_trimesh(content):
        return _by_trimesh(content, kind)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # comments and names of materials may be in anything
    start = next((line.split() for line in text.splitlines() if _meant(line)), [])
    if not start:
        raise unusable("the file holds no shape: it is empty or all comments")
    try:
        [float(cell) for cell in start[0].split(",") if cell]
    except ValueError:
        return _obj(text)
    return _xyz(text)


def _kind_for_trimesh(content: bytes) -> str | None:
    """Which of STL, OFF and GLB the bytes are; a binary STL is known by its length alone."""
    if content.startswith(b"glTF"):
        return "glb"
    if re.match(rb"(ST)?(C)?(N)?OFF\s", content):
        return "off"
    triangles = int.from_bytes(content[80:84], "little")
    whole = len(content) > 84 and len(content) == 84 + 50 * triangles
    return "stl" if whole or re.match(rb"\s*solid\b", content) else None


def _by_trimesh(content: bytes, kind: str) -> Shape:
    trimesh = extras.needs("trimesh", "shapes", f"a mesh in a file of type {kind.upper()}")
    try:
        scene = trimesh.load_scene(
            io.BytesIO(content), file_type=kind, process=False, skip_materials=True
        )
        mesh = scene.to_mesh()
        points = np.asarray(mesh.vertices, np.float64)
        if mesh.visual.kind == "vertex":
            colours = np.asarray(mesh.visual.vertex_colors, np.float64)[:, :3] / 255
            points = np.concatenate([points, colours], axis=1)
        faces = np.asarray(mesh.faces, np.int64).reshape(-1, 3)
    except Exception as error:  # damaged files make the library raise nearly anything
        said = " ".join(str(error).split())
        raise unusable(
            f"the {kind.upper()} file is damaged or cut off: {type(error).__name__}: {said:.200}"
        ) from error
    if not len(points):
        raise unusable(f"the {kind.upper()} file has no vertices")
    return Shape(points, faces)


def _meant(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _xyz(text: str) -> Shape:
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not _meant(line):
            continue
        try:
            rows.append([float(cell) for cell in line.replace(",", " ").split()])
        except ValueError as error:
            raise unusable(f"line {number} is no row of numbers ({error})") from error
        if len(rows[-1]) != len(rows[0]):
            raise unusable(
                f"line {number} has {len(rows[-1])} numbers where the first has {len(rows[0])}"
            )
    return Shape(np.array(rows, np.float64))


def _obj(text: str) -> Shape:
    points: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    materials: list[str] = []
    material, known = "", False
    for number, line in enumerate(text.splitlines(), 1):
        word, *cells = line.split() or ("#",)
        try:
            if word == "v":
                points.append([float(cell) for cell in cells])
                # A fourth number is a weight of rational curves, which nothing here uses.
                points[-1] = points[-1][:3] if len(cells) == 4 else points[-1]
                if len(points[-1]) not in (3, 6) or len(points[-1]) != len(points[0]):
                    raise ValueError(f"{len(cells)} numbers of a vertex")
            elif word == "f":
                corners = [int(cell.partition("/")[0]) for cell in cells]
                if 0 in corners:
                    raise ValueError("vertices are numbered from 1")
                at = [c - 1 if c > 0 else len(points) + c for c in corners]
                faces += [(at[0], at[i], at[i + 1]) for i in range(1, len(at) - 1)]
                materials += [material] * max(len(at) - 2, 0)  # one or two vertices: no surface
            elif word == "usemtl":
                material = " ".join(cells)
            elif not known and word not in _BEFORE and not word.startswith("#"):
                raise ValueError(f"{word[:20]!r} is no word that an OBJ file starts with")
        except ValueError as error:
            kind = "OBJ file" if known else "shape in OBJ, PLY, XYZ, NPY, STL, OFF or GLB"
            raise unusable(f"line {number} is not that of a readable {kind}: {error}") from error
        known = known or word in ("v", "f")
    if not points:
        raise unusable("the OBJ file has no vertices")
    return Shape(np.array(points), np.array(faces, np.int64).reshape(-1, 3), tuple(materials))
