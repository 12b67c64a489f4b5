"""Every recipe: each variant is a config whose parts fit, and the small one trains."""

import ast
import importlib
import json
import re
import statistics
from pathlib import Path
from typing import get_args

import ml_collections
import mutants
import numpy as np
import pytest
from PIL import Image
from tiers import long_but
from tool_files import load_tool

from mmjax import recipe as recipe_lib
from mmjax.claims import pages
from mmjax.data.sets.emoji import Style
from mmjax.errors import ConfigError
from mmjax.parallel import mesh as mesh_lib
from mmjax.schema.names import modality_of
from mmjax.system.system import System
from mmjax.train import borders, learning_rate, trainer
from mmjax.train import stages as stages_lib
from mmjax.train.evaluation import Evaluation

CONFIGS = Path(__file__).parents[1] / "configs"
RECIPES = sorted(p.stem for p in CONFIGS.glob("*.py") if p.stem != "__init__")


def maker(recipe):
    return importlib.import_module(f"mmjax.configs.{recipe}").get_config


# Those that a folder of weights completes are tested with some: tests/weights/test_finetune.py.
WHOLE = mutants.RECIPES
VARIANTS = [(recipe, variant) for recipe in WHOLE for variant in maker(recipe).variants]
# Whose small variants train in the default suite: of two and of three modalities, of a teacher, in
# stages, and of one's own data. The parts of the others have tests of their own.
TRAINED = ("clip_uniform", "gram", "har_hardneg", "own_data")

# Large encoders of the small variants, made to compile in a second.
REDUCED = {
    "resnet": {"blocks": (1,), "widths": (8,)},
    "vit": {"width": 16, "depth": 1, "heads": 2},
    "text_transformer": {"width": 16, "depth": 1, "heads": 2},
    "audio_transformer": {"width": 16, "depth": 1, "heads": 2},
    "cnn14": {"widths": (8,)},
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of images with captions, for the recipe of one's own data."""
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(40):
        Image.new("RGB", (40, 30), (6 * i, 90, 200)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"colour number {i}")
    return folder


@pytest.fixture(scope="module")
def stand_ins(pictures, tmp_path_factory):
    """{recipe: overrides}, for recipes whose data are not in the package."""
    watch = tmp_path_factory.mktemp("watch") / "watch_dataset.npz"
    rng = np.random.default_rng(0)
    person, exercise = (x.ravel() for x in np.meshgrid(np.arange(1, 11), np.arange(7)))
    series = [rng.normal(size=(310, 6)) for _ in person]
    columns = {"X": series, "y": exercise, "subject": person, "side": person % 2}
    load_tool("convert_watch").convert(columns, watch)
    return {
        "own_data": (f"data.source.path={pictures}", "data.source.val_fraction=0.4"),
        "imu_text": (f"data.source.path={watch}",),
    }


def test_the_small_variant_comes_first_and_is_the_default():
    assert len(WHOLE) >= 30
    for recipe in WHOLE:
        get_config = maker(recipe)
        assert get_config.variants[0] == "small"
        assert not any(variant.startswith("claim") for variant in get_config.variants)
        assert isinstance(get_config(), ml_collections.ConfigDict)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_read_in_a_minute(recipe):
    lines = (CONFIGS / f"{recipe}.py").read_text().splitlines()
    assert len(lines) <= 150
    docstring = lines[: lines.index('"""')]
    assert len(docstring) <= 30
    assert not [line for line in docstring if "±" in line]  # results are on the generated page
    assert not [line for line in lines if "!r}" in line]
    # Nothing of a top-level package `configs`, which only a checkout has.
    assert not [line for line in lines if re.match(r"(from|import) configs\b", line)]


def test_half_of_the_recipes_are_short():
    """Beside what they say of themselves."""
    lengths = []
    for recipe in RECIPES:
        text = (CONFIGS / f"{recipe}.py").read_text(encoding="utf-8")
        lengths.append(len(text.splitlines()) - ast.parse(text).body[0].end_lineno)
    assert statistics.median(lengths) <= 90


def test_a_recipe_with_a_claim_says_what_it_leaves_out():
    for recipe in RECIPES:
        if (CONFIGS / "claims" / f"{recipe}.py").is_file():
            said = pages.said(CONFIGS / f"{recipe}.py")
            assert all(said), f"configs/{recipe}.py: no sentence that begins 'Left out:'"


def load(recipe, variant, *overrides):
    return recipe_lib.load(f"{CONFIGS / recipe}.py:{variant}", overrides)


def test_the_page_of_the_first_run_leaves_every_style_out():
    page = (CONFIGS.parent / "docs" / "first_run.md").read_text(encoding="utf-8")
    (styles,) = re.findall(r"for style in (.*); do mmjax train clip_uniform:without_\$style ", page)
    named = {f"without_{style}" for style in styles.split()}
    assert named == {v for v in maker("clip_uniform").variants if "without" in v}


@pytest.mark.parametrize(
    "variant", ["small", *(v for v in maker("clip_uniform").variants if "without" in v)]
)
def test_the_style_that_is_measured_is_never_trained(variant):
    config = load("clip_uniform", variant)
    trained = set(config.data.source.options["styles"])
    measured = {
        style
        for kind, named in config.evaluators.items()
        for name, evaluator in named.items()
        for source in evaluator.sources.values()
        if (kind, name) != ("geometry", "train")
        for style in source.options["styles"]
    }
    (new,) = measured
    family = {"fluent", "fluent_flat"} if new == "fluent" else {new}
    assert trained == {*get_args(Style)} - family


def mesh_of(config):
    return mesh_lib.make_mesh(*config.mesh.shape)


@pytest.mark.parametrize(("recipe", "variant"), long_but(lambda case: case[1] == "small", VARIANTS))
def test_every_variant_is_whole_and_its_parts_fit(recipe, variant):
    config = load(recipe, variant)
    assert (config.recipe, config.variant) == (recipe, variant)
    assert config.paper
    again = recipe_lib.complete(json.loads(recipe_lib.dump(config)), "config.json")
    assert recipe_lib.dump(again) == recipe_lib.dump(config)
    mesh = mesh_of(config)
    for plan in borders.plans(stages_lib.of(config), mesh):  # models are built of shapes only
        assert bool(plan.trained) == bool(config.steps)  # of no steps, nothing trains


@pytest.mark.parametrize(("recipe", "variant"), VARIANTS)
def test_every_variant_can_be_tried_for_a_few_steps(recipe, variant):
    if not load(recipe, variant).steps:
        with pytest.raises(ConfigError, match="there is nothing to train; steps=0 only evaluates"):
            load(recipe, variant, "steps=20")
        return
    for stage in stages_lib.of(load(recipe, variant, "steps=20")):
        section = stage.recipe.optimizer
        rate = learning_rate.by_step(section, stage.steps)
        peak = section.learning_rate  # where the warm-up ends, or what the decay starts from
        updates = learning_rate.updates_of_a_turn(section, stage.steps)
        turns = len(section.turns) or 1
        assert float(rate(learning_rate.warmup_steps(section, updates) * turns)) == pytest.approx(
            peak
        )


def reduced(recipe, *overrides):
    """The small variant with little towers, a little batch and three steps, or one a stage."""
    changes = [
        "steps=3",
        "log_every=1",
        "checkpoints.every=0",
        "optimizer.warmup_steps=0",
        "data.batch_size=16",
        "checkpoints.keep_best=0",
        "checkpoints.metric=None",
    ]
    for stage in stages_lib.of(load(recipe, "small")):
        if stage.name is not None:
            own = {"steps": 1, "until": None, "optimizer.warmup_steps": 0, "data.batch_size": 16}
            changes += [f"stages.{stage.name}.{key}={value}" for key, value in own.items()]
        where = "" if stage.name is None else f"stages.{stage.name}."
        if stage.recipe.data.groups is not None:
            changes.append(f"{where}data.groups.per=2")
        for name, adapter in stage.recipe.model.adapters.items():
            if adapter.type == "prompts":  # of the one block that is left
                changes += [f"{where}model.adapters.{name}.{key}" for key in ("first=0", "depth=1")]
    small, sizes = load(recipe, "small"), {}
    # Of these tokens a fusion reads so many numbers as the recipe says.
    read = {
        modality_of(each)
        for fusion in small.model.fusions.values()
        if fusion.fusion.type == "concat_tokens"
        for each in fusion.inputs
    }
    for name, tower in small.model.towers.items():
        sizes[name] = {} if name in read else REDUCED.get(tower.encoder.type, {})
        for key, value in sizes[name].items():
            changes.append(f"model.towers.{name}.encoder.{key}={value}")
    for name, objective in small.objectives.items():
        if told := objective.term.options.get("inputs"):  # widths of what these towers give
            if isinstance(told, int):
                own = sizes.get(modality_of(objective.term.options["view"]), {})
                changes.append(f"objectives.{name}.inputs={own.get('width', told)}")
                continue
            own = {view: sizes[modality_of(view)] for view in told}
            widths = {view: o.get("width") or o["widths"][-1] for view, o in own.items() if o}
            changes.append(f"objectives.{name}.inputs={ {**told, **widths} }")
    return load(recipe, "small", *changes, *overrides)


@pytest.mark.parametrize("recipe", long_but(TRAINED.__contains__, WHOLE))
def test_every_small_variant_trains(recipe, stand_ins, tmp_path):
    own = stand_ins.get(recipe, ())
    # Its evaluators are as they should be on their data, but take longer than these steps.
    config = load(recipe, "small", *own)
    Evaluation(config, mesh_of(config))
    if not config.steps:
        assert trainer.train(load(recipe, "small", "evaluators={}"), tmp_path, quiet=True) == {
            "seconds": pytest.approx(0, abs=600), "step": 0,
        }  # fmt: skip
        return
    trainer.train(reduced(recipe, *own, "evaluators={}"), tmp_path, quiet=True)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    steps = len(config.stages) or 3
    assert [row["step"] for row in rows if "train/loss" in row] == list(range(1, steps + 1))
    for row in rows:
        assert all(np.isfinite(value) for name, value in row.items() if name != "stage"), row
    plans = borders.plans(stages_lib.of(config), mesh_of(config))
    for name in config.model.towers:
        learns = any(p.startswith(f"towers/{name}/") for plan in plans for p in plan.trained)
        norms = [n for row in rows if (n := row.get(f"train/gradient_norm/{name}")) is not None]
        assert bool(norms) == learns, name
        # Of batches of one source each, so few have not met every tower.
        assert config.data.mix == "batches" or all(norm > 0 for norm in norms), name


def test_towers_of_recipes_do_not_depend_on_each_other():
    """Adding a term or a tower leaves the start values of the others as they are."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    def arrays(config):
        def make():
            return System(config.model, config.objectives, dtype=jnp.float32, rngs=nnx.Rngs(0))

        return {
            path: value
            for path, value in jax.jit(lambda: _flat(make()))().items()
            if path.startswith("towers/a/")
        }

    def _flat(module):
        return {"/".join(map(str, p)): v[...] for p, v in nnx.to_flat_state(nnx.split(module)[1])}

    tower = "{'encoder': {'type': 'mlp', 'inputs': 8, 'width': 8}}"
    one = load("clip_uniform", "latent")
    two = load(
        "clip_uniform",
        "latent",
        f"model.towers.c={tower}",
        "data.views.c={'type': 'vector', 'dim': 8}",
        "objectives.alignment=None",
    )
    a, b = arrays(one), arrays(two)
    assert a.keys() == b.keys() != set()
    for path in a:
        np.testing.assert_array_equal(a[path], b[path])
