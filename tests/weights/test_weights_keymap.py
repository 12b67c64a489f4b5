"""Key maps in both directions, what does not fit a model, and recipes that start from a folder."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import weights_folders as folders
from flax import nnx

from mmjax import recipe as recipe_lib
from mmjax.encoders import ENCODERS, positions
from mmjax.errors import ConfigError
from mmjax.inference import bundle, with_torch
from mmjax.model.config import ModelConfig
from mmjax.model.definition import Definition
from mmjax.objectives import configs
from mmjax.system.system import System
from mmjax.weights import keymap
from mmjax.weights.files import WeightsError
from mmjax.weights.foreign import Weights
from mmjax.weights.start import Pretrained


@pytest.mark.smoke
@pytest.mark.parametrize("family", list(folders.CONFIGS))
def test_reading_and_writing_undo_each_other(family, tmp_path):
    config = folders.CONFIGS[family]
    tensors = folders.tensors_of(config)
    folders.folder_of(config, tmp_path / "m", tensors)
    weights = Weights(tmp_path / "m")
    again = {}
    for modality in weights.modalities:
        loaded = weights.tower(modality)
        again |= keymap.write_tensors(loaded.part.rules, dict(loaded))
    scalars = {"logit_scale", "logit_bias", "logit_scale_a"}
    assert set(again) == set(tensors) - scalars
    for name, array in again.items():
        np.testing.assert_array_equal(array, tensors[name], err_msg=name)


def change(tensors, kind):
    name = "vision_model.encoder.layers.1.mlp.fc1.weight"
    if kind == "missing":
        del tensors[name]
    elif kind == "left over":
        tensors["vision_model.encoder.layers.2.mlp.fc1.weight"] = tensors[name]
    else:
        tensors[name] = tensors[name].T.copy()
    return tensors


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", r"missing: vision_model\.encoder\.layers\.1\.mlp\.fc1\.weight"),
        ("left over", r"left over: vision_model\.encoder\.layers\.2\.mlp\.fc1\.weight"),
        ("shape", r"fc1\.weight is \[16, 24\], not \[24, 16\]"),
    ],
)
def test_tensors_that_do_not_fit_are_named(kind, says, tmp_path):
    config = folders.CONFIGS["clip"]
    folder = folders.folder_of(config, tmp_path / "m", change(folders.tensors_of(config), kind))
    with pytest.raises(WeightsError, match=says):
        Weights(folder).tower("image")


def test_what_no_encoder_has_is_set_aside_by_name(tmp_path):
    config = folders.CONFIGS["bert"]
    tensors = folders.tensors_of(config)
    tensors["pooler.dense.weight"] = np.zeros((16, 16), np.float32)
    loaded = Weights(folders.folder_of(config, tmp_path / "m", tensors)).tower("text")
    assert len(loaded.aside) == 1
    assert loaded.aside[0].startswith("pooler.dense.weight: ")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"activation": "gelu"}, "activation='gelu' where the folder has 'quick_gelu'"),
        ({"eps": 1e-6}, "eps=1e-06 where the folder has 1e-05"),
        ({"depth": 3, "width": 20}, "width=20 where the folder has 16; depth=3"),
    ],
)
def test_options_that_change_the_function_are_refused(options, says, tmp_path):
    weights = Weights(folders.folder_of(folders.CONFIGS["clip"], tmp_path / "m"))
    spec = folders.encoder_of(weights, "image", **options)
    with pytest.raises(WeightsError, match=says):
        weights.tower("image", spec)


def test_texts_may_be_shorter_and_longer(tmp_path):
    weights = Weights(folders.folder_of(folders.CONFIGS["clip"], tmp_path / "m"))
    whole = weights.tower("text")["encoder/position"]
    np.testing.assert_array_equal(
        weights.tower("text", folders.encoder_of(weights, "text", length=5))["encoder/position"],
        whole[:5],
    )
    longer = weights.tower("text", folders.encoder_of(weights, "text", length=10))
    np.testing.assert_array_equal(longer["encoder/position"], positions.stretch(whole, 10))
    assert longer.changes() == ["length=10 where the folder has 9"]


def recipe(folder, tmp_path, *overrides):
    """A recipe of emoji whose towers start from a folder."""
    file = tmp_path / "recipe.py"
    file.write_text(
        "from mmjax.configs import common as c\n"
        "def get_config(variant):\n"
        "    config = c.emoji('none', {'clip': {'type': 'info_nce'}})\n"
        f"    config['model']['towers'] = {{m: {{'init_from': {str(folder)!r}}}"
        " for m in ('image', 'text')}\n"
        "    config['data']['views'] = {'image': {'type': 'image', 'size': 16},\n"
        "        'text': {'type': 'text', 'length': 9}}\n"
        "    own = {'recipe': 'x', 'variant': variant, 'evaluators': {}}\n"
        "    return {**config, **own, 'steps': 2}\n"
    )
    return recipe_lib.load(str(file), ("data.batch_size=8", "optimizer.warmup_steps=0", *overrides))


@pytest.fixture
def clip(tmp_path):
    config = folders.CONFIGS["clip"]
    text = {**config["text_config"], "vocab_size": 8000}
    return folders.folder_of({**config, "text_config": text}, tmp_path / "clip")


def test_the_folder_says_the_options(clip, tmp_path):
    config = recipe(clip, tmp_path, "model.towers.image.encoder.drop_path=0.1")
    image = config.model.towers["image"]
    assert image.encoder.options["activation"] == "quick_gelu"
    assert image.encoder.options["patch_bias"] is False
    assert image.encoder.options["drop_path"] == 0.1
    assert image.head.plain() == {
        "type": "linear",
        "dim": 12,
        "bias": False,
        "activation": "none",
        "norm": "none",
        "tokens": False,
        "level": None,
    }
    assert image.init_from.part == "image"
    # A run's stored config is whole and needs the folder no more.
    (clip / "config.json").unlink()
    assert recipe_lib.complete(config.plain(), "x") == config


def test_what_else_a_tower_has_stays(clip, tmp_path):
    config = recipe(
        clip,
        tmp_path,
        "model.towers.image.heads={'local': {'type': 'linear', 'dim': 3}}",
        "model.towers.image.augment={'type': 'image', 'flip': 0.5}",
        "model.towers.text.deterministic=('text',)",
    )
    towers = config.model.towers
    assert towers["image"].heads["local"].options["dim"] == 3
    assert towers["image"].augment.options["flip"] == 0.5
    assert towers["text"].deterministic == ("text",)


@pytest.mark.long
def test_a_run_starts_from_a_folder_and_goes_on_without(clip, tmp_path):
    from mmjax.checkpoints.store import Store
    from mmjax.parallel import mesh as mesh_lib
    from mmjax.train import state as state_lib
    from mmjax.train import trainer

    config = recipe(
        clip,
        tmp_path,
        "optimizer.learning_rate=0.0",
        "model.ema=0.5",
        "mesh.data=4",
        "mesh.fsdp=2",
        "mesh.fsdp_min_size=1",
        "checkpoints.every=1",
        "optimizer.freeze=('towers/text/encoder/.*',)",
        "optimizer.learning_rate_rules=()",
        f"model.towers.text.init_from={{'path': {str(clip)!r}, 'scale': 'clip'}}",
    )
    trainer.train(config, tmp_path / "run", quiet=True)
    # Compared with its own library first, where that is installed.
    report = json.loads((tmp_path / "run" / "imports" / "text.json").read_text())
    assert report["checked"] == (not with_torch.missing("torch", "transformers"))
    mesh = mesh_lib.make_mesh(4, 2)
    plan = state_lib.plan(config, mesh)
    with Store(tmp_path / "run" / "checkpoints") as store:
        state = store.restore(state_lib.abstract(config, plan))
    weights = Weights(clip)
    arrays = state.evaluation_arrays()  # the average
    for modality in ("image", "text"):
        for path, value in weights.tower(modality).items():
            full = f"towers/{modality}/{path}"
            np.testing.assert_array_equal(arrays[full], value, err_msg=full)
            live = {**state.constants, **state.params}[full]
            np.testing.assert_array_equal(live, value, err_msg=full)
    assert float(arrays["objectives/terms/clip/temperature/log_scale"]) == 2.25
    kernel = "towers/image/encoder/transformer/blocks/mlp/up/kernel"
    assert state.params[kernel].sharding == plan.shardings.params[kernel]

    # Going on from a checkpoint reads no folder.
    for file in clip.iterdir():
        file.unlink()
    trainer.train(config, tmp_path / "run", quiet=True)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("model.towers.image.init_from={'path': 'x', 'weights': 1}", "init_from.weights'=1"),
        ("model.towers.image.init_from=3", "should be the path of a folder"),
        ("model.towers.image.init_from=none/there", "there is no folder or file none/there"),
        ("model.towers.image.encoder.activaton=relu", "did you mean"),
    ],
)
def test_wrong_recipes_end_in_a_sentence(clip, tmp_path, override, says):
    with pytest.raises(ConfigError, match=says):
        recipe(clip, tmp_path, override)


def pretrained(config, plan):
    variables = {path: v for path, (_, v) in plan.definition.variables.items()}
    return Pretrained(config.model, config.objectives, variables)


def test_a_recipe_with_another_head(clip, tmp_path):
    from mmjax.parallel import mesh as mesh_lib
    from mmjax.train import state as state_lib

    config = recipe(clip, tmp_path, "model.towers.image.head={'type': 'linear', 'dim': 12}")
    assert config.model.towers["image"].init_from.head is False
    plan = state_lib.plan(config, mesh_lib.make_mesh())
    lines = pretrained(config, plan).lines
    assert any("reinitialized: towers/image/head/project/kernel" in line for line in lines)


def test_a_codebook_of_words_starts_as_the_token_vectors_of_the_folder(clip, tmp_path):
    from mmjax.parallel import mesh as mesh_lib
    from mmjax.train import state as state_lib

    sizes = recipe(clip, tmp_path).model.towers["text"].encoder.options
    head = {"type": "codebook", "tokens_of": "text", "pool": "mean"}
    head |= {"codes": sizes["vocab_size"], "dim": sizes["width"]}
    config = recipe(clip, tmp_path, f"model.towers.image.head={head!r}")
    found = pretrained(config, state_lib.plan(config, mesh_lib.make_mesh()))
    names = ("codebooks/codebook/table", "towers/text/encoder/token")
    zeros = jnp.zeros((head["codes"], head["dim"]))
    table, tokens = found.into(dict.fromkeys(names, zeros)).values()
    np.testing.assert_array_equal(table, tokens)
    assert np.asarray(table).any()
    assert f"{names[0]}: as {names[1]}" in found.lines


@pytest.mark.parametrize(("bound", "temperature"), [("min_scale=20.0", 0.05), ("max_scale=5.0", 1)])
def test_a_scale_of_a_folder_that_is_out_of_bounds_is_refused(clip, tmp_path, bound, temperature):
    from mmjax.parallel import mesh as mesh_lib
    from mmjax.train import state as state_lib

    config = recipe(
        clip,
        tmp_path,
        f"objectives.clip.{bound}",
        f"objectives.clip.temperature={temperature}",
        f"model.towers.text.init_from={{'path': {str(clip)!r}, 'scale': 'clip'}}",
    )
    plan = state_lib.plan(config, mesh_lib.make_mesh())
    with pytest.raises(WeightsError, match=f"the folder's scale is 9.48774, and {bound}"):
        pretrained(config, plan)


@pytest.mark.parametrize(("parameter", "scale"), [(3.0, 5.0), (7.0, 7.0), (200.0, 100.0)])
def test_a_scale_leaves_within_the_bounds_of_its_term(parameter, scale):
    term = {"type": "info_nce", "temperature": 0.1, "min_scale": 5.0, "max_scale": 100.0}
    made = Definition.of(
        lambda: System(
            ModelConfig.of({"towers": {}}),
            configs({"clip": term}),
            dtype=jnp.float32,
            rngs=nnx.Rngs(0),
        )
    )
    arrays = {"objectives/terms/clip/temperature/log_scale": jnp.float32(np.log(parameter))}
    log_scale, bias = bundle.scale_of(made, arrays)
    assert bias is None
    np.testing.assert_allclose(log_scale, np.log(scale), rtol=1e-6)


def test_a_bert_is_cut_into_sentences(tmp_path):
    """All of its blocks, in parts, and as many of its positions as are asked for."""
    weights = Weights(folders.folder_of(folders.CONFIGS["bert"], tmp_path / "m"))
    native = weights.part("text").encoder
    left = ("type", "causal", "pool", "mask_padding")
    options = {key: value for key, value in native.items() if key not in left}
    options |= {"type": "hierarchical_text", "length": 5, "blocks": (1, 1), "dropout": 0.1}
    loaded = weights.tower("text", ENCODERS.spec(**options), head=False)
    whole = weights.tower("text", head=False)
    assert set(loaded) == set(whole)
    for path in loaded:
        want = whole[path][:5] if path == "encoder/position" else whole[path]
        np.testing.assert_array_equal(loaded[path], want)
    with pytest.raises(WeightsError, match=r"norm='pre' where the folder has 'post'"):
        weights.tower("text", ENCODERS.spec(**{**options, "norm": "pre"}), head=False)
    clip = Weights(folders.folder_of(folders.CONFIGS["clip"], tmp_path / "c"))
    with pytest.raises(WeightsError, match=r"takes the weights of a BERT, .* has causal"):
        clip.part("text", "hierarchical_text")
