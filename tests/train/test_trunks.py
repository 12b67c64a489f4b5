"""Trunks in runs: gradients, meshes, teachers, adapters, idle skills, resumption, exports."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import mmjax
from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError
from mmjax.export import formats
from mmjax.model.config import InitFrom
from mmjax.model.outputs import of_model
from mmjax.parallel import mesh as mesh_lib
from mmjax.preflight import dry_run
from mmjax.recipe.own import weights
from mmjax.system.system import System
from mmjax.train import checks, trainer
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib
from mmjax.weights.start import Pretrained

VECTOR = {"type": "vector", "dim": 32}
MESH = ("mesh.data=2", "mesh.fsdp=4", "mesh.fsdp_min_size=64")
STEM = {"type": "mlp", "inputs": 32, "hidden": (16,), "width": 8}
ENCODER = {"type": "trunk_tokens", "stem": STEM, "trunk": "shared", "width": 16, "length": 3,
           "prefix": 3}  # fmt: skip
TRUNK = {"width": 16, "depth": 2, "heads": 2, "mlp_width": 32, "skills": ("a", "b", "c", "all")}
HEAD = {"type": "linear", "dim": 16}
TOWERS = {m: {"encoder": {**ENCODER, "skills": (m, "all")}, "head": HEAD} for m in "abc"}
VIEWS = {m: {"dim": 32} for m in "abc"}
WIRED = (
    f"model.towers={TOWERS!r}",
    f"model.trunks={ {'shared': TRUNK}!r}",
    f"data.views={dict.fromkeys('abc', VECTOR)!r}",
    f"data.source={ {'type': 'latent_views', 'latent': 8, 'examples': 256, 'views': VIEWS}!r}",
    "objectives={'ab': {'type': 'info_nce', 'pairs': (('a', 'b'),)}, "
    "'ac': {'type': 'info_nce', 'pairs': (('a', 'c'),)}}",
    "steps=6",
)
SKILL = re.compile(r"trunks/shared/transformer/blocks/mlps/(\w+)/.*")


@pytest.fixture
def wired(tiny):
    return lambda *overrides: tiny(*WIRED, *overrides)


def batch_of(size=32, *, lacks=()):
    rng = np.random.default_rng(0)
    batch = {m: rng.normal(size=(size, 32)).astype(np.float32) for m in "abc"}
    there = {f"{m}_present": np.zeros(size, bool) for m in lacks}
    return {**batch, "id": np.arange(size, dtype=np.int32), **there}


def steps(config, mesh, count=2, **batch):
    plan = state_lib.plan(config, mesh)
    state, step = state_lib.initial(config, plan), step_lib.make(config, plan, mesh)
    before = jax.device_get(state)
    for _ in range(count):
        state, metrics = step(state, mesh_lib.to_device(batch_of(**batch), mesh))
    return before, *jax.device_get((state, metrics))


def one_device():
    return mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1])


def test_the_gradient_of_a_trunk_is_the_sum_of_those_of_its_towers(wired):
    config = wired()
    batch = of_model(config.outputs, batch_of(), config.fused)
    rngs = nnx.Rngs(0)
    system = System(config.model, config.objectives, dtype=jnp.float32, rngs=rngs)
    graphdef, state = nnx.split(system)

    @jax.jit
    def gradients(state, batch):
        def loss(state, only):
            outputs = nnx.merge(graphdef, state).embed(batch)
            return sum((outputs[m].raw * jnp.arange(16)).sum() for m in only)

        return [jax.grad(loss)(state, only) for only in ("abc", "a", "b", "c")]

    found, *each = (dict(nnx.to_flat_state(g)) for g in gradients(state, batch))
    shared = [path for path in found if path[0] == "trunks"]
    assert len(shared) == 8 + 4 * 4 + 4 + 2
    for path in shared:
        own = [g[path][...] for g in each]
        np.testing.assert_allclose(found[path][...], sum(own), rtol=1e-4, atol=1e-4)
        if (skill := SKILL.fullmatch("/".join(map(str, path)))) is not None:
            assert [bool(g.any()) for g in own] == [skill[1] in (m, "all") for m in "abc"]


@pytest.mark.long
@pytest.mark.parametrize("overrides", [("microbatches=4",), (*MESH, "microbatches=2")])
def test_meshes_and_slices_change_nothing(wired, overrides):
    teacher = "teacher={'type': 'ema', 'views': ('a',), 'momentum': 0.9}"
    _, want, wanted = steps(wired(teacher), one_device())
    mesh = mesh_lib.make_mesh(*(2, 4, 1) if len(overrides) > 1 else (8, 1, 1))
    _, found, metrics = steps(wired(teacher, *overrides), mesh)
    for name in ("loss", *(f"gradient_norm/{n}" for n in ("a", "b", "c", "shared"))):
        np.testing.assert_allclose(metrics[name], wanted[name], rtol=1e-4, err_msg=name)
        assert 0 < wanted[name] < np.inf
    copied = {path for path in want.teacher if path.startswith("trunks/shared/")}
    assert copied == {path for path in want.params if path.startswith("trunks/")}
    for path, value in {**want.params, **want.teacher}.items():
        own = {**found.params, **found.teacher}[path]
        np.testing.assert_allclose(own, value, atol=3e-5, err_msg=path)


@pytest.mark.long
@pytest.mark.parametrize("keep", [True, False])
def test_skills_that_no_row_needs_stay_as_they_are(wired, keep):
    config = wired(f"optimizer.keep_idle={keep}", "optimizer.weight_decay=0.1")
    before, after, _ = steps(config, one_device(), lacks=("c",))
    idle = ("towers/c/", "trunks/shared/transformer/blocks/mlps/c/", "objectives/terms/ac/")
    kernels = 0
    for path, x in before.params.items():
        same = x.tobytes() == after.params[path].tobytes()
        if path.startswith(idle):
            if path.endswith("kernel"):
                kernels += 1
                assert same == keep, path
            assert same or not keep, path
        elif not path.endswith("key/bias"):
            assert not same, path
    assert kernels == 6


def test_a_trunk_of_towers_that_nothing_trains_is_a_constant(wired):
    views = {m: {**VECTOR, "train": m == "a"} for m in "ab"}
    aside = {m: {"encoder": {"type": "mlp", "inputs": 32, "width": 8}, "head": HEAD} for m in "ac"}
    towers = {**aside, "b": TOWERS["b"]}
    config = wired(
        f"model.towers={towers!r}", f"data.views={ {**views, 'c': VECTOR}!r}", "objectives.ab=None"
    )
    plan = state_lib.plan(config, one_device())
    assert {path.split("/")[0] for path in plan.trained} == {"towers", "objectives"}
    # As soon as one of them trains, so does the trunk, unless it is frozen.
    frozen = wired("optimizer.freeze=('trunks/shared/.*/mlps/b/.*',)")
    trained = state_lib.plan(frozen, one_device()).trained
    skills = {found[1] for path in trained if (found := SKILL.fullmatch(path))}
    assert skills == {"a", "c", "all"}


def test_updates_of_low_rank_lie_in_the_trunk(wired):
    update = {"type": "lora", "modules": ("trunks/shared/.*/mlps/a/up",), "rank": 2}
    config = wired(f"model.adapters={ {'update': update}!r}",
                   "optimizer.freeze=('towers/.*','trunks/.*')")  # fmt: skip
    plan = state_lib.plan(config, one_device())
    before = "trunks/shared/transformer/blocks/mlps/a/up/"
    own = {path for path in plan.trained if not path.startswith("objectives/")}
    assert own == {f"{before}lora_a", f"{before}lora_b"}
    with pytest.raises(ConfigError, match="no linear layer matches"):
        state_lib.plan(wired(f"model.adapters.update={ {**update, 'modules': ('trunk/.*',)}!r}"),
                       one_device())  # fmt: skip


@pytest.mark.long
def test_an_interrupted_run_of_stages_goes_on_and_is_exported(
    wired, saved, identical, resumed_at, tmp_path
):
    stages = (
        {"name": "first", "steps": 4},
        {"name": "second", "steps": 6, "optimizer": {"freeze": ("trunks/.*/attention/.*",)}},
    )
    config = wired(f"stages={stages!r}", "checkpoints.every=2", "checkpoints.keep_last=9")
    resumed_at(config, tmp_path, 6)
    second = trainer.stages_lib.of(config)[1].recipe
    arrays = [saved(second, tmp_path / name) for name in ("rest", "whole")]
    assert identical(*arrays) == []

    model = mmjax.load(tmp_path / "whole")
    x = np.random.default_rng(0).normal(size=(5, 32)).astype(np.float32)
    found = model.encode(b=list(x))
    for kind in ("safetensors", "stablehlo"):
        folder = tmp_path / kind
        folder.mkdir()
        assert formats.FORMATS[kind](model, folder, [])["passed"]
    again = mmjax.load(tmp_path / "safetensors")
    np.testing.assert_allclose(again.encode(b=list(x)), found, atol=1e-6)


def test_a_tower_from_another_run_comes_with_its_trunk(wired, tmp_path):
    theirs = wired("seed=5")
    plan = state_lib.plan(theirs, one_device())
    arrays = state_lib.initial(theirs, plan).params
    config, folder = wired(), str(tmp_path)
    own = state_lib.initial(config, state_lib.plan(config, one_device())).params
    towers = dict(config.model.towers)
    towers["b"] = dataclasses.replace(towers["b"], init_from=InitFrom(folder, head=True))
    model = dataclasses.replace(config.model, towers=towers)

    def opened(given):
        host = {path: np.asarray(array) for path, array in given.items()}
        return lambda path: weights(theirs, path, arrays=host)

    start = Pretrained(model, {}, own, open=opened(arrays))
    taken = start.into(own)
    for path, array in taken.items():
        same = np.array_equal(array, arrays[path])
        if path.startswith(("towers/b/", "trunks/shared/")):
            assert same, path
        elif path.endswith("kernel"):
            assert not same, path
    assert f"trunks/shared: as in {folder}" in start.lines
    few = {path: array for path, array in arrays.items() if "/mlps/c/" not in path}
    with pytest.raises(ConfigError, match=r"^model\.trunks\.shared: .* has no .*/mlps/c/"):
        Pretrained(model, {}, own, open=opened(few))


@pytest.mark.long
def test_preflight_counts_trunks(wired):
    report = dry_run.preflight(wired(*MESH))
    assert any(each.path.startswith("trunks/shared/") for each in report.layouts)
    more = dry_run.preflight(wired(*MESH, "model.trunks.shared.depth=3"))
    assert more.flops > report.flops
    assert more.loss_flops == report.loss_flops


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.towers.b.encoder.trunk=shred", "unknown trunk 'shred' .*did you mean 'shared'"),
        ("model.towers.b.encoder.width=8", "'model.trunks.shared.width' is 16: make them equal"),
        ("model.towers.b.encoder.skills=('d',)", "skills=.* the skills 'a', .*'all': name some"),
        ("model.towers.b.encoder.skills=()", "name some of these"),
        ("model.trunks.shared.skills=()", "has the skills none: name none"),
        ("model.trunks.shared.causal=True", "'cls', the first place, which sees nothing"),
        ("model.trunks.shared.heads=3", "'model.trunks.shared': heads=3 does not divide"),
        ("model.trunks.other={'width': 16, 'heads': 2}", "trunks.other' is named by no tower"),
        ("model.trunks.a={'width': 16}", "'model.trunks.a' has the name of a tower"),
        ("model.trunks.shared.depht=2", "did you mean 'depth'"),
        ("model.towers.b.encoder.stem.inputs=31", "'data.views.b' makes .* does not take"),
        ("model.towers.b.encoder.length=2", "gives 3 tokens, but length=2"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_computed(wired, override, said):
    def opened():
        config = wired(override)
        checks.check_model(config, state_lib.plan(config, one_device()), one_device())

    with pytest.raises(ConfigError, match=said) as caught:
        opened()
    assert "\n" not in str(caught.value)


def test_a_stage_may_change_a_trunk_and_overrides_name_its_keys(wired):
    stages = ({"name": "first", "steps": 2, "model": {"trunks": {"shared": {"dropout": 0.1}}}},
              {"name": "second", "steps": 2})  # fmt: skip
    first, second = (each for _, each in recipe_lib.each(wired(f"stages={stages!r}")))
    rates = [each.model.trunks["shared"].dropout for each in (first, second)]
    assert rates == [0.1, 0.0]
    assert wired("model.trunks.shared.depth=1").model.trunks["shared"].depth == 1
