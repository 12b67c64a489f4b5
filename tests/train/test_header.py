"""The header of a run: the chance level stands where a loss has one, and nowhere else."""

from types import SimpleNamespace

import pytest

from mmjax import recipe as recipe_lib
from mmjax.recipe import StageConfig
from mmjax.train import header
from mmjax.train.stages import Stage


@pytest.mark.parametrize(
    ("recipe", "overrides", "shown"),
    [
        ("clip_uniform", [], True),
        ("supcon", [], True),
        ("barlow", [], False),
        ("clip_uniform", ["queue={'size': 4096, 'views': ('image', 'text')}"], False),
    ],
)
def test_chance_level_of_contrastive_losses(monkeypatch, recipe, overrides, shown):
    monkeypatch.setattr(header, "parameter_counts", lambda plan: {"all": 2, "trained": 1})
    loaded = recipe_lib.load(recipe, ["data.batch_size=64", *overrides])
    stage = Stage(StageConfig("only"), 0, loaded, 0, loaded.steps)
    data = SimpleNamespace(describe=lambda: "", steps_per_epoch=10)
    text = "\n".join(header.stage_lines(stage, None, data))
    assert ("chance level: a contrastive loss of ln(64) = 4.159" in text) is shown
    assert "epochs" in text
