"""A recipe's keys: each wrong one is a sentence with the file and the nearest valid key."""

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError, NoVariant
from mmjax.recipe import MeshConfig
from mmjax.schema.values import fits

CONFIGS = Path(__file__).parents[2] / "configs"
CLIP = f"{CONFIGS}/clip.py"
LATENT = f"{CONFIGS}/clip_uniform.py:latent"


def refused(*overrides, recipe=CLIP):
    """What is said about these overrides: one sentence, which names the file."""
    with pytest.raises(ConfigError) as error:
        recipe_lib.load(recipe, overrides)
    said = str(error.value)
    assert said.startswith(recipe.partition(":")[0] + ": ")
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("stps=1", "unknown key 'stps'; did you mean 'steps'?"),
        ("optimizer.learning_rat=1", "'optimizer.learning_rat'; did you mean 'learning_rate'?"),
        ("optimizer.lr=1", "'optimizer.lr'; did you mean 'learning_rate'?"),
        ("optimizer.rate=1", "'optimizer.rate'; did you mean 'learning_rate'?"),
        ("optimizr.learning_rate=1", "unknown key 'optimizr'; did you mean 'optimizer'?"),
        ("mesh.tensors=1", "'mesh.tensors'; did you mean 'tensor'?"),
        ("data.views.image.sise=3", "'data.views.image.sise'; did you mean 'size'?"),
        ("data.tokenizer.file=x", "unknown key 'data.tokenizer.file' (valid: path)"),
        ("data.source.splt=x", "'data.source.splt'; did you mean 'split'?"),
        ("model.towers.image.encoder.widht=3", "'widths'"),
        ("model.towers.image.hed={}", "'model.towers.image.hed'; did you mean 'head'?"),
        ("objectives.clip.temprature=1", "did you mean 'temperature'?"),
        (
            "objectives.clip.type=infonce",
            "unknown value 'infonce' of 'objectives.clip.type'; did you mean 'info_nce'?",
        ),
        ("evaluators.retrival={}", "'evaluators.retrival'; did you mean 'retrieval'?"),
        ("evaluators.retrieval.new_style.k=1", "unknown key 'evaluators.retrieval.new_style.k'"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(override, said):
    assert said in refused(override)


def test_what_the_framework_passes_is_no_key():
    assert "unknown key 'model.towers.text.encoder.dtype'" in refused(
        "model.towers.text.encoder.dtype='float32'"
    )
    assert "unknown key 'model.towers.text.head.width'" in refused("model.towers.text.head.width=8")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "model.towers.text={}",
            "'model.towers.text.encoder' is missing (a dict with the 'type' of the encoder)",
        ),
        ("model.towers.text.encoder={}", "'model.towers.text.encoder' misses the key 'type'"),
        (
            "model.towers.text.encoder={'type':'mlp','width':3}",
            "the key 'model.towers.text.encoder.inputs' is missing (an int (at least 1 and",
        ),
        ("optimizer={}", "the key 'optimizer.learning_rate' is missing (a float (at least 0))"),
        ("data.views.image={'type':'image'}", "the key 'data.views.image.size' is missing (an int"),
        ("evaluators.geometry.x={}", "'evaluators.geometry.x' misses the key 'source'"),
        ("data.source={}", "'data.source' is empty"),
        ("objectives.clip=None", "'objectives' is empty"),
    ],
)
def test_a_missing_key_is_named(override, said):
    assert said in refused(override)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("steps=many", "'steps' should be an int (at least 0), but is 'many'"),
        ("steps=1.5", "'steps' should be an int (at least 0), but is 1.5"),
        ("steps=True", "'steps' should be an int (at least 0), but is True"),
        ("recipe=3", "'recipe' should be a string, but is 3"),
        ("optimizer.learning_rate=fast", "'optimizer.learning_rate' should be a float"),
        ("optimizer.clip_norm=x", "'optimizer.clip_norm' should be a float (above 0) or None"),
        (
            "optimizer.schedule=cos",
            "'optimizer.schedule' should be one of 'constant', 'cosine', 'linear', but is 'cos'",
        ),
        ("optimizer.freeze=x", "'optimizer.freeze' should be "),
        ("optimizer.freeze=(1,)", "'optimizer.freeze' should be "),
        ("checkpoints.asynchronous=1", "'checkpoints.asynchronous' should be a bool, but is 1"),
        ("data=3", "'data' should be a dict of keys, not 3"),
        ("data.batch_size.x=3", "'data.batch_size' is not a section"),
        (
            "model.towers.image.encoder=3",
            "'model.towers.image.encoder' should be a dict of keys, not 3",
        ),
        ("model.towers.image.encoder.blocks=(1,'x')", "'model.towers.image.encoder.blocks' should"),
        ("model.towers.image.encoder.image_size=(64,)", "'model.towers.image.encoder.image_size'"),
    ],
)
def test_a_value_of_another_type_is_named(override, said):
    assert said in refused(override)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("steps=-1", "'steps' should be at least 0, but is -1"),
        (
            "data.batch_size=-1",
            "'data.batch_size' should be at least 1 and at most 16777216, but is -1",
        ),
        ("model.ema=1.5", "'model.ema' should be at least 0 and below 1, but is 1.5"),
        ("checkpoints.keep_last=0", "'checkpoints.keep_last' should be at least 1"),
        ("optimizer.final_fraction=-1", "'optimizer.final_fraction' should be at least 0 and at"),
        ("optimizer.eps=0", "'optimizer.eps' should be above 0, but is 0"),
        ("data.workers=1099511627776", "'data.workers' should be at least 0 and at most 1024"),
        ("data.prefetch=1099511627776", "'data.prefetch' should be at least 1 and at most 1024"),
        ("seed=1099511627776", "'seed' should be at least 0 and below 4294967295"),
        ("objectives.clip.temperature=-0.1", "clip.temperature' should be at least 1e-15"),
        ("objectives.clip.weight={'start':0,'end':1e39,'type':'step'}", "clip.weight.end' should"),
        ("optimizer.type={'a':1}", "'optimizer.type' should be one of"),
        ("objectives.clip.type={'a':1}", "unknown value {'a': 1} of 'objectives.clip.type'"),
    ],
)
def test_a_number_that_cannot_be_is_named(override, said):
    assert said in refused(override)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["objectives.clip.pairs=(('image','txt'),)"],
            "unknown view 'txt' of 'objectives.clip.pairs'; did you mean 'text'?",
        ),
        (["objectives.clip.pairs=(('image','image@2'),)"], "unknown view 'image@2'"),
        (
            ["objectives.u={'type':'uniformity','modalities':('image','audio')}"],
            "unknown view 'audio' of 'objectives.u.modalities'",
        ),
        (["data.views.audio={'type':'vector','dim':8}"], "'data.views.audio' has no tower"),
        (
            ["model.towers.audio={'encoder':{'type':'mlp','inputs':8,'width':8}}"],
            "'model.towers.audio' gets no data",
        ),
        (
            ["evaluators.retrieval.new_style.pairs=(('image','words'),)"],
            "unknown modality 'words' of 'evaluators.retrieval.new_style.pairs'",
        ),
        (["evaluators.geometry.new_style.pair=('image','audio')"], "unknown modality 'audio'"),
        (["checkpoints.keep_best=1"], "needs 'checkpoints.metric', the name of an evaluation"),
        (
            ["checkpoints.metric='retrieval/new_stile/image_to_text/R@1'"],
            "did you mean 'retrieval/new_style/...'?",
        ),
    ],
)
def test_a_name_of_a_part_that_is_not_there_is_named(overrides, said):
    assert said in refused(*overrides)


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("objectives.items={'type':'info_nce'}", "objectives.items"),
        ("model.towers.image.heads={'values':{'type':'none'}}", "model.towers.image.heads.values"),
        ("model.fusions={'get':{'type':'sum','inputs':('image','text')}}", "model.fusions.get"),
    ],
)
def test_a_part_does_not_hide_what_modules_need(override, where):
    section, _, name = where.rpartition(".")
    assert f"no part of {section!r} can be called {name!r}, nor any of clear, " in refused(override)


def test_an_evaluator_is_taken_away():
    recipe, override = f"{CONFIGS}/clip_uniform.py:latent", "evaluators.geometry.test=None"
    assert "test" in recipe_lib.load(recipe).evaluators["geometry"]
    loaded = recipe_lib.load(recipe, [override])
    assert "test" not in loaded.evaluators["geometry"]
    assert recipe_lib.complete(loaded.plain(), "again") == loaded


def test_rows_that_training_would_see_are_not_held_out():
    recipe, whole = f"{CONFIGS}/own_data.py", "data.source.split=all"
    said = refused(whole, recipe=recipe)
    assert "asks for the split 'val' of data.source, whose split is 'all'" in said
    assert "Set data.source.split='train'" in said
    # All rows by intention, or others, are no mistake.
    held_out = [f"evaluators.{kind}.held_out.source" for kind in ("retrieval", "geometry")]
    recipe_lib.load(recipe, [whole, *(f"{source}.split=all" for source in held_out)])
    other = {"like": "data.source", "split": "val", "path": "other"}
    recipe_lib.load(recipe, [whole, *(f"{source}={other}" for source in held_out)])


def test_a_source_like_one_around_another_changes_that_one_too():
    recipe, where = f"{CONFIGS}/teminal.py", "evaluators.zero_shot.single.source"

    def held_out(*overrides):
        loaded = recipe_lib.load(recipe, overrides)
        return loaded.evaluators["zero_shot"]["single"].plain()["source"]

    found = held_out("data.source.source.seed=3")
    assert (found["type"], found["split"]) == ("concatenated", "all")
    assert found["source"]["type"] == "named_sounds"
    assert (found["source"]["split"], found["source"]["seed"]) == ("test", 3)
    other = {"like": "data.source", "source": {"type": "samples"}}
    assert held_out(f"{where}={other}")["source"] == {"type": "samples", "split": "train"}


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("steps=7", 7),
        ("optimizer.learning_rate=2e-4", 2e-4),
        ("optimizer.learning_rate=1", 1),
        ("optimizer.type=sgd", "sgd"),
        ("optimizer.type='sgd'", "sgd"),
        ("optimizer.clip_norm=None", None),
        ("optimizer.clip_norm=none", None),
        ("checkpoints.asynchronous=false", False),
        ("checkpoints.asynchronous=True", True),
        ("optimizer.freeze=('a', 'b')", ("a", "b")),
        ("optimizer.freeze=['a', 'b']", ("a", "b")),
        ("optimizer.learning_rate_rules=(('.*', 0.5),)", ((".*", 0.5),)),
        ("model.towers.text.encoder.depth=3", 3),
        ("data.tokenizer.path=/a=b/c.model", "/a=b/c.model"),
        ("data.views.image.crop_scale=None", None),
        ("objectives.clip.weight=0.5", 0.5),
        ("mesh.fsdp=2", 2),
    ],
)
def test_any_leaf_can_be_set(override, value):
    found = recipe_lib.load(CLIP, [override]).plain()
    for key in override.partition("=")[0].split("."):
        found = found[key]
    assert found == value
    assert type(found) is type(value)


def test_sections_can_be_added_replaced_and_taken_away():
    config = recipe_lib.load(
        CLIP,
        [
            "objectives.clip=None",
            "objectives.pairs={'type':'sigmoid'}",
            "objectives.spread.type=uniformity",
            "evaluators={}",
        ],
    )
    assert set(config.objectives) == {"pairs", "spread"}
    assert config.objectives["pairs"].term.options["bias"] == -10.0
    assert config.evaluators == {}
    mixture = {"a": {"type": "emoji"}, "b": {"type": "emoji", "weight": 2}}
    data = recipe_lib.load(CLIP, [f"data.source={mixture}"]).data
    assert data.weights == {"a": 1.0, "b": 2}
    assert {name: source.type for name, source in data.sources.items()} == dict.fromkeys(
        ("a", "b"), "emoji"
    )


def test_an_evaluator_or_all_of_a_type_can_be_taken_away():
    config = recipe_lib.load(CLIP, ["evaluators.geometry=None", "evaluators.zero_shot.group=None"])
    assert {kind: set(named) for kind, named in config.evaluators.items()} == {
        "retrieval": {"new_style", "new_concepts"},
        "zero_shot": {"subgroup"},
    }


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("evaluators.geometri=None", "unknown key 'evaluators.geometri'; did you mean 'geometry'?"),
        ("evaluators.geometry.nothere=None", "unknown key 'evaluators.geometry.nothere'"),
        ("evaluators.nothere.x=None", "unknown key 'evaluators.nothere.x' (valid: )"),
        ("objectives.clop=none", "unknown key 'objectives.clop'; did you mean 'clip'?"),
        ("data.views.imge=None", "did you mean 'image'? (valid: image, text)"),
        ("model.towers.imge=None", "did you mean 'image'? (valid: image, text)"),
        ("model.adapters.lora=None", "unknown key 'model.adapters.lora' (valid: )"),
    ],
)
def test_what_is_not_there_cannot_be_taken_away(override, said):
    assert said in refused(override)


@pytest.mark.parametrize("override", ["steps", "=3", ""])
def test_an_override_is_a_key_and_a_value(override):
    with pytest.raises(ConfigError, match=r"is not of the form --config\.key=value"):
        recipe_lib.load(CLIP, [override])


@pytest.mark.smoke
def test_defaults_are_filled_in():
    config = recipe_lib.load(CLIP)
    assert config.variant == "small"
    assert config.optimizer.b1 == 0.9
    assert config.mesh == MeshConfig(-1, 1, 1, (), 4096)
    assert config.objectives["clip"].term.options["direction_weights"] == (0.5, 0.5)
    assert config.model.towers["image"].encoder.options["norm"] == "batch"
    # Whole, so that it is the same when it is checked again.
    again = recipe_lib.complete(json.loads(recipe_lib.dump(config)), "config.json")
    assert recipe_lib.dump(again) == recipe_lib.dump(config)


def test_variants():
    assert recipe_lib.load(f"{CLIP}:paper").variant == "paper"
    with pytest.raises(NoVariant, match=r"clip\.py has no variant 'papr'; did you mean 'paper'\?"):
        recipe_lib.load(f"{CLIP}:papr")


def test_files_that_are_no_recipes(tmp_path):
    with pytest.raises(ConfigError, match=r"no config file .*clpi\.py; did you mean .*clip\.py\?"):
        recipe_lib.load(f"{CONFIGS}/clpi.py")
    (tmp_path / "nothing.py").write_text("x = 1\n")
    with pytest.raises(ConfigError, match=r"nothing\.py has no function get_config"):
        recipe_lib.load(str(tmp_path / "nothing.py"))
    (tmp_path / "broken.py").write_text("x = 1\ndef get_config(:\n")
    with pytest.raises(ConfigError, match=r"broken\.py, line 2: "):
        recipe_lib.load(str(tmp_path / "broken.py"))
    (tmp_path / "own.py").write_text(
        "def get_config(variant):\n    return {'small': {'recipe': 'own'}}[variant]\n"
    )
    with pytest.raises(NoVariant, match=r"own\.py has no variant 'large'"):
        recipe_lib.load(f"{tmp_path}/own.py:large")
    with pytest.raises(ConfigError, match=r"own\.py: the key 'variant' is missing"):
        recipe_lib.load(f"{tmp_path}/own.py")


@pytest.mark.parametrize(
    ("value", "annotation", "good"),
    [
        (1, float, True),
        (True, float, False),
        (True, int, False),
        (1, bool, False),
        (1.0, int, False),
        (None, int | None, True),
        ("a", Literal["a", "b"], True),
        (1, Literal[True], False),
        ((1, 2), tuple[int, ...], True),
        ((), tuple[int, ...], True),
        ((1, "a"), tuple[int, str], True),
        ((1,), tuple[int, int], False),
        ({"a": (1,)}, dict[str, tuple[int, ...]], True),
        ({"a": 1}, dict[str, str], False),
        ({1: 2}, Any, True),
        ("ab", tuple[str, ...], False),
    ],
)
def test_values_fit_annotations(value, annotation, good):
    assert fits(value, annotation) is good


def test_differences_leave_out_how_a_run_is_carried_out():
    old = recipe_lib.load(LATENT)
    new = recipe_lib.load(
        LATENT, ["seed=3", "mesh.data=4", "log_every=1", "data.workers=2", "data.views.a.noise=0.1"]
    )
    assert recipe_lib.differences(old, new) == ["data.views.a.noise: 0.5 -> 0.1", "seed: 0 -> 3"]
    stored = new.plain()
    del stored["seed"]
    assert 'seed: 0 -> "(not set)"' in recipe_lib.differences(old, stored)
