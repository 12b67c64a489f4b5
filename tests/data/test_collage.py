"""The source `collage`: scenes whose boxes and masks are those of what is seen."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from mmjax.data import SOURCES, BadExample, SourceError
from mmjax.data.views import ImageView

SIDE = 8  # of the images
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255))


def square(colour, margin=0, height=SIDE):
    """A square of one colour with a transparent margin, as PNG."""
    pixels = np.zeros((height, SIDE, 4), np.uint8)
    pixels[margin : height - margin, margin : SIDE - margin] = (*colour, 255)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def made(images=None, texts=None, **options):
    images = [square(c) for c in COLOURS] if images is None else images
    texts = [f"name {k}" for k in range(len(images))] if texts is None else texts
    labels = {"kind": [f"kind {k}" for k in range(len(images))]}
    source = {"type": "memory", "data": {"image": images, "text": texts}, "labels": labels}
    return SOURCES.spec(
        "collage", **{"source": source, "size": 32, "noise": 0.0, **options}
    ).build()


def edges_of(shown):
    """Left, top, width and height of true pixels bool[H, W]; zeros where there are none."""
    rows, columns = (np.flatnonzero(shown.any(axis)) for axis in (1, 0))
    if not len(rows):
        return 0, 0, 0, 0
    return columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1


def colour_of(number):
    return np.array(COLOURS[number])


def test_every_object_is_where_its_box_and_mask_say():
    source = pickle.loads(pickle.dumps(made(examples=20, objects=3)))
    assert len(source) == 20
    for row in (source[i] for i in range(20)):
        assert row["image"].shape == (32, 32, 3)
        assert row["text"] == ", ".join(f"name {k}" for k in row["objects"])
        for k, (left, top, width, height) in zip(row["objects"], row["boxes"] * 32, strict=True):
            own = (row["image"] == colour_of(k)).all(-1)
            inside = np.zeros((32, 32), bool)
            inside[int(top) : int(top + height), int(left) : int(left + width)] = True
            np.testing.assert_array_equal(own, inside)
            assert 12 <= width == height <= 16
            assert left // 16 == (left + width - 1) // 16  # in one cell
        for k, mask in zip(row["objects"], row["masks"], strict=True):
            own = (row["image"] == colour_of(k)).all(-1).reshape(8, 4, 8, 4).mean((1, 3))
            np.testing.assert_allclose(mask, own.reshape(-1), atol=1e-6)
        (target,) = np.flatnonzero(row["fits"])
        assert row["phrase"] == f"name {row['objects'][target]}"
        assert row["kind"] == f"kind {row['objects'][target]}"
        assert row["objects_kind"] == [f"kind {k}" for k in row["objects"]]
        assert row["target"] == row["objects"][target]
        np.testing.assert_array_equal(row["mask"], row["masks"][target])
        np.testing.assert_array_equal(row["region"], row["mask"] >= 0.5)


def test_targets_go_through_all_records_and_rows_are_the_same_again():
    source, again, other = made(examples=12), made(examples=12), made(examples=12, seed=1)
    targets = [r["phrase"] for r in source]
    assert len(set(targets[:5])) == len(set(targets[5:10])) == 5
    for one, two in zip(source, again, strict=True):
        np.testing.assert_array_equal(one["image"], two["image"])
        assert len(set(one["objects"])) == 4
    assert targets != [r["phrase"] for r in other]
    assert [source.id_of(i) for i in range(12)] == [r["id"] for r in source] == list(range(12))
    own = ("target", "boxes", "masks", "fits", "objects", "mask", "region")
    assert source.label_fields == ("kind", "objects_kind", *own)
    assert len(made()) == 5
    assert "5 collages of 4" in made().describe()


def test_anywhere_the_target_is_on_top_and_boxes_are_of_what_is_seen():
    source = made(examples=60, cells=None, scale=(1.0, 1.0), objects=4, seed=3)
    hidden = 0
    for row in source:
        (target,) = np.flatnonzero(row["fits"])
        assert (row["boxes"][target, 2:] == 0.5).all()  # whole
        for k, box, mask in zip(row["objects"], row["boxes"], row["masks"], strict=True):
            own = (row["image"] == colour_of(k)).all(-1)
            np.testing.assert_allclose(mask.sum() * 16, own.sum(), rtol=1e-5)
            hidden += not own.any()
            edges = edges_of(own)
            np.testing.assert_allclose(box * 32, edges, atol=1e-5)
    assert hidden < 20


def test_transparent_margins_are_no_part_and_shapes_stay():
    whole = dict(objects=1, cells=1, scale=(1.0, 1.0), size=16, grid=(4, 4))
    (framed,) = made([square(COLOURS[0], 2)], **whole)
    np.testing.assert_allclose(framed["boxes"][0] * 16, (4, 4, 8, 8), atol=1)  # of blurred edges
    (wide,) = made([square(COLOURS[1], height=4)], **whole)
    assert tuple(wide["boxes"][0, 2:] * 16) == (16, 8)


def test_an_example_is_another_image_of_the_target():
    pairs = [[square(c), square(tuple(v // 2 for v in c))] for c in COLOURS]
    view, dark = ImageView(size=8), 0
    for row in made(pairs, examples=20):
        k = row["objects"][np.flatnonzero(row["fits"])[0]]
        bright = (row["image"] == colour_of(k)).all(-1).any()
        assert row["example"] == [pairs[k][int(bright)]]
        view(row["example"], None, False)
        dark += not bright
    assert 0 < dark < 20


def test_rows_can_have_one_prompt_in_turn():
    source = made(prompts="either")
    assert source.may_lack == ("example", "phrase")
    for index, row in enumerate(source):
        assert ("phrase" in row) == (index % 2 == 0) == ("example" not in row)
    assert made().may_lack == ()


def test_vectors_of_objects_come_by_id_with_their_boxes():
    vectors = {"type": "memory", "data": {"v": [np.full(3, k, np.float32) for k in range(5)]}}
    row = made(vectors=vectors)[2]
    assert row["vectors"].shape == (4, 7)
    np.testing.assert_array_equal(row["vectors"][:, 0], row["objects"])
    np.testing.assert_array_equal(row["vectors"][:, 3:], row["boxes"])
    few = {"type": "memory", "data": {"v": [np.zeros(3, np.float32)]}}
    with pytest.raises(SourceError, match=r"no 'v' with the id \d, which the record memory row"):
        made(vectors=few)


def test_small_targets_have_the_cell_that_shows_most_of_them():
    tiny = made([square(COLOURS[0], 3)], objects=1, cells=1, scale=(0.3, 0.3))[0]
    assert 0 < tiny["mask"].max() < 0.5
    np.testing.assert_array_equal(tiny["region"], tiny["mask"] == tiny["mask"].max())


def test_decoded_images_can_be_kept():
    kept, made_anew = made(cache_decoded=True), made()
    for one, two in zip([*kept, *kept], [*made_anew, *made_anew], strict=True):
        np.testing.assert_array_equal(one["image"], two["image"])
    assert len(kept.__dict__["_cache"]) == len(COLOURS)
    assert not made_anew.__dict__["_cache"]
    assert not pickle.loads(pickle.dumps(kept)).__dict__["_cache"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"image": "picture"}, "has no field 'picture', but 'image', 'text'"),
        ({"objects": 5}, "objects=5 are more than cells=2 squared"),
        ({"objects": 6, "cells": 3}, "5 records have 'image' and 'text', fewer than objects=6"),
        ({"scale": (0.5, 1.5)}, "should rise from above 0 to at most 1"),
        ({"grid": (5, 8)}, r"a multiple of both of grid=\(5, 8\)"),
        ({"texts": ["a", None, "b", "c", None]}, "3 records have 'image' and 'text', fewer than"),
    ],
)
def test_what_makes_no_scene(options, said):
    with pytest.raises(SourceError, match=said):
        made(**options)


def test_an_image_that_cannot_be_read_is_named():
    with pytest.raises(BadExample, match="memory row 0: image: the 4 bytes"):
        made([b"abcd"], objects=1)[0]
