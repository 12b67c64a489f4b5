"""Sets of a catalogue's items: generated bundles, and those of files."""

import numpy as np
import pytest

from mmjax.data import ItemPairs, ItemSets, SourceError
from mmjax.data.sources import MemorySource
from mmjax.data.synthetic.bundles import COLD, DIM, ITEMS, STYLES, Bundles
from mmjax.data.synthetic.user_items import UserItems


@pytest.fixture(scope="module")
def catalogue():
    """Ten items; every third lacks its text."""
    rng = np.random.default_rng(0)
    texts = [None if i % 3 == 2 else x for i, x in enumerate(rng.normal(size=(10, 2)))]
    return MemorySource(data={"image": list(rng.normal(size=(10, 3))), "text": texts})


@pytest.fixture
def files(tmp_path):
    told, wanted = tmp_path / "told.txt", tmp_path / "wanted.txt"
    told.write_text("user:token\titem:token\trating\n7\t3\t5.0\n7\t2\t4.0\n4,9\n\n4 0\n5\t1\n")
    wanted.write_text("7\t8\n4\t1\n4\t2\n")
    return str(told), str(wanted)


def test_sets_of_a_file_hold_their_items(catalogue, files):
    source = ItemSets(source=catalogue, parts=("text", "image"), sets=files[0])
    assert (len(source), source.id_limit) == (3, 8)
    assert source.label_fields == ("set", "members")
    assert "3 sets of 10 items" in source.describe()
    rows = {row["id"]: row for row in map(source.__getitem__, range(3))}
    assert {i: list(row["members"]) for i, row in rows.items()} == {7: [3, 2], 4: [9, 0], 5: [1]}
    first, second = rows[7]["items"]
    np.testing.assert_array_equal(
        first, np.float32([*catalogue[3]["text"], *catalogue[3]["image"], 4])
    )
    np.testing.assert_array_equal(second, np.float32([0, 0, *catalogue[2]["image"], 3]))


def test_what_is_wanted_belongs_to_the_sets_that_both_files_have(catalogue, files):
    source = ItemSets(source=catalogue, parts=("image",), sets=files[0], wanted=files[1])
    assert [(r["id"], list(r["members"]), list(r["wanted"])) for r in source] == [
        (7, [3, 2], [8]),
        (4, [9, 0], [1, 2]),
    ]


def test_without_sets_every_item_is_one(catalogue):
    source = ItemSets(source=catalogue, parts=("image",))
    assert [source.id_of(i) for i in range(10)] == source.label_values("item") == list(range(10))
    assert source[4]["items"].shape == (1, 4)
    assert source[4]["items"][0, -1] == 5
    assert "members" not in source[4]


def test_what_is_wrong_is_said(catalogue, files, tmp_path):
    def made(parts=("image",), source=catalogue, **options):
        return ItemSets(source=source, parts=parts, **options)

    with pytest.raises(SourceError, match="no field 'sound', only 'image', 'text'"):
        made(("sound",))
    with pytest.raises(SourceError, match="'wanted' is of sets"):
        made(wanted=files[1])
    ragged = MemorySource(data={"image": [np.ones(2), np.ones(3)]})
    with pytest.raises(SourceError, match=r"vectors of one size, but .* are \[2\], \[3\]"):
        made(source=ragged)
    file = tmp_path / "pairs.txt"
    for text, message in (
        ("1\t11\n", "line 1: the catalogue has no item with the id 11"),
        ("1\t2\n1\tx\n", r"line 2: '1\\tx' should begin with two whole numbers"),
        ("user\titem\n", "has no pairs of a set and a member"),
    ):
        file.write_text(text)
        with pytest.raises(SourceError, match=message):
            made(sets=str(file))
    file.write_text("1\t2\n")
    with pytest.raises(SourceError, match="have no set in common"):
        made(sets=files[0], wanted=str(file))


def test_a_choice_stands_beside_an_item_that_the_set_has_not(catalogue, files, tmp_path):
    source = ItemPairs(source=catalogue, sets=files[0], others=3)
    members = {7: {3, 2}, 4: {9, 0}, 5: {1}}
    assert len(source) == 15 == source.id_limit
    assert sorted(source.may_lack) == ["text", "text_other"]
    for index, row in enumerate(source):
        assert row["id"] == index
        assert row["item"] == row["number"] in members[row["set"]]
        assert row["item_other"] not in members[row["set"]]
        for end in ("", "_other"):
            own = catalogue[row[f"item{end}"]]
            np.testing.assert_array_equal(row[f"image{end}"], own["image"])
            assert (f"text{end}" in row) == ("text" in own)
    assert source.label_values("number") == [row["number"] for row in source]
    assert len({row["item_other"] for row in source}) > 5
    alone = ItemPairs(source=catalogue)
    assert [row["number"] for row in alone] == alone.label_values("number") == list(range(10))
    whole = tmp_path / "whole.txt"
    whole.write_text("".join(f"3 {i}\n" for i in range(10)))
    with pytest.raises(SourceError, match=r"the set 3 of .* has all items"):
        ItemPairs(source=catalogue, sets=str(whole))


def test_choices_follow_a_taste_and_others_are_not_chosen():
    train, test = UserItems(), UserItems(split="test")
    catalogue = UserItems(split="catalogue")
    known = {row["user"]: {*row["known"]} for row in test}
    for index in range(0, len(train), 997):
        row = train[index]
        assert row["item"] == row["number"] in known[row["user"]]
        assert row["item_other"] not in known[row["user"]]
        np.testing.assert_array_equal(row["image"], catalogue[row["item"]]["image"])
        np.testing.assert_array_equal(row["text_other"], catalogue[row["item_other"]]["text"])
    # The mean of what a user has is nearer to what he wants than to all, in what he cares for.
    for name, cares in (("shared", True), ("image_only", True), ("nuisance", False)):
        z = np.stack([row[name] for row in catalogue])
        told, found = (
            np.stack([z[[*row[key]]].mean(0) for row in test]) for key in ("known", "wanted")
        )
        assert ((told * found).sum(1).mean() > 0.3) == cares, name
    for row, early in zip(test, UserItems(split="validation"), strict=True):
        assert {*early["wanted"]} < {*row["wanted"]}
        assert not {*row["wanted"]} & {*row["known"]}


def test_bundles_are_of_two_styles_and_train_on_no_cold_item_on_purpose():
    train, test = Bundles(examples=300), Bundles(split="test", examples=200)
    catalogue = Bundles(split="catalogue")
    table = np.concatenate([row["items"] for row in catalogue])
    assert table.shape == (ITEMS, DIM)
    np.testing.assert_array_equal(table[:, -1], np.arange(ITEMS) + 1)
    lacking = ~table[:, 64:-1].any(1)
    assert 0.2 < lacking.mean() < 0.4
    np.testing.assert_allclose(np.linalg.norm(table[:, :32], axis=1), 1, rtol=1e-5)
    seen = np.zeros(ITEMS, bool)
    for row in train:
        np.testing.assert_array_equal(row["items"], table[row["members"]])
        assert 7 <= len(row["members"]) == len({*row["members"]}) <= 11
        assert len({*(row["members"][:-1] % STYLES)}) <= 2
        seen[row["members"][:-1]] = True
    cold = {int(i) for row in test for i in row["wanted_cold"]}
    assert not seen[[*cold]].any()
    assert 0.6 * COLD < len(cold) <= COLD
    for row in test:
        assert not {*row["members"]} & {*row["wanted"]}
        assert len(row["members"]) == 3 <= len(row["wanted"])
        assert len({*(np.r_[row["wanted"], row["members"]] % STYLES)}) <= 2
    dropped = np.concatenate([row["items"] for row in Bundles(split="catalogue", dropped=0.5)])
    assert 0.4 < (dropped[:, -1] == 0).mean() < 0.6
    assert 0.4 < (~dropped[:, :64].any(1)).mean() < 0.6
    kept = dropped[:, :64].any(1)
    np.testing.assert_array_equal(dropped[kept, :64], table[kept, :64])
