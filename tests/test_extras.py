"""What needs a package that is not installed says so in one sentence, of one type, everywhere."""

import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import mmjax
from mmjax import extras
from mmjax.data import TrainData
from mmjax.data.formats.parquet import read_parquet
from mmjax.data.formats.volumes import read_volume
from mmjax.data.sets.imu import BasicMotions, ShoulderExercises
from mmjax.data.sets.samples import SamplesSource
from mmjax.data.sources import MemorySource
from mmjax.data.sources.dicom import DicomEcgSource, waveform
from mmjax.data.sources.wfdb import WfdbSource
from mmjax.data.tokenizers import HuggingFaceTokenizer
from mmjax.data.views import AudioView, GraphView, PointsView, VideoView
from mmjax.errors import exit_code
from mmjax.preflight import topology

NIFTI = bytes(344) + b"n+1\0" + bytes(52)
DICOM = bytes(128) + b"DICM" + bytes(20)
PROJECT = tomllib.loads((Path(mmjax.__file__).parents[1] / "pyproject.toml").read_text("utf-8"))


def tokenizer(folder):
    file = folder / "tokenizer.json"
    file.write_text("{}")
    return HuggingFaceTokenizer(path=str(file), bos="a", eos="b", pad="c")


NEEDS = {
    "sound": ("soundfile", "audio", lambda f: AudioView(rate=8000, length=9)(b"RIFF", None, False)),
    "samples": ("soundfile", "audio", lambda f: SamplesSource()),
    "tokenizer": ("tokenizers", "tokenizers", tokenizer),
    "wfdb": ("wfdb", "ecg", lambda f: WfdbSource(path=str(f))),
    "dicom": ("pydicom", "ecg", lambda f: DicomEcgSource(path=str(f))),
    "waveform": ("pydicom", "ecg", lambda f: waveform(DICOM)),
    "watch": ("seglearn", "imu", lambda f: ShoulderExercises()),
    "motions": ("aeon", "imu", lambda f: BasicMotions()),
    "nifti": ("nibabel", "volumes", lambda f: read_volume(NIFTI)),
    "slices": ("pydicom", "volumes", lambda f: read_volume(DICOM)),
    "mesh": ("trimesh", "shapes", lambda f: PointsView(count=4)(b"OFF 0 0 0", None, False)),
    "smiles": ("rdkit", "graphs", lambda f: GraphView(nodes=4)("CCO", None, False)),
    "video": (
        "av",
        "video",
        lambda f: VideoView(frames=1, size=8)(bytes(4) + b"ftypisom" + bytes(20), None, False),
    ),
    "parquet": ("pyarrow", "parquet", lambda f: read_parquet(f / "table.parquet")),
    "topology": ("libtpu", "aot", lambda f: topology.devices("v5e:2x2")),
}


@pytest.mark.parametrize("name", NEEDS)
def test_a_missing_package_is_one_sentence(name, tmp_path, monkeypatch):
    package, extra, use = NEEDS[name]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(extras.MissingExtra) as caught:
        use(tmp_path)
    said = str(caught.value)
    assert f" needs the package {package}: pip install 'mmjax[{extra}]'" in said
    assert "\n" not in said
    assert exit_code(caught.value) == 2
    brought = PROJECT["project"]["optional-dependencies"][extra]
    # What the extra is named for; libtpu comes with jax's own extra, which pins its release.
    brings = {"libtpu": "jax[tpu]"}.get(package, package)
    assert any(each.startswith(brings) for each in brought)


def test_a_package_that_is_missing_makes_no_row_bad(monkeypatch):
    """Else every row would be left out, and the run would train on nothing."""
    monkeypatch.setitem(sys.modules, "soundfile", None)
    source = MemorySource(data={"audio": [b"RIFF"] * 4, "x": list(np.eye(4))})
    data = TrainData(
        source, {"audio": AudioView(rate=8000, length=9)}, batch_size=2, seed=0, on_error="skip"
    )
    with pytest.raises(extras.MissingExtra, match="reading sound files needs the package"):
        data[0]
    batches = data.iter_from(0)
    with pytest.raises(extras.MissingExtra, match="reading sound files needs the package"):
        next(batches)
    batches.close()


def test_a_package_that_is_there_is_given():
    assert extras.needs("json", "none", "a test") is sys.modules["json"]
    assert extras.find("json", "none", "a test").name == "json"
    with pytest.raises(extras.MissingExtra, match=r"'mmjax\[none\]', or use another$"):
        extras.needs("no_such_package_here", "none", "a test", "or use another")
