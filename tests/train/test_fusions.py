"""Fusions in runs: meshes, slices, stages, teachers, interruptions, evaluators and exports."""

import jax
import numpy as np
import pytest

import mmjax
from mmjax import recipe as recipe_lib
from mmjax.data.sources import MemorySource
from mmjax.data.views import VectorView
from mmjax.errors import ConfigError
from mmjax.evaluators.data import EvalData, EvaluationError, embed
from mmjax.export import formats
from mmjax.model.outputs import of_model, with_fused
from mmjax.parallel import mesh as mesh_lib
from mmjax.preflight import dry_run
from mmjax.schema.names import presence
from mmjax.train import checks, trainer
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib
from mmjax.train.runs import open_run

VECTOR = {"type": "vector", "dim": 32}
MESH = ("mesh.data=2", "mesh.fsdp=4", "mesh.fsdp_min_size=64")
TOKENS = {"type": "mlp", "inputs": 32, "hidden": (16,), "width": 8}
HEAD = {"type": "linear", "dim": 16}
FUSIONS = {
    "both": {"type": "mlp", "inputs": ("a", "b"), "dim": 16, "hidden": (8,)},
    "early": {
        "type": "transformer",
        "inputs": ("a", "b"),
        "also": {"c": ("c",)},
        "dim": 16,
        "tokens": True,
        "width": 16,
        "depth": 1,
        "heads": 2,
        "mlp_width": 16,
    },
    "middle": {"type": "mean", "inputs": ("a", "b@far")},
}
OBJECTIVES = {
    "both": {"type": "info_nce", "pairs": (("both", "c"),), "learn_temperature": False},
    "early": {"type": "info_nce", "pairs": (("early", "early@c"), ("middle", "c"))},
    "late": {
        "type": "late_interaction_nce",
        "pair": ("early", "early@c"),
        "tokens": ("early", "early@c"),
        "dim": 16,
        "fusion": "max",
        "groups": "max",
    },
    "tie": {"type": "alignment", "to": "teacher", "pairs": (("both", "early@c"),)},
}
WIRED = (
    f"model.towers={ {m: {'encoder': TOKENS, 'head': HEAD} for m in 'abc'}!r}",
    f"model.fusions={FUSIONS!r}",
    f"data.views={ {'a': VECTOR, 'b': VECTOR, 'b@far': {**VECTOR, 'field': 'a'}, 'c': VECTOR}!r}",
    "data.source={'type': 'latent_views', 'latent': 8, 'examples': 256, 'views': "
    "{'a': {'dim': 32}, 'b': {'dim': 32}, 'c': {'dim': 32}}}",
    f"objectives={OBJECTIVES!r}",
    "teacher={'type': 'ema', 'views': ('both', 'early@c'), 'momentum': 0.9}",
    "queue={'size': 128, 'views': ('both',)}",
    "steps=6",
)


@pytest.fixture
def wired(tiny):
    return lambda *overrides: tiny(*WIRED, *overrides)


def batch_of(size=64):
    rng = np.random.default_rng(0)
    names = ("a", "b", "b@far", "c")
    batch = {name: rng.normal(size=(size, 32)).astype(np.float32) for name in names}
    present = {f"{name}_present": np.arange(size) % 7 != k for k, name in enumerate("ab", 3)}
    batch["a"][~present["a_present"]] = 50.0  # what stands for nothing may be anything
    return {**batch, "id": np.arange(size, dtype=np.int32), **present}


def steps(config, mesh, count=2):
    plan = state_lib.plan(config, mesh)
    checks.check_model(config, plan, mesh)
    state, step = state_lib.initial(config, plan), step_lib.make(config, plan, mesh)
    for _ in range(count):
        state, metrics = step(state, mesh_lib.to_device(batch_of(), mesh))
    return jax.device_get((state, metrics))


def one_device():
    return mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1])


@pytest.mark.long
@pytest.mark.parametrize("overrides", [("microbatches=4",), MESH, (*MESH, "microbatches=2")])
def test_meshes_and_slices_change_nothing(wired, overrides):
    want, wanted = steps(wired(), one_device())
    config = wired(*overrides)
    mesh = mesh_lib.make_mesh(*(2, 4, 1) if len(overrides) > 1 else (8, 1, 1))
    found, metrics = steps(config, mesh)
    parts = ("loss", "tie/loss", *(f"gradient_norm/{n}" for n in ("a", "b", "c", "both", "early")))
    for name in parts:
        np.testing.assert_allclose(metrics[name], wanted[name], rtol=1e-4, err_msg=name)
        assert 0 < wanted[name] < np.inf
    for path, value in {**want.params, **want.teacher}.items():
        own = {**found.params, **found.teacher}[path]
        np.testing.assert_allclose(own, value, atol=3e-5, err_msg=path)
    np.testing.assert_array_equal(found.queue["valid/both"], want.queue["valid/both"])
    there = batch_of()["a_present"] & batch_of()["b_present"]
    assert want.queue["valid/both"].sum() == 2 * there.sum()


def test_the_teacher_has_what_its_fusions_are_made_of(wired):
    config = wired()
    plan = state_lib.plan(config, one_device())
    copied = {"/".join(path.split("/")[:2]) for path in plan.shardings.teacher}
    assert copied == {"towers/a", "towers/b", "towers/c", "fusions/both", "fusions/early"}
    only = state_lib.plan(wired("teacher.views=('both',)", "objectives.tie=None"), one_device())
    copied = {"/".join(path.split("/")[:2]) for path in only.shardings.teacher}
    assert copied == {"towers/a", "towers/b", "fusions/both"}


def test_a_row_has_a_fusion_where_it_has_all_of_its_inputs(wired):
    config, batch = wired(), batch_of()
    seen = of_model(config.outputs, batch, config.fused)
    both = batch["a_present"] & batch["b_present"]
    np.testing.assert_array_equal(presence(seen, "both"), both)
    np.testing.assert_array_equal(presence(seen, "early"), both)
    np.testing.assert_array_equal(presence(seen, "middle"), batch["a_present"])
    assert presence(seen, "early@c").all()
    whole = {name: value for name, value in batch.items() if "present" not in name}
    assert presence(of_model(config.outputs, whole, config.fused), "both") is None


@pytest.mark.long
def test_an_interrupted_run_of_stages_goes_on_and_is_exported(
    wired, saved, identical, resumed_at, tmp_path
):
    source = {"like": "data.source", "split": "test", "examples": 64}
    pairs = (("both", "c"), ("early", "early@c"), ("middle", "c"))
    by_parts = {"source": source, "pairs": pairs[1:2], "term": "late"}
    measured = {"retrieval": {"fused": {"source": source, "pairs": pairs}, "parts": by_parts}}
    later = {"middle": {"weights": (1.0, 3.0)}}
    stages = (
        {"name": "first", "steps": 4, "objectives": {"tie": None}},
        {"name": "second", "steps": 6, "model": {"fusions": later}},
    )
    config = wired(
        f"stages={stages!r}", f"evaluators={measured!r}", "checkpoints.every=2",
        "checkpoints.keep_last=9",
    )  # fmt: skip
    summary = resumed_at(config, tmp_path, 6)
    assert summary["retrieval/fused/early@c_to_early/queries"] == 64
    assert summary["retrieval/parts/early@c_to_early/queries"] == 64
    second = trainer.stages_lib.of(config)[1].recipe
    of_both = [saved(second, tmp_path / name) for name in ("rest", "whole")]
    assert identical(*of_both) == []

    model, run = mmjax.load(tmp_path / "whole"), open_run(tmp_path / "whole").model
    x, y = np.random.default_rng(0).normal(size=(2, 5, 32)).astype(np.float32)
    found = model.encode(both=list(zip(x, y, strict=True)), batch_size=4)
    np.testing.assert_allclose(found, run.embed("both", (x, y)), atol=1e-6)
    assert (
        np.abs(found - model.encode(both=[(b, a) for a, b in zip(x, y, strict=True)])).max() > 0.1
    )
    single = model.encode(**{"early@c": [(row,) for row in x]})
    np.testing.assert_allclose(single, run.embed("early@c", (x,)), atol=1e-6)
    assert {"a", "both", "early", "middle"} <= {*model.modalities}
    for wrong, said in (([x[0]], "a tuple of 2 values"), ([(x[0],)], "a tuple of 2 values")):
        with pytest.raises(ConfigError, match=said):
            model.encode(both=wrong)
    for kind in ("safetensors", "stablehlo"):
        folder = tmp_path / kind
        folder.mkdir()
        report = formats.FORMATS[kind](model, folder, [])
        assert report["passed"]
        assert {"both", "early@c", "middle"} <= {*report}
    again = mmjax.load(tmp_path / "safetensors")
    np.testing.assert_allclose(again.encode(both=list(zip(x, y, strict=True))), found, atol=1e-6)


@pytest.mark.long
def test_evaluators_keep_the_records_that_have_all_inputs(wired, tmp_path):
    trainer.train(wired("steps=1", "evaluators={}"), tmp_path, quiet=True)
    run, rng = open_run(tmp_path).model, np.random.default_rng(0)
    rows = list(rng.normal(size=(9, 32)))
    source = MemorySource(
        data={"a": rows, "b": [None if i % 3 else r for i, r in enumerate(rows)], "c": rows}
    )
    views = {name: VectorView(dim=32) for name in "abc"}
    data = EvalData(source, with_fused({"both": ("a", "b"), "other": ("a", "d")}, views), 4)
    assert data.names == ("a", "b", "c", "both")
    assert data.modalities == ("a", "b", "c")
    found = embed(run, data, ("both", "a"))
    assert found["both"].rows.tolist() == [0, 3, 6]
    x = np.stack(rows)[::3].astype(np.float32)
    np.testing.assert_allclose(found["both"].unit, run.embed("both", (x, x)), atol=1e-6)
    np.testing.assert_array_equal(found["both"].raw(1), rows[3])
    with pytest.raises(EvaluationError, match="no modality 'other'"):
        embed(run, data, ("other",))


@pytest.mark.long
def test_preflight_counts_fusions(wired):
    report = dry_run.preflight(wired(*MESH))
    assert report.loss_flops < report.flops
    paths = [layout.path for layout in report.layouts]
    assert any(path.startswith("fusions/early/transformer/") for path in paths)
    more = dry_run.preflight(wired(*MESH, "model.fusions.early.depth=3"))
    assert more.flops > report.flops
    assert more.loss_flops == report.loss_flops


def test_a_fusion_that_nothing_trains_is_a_constant(tiny):
    fused = {"both": {"type": "mlp", "inputs": ("a", "b@x"), "dim": 8}}
    views = {"a": VECTOR, "b": VECTOR, "b@x": {**VECTOR, "field": "b", "train": False}}
    made = (f"model.fusions={fused!r}", f"data.views={views!r}")
    config = tiny(*made)
    plan = state_lib.plan(config, one_device())
    assert not any(path.startswith("fusions/") for path in plan.trained)
    with pytest.raises(ConfigError, match=r"'both'.*objectives\.clip\.pairs"):
        tiny(
            f"model.fusions={fused!r}",
            f"data.views={views!r}",
            "objectives.clip.pairs=(('both','a'),)",
        )


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.fusions.both.inputs=('a','d')", "unknown view 'd' of 'model.fusions.both.inputs"),
        ("model.fusions.both.inputs=('a','both')", "unknown view 'both'"),
        ("model.fusions.both.inputs=('a','a')", "each once"),
        ("model.fusions.both.inputs=()", "name some"),
        ("model.fusions.both.input=('a',)", "did you mean 'inputs'"),
        ("model.fusions.both={'type':'mlp','dim':4}", "'model.fusions.both.inputs' is missing"),
        ("model.fusions.both.type=mpl", "did you mean 'mlp'"),
        ("model.fusions.early.also={'@c':('c',)}", "call it otherwise"),
        ("model.fusions={'c':{'type':'sum','inputs':('a','b')}}", "hides the view 'c'"),
        ("objectives.both.pairs=(('both','d'),)", "objectives.both.pairs"),
        ("objectives.both.pairs=(('bohh','c'),)", "did you mean 'both'"),
        ("model.towers.b.head.dim=8", "'both' .*model.fusions.both|'a' 16, 'b@far' 8"),
        ("model.fusions.both.dim=8", r"8 numbers for 'both' \('model\.fusions\.both'\)"),
        ("teacher.views=('bohh',)", "teacher.views"),
        (
            "data.galleries={'g':{'source':{'like':'data.source'},'view':'both','size':4}}",
            "which 'data.views' lacks",
        ),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_built(wired, override, said):
    def opened():
        config = wired(override)
        checks.check_model(config, state_lib.plan(config, one_device()), one_device())

    with pytest.raises(ConfigError, match=said):
        opened()


def test_a_stage_may_leave_a_fusion_out(wired):
    stages = (
        {"name": "first", "steps": 2, "model": {"fusions": {"middle": None}},
         "objectives": {"early": {"pairs": (("early", "early@c"),)}, "tie": None}},
        {"name": "second", "steps": 2},
    )  # fmt: skip
    first, second = (each for _, each in recipe_lib.each(wired(f"stages={stages!r}")))
    assert set(first.fused) == {"both", "early", "early@c"}
    assert set(second.fused) == {"both", "early", "early@c", "middle"}
