"""Files that should not be read, or not be trusted: each is refused in a sentence that names it."""

import itertools
import json
import pickle

import ml_dtypes
import numpy as np
import pytest
import weights_folders as folders
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmjax import digests
from mmjax.errors import ConfigError
from mmjax.inference import bundle
from mmjax.weights import files
from mmjax.weights.files import Folder, WeightsError
from mmjax.weights.foreign import Weights


@pytest.fixture
def clip(tmp_path):
    return folders.folder_of(folders.CONFIGS["clip"], tmp_path / "clip")


def test_types_and_odd_offsets(tmp_path):
    from safetensors.numpy import save_file

    arrays = {
        "a": np.arange(3, dtype=np.int8),
        "b": np.float32([[1.5], [2.5]]),
        "c": np.zeros((0, 4), np.float16),
        "d": np.array(3.25),
    }
    save_file(arrays, tmp_path / "x.safetensors")
    found = Folder(tmp_path / "x.safetensors").tensors()
    assert {k: (v.dtype, v.shape, v.tolist()) for k, v in found.items()} == {
        k: (v.dtype, v.shape, v.tolist()) for k, v in arrays.items()
    }


def test_bfloat16(tmp_path):
    data = np.array([1.0, -2.5, 3.140625], ml_dtypes.bfloat16)
    header = json.dumps({"w": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}).encode()
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + data.tobytes())
    assert Folder(tmp_path).tensors()["w"].astype(np.float32).tolist() == [1.0, -2.5, 3.140625]


@pytest.mark.smoke
@pytest.mark.parametrize("keep", [0, 5, 8, 40, 0.5, -1])
def test_truncated(clip, keep):
    file = clip / "model.safetensors"
    data = file.read_bytes()
    keep = int(len(data) * keep) if isinstance(keep, float) else keep
    file.write_bytes(data[:keep])
    with pytest.raises(WeightsError, match=r"model\.safetensors is truncated or damaged"):
        _ = Weights(clip).tensors


def damage(file, change):
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    change(header)
    new = json.dumps(header).encode()
    file.write_bytes(len(new).to_bytes(8, "little") + new + data[8 + length :])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda h: h["logit_scale"].update(shape=[-1]), "entry of 'logit_scale' is not readable"),
        (lambda h: h["logit_scale"].update(shape=[2]), "cannot have 4 bytes"),
        (lambda h: h["logit_scale"].update(dtype="F8_E4M3"), "type F8_E4M3"),
        (lambda h: h["logit_scale"].update(data_offsets=[0, 10**12]), "cannot have"),
        (lambda h: h["logit_scale"].pop("shape"), "not readable"),
        (lambda h: h.update(extra=[1]), "entry of 'extra' is not readable"),
    ],
)
def test_damaged_headers(clip, change, says):
    damage(clip / "model.safetensors", change)
    with pytest.raises(WeightsError, match=says):
        _ = Weights(clip).tensors


class Boom:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "epoch_32.pth", "x.ckpt"])
def test_pickles_are_not_opened(tmp_path, name):
    (tmp_path / "config.json").write_text(json.dumps(folders.CONFIGS["bert"]))
    (tmp_path / name).write_bytes(pickle.dumps(Boom()))
    with pytest.raises(WeightsError, match=rf"{name} is a torch pickle.*save_file"):
        _ = Weights(tmp_path).tensors
    with pytest.raises(WeightsError, match="is a torch pickle"):
        Weights(tmp_path / name)


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "a/b.safetensors", ".."])
def test_an_index_does_not_lead_out_of_the_folder(clip, name):
    (clip / "model.safetensors").rename(clip.parent / "x.safetensors")
    index = {"weight_map": {"logit_scale": name}}
    (clip / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match=r"leads out of the folder|is a torch pickle"):
        _ = Weights(clip).tensors


def test_shards_of_an_index(clip):
    tensors = folders.tensors_of(folders.CONFIGS["clip"])
    (clip / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {
        "model-00001-of-00002.safetensors": names[:20],
        "model-00002-of-00002.safetensors": names[20:],
    }
    for file, some in parts.items():
        files.write(clip / file, {n: tensors[n] for n in some}, {})
    table = {n: file for file, some in parts.items() for n in some}
    (clip / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    assert set(Weights(clip).tensors) == set(tensors)
    (clip / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model-00002-of-00002\.safetensors is missing"):
        _ = Weights(clip).tensors


def test_a_file_of_another_hash_is_refused(clip):
    file = clip / "model.safetensors"
    digests.write(clip)
    assert Weights(clip).tensors
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(WeightsError, match=r"model\.safetensors is not the file that sha256\.json"):
        _ = Weights(clip).tensors


@pytest.mark.parametrize("text", ["{", "[1]", '"x"', "\x00"])
def test_damaged_config(clip, text):
    (clip / "config.json").write_text(text)
    with pytest.raises(WeightsError, match=r"config\.json"):
        Weights(clip)


def test_what_is_not_there(tmp_path):
    with pytest.raises(WeightsError, match="no folder or file"):
        Weights(tmp_path / "none")
    with pytest.raises(WeightsError, match=r"no config\.json"):
        Weights(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt_neox"}')
    with pytest.raises(
        WeightsError, match="model_type='gpt_neox' is none of audio-spectrogram-transformer, bert"
    ):
        Weights(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(WeightsError, match="holds no weights"):
        _ = Weights(tmp_path).tensors


def entries(*parts):
    """A safetensors file of u8 tensors, (name, begin, end) each, over ten bytes."""
    fields = (
        f'"{name}": {{"dtype": "U8", "shape": [{end - begin}], "data_offsets": [{begin}, {end}]}}'
        for name, begin, end in parts
    )
    header = ("{" + ", ".join(fields) + "}").encode()
    return len(header).to_bytes(8, "little") + header + bytes(range(10))


@given(st.lists(st.integers(0, 10), max_size=4), st.randoms())
def test_tensors_that_tile_their_bytes_are_read(tmp_path_factory, cuts, random):
    edges = [0, *sorted(cuts), 10]
    parts = [(str(i), a, b) for i, (a, b) in enumerate(itertools.pairwise(edges))]
    random.shuffle(parts)
    file = tmp_path_factory.mktemp("tiles") / "x.safetensors"
    file.write_bytes(entries(*parts))
    found = files.read(file)
    assert {n: v.tolist() for n, v in found.items()} == {n: list(range(a, b)) for n, a, b in parts}


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([("a", 0, 6), ("b", 4, 10)], "'b' at byte 4 overlaps another tensor"),
        ([("a", 0, 10), ("b", 0, 10)], "'b' at byte 0 overlaps"),
        ([("a", 0, 4), ("b", 6, 10)], "'b' at byte 6 is behind a hole"),
        ([("a", 2, 10)], "'a' at byte 2 is behind a hole"),
        ([("a", 0, 4), ("a", 4, 10)], "the key 'a' is there twice"),
    ],
)
def test_overlaps_holes_and_repeated_keys_are_refused(tmp_path, parts, says):
    file = tmp_path / "x.safetensors"
    file.write_bytes(entries(*parts))
    with pytest.raises(WeightsError, match=rf"x\.safetensors is damaged: .*{says}"):
        files.read(file)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_value_of_another_type_in_a_foreign_config_is_a_sentence(clip, data):
    config = json.loads((clip / "config.json").read_text())
    place = data.draw(st.sampled_from([config, *(v for v in config.values() if type(v) is dict)]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(
        st.sampled_from([None, [], {}, "x", -1, 0, 1.5, [None], {"a": 1}])
    )
    (clip / "config.json").write_text(json.dumps(config))
    try:
        weights = Weights(clip)
        said = None
        for name in weights.modalities:
            weights.tower(name)
    except ConfigError as error:
        said = str(error)
    finally:
        folders.folder_of(folders.CONFIGS["clip"], clip)
    assert said is None or str(clip) in said


@pytest.mark.parametrize(
    "change",
    [{"config": []}, {"log_scale": "x"}, {"bias": [1]}, {"about": None}, {"config": {"steps": {}}}],
)
def test_odd_metadata_of_an_export_are_a_sentence(tmp_path, change):
    whole = {"config": {}, "log_scale": None, "bias": 0.5, "about": {}}
    (tmp_path / "mmjax.json").write_text(json.dumps(whole | change))
    with pytest.raises(ConfigError, match=r"mmjax\.json"):
        bundle.load(tmp_path)
