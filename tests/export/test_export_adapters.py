"""A run that starts from weights, trains adapters and leaves as the library's own model."""

import dataclasses

import numpy as np
import pytest

import mmjax
from mmjax import recipe as recipe_lib
from mmjax.export import export
from mmjax.inference import bundle as bundle_lib
from mmjax.inference import with_torch
from mmjax.model.adapters import ADAPTERS
from mmjax.schema.values import plain
from mmjax.train import trainer
from mmjax.weights.files import WeightsError

pytestmark = pytest.mark.slow  # half a minute: two runs and three exports


@pytest.fixture(scope="module")
def folders(run_of, config_for, tmp_path_factory):
    """(the weights that a run started from, the run)."""
    root = tmp_path_factory.mktemp("adapters")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(with_torch, "missing", lambda *names: list(names))
        weights, _ = export(run_of("clip"), root / "weights", format="hf")
    tree = plain(config_for("clip", "test"))
    towers = tree["model"]["towers"]
    tree["model"]["towers"] = {
        m: {"init_from": str(weights), "encoder": towers[m]["encoder"]} for m in towers
    }
    lora = {"type": "lora", "modules": (r"towers/.*/attention/(query|value)",), "rank": 2}
    tree["model"]["adapters"] = {"update": lora}
    tree["optimizer"]["freeze"] = ("towers/.*",)
    # B has no gradient of A's at first, and A none of B's: three steps move both.
    config = recipe_lib.complete({**tree, "steps": 3}, "test")
    trainer.train(config, root / "run", quiet=True)
    return weights, root / "run"


def test_frozen_towers_stay_what_they_were(folders):
    weights, run = (mmjax.load(folder).bundle for folder in folders)
    updated = [path for path in run.arrays if path.endswith("lora_b")]
    assert len(updated) == 4
    for path, array in weights.arrays.items():
        np.testing.assert_array_equal(run.arrays[path], array)
    assert all(np.any(run.arrays[path]) for path in updated)


def test_updates_are_merged_for_other_libraries_and_kept_for_ours(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(with_torch, "missing", lambda *names: list(names))
    texts = ["dog face", "flag: Japan", "woman pilot"]
    run = mmjax.load(folders[1], dtype="float32")
    wanted = run.encode(text=texts)
    assert np.abs(wanted - mmjax.load(folders[0]).encode(text=texts)).max() > 1e-4
    for format in ("hf", "safetensors"):
        out, _ = export(folders[1], tmp_path / format, format=format)
        again = mmjax.load(out)
        np.testing.assert_allclose(again.encode(text=texts), wanted, atol=2e-6)
        assert any("lora" in path for path in again.bundle.arrays) == (format == "safetensors")


def test_prompts_have_no_place_elsewhere(folders):
    held = mmjax.load(folders[1]).bundle
    own = held.recipe.model
    prompts = ADAPTERS.spec("prompts", towers=("text",))
    model = dataclasses.replace(own, adapters={**own.adapters, "p": prompts})
    held = dataclasses.replace(held, recipe=dataclasses.replace(held.recipe, model=model))
    with pytest.raises(WeightsError, match=r"the model has p: prompts are no part of its towers"):
        bundle_lib.merged(held)
