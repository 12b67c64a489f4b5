"""Meshes and point sets: formats are read as they were written, surfaces sampled by their area."""

import io

import numpy as np
import pytest
from third_party import needs

from mmjax.data import VIEWS, BadExample
from mmjax.data.formats.shapes import Shape, read_shape, sample_surface
from mmjax.data.views import PointsView
from mmjax.data.views.points import rotation, unit_sphere
from mmjax.errors import ConfigError

# A square of side 2 in the plane z = 1, as one polygon, and a triangle of a quarter of its area.
OBJ = """# two things
mtllib things.mtl
o square
v 0 0 1
v 2 0 1
v 2 2 1
v 0 2 1
vn 0 0 1
usemtl red paint
f 1//1 2//1 3//1 4//1
v 5 0 0
v 6 0 0
v 6 2 0
usemtl blue
f -3 -2 -1
"""


def rng(seed=0):
    return np.random.default_rng(seed)


def ply(kind, faces=True):
    """A tetrahedron with colours, in one of PLY's encodings."""
    points = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (51, 102, 153)]
    corners = [(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)]
    header = f"ply\nformat {kind} 1.0\ncomment a test\nelement vertex 4\n"
    header += "".join(f"property float {axis}\n" for axis in "xyz")
    header += "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
    if faces:
        header += "element face 4\nproperty list uchar int vertex_indices\n"
    out = (header + "end_header\n").encode()
    if kind == "ascii":
        rows = [" ".join(map(str, (*p, *c))) for p, c in zip(points, colours, strict=True)]
        rows += [" ".join(map(str, (3, *f))) for f in corners] if faces else []
        return out + "\n".join(rows).encode()
    order = "<" if kind == "binary_little_endian" else ">"
    for p, c in zip(points, colours, strict=True):
        out += np.array(p, order + "f4").tobytes() + bytes(c)
    for f in corners if faces else []:
        out += bytes([3]) + np.array(f, order + "i4").tobytes()
    return out


def test_obj():
    shape = read_shape(OBJ.encode())
    assert shape.points.shape == (7, 3)
    assert shape.faces.tolist() == [[0, 1, 2], [0, 2, 3], [4, 5, 6]]
    assert shape.materials == ("red paint", "red paint", "blue")


def test_obj_with_colours_of_vertices():
    shape = read_shape(b"v 0 0 0 1 0 0\nv 1 0 0 1 0 0\nv 0 1 0 1 0 0\nf 1 2 3\n")
    view = PointsView(count=5, channels=6)
    np.testing.assert_allclose(view(shape, None, False)[:, 3:], [[1, 0, 0]] * 5, atol=1e-6)


@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_ply(kind):
    shape = read_shape(ply(kind))
    expected = read_shape(ply("ascii"))
    np.testing.assert_array_equal(shape.points, expected.points)
    np.testing.assert_array_equal(shape.points[3], [0, 0, 1, 0.2, 0.4, 0.6])
    assert shape.faces.tolist() == [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]
    assert read_shape(ply(kind, faces=False)).faces is None


def test_vertices_may_be_counted_back_from_their_face():
    face = b"f -3 -2 -1\n"
    content = b"v 0 0 0\nv 1 0 0\nv 0 1 0\n" + face + b"v 5 5 5\nv 6 5 5\nv 5 6 5\n" + face
    assert read_shape(content).faces.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_ply_with_triangles_beside_quadrilaterals():
    content = ply("binary_little_endian").replace(b"element face 4", b"element face 5")
    content += bytes([4]) + np.array([0, 1, 2, 3], "<i4").tobytes()
    assert read_shape(content).faces.tolist()[4:] == [[0, 1, 2], [0, 2, 3]]


@pytest.mark.parametrize("kind", ["stl", "stl_ascii", "off", "glb"])
def test_what_trimesh_reads(kind):
    trimesh = needs("trimesh")
    points, faces = [(0, 0, 1), (2, 0, 1), (0, 2, 1), (2, 2, 1)], [(0, 1, 2), (1, 3, 2)]
    mesh = trimesh.Trimesh(points, faces, process=False)
    content = mesh.export(file_type=kind)
    content = content if isinstance(content, bytes) else content.encode()
    shape = read_shape(content)
    np.testing.assert_allclose(shape.points[shape.faces], mesh.triangles, atol=1e-6)
    with pytest.raises(BadExample, match=r"damaged or cut off|no vertices|not that of a readable"):
        read_shape(content[:-70])


def test_colours_that_trimesh_reads():
    trimesh = needs("trimesh")
    colours = np.uint8([[255, 0, 0, 255]] * 3)
    mesh = trimesh.Trimesh(np.eye(3), [(0, 1, 2)], vertex_colors=colours, process=False)
    x = PointsView(count=5, channels=6)(mesh.export(file_type="glb"), None, False)
    np.testing.assert_allclose(x[:, 3:], [[1, 0, 0]] * 5, atol=1e-6)


def test_tables_of_points():
    points = rng().normal(size=(6, 4)).round(3)
    text = "# x y z t\n" + "\n".join(" ".join(map(str, row)) for row in points)
    buffer = io.BytesIO()
    np.save(buffer, points)
    for value in (text.encode(), text.replace(" ", ",").encode(), buffer.getvalue(), points):
        shape = read_shape(value)
        np.testing.assert_array_equal(shape.points, points)
        assert shape.faces is None


def test_a_surface_is_sampled_by_its_area():
    points = sample_surface(read_shape(OBJ.encode()), 4000, rng())
    square = points[:, 2] == 1
    assert abs(square.mean() - 4 / 5) < 0.03
    on = points[square]
    assert on[:, :2].min() >= 0
    assert on[:, :2].max() <= 2
    # Uniform in the square: a quarter of it has a quarter of the points.
    assert abs((on[:, :2] < 1).all(axis=1).mean() - 1 / 4) < 0.03
    np.testing.assert_allclose(on[:, :2].mean(axis=0), 1, atol=0.05)


def test_a_view_is_centred_scaled_and_the_same_every_time():
    view = PointsView(count=300)
    x = view(OBJ.encode(), None, False)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-6)
    assert abs(np.linalg.norm(x, axis=1).max() - 1) < 1e-6
    np.testing.assert_array_equal(x, view(OBJ.encode(), None, False))
    moved = PointsView(count=300, normalize=False)(OBJ.encode(), None, False)
    np.testing.assert_allclose(x, unit_sphere(moved.astype(np.float64)), atol=1e-6)
    assert not unit_sphere(np.ones((3, 3))).any()


def test_small_sets_are_followed_by_nan_and_large_ones_drawn_without_repetition():
    points = np.arange(30.0).reshape(10, 3)
    few = PointsView(count=12, normalize=False)(points, None, False)
    assert np.isnan(few[10:]).all()
    assert sorted(few[:10].tolist()) == points.tolist()
    some = PointsView(count=6, normalize=False)(points, rng(), True)
    assert len({tuple(row) for row in some.tolist()} & {tuple(row) for row in points.tolist()}) == 6


def test_augmentation_does_what_it_says():
    points = unit_sphere(rng().normal(size=(50, 3)))
    plain = PointsView(count=50)(points, rng(1), True)
    turned = PointsView(count=50, rotate="up", up="z")(points, rng(1), True)
    lengths = np.linalg.norm(turned, axis=1)
    np.testing.assert_allclose(lengths, np.linalg.norm(plain, axis=1), atol=1e-6)
    np.testing.assert_allclose(turned[:, 2], plain[:, 2], atol=1e-6)
    assert np.abs(turned - plain).max() > 0.1
    for axis in (None, 0):
        turn = rotation(rng(3), axis)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1)
    kept = PointsView(count=50, keep=0.2)
    counts = [int((~np.isnan(kept(points, rng(i), True)[:, 0])).sum()) for i in range(20)]
    assert 10 <= min(counts) < 25
    assert 35 < max(counts) <= 50
    shaken = PointsView(count=50, jitter=0.1)(points, rng(1), True)
    assert 0.05 < np.std(shaken - plain) < 0.15


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", "3 vertices and no faces, so it has no surface"),
        (b"v 0 0 0\nv 1 0 0\nf 1 2 3\n", "face 0 names a vertex that is none of the 2"),
        (b"v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "have no area"),
        (b"v 0 0\nf 1 1 1\n", "line 1 is not that of a readable"),
        (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "line 4 .*: vertices are numbered from 1"),
        (b"v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "point 0 holds NaN"),
        (b"hello world", "line 1 is not that of a readable shape in OBJ, PLY"),
        (b"", "it is empty or all comments"),
        (b"1 2 3\n4 5\n", "line 2 has 2 numbers where the first has 3"),
        (b"1 2\n", r"points should be \[1 or more, 3 or more\], not \[1, 2\]"),
        (ply("ascii").replace(b"element face 4", b"element face 0"), "and no faces"),
        (ply("binary_little_endian")[:-7], "damaged or cut off"),
        (
            b"ply\nformat ascii 1.0\nelement a 20000000\nend_header\n",
            "the element 'a' has no properties",
        ),
        (ply("ascii")[:40], "the header of the PLY file has no end"),
        (ply("ascii").replace(b"float y", b"float w"), "have no y"),
        (b"\x93NUMPY\x01\x00garbage", "the .npy file cannot be read"),
        ("text", "it is no array of numbers"),
        (np.zeros((0, 3)), "1 or more"),
        (Shape(np.full((3, 3), 1e300), np.array([[0, 1, 2]])), "no area"),
    ],
)
def test_a_bad_shape_is_one_sentence(value, reason):
    with pytest.raises(BadExample, match=reason) as caught:
        PointsView(count=4)(value, None, False)
    assert "\n" not in caught.value.reason


def test_missing_channels_are_refused():
    with pytest.raises(BadExample, match="its points have 3 numbers, but the view takes 6"):
        PointsView(count=4, channels=6)(np.ones((2, 3)), None, False)


def test_a_point_has_three_numbers_or_more():
    with pytest.raises(ConfigError, match="channels' should be at least 3"):
        VIEWS.spec("points", count=3, channels=2)
