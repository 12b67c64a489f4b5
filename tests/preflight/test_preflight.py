"""What `--dry_run` says of a recipe, against what the recipe is known to need."""

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from absl import flags
from absl.testing import flagsaver
from third_party import needs

from mmjax import main
from mmjax import recipe as recipe_lib
from mmjax.encoders import ENCODERS
from mmjax.errors import ConfigError
from mmjax.parallel import mesh as mesh_lib
from mmjax.preflight import dry_run as preflight
from mmjax.preflight import report as preflight_report
from mmjax.preflight import topology
from mmjax.preflight.model_flops import model_flops
from mmjax.preflight.sizing import GIB, DoesNotFit
from mmjax.train import state as state_lib

# Two MLPs 32 -> 256 -> 256 -> 64, without biases: multiplications of one example and modality.
PRODUCTS = 32 * 256 + 256 * 256 + 256 * 64
BATCH, DIM = 64, 64


@pytest.fixture(scope="module")
def report(tiny):
    # InfoNCE alone.
    without = [f"objectives.{t}=None" for t in ("uniformity", "alignment", "cross_uniformity")]
    config = tiny("mesh.data=2", "mesh.fsdp=4", "mesh.fsdp_min_size=1", *without)
    return preflight.preflight(config, memory_gb=0.01)


def test_flops_are_those_of_the_formulas(report):
    # The first layer's input needs no gradient; every other product has two in the backward pass.
    towers = 2 * 2 * BATCH * (3 * PRODUCTS - 32 * 256)
    # One score matrix and its two gradients.
    loss = 3 * 2 * BATCH * BATCH * DIM
    assert report.flops == pytest.approx(towers + loss, rel=0.01)
    assert report.loss_flops == pytest.approx(loss, rel=0.2)


def test_what_does_the_same_again_is_no_model_flop(tiny):
    mesh = mesh_lib.make_mesh()
    once = model_flops(tiny(), mesh)
    assert model_flops(tiny("microbatches=4"), mesh) == once
    assert model_flops(tiny("pairwise.schedule=ring"), mesh) == once


def test_the_state_is_split_over_fsdp(report):
    parameters = sum(
        math.prod(layout.shape) for layout in report.layouts if "objectives" not in layout.path
    )
    assert parameters >= 2 * PRODUCTS
    # f32 over 4 devices; Adam has two moments of each and a counter.
    assert report.state_bytes["params"] == pytest.approx(4 * parameters / 4, rel=0.02)
    assert report.state_bytes["optimizer"] == pytest.approx(2 * 4 * parameters / 4, rel=0.02)
    kernels = [layout for layout in report.layouts if len(layout.shape) == 2]
    assert kernels
    assert all("fsdp" in layout.split for layout in kernels)


def test_state_and_temporaries_that_exceed_the_chip_do_not_fit(tiny, monkeypatch):
    # The compiler says nothing of the two together.
    held = preflight.preflight(tiny()).memory.total
    for memory, fits in ((held, True), (held - 1, False)):
        chip = topology.Chip("cpu", 1e12, memory, 1e9, links=2, interconnect=1e9)
        monkeypatch.setattr(topology, "CHIPS", {"here": chip})
        report = preflight.preflight(tiny())
        assert isinstance(report.memory, DoesNotFit) != fits
        assert report.roofline is not None
    assert report.memory.needed == held
    assert "microbatches=2" in "\n".join(preflight_report.lines(report))


def test_memory_and_collectives_are_the_compilers(report):
    held = sum(report.state_bytes.values())
    rows = BATCH // 8
    assert held < report.memory.arguments < held + 4 * (2 * rows * 32 + rows) + 4096
    # Split parameters are collected, and their gradients summed.
    kinds = report.cost.by_kind()
    assert "all-gather" in kinds
    assert {"all-reduce", "reduce-scatter"} & set(kinds)
    assert report.cost.unknown_loops == ()
    assert report.cost.flops * 8 == pytest.approx(report.flops, rel=0.2)


def test_the_largest_batch_fits_and_is_larger_than_the_first(report):
    batch, size = report.largest
    assert size <= report.limit == 0.01 * GIB
    assert batch > BATCH // 8


def test_no_chip_no_roofline(report):
    assert report.roofline is None


def test_the_report_in_words(report):
    text = "\n".join(preflight_report.lines(report))
    for part in (
        "clip_uniform:latent",
        "8 x cpu",
        "data 2 x fsdp 4 x tensor 1",
        "towers in float32",
        "64: 8 on each of 8 parts",
        "towers/a/encoder",
        "'fsdp'",
        "optimizer",
        "temporaries",
        "GFLOP an example",
        "all-gather",
        "batch that fits 10.24 MiB",
    ):
        assert part in text


def without_remat(model):
    a = model.towers["a"]
    a = dataclasses.replace(
        a,
        encoder=ENCODERS.spec(
            "vit", image_size=(8, 8), patch=4, remat="none", width=8, depth=1, heads=1
        ),
    )
    return dataclasses.replace(model, towers={**model.towers, "a": a})


def test_what_does_not_fit_comes_with_advice(report, tiny):
    full = DoesNotFit(int(31.6 * GIB), int(15.75 * GIB), "")
    recipe = dataclasses.replace(report.recipe, model=without_remat(report.recipe.model))
    answer = dataclasses.replace(
        report, recipe=recipe, memory=full, cost=None, roofline=None, limit=GIB, largest=None
    )
    text = "\n".join(preflight_report.lines(answer))
    assert "needs 31.6 of 15.8 GiB: try --config.model.towers.a.encoder.remat=full" in text
    assert "--config.microbatches=2" in text
    assert "not even the smallest batch" in text


def test_layouts_are_those_that_training_uses(tiny):
    mesh = mesh_lib.make_mesh(data=2, fsdp=4)
    plan = state_lib.plan(tiny("mesh.fsdp_min_size=1"), mesh)
    layouts = {layout.path: layout for layout in preflight.layouts(plan)}
    state = state_lib.initial(tiny("mesh.fsdp_min_size=1"), plan)
    assert layouts.keys() == {*state.params, *state.constants}
    for path, array in state.params.items():
        here = array.addressable_shards[0].data
        assert layouts[path].bytes == here.nbytes
        assert layouts[path].shape == array.shape


def test_a_batch_that_does_not_fit_the_mesh_is_refused(tiny):
    with pytest.raises(ConfigError, match=r"data\.batch_size=60 does not divide over the 8"):
        preflight.preflight(tiny("data.batch_size=60"))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["clip", "siglip"])
def test_the_command_reads_no_data(recipe, tmp_path):
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "mmjax.main",
            f"--config=configs/{recipe}.py:paper",
            "--dry_run",
            "--config.data.batch_size=64",
            "--config.data.source.path=/nowhere/*.tar",
            "--config.model.towers.image.encoder.depth=1",
            "--config.model.towers.text.encoder.depth=1",
        ],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "towers/image/encoder/transformer/blocks" in ran.stdout
    assert "memory" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"topology": "v5e:2x2"}, "--topology needs --dry_run"),
        ({"memory_gb": 4.0}, "--memory_gb needs --dry_run"),
        ({"dry_run": True, "topology": "v9:2x2"}, "give a chip (v5e, v5p, v6e, tpu7x)"),
    ],
)
def test_questions_that_make_no_sense_are_one_sentence(arguments, sentence):
    flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver(**arguments), pytest.raises(ConfigError) as raised:
        main.main("configs/clip_uniform.py:latent", [])
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


RECIPES = sorted(
    file.stem
    for file in (Path(__file__).parents[2] / "configs").glob("*.py")
    if file.stem != "__init__"
)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_paper_variant_can_be_asked_about(recipe, monkeypatch):
    try:
        config = recipe_lib.load(f"configs/{recipe}.py:paper", [])
    except recipe_lib.NoVariant:
        pytest.skip("has no variant of a paper's scale")
    # All but the compiler's part, which takes minutes.
    monkeypatch.setattr(preflight, "lower", lambda *_: None)
    monkeypatch.setattr(preflight, "compile_or_size", lambda _: DoesNotFit(None, None, "as told"))
    report = preflight.preflight(config)
    if config.steps:
        assert 0 < report.loss_flops < report.flops
    assert "as told" in "\n".join(preflight_report.lines(report))


def test_a_published_model_takes_the_flops_that_are_published():
    # open_clip's table: 14.78 GFLOP for the forward pass of ViT-B/32 and its text tower.
    config = recipe_lib.load("configs/clip.py:paper", [])
    total, of_loss = model_flops(config, mesh_lib.make_mesh())
    assert (total - of_loss) / config.data.batch_size == pytest.approx(3 * 14.78e9, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("slice_", ["v5e:2x2", "v5p:2x2x1", "v6e:2x2", "tpu7x:2x2x1"])
def test_a_slice_that_is_not_here(tiny, slice_):
    needs("libtpu")
    report = preflight.preflight(tiny(), topology_name=slice_)
    assert report.dtype == jax.numpy.bfloat16
    chip = topology.CHIPS[slice_.partition(":")[0]]
    assert report.mesh.size == 4 * chip.devices
    assert report.memory.total < chip.per_device().memory
    assert report.roofline.floor > 0
    assert "roofline" in "\n".join(preflight_report.lines(report))
