"""What a run starts from is compared with the library it is of, before the first step."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import weights_folders as folders
import weights_parity

import mmjax
from mmjax.errors import ConfigError
from mmjax.inference import imports, parity, verify, with_torch
from mmjax.model.config import ModelConfig
from mmjax.train import borders
from mmjax.weights.foreign import Weights
from mmjax.weights.start import Pretrained

SIZES = {
    "hidden_size": 12,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "intermediate_size": 20,
}
VISION = {**SIZES, "image_size": 16, "patch_size": 8}
TEXT = {**SIZES, "vocab_size": 40, "max_position_embeddings": 14}


def folder_of(kind, path, **options):
    """A folder that `transformers` saves of a class with random weights."""
    _, library = weights_parity.torch_and("transformers")
    name = kind.removesuffix("WithProjection").removesuffix("Model")
    config = getattr(library, f"{name}Config")(**options)
    weights_parity.randomize(getattr(library, kind)(config)).save_pretrained(path)
    return path


def check(path, workdir, changes=()):
    return imports.check({"image": (Weights(str(path)), list(changes))}, workdir)


def report_of(workdir, tower="image"):
    return json.loads((workdir / "imports" / f"{tower}.json").read_text())


def test_two_towers_of_one_folder(tmp_path):
    folder = folder_of(
        "CLIPModel",
        tmp_path / "clip",
        projection_dim=10,
        vision_config=VISION,
        text_config={**TEXT, "eos_token_id": 3},
    )
    weights = Weights(str(folder))
    wanted = {"image": {"image_size": (32, 32), "drop_path": 0.1}, "text": {"length": 9}}
    specs = {m: folders.encoder_of(weights, m, **options) for m, options in wanted.items()}
    given = {m: (weights, weights.tower(m, spec).changes()) for m, spec in specs.items()}
    lines = imports.check(given, tmp_path)
    assert [line.split(" of ")[0].split(" with ")[0] for line in lines] == [
        "image: parity",
        "text: parity",
    ]
    for modality in ("image", "text"):
        report = report_of(tmp_path, modality)
        assert report["checked"] is report["passed"] is True
        assert report["compared_with"].endswith("CLIPModel")
        assert report["rows"] == imports.ROWS
        assert report["top_5_agreement"] == report[modality]["top_5_agreement"] == 1
        assert max(report[m]["max_abs"] for m in ("image", "text")) < 1e-5
    changed = report_of(tmp_path)["changed_by_recipe"]
    assert changed == ["image_size=(32, 32) where the folder has (16, 16)"]


ALONE = {
    "CLIPVisionModel": VISION,
    "CLIPVisionModelWithProjection": {**VISION, "projection_dim": 7},
    "CLIPTextModelWithProjection": {**TEXT, "eos_token_id": 2, "projection_dim": 7},
    "SiglipVisionModel": VISION,
    "SiglipTextModel": TEXT,
    "ViTModel": VISION,
    "RobertaModel": {**TEXT, "pad_token_id": 1},
    "GPT2Model": {
        "n_embd": 12,
        "n_head": 3,
        "n_layer": 2,
        "vocab_size": 40,
        "n_positions": 14,
        "bos_token_id": 39,
        "eos_token_id": 39,
    },
    "ClapTextModel": {**TEXT, "pad_token_id": 1},
}


@pytest.mark.parametrize("kind", ALONE)
def test_towers_alone(kind, tmp_path):
    (line,) = check(folder_of(kind, tmp_path / "m", **ALONE[kind]), tmp_path)
    assert kind in line
    report = report_of(tmp_path)
    assert report["passed"] is True
    assert report["compared_with"].endswith(kind)


def test_weights_that_embed_differently_stop_the_run(tmp_path, monkeypatch):
    folder = folder_of("ViTModel", tmp_path / "m", **VISION)
    right = with_torch.one_tower

    def turned(*given):
        units, who = right(*given)
        return np.roll(units, 1, axis=1), who

    monkeypatch.setattr(with_torch, "one_tower", turned)
    with pytest.raises(parity.ParityError, match=r"is not to be used, see .*image\.json"):
        check(folder, tmp_path)
    assert report_of(tmp_path)["passed"] is False


def test_loading_can_check(tmp_path):
    folder = folder_of("ViTModel", tmp_path / "m", **VISION)
    assert mmjax.load(folder, verify=tmp_path / "report").modalities == ("image",)
    assert json.loads((tmp_path / "report" / "parity.json").read_text())["passed"] is True


# Without the extra `torch`.


def test_what_was_not_compared_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(with_torch, "missing", lambda *names: ["torch"])
    folder = folders.folder_of(folders.CONFIGS["vit"], tmp_path / "vit")
    (line,) = check(folder, tmp_path, ["pool='mean' where the folder has 'cls'"])
    assert f"parity of {folder} was not checked, because torch is not installed" in line
    assert f"--workdir={folder} --format=verify" in line
    report = report_of(tmp_path)
    assert report["checked"] is False
    assert "pip install 'mmjax[torch]'" in report["reason"]
    assert report["changed_by_recipe"] == ["pool='mean' where the folder has 'cls'"]


def test_weights_that_no_library_reads(tmp_path):
    folder = folders.folder_of(folders.CONFIGS["efficientnet"], tmp_path / "m")
    assert "no library to compare" in verify.unable(Weights(str(folder)))
    folder = folders.folder_of(folders.CONFIGS["vit"], tmp_path / "vit")
    (folder / "model.safetensors").rename(folder / "own.safetensors")
    assert "called model.safetensors only" in verify.unable(Weights(str(folder)))


def test_a_run_from_scratch_has_nothing_to_compare(tmp_path, monkeypatch):
    monkeypatch.setattr(imports, "check", None)
    assert borders.parity(SimpleNamespace(folders={}), tmp_path) == []


def test_a_teacher_of_foreign_weights_is_compared_too(tmp_path):
    folder = folders.folder_of(folders.CONFIGS["vit"], tmp_path / "vit")
    nothing = ModelConfig.of({"towers": {}}), {}, {}
    assert list(Pretrained(*nothing, str(folder)).folders) == ["teacher"]
    (folder / "checkpoints").mkdir()  # a run of our own
    assert Pretrained(*nothing, str(folder)).folders == {}


def test_loading_says_that_nobody_checked(tmp_path, caplog):
    folder = folders.folder_of(folders.CONFIGS["vit"], tmp_path / "vit")
    mmjax.load(folder)
    assert "was not checked" in caplog.text
    caplog.clear()
    (folder / "parity.json").write_text("{}")
    mmjax.load(folder)
    assert "was not checked" not in caplog.text
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(ConfigError, match="is for foreign weights"):
        mmjax.load(tmp_path / "run", verify=tmp_path / "report")
