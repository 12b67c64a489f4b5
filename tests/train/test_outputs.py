"""Two towers of one view, views of other fields, views without towers, towers without a view."""

import jax
import numpy as np
import pytest
from tiers import long_but

import mmjax
from mmjax import recipe as recipe_lib
from mmjax.data import TrainData, inputs
from mmjax.data.sources import MemorySource
from mmjax.errors import ConfigError
from mmjax.model.outputs import Output, by_output, of_model
from mmjax.objectives import TERMS, Term
from mmjax.objectives.base import rows_of
from mmjax.parallel import mesh as mesh_lib
from mmjax.preflight import dry_run
from mmjax.schema.annotations import ViewRef
from mmjax.schema.names import presence
from mmjax.train import checks, trainer
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib
from mmjax.train.runs import open_run

MLP = {"type": "mlp", "inputs": 32, "hidden": (16,), "width": 8}
VECTOR = {"type": "vector", "dim": 32}
MESH = ("mesh.data=2", "mesh.fsdp=4", "mesh.fsdp_min_size=64")
# The tower `c` sees what `a` sees; `b@far` is the field `a` through the tower `b`; `w` is a target.
VIEWS = {
    "a": {**VECTOR, "noise": 0.5},
    "b": VECTOR,
    "b@far": {**VECTOR, "field": "a"},
    "w": {"type": "array", "shape": (32,), "field": "b", "tower": False},
}
OBJECTIVES = {
    "ab": {"type": "info_nce", "pairs": (("a", "b"), ("c", "b@far"))},
    "target": {"type": "target_distance", "view": "c", "target": "w"},
}
TOWERS = {"a": {"encoder": MLP}, "b": {"encoder": MLP}, "c": {"encoder": MLP, "reads": "a"}}
WIRED = (
    f"model.towers={TOWERS!r}",
    f"data.views={VIEWS!r}",
    f"objectives={OBJECTIVES!r}",
    "teacher={'type': 'ema', 'views': ('c', 'b@far')}",
    "queue={'size': 128, 'views': ('c',)}",
)


class TargetDistance(Term):
    """Distance of an embedding to a target of the batch, and of the teacher's to it."""

    def __init__(self, *, view: ViewRef, target: str):
        self.view, self.target = view, target

    def __call__(self, outputs, batch, context):
        rows = rows_of(self.name, (self.view,), outputs, batch, fields=(self.target,))
        target = batch[self.target][:, : rows.unit[0].shape[1]]
        taught = context.teacher[self.view].unit
        loss = rows.mean(((rows.unit[0] - target) ** 2).sum(1) + (rows.unit[0] * taught).sum(1))
        return loss, {"rows": rows.count}


@pytest.fixture(autouse=True)
def target_distance():
    with TERMS.registered("target_distance", TargetDistance):
        yield


@pytest.fixture
def wired(tiny):
    return lambda *overrides: tiny(*WIRED, *overrides)


def batch_of(size=64):
    rng = np.random.default_rng(0)
    batch = {name: rng.normal(size=(size, 32)).astype(np.float32) for name in ("a", "b", "b@far")}
    present = {f"{name}_present": np.arange(size) % 7 != k for k, name in enumerate("ab", 3)}
    return {**batch, "w": batch["b"] / 6, "id": np.arange(size, dtype=np.int32), **present}


def steps(config, mesh, count=2):
    plan = state_lib.plan(config, mesh)
    checks.check_model(config, plan, mesh)
    state, step = state_lib.initial(config, plan), step_lib.make(config, plan, mesh)
    for _ in range(count):
        state, metrics = step(state, mesh_lib.to_device(batch_of(), mesh))
    return jax.device_get((state, metrics))


def test_the_table_says_what_every_name_is(wired):
    config = wired()
    assert config.outputs == {
        "a": Output("a", "a", "a"),
        "c": Output("c", "a", "a"),
        "b": Output("b", "b", "b"),
        "b@far": Output("b", "b@far", "a"),
        "w": Output(None, "w", "b"),
    }
    batch = batch_of()
    seen = of_model(config.outputs, batch)
    assert seen["c"] is seen["a"] is batch["a"]
    for name, field in {"a": "a", "c": "a", "b@far": "a", "b": "b", "w": "b"}.items():
        assert presence(seen, name) is batch[f"{field}_present"]


def test_a_record_that_lacks_a_field_lacks_what_reads_it(wired):
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=32) for _ in range(16)]
    source = MemorySource(data={"a": rows, "b": [None if i % 4 else r for i, r in enumerate(rows)]})
    views = inputs.views(wired().data)
    batch = TrainData(source, views, batch_size=8, seed=0, on_error="fail")[0]
    assert "a_present" not in batch
    seen = of_model(wired().outputs, batch)
    np.testing.assert_array_equal(seen["w_present"], seen["id"] % 4 == 0)
    assert not seen["w"][~seen["w_present"]].any()
    np.testing.assert_allclose(seen["b@far"], np.stack([rows[i] for i in seen["id"]]), rtol=1e-6)
    assert by_output(wired().outputs, views)["c"] is views["a"]


@pytest.mark.parametrize(
    "overrides",
    long_but(
        lambda own: len(own) > 1, [("microbatches=4",), (*MESH, "microbatches=2")], several=False
    ),
)
def test_meshes_and_slices_change_nothing(wired, overrides):
    want, wanted = steps(wired(), mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1]))
    config = wired(*overrides)
    mesh = mesh_lib.make_mesh(*(2, 4, 1) if len(overrides) > 1 else (8, 1, 1))
    found, metrics = steps(config, mesh)
    assert metrics["target/rows"] == wanted["target/rows"] < 64
    for name in ("loss", "gradient_norm", "gradient_norm/c"):
        np.testing.assert_allclose(metrics[name], wanted[name], rtol=1e-5)
        assert wanted[name] > 0
    for path, value in want.params.items():
        np.testing.assert_allclose(found.params[path], value, atol=2e-5, err_msg=path)
    np.testing.assert_array_equal(found.queue["valid/c"], want.queue["valid/c"])
    assert want.queue["valid/c"].sum() == 2 * batch_of()["a_present"].sum()


@pytest.mark.long
def test_a_run_is_resumed_measured_and_exported(wired, saved, identical, tmp_path):
    source = {"like": "data.source", "split": "test", "examples": 64}
    measured = {"retrieval": {"far": {"source": source, "pairs": (("c", "b@far"),)}}}
    overrides = ("steps=20", "checkpoints.every=10", f"evaluators={measured!r}")
    config = wired(*overrides)
    summary = trainer.train(config, tmp_path / "whole", quiet=True)
    assert summary["retrieval/far/c_to_b@far/queries"] == 64
    _only(tmp_path / "whole" / "checkpoints", "10", tmp_path / "rest" / "checkpoints")
    kept = (tmp_path / "whole" / "config.json").read_bytes()
    (tmp_path / "rest" / "config.json").write_bytes(kept)
    made, make = [], step_lib.make

    def counted(*args):
        step = make(*args)
        return lambda state, batch: made.append(int(state.step)) or step(state, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_lib, "make", counted)
        trainer.train(config, tmp_path / "rest", quiet=True)
    assert made == list(range(10, 20))
    of_both = [saved(config, tmp_path / name) for name in ("rest", "whole")]
    assert identical(*of_both) == []
    model = mmjax.load(tmp_path / "whole")
    x = np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32)
    run = open_run(tmp_path / "whole").model
    np.testing.assert_allclose(model.encode(c=list(x)), run.embed("c", x), atol=1e-6)
    assert np.abs(model.encode(c=list(x)) - model.encode(a=list(x))).max() > 0.01


def _only(checkpoints, step, to):
    to.mkdir(parents=True)
    for path in checkpoints.iterdir():
        if path.name == step or not path.name.isdecimal():
            path.rename(to / path.name)


@pytest.mark.long
def test_a_tower_without_a_view_in_training_is_a_constant_that_evaluation_uses(tiny, tmp_path):
    source = {"like": "data.source", "split": "test", "examples": 64}
    stages = (
        {"name": "first", "steps": 4},
        {
            "name": "second",
            "steps": 4,
            "data": {"views": {"a": {"train": False}}},
            "objectives": {
                **dict.fromkeys(("clip", "alignment", "cross_uniformity")),
                "uniformity": {"modalities": ("b",)},
            },
        },
    )
    measured = {"retrieval": {"test": {"source": source, "pairs": (("a", "b"),)}}}
    config = tiny(
        f"stages={stages!r}", f"evaluators={measured!r}", "checkpoints.every=4",
        "checkpoints.keep_last=9",
    )  # fmt: skip
    summary = trainer.train(config, tmp_path, quiet=True)
    assert 0 < summary["retrieval/test/a_to_b/R@10"] <= 1
    first, second = (open_run(tmp_path, str(step)) for step in (4, 8))
    assert not any(path.startswith("towers/a/") for path in second.plan.trained)
    for path, value in first.arrays.items():
        moved = np.abs(np.asarray(second.arrays[path]) - np.asarray(value)).max() > 0
        if path.startswith("towers/") and path.endswith("kernel"):
            assert moved == path.startswith("towers/b/"), path
    x = np.ones((2, 32), np.float32)
    assert mmjax.load(tmp_path).encode(a=list(x)).shape == (2, 64)
    report = dry_run.preflight(recipe_lib.each(config)[1][1])
    assert set(report.batch) == {"b", "id", "b_present"}


def test_preflight_reads_the_same_batch(wired):
    report = dry_run.preflight(wired(*MESH))
    assert set(report.batch) == {"a", "b", "b@far", "w", "id", "a_present", "b_present"}
    assert report.batch["w"].shape == (64, 32)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.towers.c.reads=d", "'model.towers.c.reads'"),
        ("model.towers.c.reads=None", "'model.towers.c' gets no data"),
        ("data.views.a.field=x", "needs the field 'x'"),
        ("data.views.b@box={'type':'array','shape':(4,),'tower':False}", "call it otherwise"),
        ("data.views.d={'type':'vector','dim':32,'field':'a'}", "'data.views.d' has no tower"),
        ("objectives.ab.pairs=(('a','b@fer'),)", "'b@fer'.*did you mean 'b@far'"),
        ("objectives.ab.pairs=(('a','w'),)", "'w'"),
        ("data.views.a.train=False", "objectives.ab.pairs"),
        ("data.views.a.tower=1", "'data.views.a.tower' should be"),
        ("data.views.w.shape=(0,)", "at least 1"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_built(wired, override, said):
    def opened():
        return inputs.train_data(wired(override).data, None, mesh_lib.make_mesh(), seed=0)

    with pytest.raises(ConfigError, match=said):
        opened()
