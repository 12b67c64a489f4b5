"""Work that is begun one piece ahead."""

from mmjax.ahead import ahead


def test_the_next_piece_is_begun_before_one_is_given():
    seen = []

    def begin(number):
        seen.append(f"begin {number}")
        return lambda: seen.append(f"end {number}") or number

    for given in ahead(map(begin, range(3))):
        seen.append(f"use {given}")
    assert seen == [
        "begin 0", "begin 1", "end 0", "use 0", "begin 2", "end 1", "use 1", "end 2", "use 2",
    ]  # fmt: skip


def test_of_one_piece_and_of_none():
    assert list(ahead([lambda: "one"])) == ["one"]
    assert list(ahead([])) == []
