import math

import pytest

from mmjax.report import results


def test_numbers_in_words():
    assert [results.percent(v) for v in (0.4132, 0.0, 1.0, 0.00054, 0.0999)] == [
        "41.3 %",
        "0.0 %",
        "100.0 %",
        "0.054 %",
        "10.0 %",
    ]
    assert [results.number(v) for v in (1833.0, 0.31234, -4.0, 2.5)] == [
        "1,833",
        "0.312",
        "-4",
        "2.500",
    ]
    for strange in (math.nan, math.inf, -math.inf):
        assert results.number(strange) == results.percent(strange) == "-"
    assert [results.duration(s) for s in (4.26, 59.7, 247.3, 7384.0)] == [
        "4.3 s",
        "1 min 0 s",
        "4 min 7 s",
        "2 h 3 min",
    ]


def test_numbers_of_a_tree_are_flat_and_nothing_else():
    tree = {"a": {"b": 1, "c": {"d": 2.5}}, "flag": True, "word": "x", "none": None}
    assert results.numbers(tree) == {"a/b": 1.0, "a/c/d": 2.5}


def test_retrieval_is_read_by_set_and_direction(summary):
    first, second = results.retrieval(summary)
    assert (first.name, first.query, first.answer) == ("new_style", "image", "text")
    assert first.recall == {1: 0.413, 5: 0.702}
    assert (first.gallery, first.median_rank, first.chance) == (1833, 2, 1 / 1833)
    assert (second.query, second.answer, second.recall[1]) == ("text", "image", 0.391)


def test_retrieval_without_all_its_measures_is_nan():
    (row,) = results.retrieval({"eval/retrieval/x/a_to_b/R@1": 0.5})
    assert row.recall == {1: 0.5}
    assert math.isnan(row.gallery)
    assert math.isnan(row.chance)


def test_zero_shot_has_the_mean_first_and_then_the_languages(summary):
    rows = results.zero_shot(summary)
    assert [(r.language, r.top_1) for r in rows] == [("", 0.62), ("en", 0.7), ("th", 0.54)]
    assert all(r.classes == 9 and r.chance == 1 / 9 for r in rows)


def test_geometry_has_the_gap_first_and_names_the_modalities(summary):
    rows = results.geometry(summary)
    assert [row.metric for row in rows][:2] == ["centroid_distance", "linear_separability"]
    assert "classifier of image and text" in rows[1].meaning
    assert rows[0].values == {"new_style": 0.312}


def test_other_evaluators_are_read_by_type_and_set(summary):
    assert results.others(summary) == []
    summary |= {"probe/test/accuracy": 0.93, "consistency/val/to_anchor/R@1/rest": 0.8}
    summary |= {"seconds": 3.0, "nobody/test/accuracy": 0.5, "pretrain/probe/test/accuracy": 0.1}
    assert sorted(results.others(summary)) == [
        ("consistency", "val", "to_anchor/R@1/rest", 0.8),
        ("probe", "test", "accuracy", 0.93),
    ]


def test_geometry_of_several_pairs_names_no_pair_wrongly(summary):
    summary |= {"geometry/sound/linear_separability": 0.9, "geometry/sound/effective_rank/audio": 9}
    (row,) = [r for r in results.geometry(summary) if r.metric == "linear_separability"]
    assert "one modality and the other" in row.meaning
    assert row.values == {"new_style": 0.983, "sound": 0.9}


@pytest.mark.parametrize("read", [results.retrieval, results.zero_shot, results.geometry])
def test_nothing_measured_is_nothing_shown(read):
    assert read({}) == []
    assert read({"step": 3.0, "train/loss": 1.0, "retrieval": 1.0, "geometry/x": 1.0}) == []
