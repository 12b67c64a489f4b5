"""Stages of a config: what they change, what they may not, and that it survives being stored."""

import json

import pytest

from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError
from mmjax.recipe.changes import Replace, changes, compose, merge

RECIPE = "configs/clip_uniform.py:latent"
BASE = ("evaluators={}",)
STAGES = (
    {"name": "first", "steps": 5},
    {
        "name": "second",
        "steps": 7,
        "data": {"source": {"examples": 256}},
        "objectives": {"uniformity": None, "other": {"type": "sigmoid", "pairs": (("a", "b"),)}},
        "optimizer": {"type": "sgd"},
    },
)


def load(*overrides, stages=STAGES):
    return recipe_lib.load(RECIPE, (*BASE, f"stages={stages!r}", *overrides))


def of(config, number):
    return recipe_lib.each(config)[number][1]


def test_a_stage_is_the_config_with_what_it_changes():
    config = load("steps=100", "optimizer.learning_rate=0.5")
    first, second = of(config, 0), of(config, 1)
    assert (first.steps, second.steps, config.steps) == (5, 7, 100)
    assert first.objectives == config.objectives
    assert set(second.objectives) == {*first.objectives, "other"} - {"uniformity"}
    assert second.objectives["other"].term.options["temperature"] == 0.1
    assert second.data.source.options["examples"] == 256
    assert second.data.source.options["dim"] == first.data.source.options["dim"]
    assert second.optimizer.type == "sgd"
    assert first.optimizer.learning_rate == second.optimizer.learning_rate == 0.5
    assert first.stages == second.stages == ()


def test_what_a_run_stores_is_the_same_config_again():
    for config in (
        load(),
        load(
            "stages.second.model.towers.a=None",
            "stages.second.objectives="
            "{'uniformity': {'modalities': ('b',)}, 'alignment': None, 'clip': "
            "None, 'cross_uniformity': None, 'other': None}",
            "stages.second.data.views.a=None",
        ),
    ):
        stored = recipe_lib.dump(config)
        again = recipe_lib.complete(json.loads(stored), "config.json")
        assert recipe_lib.dump(again) == stored
        assert [of(again, i) for i in (0, 1)] == [of(config, i) for i in (0, 1)]


def test_overrides_reach_into_a_stage_by_its_name():
    config = load("stages.second.steps=9", "stages.second.objectives.other.bias=-3.0")
    assert of(config, 1).steps == 9
    assert of(config, 1).objectives["other"].term.options["bias"] == -3.0
    assert [own.name for own, _ in recipe_lib.each(load("stages.first=None"))] == ["second"]
    with pytest.raises(ConfigError, match=r"unknown stage 'secnd' of 'stages'; did you mean 'sec"):
        load("stages.secnd.steps=9")


def test_what_neither_a_stage_nor_its_config_has_cannot_be_taken_away():
    assert "other" not in of(load("stages.second.objectives.other=None"), 1).objectives
    assert "clip" not in of(load("stages.second.objectives.clip=None"), 1).objectives
    with pytest.raises(ConfigError, match=r"stage 'second': unknown key 'objectives\.othr'; did"):
        load("stages.second.objectives.othr=None")


def test_a_component_of_another_type_is_replaced_and_a_mixture_replaces_one_source():
    base = {"data": {"source": {"type": "xor", "p": 0.5}}, "objectives": {"a": {"type": "x"}}}
    mixed = {"data": {"source": {"one": {"type": "xor"}, "two": {"type": "parity"}}}}
    for change, expected in (
        ({"data": {"source": {"type": "parity"}}}, {"type": "parity"}),
        ({"data": {"source": {"p": 1.0}}}, {"type": "xor", "p": 1.0}),
        (mixed, mixed["data"]["source"]),
    ):
        merged = merge(base, change)
        assert merged["data"]["source"] == expected
        assert merge(base, changes(base, merged)) == merged
    one = merge(merge(base, mixed), {"data": {"source": {"two": None}}})
    assert one["data"]["source"] == {"one": {"type": "xor"}}
    assert merge(base, {"objectives": {"a": None}})["objectives"] == {}


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        (({"steps": 5},), r"the key 'stages\[0\].name' is missing"),
        (({"name": "a"}, {"name": "a"}), r"two stages have the name 'a'"),
        (({"name": "a/b"},), r"'stages\[0\].name' is 'a/b'"),
        (({"name": "retrieval"},), r"cannot have the name 'retrieval'"),
        (({"name": "a", "seed": 3},), r"'stages.a.seed' cannot be: 'seed' is of the whole run"),
        (({"name": "a", "step": 3},), r"stage 'a': unknown key 'step'; did you mean 'steps'"),
        (({"name": "a", "steps": 0},), r"stage 'a': 'steps' is 0, but every stage trains"),
        (
            ({"name": "a"}, {"name": "b", "objectives": {"clip": {"pairs": (("a", "c"),)}}}),
            r"stage 'b': unknown view 'c' of 'objectives.clip.pairs' \(valid: a, b\)",
        ),
        ("pretrain", r"'stages' should be a tuple of dicts"),
    ],
)
def test_mistakes_are_named_with_their_stage(stages, said):
    with pytest.raises(ConfigError, match=said):
        load(stages=stages)


def test_differences_of_stages_are_named_and_operational_keys_are_not():
    old = load()
    assert recipe_lib.differences(old, load("stages.second.log_every=7")) == []
    assert recipe_lib.differences(old, load("stages.second.steps=8")) == [
        "stages.second.steps: 7 -> 8"
    ]
    assert recipe_lib.differences(old, load("stages.first=None")) == [
        'stages: ["first", "second"] -> ["second"]'
    ]


def test_replace_puts_a_value_in_the_place_of_a_section():
    base = {"objectives": {"a": {"type": "x", "n": 1}}, "optimizer": {"b1": 0.5}}
    new = merge(base, {"objectives": Replace({"c": {"type": "y"}}), "optimizer": {"b2": 0.9}})
    assert new == {"objectives": {"c": {"type": "y"}}, "optimizer": {"b1": 0.5, "b2": 0.9}}
    whole = ({"name": "only", "objectives": Replace({"other": {"type": "sigmoid"}})},)
    other = {"type": "sigmoid", "pairs": (("a", "b"),)}
    keys = recipe_lib.load(RECIPE, (*BASE, f"objectives.other={other}")).plain()
    with pytest.raises(ConfigError, match="unknown view 'image'"):  # the pairs are not merged in
        recipe_lib.complete({**keys, "stages": whole}, "recipe.py")
    whole = ({"name": "only", "objectives": Replace({"o": other})},)
    stored = recipe_lib.complete({**keys, "stages": whole}, "recipe.py")
    assert set(of(stored, 0).objectives) == {"o"}
    assert recipe_lib.complete(json.loads(recipe_lib.dump(stored)), "again") == stored


def test_a_schedule_alone_is_merged_and_no_mixture_of_sources():
    term = {"type": "info_nce", "weight": 1.0}
    change = {"objectives": {"a": {"weight": {"type": "linear", "start": 0.0, "end": 1.0}}}}
    assert merge({"objectives": {"a": term}}, change)["objectives"]["a"] == {
        "type": "info_nce",
        **change["objectives"]["a"],
    }
    one = {"data": {"source": {"type": "emoji"}}}
    two = {"data": {"source": {"x": {"type": "emoji"}, "y": {"type": "digits"}}}}
    assert merge(one, two) == two


def test_stages_are_changed_by_their_names():
    base = {"steps": 9, "stages": STAGES}
    first, second = merge(
        base,
        {
            "stages": {
                "first": {"steps": 6, "objectives": {"clip": None}},
                "second": {
                    "objectives": {"uniformity": {"weight": 2.0}, "other": {"type": "info_nce"}},
                    "data": {"batch_size": 8},
                },
            }
        },
    )["stages"]
    assert first == {"name": "first", "steps": 6, "objectives": {"clip": None}}
    assert second["data"] == {"source": {"examples": 256}, "batch_size": 8}
    # Another type leaves nothing of the old one, and what was taken away is there again.
    assert second["objectives"] == {"uniformity": {"weight": 2.0}, "other": {"type": "info_nce"}}
    assert [s["name"] for s in merge(base, {"stages": {"first": None}})["stages"]] == ["second"]
    with pytest.raises(ConfigError, match=r"unknown stage 'secnd' of 'stages'; did you mean 'sec"):
        merge(base, {"stages": {"secnd": {}}})


def test_a_change_after_a_change_is_one_change():
    base = {"objectives": {"a": {"type": "x", "n": 1}, "b": {"type": "y"}}, "steps": 1}
    first = {"objectives": {"a": {"n": 2}, "b": None}, "steps": 2}
    then = {"objectives": {"a": {"m": 3}, "c": {"type": "z"}}}
    assert merge(base, compose(first, then)) == merge(merge(base, first), then)
    replaced = compose(
        {"objectives": Replace({"c": {"type": "z"}})}, {"objectives": {"c": {"n": 1}}}
    )
    assert merge(base, replaced)["objectives"] == {"c": {"type": "z", "n": 1}}
