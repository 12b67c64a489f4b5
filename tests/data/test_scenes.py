"""Generated scenes: images show what captions say, hard negatives differ in one thing."""

import numpy as np
import pytest

from mmjax.data import SOURCES
from mmjax.data.synthetic.scenes import (
    COLOURS,
    CONVERSE,
    RELATIONS,
    SHAPES,
    CompositionalScenes,
    caption,
    converse,
    held_out,
    render,
)

WAYS = {"left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1)}


def read(text):
    """(colour, shape, relation, colour, shape) of a caption, by its words."""
    words = text.removeprefix("a ").split()
    relation = " ".join(words[2:-3])
    assert words[-3] == "a"
    return words[0], words[1], relation, words[-2], words[-1]


def middle(image, colour):
    """Where a colour is, in 0..1, by its pixels; and how many there are."""
    rows, columns = np.nonzero((np.abs(image.astype(int) - COLOURS[colour]) < 8).all(axis=2))
    return np.array([columns.mean(), rows.mean()]) / image.shape[0], len(rows)


@pytest.mark.smoke
def test_a_picture_shows_what_its_caption_says():
    source = CompositionalScenes(split="test", examples=200, size=32)
    seen = set()
    for record in source:
        for text in record["text"]:
            c1, s1, relation, c2, s2 = read(text)
            assert c1 != c2
            assert s1 != s2
            way = middle(record["image"], c1)[0] - middle(record["image"], c2)[0]
            assert way @ WAYS[relation] > 0.25
            assert abs(way @ np.abs(WAYS[relation])[::-1]) < 0.2
            seen.add((s1, c1, relation))
        assert record["text"][0] == caption(record["scene"])
    assert len(seen) > 60  # of 25 * 4


def test_shapes_have_their_areas():
    """Of a disc of radius R: π R²; of a ring of 0.55 R to R, and so on."""
    radius, size = 0.3, 128
    areas = {
        "circle": np.pi,
        "square": (2 * 0.88) ** 2,
        "triangle": 0.55 * 1.75**2,
        "cross": 4 * 0.88 * 0.6 - 0.36,
        "ring": np.pi * (1 - 0.55**2),
    }
    for number, shape in enumerate(SHAPES):
        scene = np.array([[number, 0, (number + 1) % 5, 1, 0]])
        centres = np.array([[[0.5, 0.5], [5.0, 5.0]]], np.float32)  # the second is outside
        image = render(scene, centres, np.full((1, 2), radius, np.float32), size)[0]
        share = (255 - image[..., 1].astype(float)).sum() / (255 - 40) / size**2
        assert share == pytest.approx(areas[shape] * radius**2, rel=0.02), shape


def test_hard_negatives_have_one_thing_exchanged():
    source = CompositionalScenes(split="train", examples=60, negatives=True)
    assert source.modalities == ("image", "text", "image_negative", "text_negative")
    for record in source:
        c1, s1, relation, c2, s2 = read(record["text"][0])
        back = RELATIONS[CONVERSE[RELATIONS.index(relation)]]
        assert [read(text) for text in record["text_negative"]] == [
            (c2, s1, relation, c1, s2),
            (c1, s2, relation, c2, s1),
            (c1, s1, back, c2, s2),
        ]
        image, (colours, shapes, places) = record["image"], record["image_negative"]
        for colour, other in ((c1, c2), (c2, c1)):
            at, count = middle(image, colour)
            # Where one colour was there is the other, in the same shape.
            np.testing.assert_allclose(middle(colours, other)[0], at, atol=0.01)
            assert abs(middle(colours, other)[1] - count) <= 0.2 * count + 4
            np.testing.assert_allclose(middle(shapes, colour)[0], at, atol=0.05)
            np.testing.assert_allclose(middle(places, other)[0], at, atol=0.05)


def test_the_hard_split_has_each_scene_with_its_negatives():
    source = CompositionalScenes(split="hard", examples=40)
    with_negatives = CompositionalScenes(split="hard", examples=40, negatives=True)
    assert len(source) == 40
    for i in range(0, 40, 4):
        first = with_negatives[i]
        assert [source[i + k]["text"][0] for k in (1, 2, 3)] == first["text_negative"]
        for k in (1, 2, 3):
            np.testing.assert_array_equal(source[i + k]["image"], first["image_negative"][k - 1])
        assert len({source[i + k]["id"] for k in range(4)}) == 4
        for k in range(4):
            c1, _, relation, c2, _ = read(source[i + k]["text"][0])
            image = source[i + k]["image"]
            way = middle(image, c1)[0] - middle(image, c2)[0]
            assert way @ WAYS[relation] > 0.25


def test_one_scene_has_one_id_however_it_is_said():
    source = CompositionalScenes(split="train", examples=3000)
    by_id, by_text = {}, {}
    for i in range(len(source)):
        scene = source.fields["scene"][i]
        key = frozenset((caption(scene), caption(converse(scene))))
        by_id.setdefault(source.id_of(i), set()).add(key)
        by_text.setdefault(key, set()).add(source.id_of(i))
    assert all(len(keys) == 1 for keys in by_id.values())
    assert all(len(ids) == 1 for ids in by_text.values())
    assert max(by_id) < source.id_limit


def test_held_out_pairs_are_never_trained():
    def pairs(split):
        scenes = CompositionalScenes(split=split, examples=600).fields["scene"]
        return scenes, held_out(scenes[:, 0], scenes[:, 1]), held_out(scenes[:, 2], scenes[:, 3])

    for split in ("train", "test"):
        _, first, second = pairs(split)
        assert not (first | second).any()
    _, first, second = pairs("new_pairs")
    assert (first | second).all()
    trained = pairs("train")[0]
    assert set(trained[:, [0, 2]].ravel()) == set(range(len(SHAPES)))
    assert set(trained[:, [1, 3]].ravel()) == set(range(len(COLOURS)))


def test_seeds_and_splits():
    def images(**options):
        return CompositionalScenes(**{"examples": 8, **options}).fields["image"]

    np.testing.assert_array_equal(images(seed=1), images(seed=1))
    assert (images(seed=1) != images(seed=2)).any()
    assert (images(split="train") != images(split="test")).any()
    assert SOURCES["compositional_scenes"] is CompositionalScenes
    with pytest.raises(ValueError, match=r"examples=6 of 'hard' go by fours"):
        CompositionalScenes(split="hard", examples=6)
    with pytest.raises(ValueError, match=r"split is 'val'; it can be 'train'"):
        CompositionalScenes(split="val")


def test_a_bag_of_words_is_lost_among_hard_negatives_and_understanding_is_not():
    """What retrieval in the split 'hard' tells: a bag of words ties a scene with its negatives."""
    from types import SimpleNamespace

    from mmjax.evaluators.retrieval import Retrieval

    source = CompositionalScenes(split="hard", examples=80)
    scenes = source.fields["scene"]

    def bag(scene):
        words = caption(scene).split()
        return np.array([words.count(w) for w in (*COLOURS, *SHAPES)], np.float32)

    first = np.where((scenes[:, 4] % 2 == 0)[:, None], scenes, converse(scenes))
    whole = np.concatenate([np.eye(6, dtype=np.float32)[first[:, k]] for k in range(5)], axis=1)
    found = {}
    for name, vectors in (("bag", np.stack([bag(s) for s in scenes])), ("whole", whole)):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        items = SimpleNamespace(
            modality="text", unit=unit, ids=np.array(list(map(source.id_of, range(len(source)))))
        )
        found[name] = Retrieval().direction(items, items)["R@1"]
    assert found["whole"] == 1
    assert found["bag"] < 0.3  # one of four, at best


@pytest.mark.parametrize("phrasing", ["colour", "shape"])
def test_descriptions_say_what_is_there_and_err_as_often_as_they_are_told(phrasing):
    options = {"examples": 2000, "size": 8, "described": True, "phrasing": phrasing}
    plain = CompositionalScenes(examples=2000, size=8)
    exact, erring = (CompositionalScenes(errors=e, **options) for e in (0.0, 0.3))
    assert exact.modalities[2:] == ("description", "text_colours", "text_shapes", "text_places")
    first, kept = 0, np.zeros(2)
    for row in range(2000):
        record = exact[row]
        assert (record["image"] == plain[row]["image"]).all()
        c1, s1, relation, c2, s2 = read(record["text"][0])
        there = relation.removesuffix(" of")
        back = RELATIONS[CONVERSE[RELATIONS.index(relation)]].removesuffix(" of")
        words = [part.replace(":", "").replace(",", "").split()
                 for part in record["description"].split("; ")]  # fmt: skip
        order = slice(None) if phrasing == "colour" else [1, 0, 2]
        items = [list(np.array(item)[order]) for item in words]
        assert sorted(items) == sorted([[c1, s1, there], [c2, s2, back]])
        first += items[0][:2] == [c1, s1]
        assert read(record["text_colours"]) == (c2, s1, relation, c1, s2)
        assert read(record["text_places"])[2].removesuffix(" of") == back
        others = erring[row]["description"].replace(":", "").replace(",", "").split("; ")
        told = {tuple(np.array(item.split())[order]) for item in others}
        kept += [
            told == {(c1, s1, there), (c2, s2, back)},
            {(c1, s1), (c2, s2)} == {t[:2] for t in told},
        ]
    assert 0.45 < first / 2000 < 0.55
    # All four are as they were: none redrawn, or to what it was, 1 of 5 shapes and 6 colours.
    things = (1 - 0.3 * 4 / 5) ** 2 * (1 - 0.3 * 5 / 6) ** 2
    np.testing.assert_allclose(kept / 2000, [0.7 * things, things], atol=0.04)
