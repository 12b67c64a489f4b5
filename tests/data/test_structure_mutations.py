"""Damaged meshes, molecules, volumes and clips: an array of the view's shape or a named error."""

import gzip
import importlib.util
import io
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_graph_view import ACETATE, sdf
from test_mutations import damage
from test_points import OBJ, ply
from test_volume_video import animated, frames, npy

from mmjax.data import BadExample
from mmjax.data.views import GraphView, PointsView, TableView, VideoView, VolumeView
from mmjax.extras import MissingExtra

POINTS = PointsView(count=8, rotate="up", jitter=0.1, keep=0.5)
GRAPH = GraphView(nodes=12, drop_edges=0.2, mask_nodes=0.2)
VOLUME = VolumeView(size=(2, 3, 4), crop=0.5, noise=0.1, max_voxels=4096)
VIDEO = VideoView(frames=3, size=6, crop_scale=(0.3, 1.0), hue=0.1, max_frames=64, max_pixels=4096)
JSON = '{"nodes": [[6, 3, 4], [8, 1, 4]], "edges": [[0, 1, 1]], "directed": false}'
RAMP = np.arange(60, dtype=np.float32).reshape(3, 4, 5)


def seeds():
    found = {
        "obj": (POINTS, OBJ.encode()),
        "ply": (POINTS, ply("ascii")),
        "binary ply": (POINTS, ply("binary_little_endian")),
        "xyz": (POINTS, b"0 0 0\n1 0 0.5\n0 1 0\n"),
        "npy points": (POINTS, npy(RAMP.reshape(-1, 3))),
        "cml": (GRAPH, ACETATE.encode()),
        "json": (GRAPH, JSON.encode()),
        "npy volume": (VOLUME, npy(RAMP)),
        "gif": (VIDEO, animated(frames(4), "GIF")),
        "webp": (VIDEO, animated(frames(4), "WEBP")),
        "png": (VIDEO, animated(frames(4), "PNG")),
    }
    if importlib.util.find_spec("rdkit"):
        found |= {"sdf": (GRAPH, sdf().encode()), "smiles": (GRAPH, b"CC(=O)[O-] acetate")}
    if importlib.util.find_spec("trimesh"):
        import trimesh

        box = trimesh.creation.box()
        for kind in ("stl", "stl_ascii", "off", "glb"):
            content = box.export(file_type=kind)
            found[kind] = (POINTS, content if isinstance(content, bytes) else content.encode())
    if importlib.util.find_spec("nibabel"):
        import nibabel

        content = nibabel.Nifti1Image(RAMP, np.eye(4)).to_bytes()
        found |= {"nifti": (VOLUME, content), "nifti.gz": (VOLUME, gzip.compress(content))}
    return found


SEEDS = seeds()


@settings(max_examples=500, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(SEEDS)), seed=st.integers(0, 99))
def test_damaged_files_give_an_array_or_a_bad_example(data, name, seed):
    view, content = SEEDS[name]
    content = damage(data.draw, content)
    begin = time.monotonic()
    results, reason = [], None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            results = [view(content, np.random.default_rng(seed), True), view(content, None, False)]
        except BadExample as error:
            reason = error.reason
        except MissingExtra as error:  # what is damaged can look like a file that RDKit reads
            reason = str(error)
    assert results or (reason and "\n" not in reason and len(reason) < 2000)
    for x in results:
        assert x.shape == view.shape
        assert x.dtype == np.float32
        assert not np.isinf(x).any()
        assert view is POINTS or np.isfinite(x).all()
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_the_files_are_whole_before_they_are_damaged(name):
    view, content = SEEDS[name]
    assert view(content, None, False).shape == view.shape


@settings(max_examples=150, deadline=None)
@given(
    value=st.one_of(
        st.binary(max_size=60),
        st.text(max_size=30),
        st.none(),
        st.integers(),
        st.lists(st.floats(), max_size=5),
        st.dictionaries(
            st.sampled_from(("nodes", "edges", "features")),
            st.lists(st.lists(st.integers(), max_size=4), max_size=4),
        ),
    ),
    view=st.sampled_from((POINTS, GRAPH, VOLUME, VIDEO, TableView(columns=("a", "b")))),
)
def test_anything_is_an_array_or_a_bad_example(value, view):
    if value == [] or (isinstance(value, bytes) and b"ftyp" in value):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            x = view(value, np.random.default_rng(0), True)
        except (BadExample, MissingExtra):  # bytes of no known image are tried as a video
            return
    assert x.shape == view.shape


def test_a_gzip_without_an_end_is_named():
    content = gzip.compress(npy(RAMP))
    with pytest.raises(BadExample, match="damaged or cut off"):
        VOLUME(content[: len(content) // 2], None, False)
    assert io.BytesIO(content).read(2) == b"\x1f\x8b"
