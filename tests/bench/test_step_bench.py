"""The benchmark of the training step: processes in turns, and numbers that belong together."""

import importlib.util
import json

import pytest
from third_party import needs

from mmjax.bench import __main__ as bench
from mmjax.bench import step, turns


def worker(tmp_path, monkeypatch, body):
    (tmp_path / "a_worker.py").write_text(f"from mmjax.bench import turns\n{body}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return turns.Worker("a_worker", [])


def test_a_worker_runs_what_it_is_told(tmp_path, monkeypatch):
    body = (
        "import time\n"
        "def hold():\n"
        "    return len(bytearray(b'x') * 200_000_000)\n"
        "print('what a library prints')\n"
        "turns.serve({'a': 1}, {'wait': lambda: time.sleep(0.05), 'hold': hold})"
    )
    w = worker(tmp_path, monkeypatch, body)
    assert w.names == ["wait", "hold"]
    assert w.about["a"] == 1
    before = w.peak()
    seconds, cpu = w.run("wait")
    assert 0.05 <= seconds < 5
    assert cpu < 0.05
    if w.about["peak memory"] == "of the timed steps":
        # What it had before it was ready, in the warm-up, is forgotten.
        assert w.peak() - before < 100_000_000
        w.run("hold")
        assert w.peak() - before > 150_000_000
    w.close()


def test_a_worker_that_dies_is_an_error_with_its_last_words(tmp_path, monkeypatch):
    with pytest.raises(turns.WorkerError, match=r"code 3.*no memory left"):
        worker(tmp_path, monkeypatch, "print('no memory left', flush=True)\nraise SystemExit(3)")


def test_the_breakdown_adds_up():
    def took(seconds):
        return {"median": seconds, "low": seconds, "high": seconds}

    times = {
        ("mmjax", "step"): took(2.0),
        ("parts", "ceiling"): took(2 * 2048**3 / 500e9),
        ("parts", "linear [8,4]x[4,2]"): took(0.01),
        ("parts", "linear [8,2]x[2,4]"): took(0.02),
        ("parts", "gelu image"): took(0.1),
    }
    counts = {"ceiling": 0, "linear [8,4]x[4,2]": 10, "linear [8,2]x[2,4]": 20, "gelu image": 3}
    about = {"mmjax": {"flops": 700e9}, "parts": {"counts": counts}}
    rows = {row["part"]: row for row in step.breakdown(times, about)}
    assert rows["linear"]["seconds"] == pytest.approx(0.5)
    assert rows["gelu image"]["share"] == pytest.approx(0.15)
    assert rows["between the parts"]["seconds"] == pytest.approx(2.0 - 0.5 - 0.3)
    # 700 GFLOP at 500 GFLOP/s.
    assert rows["at the ceiling"]["seconds"] == pytest.approx(1.4)
    assert rows["at the ceiling"]["share"] == pytest.approx(0.7)


@pytest.mark.slow
def test_a_small_model_with_its_parts(tmp_path, capsys):
    path = tmp_path / "step.json"
    arguments = ["--model", "tiny", "--batch", "4", "--repeats", "2", "--contenders", "mmjax"]
    assert bench.main(["step", *arguments, "--parts", "--output", str(path)]) == 0
    saved = json.loads(path.read_text())
    counts = saved["about"]["parts"]["counts"]
    # Two blocks of two layer norms, and those before and after.
    assert counts["gelu image"] == 2
    assert counts["layer norm image"] == 6
    assert counts["layer norm text"] == 5
    # Four projections in each of two blocks, over 4 images of 5 tokens: forward; by their input.
    assert counts["linear [20,64]x[64,64]:(1,)(0,)"] == 2 * 4
    assert counts["linear [20,64]x[64,64]:(1,)(1,)"] == 2 * 4
    rows = {row.get("part"): row for row in saved["rows"][1:]}
    assert {"step", "at the ceiling", "linear", "embedding", "optimizer"} <= rows.keys()
    assert saved["rows"][0]["peak GB"] > 0.05
    assert "between the parts" in capsys.readouterr().out


@pytest.mark.slow
def test_both_frameworks_have_the_same_model(tmp_path):
    needs("open_clip")
    path = tmp_path / "step.json"
    arguments = ["--model", "tiny", "--batch", "2", "--repeats", "1", "--output", str(path)]
    assert bench.main(["step", *arguments]) == 0
    rows = {row["step"]: row for row in json.loads(path.read_text())["rows"]}
    assert rows.keys() == {"mmjax", "unrolled", "open_clip"}
    assert len({row["parameters"] for row in rows.values()}) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--contenders", "flax"], "unknown contender 'flax'"),
        (["--contenders", "unrolled", "--parts"], "those of mmjax"),
        (["--batch", "0"], "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        step.parse(arguments)
    assert sentence in capsys.readouterr().err


def test_without_open_clip_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        step.parse([])
    assert "mmjax[torch]" in capsys.readouterr().err
