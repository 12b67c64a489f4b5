"""The benchmark of steps on a GPU: here on a CPU, where a GPU that is asked for is refused."""

import json

import pytest
from third_party import needs

from mmjax.bench import __main__ as bench
from mmjax.bench import gpu


@pytest.mark.slow
def test_a_small_model_in_bfloat16(tmp_path, capsys):
    path = tmp_path / "gpu.json"
    options = ["--models", "tiny:4,tiny:2", "--repeats", "2", "--contenders", "mmjax,kept"]
    assert bench.main(["gpu", *options, "--device", "cpu", "--output", str(path)]) == 0
    rows = json.loads(path.read_text())["rows"]
    assert [(r["model"], r["batch"], r["step"]) for r in rows] == [
        ("tiny", batch, name) for batch in (4, 2) for name in ("mmjax", "kept")
    ]
    for row in rows:
        assert row["images/s"] == pytest.approx(row["batch"] / row["median"])
        assert row["MFU"] is None  # the peak rate of this device is not known
    assert "images/s" in capsys.readouterr().out


@pytest.mark.slow
def test_open_clip_in_bfloat16(tmp_path):
    needs("open_clip")
    path = tmp_path / "gpu.json"
    options = ["--models", "tiny:2", "--repeats", "1", "--contenders", "mmjax,open_clip"]
    assert bench.main(["gpu", *options, "--device", "cpu", "--output", str(path)]) == 0
    about = json.loads(path.read_text())["about"]["tiny"]
    assert about["mmjax"]["parameters"] == about["open_clip"]["parameters"]


def test_without_a_gpu_one_sentence_says_so(capsys):
    options = ["--models", "tiny:2", "--repeats", "1", "--contenders", "mmjax"]
    assert bench.main(["gpu", *options]) == 1
    assert "jax has no gpu here, but a cpu" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--contenders", "flax"], "unknown contender 'flax'"),
        (["--contenders", "kept"], "by mmjax's count of the model's FLOPs"),
        (["--models", "ViT-B-32"], "'ViT-B-32' is not MODEL:BATCH"),
        (["--models", "tiny:0"], "'tiny:0' is not MODEL:BATCH"),
        (["--contenders", "mmjax", "--repeats", "0"], "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        gpu.parse(arguments)
    assert sentence in capsys.readouterr().err
