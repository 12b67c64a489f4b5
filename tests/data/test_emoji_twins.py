"""Near-twins of the emoji: the table is what the tool finds, and none is on two sides."""

import numpy as np
from tool_files import load_tool

from mmjax.data.sets import emoji
from mmjax.data.sets.emoji_twins import TWINS


def test_no_near_twin_is_on_two_sides():
    """By the rule of the tool: the table is what it finds, and no other pair straddles."""
    tool, concepts = load_tool("emoji_twins"), emoji._concepts()
    near, _ = tool.read()
    halves = [emoji.half_of(concept["code"]) for concept in concepts]
    found = {
        concepts[i]["code"]: (concepts[i]["name"], concepts[j]["name"])
        for i, j in tool.twins(near, halves).items()
    }
    assert found == TWINS
    assert {"flag: Nicaragua", "heart suit", "ewe"} <= {name for name, _ in found.values()}
    part = np.array([emoji.part_of(concept["code"]) for concept in concepts])
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert near[np.ix_(part == one, part == other)].max() < tool.ALIKE


def test_twins_of_the_two_halves_leave_the_validation_half():
    tool = load_tool("emoji_twins")
    names = ["train", "test", "test", "validation", "validation"]
    near = np.full((5, 5), 0.1)
    for a, b in ((0, 1), (1, 3), (2, 4)):  # 3 is like 1, which is left out already
        near[a, b] = near[b, a] = 0.95
    assert tool.twins(near, names) == {1: 0, 4: 2}


def test_similarity_of_pictures_is_one_for_the_same_and_low_for_others():
    pictures = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 4), np.uint8)
    pictures[3] = pictures[0]
    found = load_tool("emoji_twins").similarities(pictures)
    np.testing.assert_allclose([found[0, 3], *np.diag(found)], 1)
    assert found[0, 1] < 0.5
