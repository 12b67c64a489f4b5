"""Galleries: what they hold, and that meshes, slices, stages and interruptions change nothing."""

import jax
import numpy as np
import pytest
from tiers import long_but

import mmjax
from mmjax.data import inputs
from mmjax.data.galleries import GalleryConfig, ids_of, inputs_of
from mmjax.data.views import LabelView, VectorView
from mmjax.errors import ConfigError
from mmjax.parallel import mesh as mesh_lib
from mmjax.preflight import dry_run
from mmjax.schema.sections import parse
from mmjax.train import checks, trainer
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib

ENTRIES = 60  # no multiple of the devices
GALLERY = {"source": {"like": "data.source", "examples": ENTRIES}, "view": "b", "size": ENTRIES}
# The tower `b` sees no row of the batch, and the teacher none but through the gallery.
WIRED = (
    "data.source.examples=128",
    "data.views={'a': {'type': 'vector', 'dim': 32}, "
    "'b': {'type': 'vector', 'dim': 32, 'train': False}}",
    f"data.galleries={ {'pool': GALLERY}!r}",
    "model.towers.b.encoder.hidden=(16,)",
    "objectives={'pool': {'type': 'gallery_nce', 'query': 'a', 'gallery': 'pool', 'label': 'id', "
    "'temperature': 0.1, 'learn_temperature': True}, 'tie': {'type': 'alignment', "
    "'to': 'teacher', 'pairs': (), 'galleries': ('pool',)}}",
    "teacher={'type': 'ema', 'views': ('a',), 'galleries': ('pool',)}",
)


@pytest.fixture
def wired(tiny):
    return lambda *overrides: tiny(*WIRED, *overrides)


def steps(config, mesh, count=2):
    plan = state_lib.plan(config, mesh)
    checks.check_model(config, plan, mesh)
    state, step = state_lib.initial(config, plan), step_lib.make(config, plan, mesh)
    data = inputs.train_data(config.data, None, mesh, seed=0)
    galleries = inputs.galleries(config.data, mesh)
    for k in range(count):
        state, metrics = step(state, {**mesh_lib.to_device(data[k], mesh), **galleries})
    return jax.device_get((state, metrics))


@pytest.mark.parametrize(
    "overrides",
    long_but(
        lambda own: len(own) > 1,
        [("microbatches=4",), ("mesh.data=2", "mesh.fsdp=4", "microbatches=2")],
        several=False,
    ),
)
def test_meshes_and_slices_change_nothing(wired, overrides):
    want, wanted = steps(wired(), mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1]))
    config = wired(*overrides)
    mesh = mesh_lib.make_mesh(*((2, 4, 1) if len(overrides) > 1 else (8, 1, 1)))
    found, metrics = steps(config, mesh)
    assert 0.2 < wanted["pool/outside"] < 0.8
    for name in ("loss", "tie/loss", "gradient_norm/a", "gradient_norm/b"):
        np.testing.assert_allclose(metrics[name], wanted[name], rtol=1e-4)
        assert wanted[name] > 0
    for path, value in {**want.params, **want.teacher}.items():
        own = {**found.params, **found.teacher}[path]
        np.testing.assert_allclose(own, value, atol=2e-5, err_msg=path)
    assert any(path.startswith("towers/b/") for path in want.teacher)


@pytest.mark.long
def test_an_interrupted_run_goes_on_in_a_stage_with_another_gallery(
    wired, saved, identical, resumed_at, tmp_path
):
    later = {"pool": {"source": {"examples": 40}, "size": 40}}
    stages = (
        {"name": "first", "steps": 4},
        {"name": "second", "steps": 6, "data": {"galleries": later}},
    )
    config = wired(f"stages={stages!r}", "checkpoints.every=2", "checkpoints.keep_last=9")
    resumed_at(config, tmp_path, 6)
    second = trainer.stages_lib.of(config)[1].recipe
    of_both = [saved(second, tmp_path / name) for name in ("rest", "whole")]
    assert identical(*of_both) == []
    assert not any("gallery" in path for path in of_both[0])
    assert mmjax.load(tmp_path / "whole").encode(b=[np.ones(32, np.float32)]).shape == (1, 64)


def test_preflight_knows_galleries_without_reading_them(wired):
    config = wired("data.source.examples=None", "mesh.data=8")
    shapes = inputs.gallery_shapes(config.data)
    assert shapes[inputs_of("pool")].shape == (ENTRIES, 32)
    assert shapes[ids_of("pool")].dtype == np.int32
    report = dry_run.preflight(config)
    assert report.loss_flops < report.flops


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.galleries.pool.view=c", "'data.galleries.pool.view' is 'c', which 'data.views'"),
        ("data.galleries.pool.by=c", "'data.galleries.pool.by' is 'c'"),
        ("data.galleries.pool.size=0", "'data.galleries.pool.size' should be at least 1"),
        ("data.galleries.pool.size=61", "has 60 records: set it to 60"),
        ("data.galleries.pool.template={a}", "exactly one {}"),
        ("data.galleries.pool.source.type=emoji", "data.galleries.pool"),
        ("data.galleries.pool.vie=b", "did you mean 'view'"),
        ("data.galleries.a=" + repr(GALLERY), "has the name of a view"),
        ("objectives.pool.gallery=poll", "did you mean 'pool'"),
        ("teacher.galleries=('poll',)", "unknown gallery 'poll' of 'teacher.galleries"),
        ("teacher.galleries=()", "add it to 'teacher.galleries'"),
    ],
)
def test_what_does_not_fit_is_said(wired, override, said):
    def opened():
        config = wired(override)
        mesh = mesh_lib.make_mesh()
        checks.check_model(config, state_lib.plan(config, mesh), mesh)
        return inputs.galleries(config.data, mesh)

    with pytest.raises(ValueError, match=said):
        opened()


class Letters(VectorView):
    """The number of letters of a text."""

    reads_text = True

    def __call__(self, value, rng, train):
        return super().__call__(np.array([float(len(value))]), rng, train)


@pytest.fixture
def read():
    views = {"x": Letters(dim=1), "kind": LabelView()}
    for name, view in views.items():
        view.name = name

    def values_and_ids(texts, kinds, **options):
        source = {"type": "memory", "data": {"x": texts}, "labels": {"kind": kinds}}
        spec = {"source": source, "view": "x", **options}
        values, ids, _ = parse(GalleryConfig, spec, "here", "test").read(views, "here")
        return values[:, 0].tolist(), ids.tolist()

    return values_and_ids


def test_one_entry_for_each_value_of_a_label(read):
    """In the order of the values; a list gives its first; rows without label or value are none."""
    rows = (["cat", None, ["hound", "dog"], "ox", "mouse"], [5, 1, 1, None, 5])
    assert read(*rows, by="kind", size=2) == ([5.0, 3.0], [1, 5])
    with pytest.raises(ConfigError, match=r"'here\.size' is 3, but its source has 2 values of"):
        read(*rows, by="kind", size=3)
    with pytest.raises(ValueError, match="memory row 1: x: the record lacks it"):
        read(*rows, size=5)


def test_entries_have_the_weights_that_their_records_say():
    view = Letters(dim=1)
    view.name = "x"

    def weights(counts, **options):
        source = {"type": "memory", "data": {"x": ["cat", "ox", "dog"]}, "labels": {"n": counts}}
        spec = {"source": source, "view": "x", "size": 3, **options}
        return parse(GalleryConfig, spec, "here", "test").read({"x": view}, "here")[2]

    np.testing.assert_array_equal(weights([3, 0, 7], weight="n"), np.float32([3, 0, 7]))
    assert weights([3, 0, 7]) is None
    for count in (-1, "many", None):
        with pytest.raises(ConfigError, match=r"here\.weight.*should be a number at least 0"):
            weights([3, count, 7], weight="n")


def test_texts_are_said_in_a_template(read):
    found = read(["cat", ["hound", "dog"]], [0, 0], size=2, template="a {}")
    assert found == ([5.0, 7.0], [0, 1])
