"""A stage that keeps the alternatives which the stage before finds nearest, and resumes so."""

import json

import numpy as np
import pytest

from mmjax import recipe as recipe_lib
from mmjax.checkpoints.store import CheckpointError
from mmjax.configs import common as c
from mmjax.data import Source
from mmjax.data.match import Matched
from mmjax.data.registry import SOURCES
from mmjax.errors import ConfigError
from mmjax.parallel import mesh as mesh_lib
from mmjax.train import borders, stages, trainer

ROWS, DIM, TEXTS = 16, 4, 5


class Described(Source):
    """Directions, each with five others of which the third is its own; one row lacks its image."""

    modalities, may_lack = ("image", "text", "number"), ("image",)

    def __init__(self):
        rng = np.random.default_rng(0)
        self.images = rng.normal(size=(ROWS, DIM)).astype(np.float32)
        self.texts = rng.normal(size=(ROWS, TEXTS, DIM)).astype(np.float32)
        self.texts[:, 2] = self.images

    def __len__(self):
        return ROWS

    def __getitem__(self, i):
        record = {"id": i, "key": f"row {i}", "text": list(self.texts[i])}
        record["number"] = [np.float32([n]) for n in range(TEXTS)]
        return record if i == 7 else {**record, "image": self.images[i]}

    def describe(self):
        return "directions"


def recipe(**changes):
    view = c.vector(DIM)
    identity = {"encoder": c.identity(DIM)}
    match = {"text": {"by": "image", "top": 2, "also": ("number",)}}
    config = c.recipe(
        "none",
        steps=4,
        data=c.data("described", 8, image=view, text=view, on_error="skip"),
        towers=c.towers(image=identity, text=identity),
        objectives={"clip": dict(type="info_nce")},
        optimizer=c.adamw(1e-3),
        stages=(
            {"name": "first", "steps": 2},
            {"name": "then", "steps": 2, "data": {"match": match}},
        ),
        checkpoints={"every": 1},
    )
    whole = {"recipe": "matching", "variant": "small", **c.changed(config, **changes)}
    return recipe_lib.complete(whole, "this recipe")


@pytest.fixture(autouse=True)
def _known():
    with SOURCES.registered("described", Described):
        yield


def test_a_stage_trains_on_what_the_model_before_it_finds_nearest(tmp_path):
    trainer.train(recipe(), tmp_path, quiet=True)
    (found,) = json.loads((tmp_path / "match-then.json").read_text()).values()
    source = Described()
    unit = [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (source.images, source.texts)]
    for row, chosen in enumerate(found["text"]):
        cosines = unit[1][row] @ unit[0][row]
        assert chosen == ([] if row == 7 else np.argsort(-cosines)[:2].tolist())
        assert row == 7 or chosen[0] == 2
    assert found["number"] == found["text"]
    matched = Matched(source, found)
    np.testing.assert_array_equal(matched[3]["text"][0], source.images[3])
    assert [int(n[0]) for n in matched[3]["number"]] == found["text"][3]
    assert len(matched[7]["text"]) == TEXTS
    # A run that resumes within the stage takes the choice as it is.
    (tmp_path / "checkpoints" / "4").rename(tmp_path / "away")
    (tmp_path / "match-then.json").unlink()
    with pytest.raises(CheckpointError, match=r"match-then\.json does not exist"):
        trainer.train(recipe(), tmp_path, quiet=True)


def test_what_cannot_be_matched_is_said_before_a_run():
    def planned(config):
        return borders.plans(stages.of(config), mesh_lib.make_mesh(*config.mesh.shape))

    assert planned(recipe())
    with pytest.raises(ConfigError, match="by the model of the stage before, and the first has"):
        planned(recipe(data={"match": {"text": {"by": "image"}}}))
    wrong = {"then": {"data": {"match": {"text": {"by": "sound"}}}}}
    with pytest.raises(ConfigError, match=r"data\.match\.text\.by"):
        planned(recipe(stages=wrong))
