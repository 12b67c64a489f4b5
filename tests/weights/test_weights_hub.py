"""Models of the Hugging Face Hub, from a folder that stands for it: no network."""

import json
import shutil

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub.utils import filter_repo_objects
from weights_folders import CONFIGS, folder_of

import mmjax
from mmjax import extras
from mmjax.errors import ConfigError
from mmjax.weights import hub

PREPROCESSING = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "resample": 2}


@pytest.fixture
def repository(tmp_path):
    """A model as the Hub has many: two sets of weights, pickles, code, and other files."""
    folder = folder_of(CONFIGS["clip"], tmp_path / "repository")
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING))
    for name in ("pytorch_model.bin", "open_clip_pytorch_model.bin", "model.py", "notes.json"):
        (folder / name).write_bytes(b"anything")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.safetensors").write_bytes(b"anything")
    return folder


@pytest.fixture
def downloads(tmp_path, monkeypatch, repository):
    """What was downloaded: (name, revision) each. The function stands for the Hub's."""
    asked = []

    def snapshot_download(name, *, revision, allow_patterns):
        asked.append((name, revision))
        if name == "no/such":
            raise huggingface_hub.errors.LocalEntryNotFoundError("no such\nmodel")
        files = [str(f.relative_to(repository)) for f in repository.rglob("*") if f.is_file()]
        cache = tmp_path / "cache"
        for file in filter_repo_objects(files, allow_patterns=allow_patterns):
            (cache / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(repository / file, cache / file)
        return str(cache)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


def test_a_model_of_the_hub_is_its_folder(repository, downloads):
    found = mmjax.load("hf://someone/clip@refs/pr/3")
    assert set(downloads) == {("someone/clip", "refs/pr/3")}
    images = [np.full((20, 30, 3), value, np.uint8) for value in (0, 9)]
    expected = mmjax.load(repository).encode(images=images)
    np.testing.assert_array_equal(found.encode(images=images), expected)


def test_only_what_is_needed_is_downloaded(downloads, repository, tmp_path):
    folder = hub.local("hf://someone/clip")
    names = {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()}
    assert names == {"config.json", "preprocessor_config.json", "model.safetensors"}
    assert downloads[0] == ("someone/clip", None)
    # Of two sets of weights the one that its config is taken of.
    (repository / "open_clip_config.json").write_text("{}")
    (repository / "open_clip_model.safetensors").write_bytes(b"anything")
    shutil.rmtree(folder)
    folder = hub.local("hf://someone/clip")
    assert [f.name for f in folder.glob("*.safetensors")] == ["open_clip_model.safetensors"]


def test_weights_in_several_files(downloads, repository):
    (repository / "model.safetensors").rename(repository / "model-00001-of-00001.safetensors")
    index = {"weight_map": {"logit_scale": "model-00001-of-00001.safetensors"}}
    (repository / "model.safetensors.index.json").write_text(json.dumps(index))
    assert mmjax.load("hf://someone/clip").modalities == ("image", "text")


def test_a_plain_name_is_a_model_where_no_such_folder_is(downloads, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hub.local("someone/clip") == tmp_path / "cache"
    downloads.clear()
    (tmp_path / "runs").mkdir()
    for path in ("runs/clip", "nowhere", "/someone/clip", "./someone", "a/b/c", tmp_path / "none"):
        with pytest.raises(ConfigError, match="there is no folder or file"):
            mmjax.load(path)
    assert downloads == []


def test_what_cannot_be_downloaded_is_one_sentence(downloads, repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^hf://no/such could not be loaded: no such model$"):
        mmjax.load("hf://no/such")
    says = "^there is no folder no/such, and the Hub's model of that name could not be loaded"
    with pytest.raises(ConfigError, match=says):
        mmjax.load("no/such")
    (repository / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"hf://someone/clip holds no model.safetensors; other"):
        mmjax.load("hf://someone/clip")
    for name in ("hf://", "hf://a/b/c", "hf://a b/c", "hf://a/b@"):
        with pytest.raises(ConfigError, match=r"is no model of the Hub: give hf://owner/name"):
            mmjax.load(name)


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("hf://someone/clip", "someone/clip"):
        with pytest.raises(extras.MissingExtra, match=r"pip install 'mmjax\[hub\]'"):
            mmjax.load(name)


def test_beside_both_configs_the_weights_say_whose_they_are(repository):
    """Such folders have the weights in both layouts, or in Hugging Face's alone."""
    (repository / "open_clip_config.json").write_text('{"model_cfg": {}}')
    assert mmjax.load(repository).modalities == ("image", "text")
    (repository / "open_clip_model.safetensors").write_bytes(b"anything")
    with pytest.raises(ConfigError, match=r"open_clip_config.json has no 'model_cfg'"):
        mmjax.load(repository)
