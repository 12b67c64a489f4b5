"""No recipe, whatever one of its values is, ends in anything but a sentence or a step.

MUTANTS_SEED=N pytest -m slow tests/recipe/test_mutants.py draws others.
"""

import dataclasses
import os
import unicodedata

import pytest
from mutants import RECIPES, mutant

from mmjax import recipe as recipe_lib
from mmjax.data import inputs
from mmjax.errors import ConfigError, UserError
from mmjax.parallel import mesh as mesh_lib
from mmjax.recipe.sections import CheckpointConfig
from mmjax.text import printable
from mmjax.train import borders, checks, trainer
from mmjax.train import stages as stages_lib
from mmjax.train.evaluation import Evaluation

SEED = int(os.environ.get("MUTANTS_SEED", "0"))


def sentence(error):
    """What the terminal shows, which has no control characters and is not endless."""
    said = printable(str(error))
    assert said.strip()
    assert len(said) < 5000
    assert not [c for c in said if unicodedata.category(c) == "Cc" and c != "\n"], said
    return said


def recipe_of(tree):
    """The recipe of a plain config, or what is wrong with it."""
    try:
        return recipe_lib.complete(tree, "recipe.py")
    except ConfigError as error:
        return sentence(error)


def planned(recipe):
    """Whether parts of a recipe fit each other, as is known before data is read."""
    mesh = mesh_lib.make_mesh(*recipe.mesh.shape)
    stages = stages_lib.of(recipe)
    for stage, plan in zip(stages, borders.plans(stages, mesh), strict=True):
        checks.check_memory(stage.recipe, plan, mesh)
    return mesh


def test_a_mutant_is_a_recipe_or_is_refused_in_a_sentence():
    found = [recipe_of(mutant(seed)[-1]) for seed in range(200)]
    refused = [each for each in found if isinstance(each, str)]
    assert 100 < len(refused) < 200
    assert all(said.startswith("recipe.py") for said in refused)


def test_the_same_seed_is_the_same_mutant():
    assert mutant(3)[:2] == mutant(3)[:2]
    assert len({mutant(seed)[0] for seed in range(300)}) > len(RECIPES) / 2


def make_a_step(recipe, folder):
    """Two steps of what a recipe trains, without its evaluators."""
    short = dataclasses.replace(recipe, steps=2, evaluators={}, checkpoints=CheckpointConfig())
    return trainer.train(short, folder, quiet=True)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(7))
def test_many_mutants_end_in_a_sentence_or_a_step(part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps = 0
    for seed in range(SEED + 100 * part, SEED + 100 * (part + 1)):
        _, path, _, tree = mutant(seed)
        recipe = recipe_of(tree)
        if isinstance(recipe, str):
            continue
        try:
            mesh = planned(recipe)
            for stage in stages_lib.of(recipe):
                inputs.views(stage.recipe.data)
                Evaluation(stage.recipe, mesh)
            if (
                recipe.steps
                and not recipe.stages
                and path[0] not in ("evaluators", "steps")
                and steps < 5
            ):
                make_a_step(recipe, tmp_path / str(seed))
                steps += 1
        except UserError as error:
            sentence(error)
        except FileNotFoundError:  # a sentence, too
            pass
