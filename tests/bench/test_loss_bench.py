"""The benchmark of the loss: every form computes one loss, and is timed and measured."""

import json

import jax
import numpy as np
import pytest

from mmjax.bench import __main__ as bench
from mmjax.bench import loss as loss_bench
from mmjax.bench import timing

FORMS = ["dense", "gather/32", "gather/64", "ring/32", "ring/64", "local"]


@pytest.mark.slow
def test_every_form_is_measured_and_saved(tmp_path, capsys):
    path = tmp_path / "loss.json"
    arguments = ["loss", "--sizes", "256,512", "--dim", "32", "--tiles", "32,64", "--repeats", "2"]
    assert bench.main([*arguments, "--output", str(path)]) == 0
    saved = json.loads(path.read_text())
    assert saved["about"]["devices"] == 8
    assert [(row["batch"], row["form"]) for row in saved["rows"]] == [
        (size, form) for size in (256, 512) for form in FORMS
    ]
    for row in saved["rows"]:
        assert 0 < row["low"] <= row["median"] <= row["high"]
        assert row["cpu"] > 0
    memory = {(row["batch"], row["form"]): row["MiB"] for row in saved["rows"]}
    # The baseline keeps two matrices per device and the plain formula one; the ring none.
    assert memory[512, "local"] > memory[512, "dense"] > memory[512, "ring/32"]
    printed = capsys.readouterr().out
    assert all(form in printed for form in FORMS)


def test_every_form_computes_one_loss():
    options = loss_bench.parse(["--dim", "16", "--tiles", "4"])
    mesh = jax.make_mesh((8, 1), ("data", "fsdp"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    programs = loss_bench._programs(options, mesh, 64)
    results = {name: run() for name, (run, _) in programs.items()}
    loss, grads = results.pop("local")
    assert results.keys() == {"dense", "gather/4", "ring/4"}
    for name, (value, others) in results.items():
        np.testing.assert_allclose(value, loss, rtol=1e-6, err_msg=name)
        for grad, other in zip(grads, others, strict=True):
            np.testing.assert_allclose(other, grad, atol=1e-6 * np.abs(grad).max(), err_msg=name)


def test_alternatives_take_turns():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    times = timing.interleaved(functions, 3)
    assert calls == list("ab" * 4)  # once before the clock starts
    assert times.keys() == {"a", "b"}


def test_an_unknown_schedule_is_refused(capsys):
    with pytest.raises(SystemExit):
        loss_bench.parse(["--schedules", "ring,rign"])
    assert "unknown schedule 'rign'" in capsys.readouterr().err
