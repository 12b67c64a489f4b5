"""K microbatches give the gradient of one, in less memory; terms have a test of their own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError
from mmjax.model.config import ModelConfig
from mmjax.model.definition import Definition
from mmjax.objectives import Context, configs
from mmjax.parallel import layout, microbatch
from mmjax.parallel import mesh as mesh_lib
from mmjax.parallel.pairwise import Plan
from mmjax.system.system import System
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib

SIZE = 32
VECTOR = {"type": "mlp", "inputs": 6, "hidden": (64, 64), "width": 16, "dropout": 0.2}
VIT = {
    "type": "vit",
    "image_size": (8, 8),
    "patch": 4,
    "width": 32,
    "depth": 2,
    "heads": 2,
    "drop_path": 0.2,
    "patch_dropout": 0.5,
}
TEXT = {
    "type": "text_transformer",
    "vocab_size": 11,
    "length": 5,
    "pad_id": 0,
    "eos_id": 1,
    "width": 32,
    "depth": 1,
    "heads": 2,
}
LINEAR = {"type": "linear", "dim": 16}
# Programs run once here: compiling them fast matters more than their speed.
QUICK = {"xla_backend_optimization_level": 0}


def mesh_of(data=1, fsdp=1):
    return mesh_lib.make_mesh(data, fsdp, 1, jax.devices()[: data * fsdp])


def batch_of(*names, size=SIZE):
    """Vectors `a`, `a@2` and `b`; some `b` are missing; images; sentences."""
    rng = np.random.default_rng(0)
    text = rng.integers(2, 11, (size, 5), dtype=np.int32)
    text[::2, 3], text[::2, 4] = 1, 0
    every = {
        "a": rng.normal(size=(size, 6)).astype(np.float32),
        "a@2": rng.normal(size=(size, 6)).astype(np.float32),
        "b": rng.normal(size=(size, 6)).astype(np.float32),
        "b_present": np.arange(size) % 5 != 2,
        "image": rng.normal(size=(size, 8, 8, 3)).astype(np.float32),
        "text": text,
    }
    return {"id": np.arange(size, dtype=np.int32), **{name: every[name] for name in names}}


VECTORS = batch_of("a", "b", "b_present")


def system_of(encoders, terms, head=LINEAR):
    """A function that makes a System; terms are type -> arguments."""
    towers = {name: {"encoder": e, "head": head} for name, e in encoders.items()}
    model = ModelConfig.of({"towers": towers})
    objectives = configs({term: {"type": term, **spec} for term, spec in terms.items()})
    return lambda: System(model, objectives, dtype=jnp.float32, rngs=nnx.Rngs(0))


def arrays_of(make, mesh):
    """Parameters and other variables by path, parameters laid out over `fsdp`."""
    definition, arrays = Definition.of(make), Definition.arrays(jax.jit(make)())
    params = definition.kinds(nnx.Param)
    where = layout.shardings(layout.specs(params, mesh, fsdp_min_size=64), mesh)
    return (
        {path: jax.device_put(arrays[path], where[path]) for path in params},
        {path: value for path, value in arrays.items() if path not in params},
    )


def trained(make, microbatches, mesh, batch, schedule="ring"):
    """`(params, constants, weights, seed) -> ((loss, (metrics, constants)), gradient)`, compiled.

    `weights` are those of the terms, so that one program serves them all.
    """
    definition = Definition.of(make)

    def variables(system, paths):
        arrays = Definition.arrays(system)
        return {path: arrays[path] for path in paths}

    def embed(params, constants, batch, keys):
        system = definition.merge({**params, **constants})
        return system.embed(batch, train=True, key=keys), variables(system, constants)

    def run(params, constants, weights, seed):
        def reduce(params, constants, outputs):
            system = definition.merge({**params, **constants})
            context = Context(Plan(mesh, schedule=schedule, tile=3), rng=jax.random.key(3))
            _, metrics = system.objectives(outputs, batch, context)
            loss = sum(weight * metrics[f"{term}/loss"] for term, weight in weights.items())
            return loss, (metrics, variables(system, constants))

        return microbatch.value_and_grad(
            embed,
            reduce,
            params,
            constants,
            batch,
            microbatch.row_keys(jax.random.key(seed), len(batch["id"])),
            microbatches=microbatches,
            mesh=mesh,
        )

    return jax.jit(run, compiler_options=QUICK)


def assert_same(actual, expected, tolerance=1e-6):
    """Every gradient to 1e-6 of its norm, or a hundredth of that of the whole's if it is tiny."""
    assert actual.keys() == expected.keys()
    whole = np.sqrt(sum(np.sum(np.square(g)) for g in expected.values()))
    assert whole > 0
    for path, g in expected.items():
        error = np.linalg.norm(actual[path] - g)
        assert error <= tolerance * max(np.linalg.norm(g), 1e-2 * whole), path


@pytest.mark.long
@pytest.mark.smoke
def test_transformers_with_remat_fsdp_and_the_ring():
    mesh = mesh_of(2, 2)
    batch = batch_of("image", "text")
    results = {}
    for k, remat in ((1, "none"), (4, "full")):
        make = system_of({"image": {**VIT, "remat": remat}, "text": TEXT}, {"info_nce": {}})
        arrays = arrays_of(make, mesh)
        results[k] = trained(make, k, mesh, batch)(*arrays, {"info_nce": np.float32(1)}, 0)
    np.testing.assert_allclose(results[4][0][0], results[1][0][0], rtol=1e-6)
    assert_same(results[4][1], results[1][1])


def test_memory_falls_with_the_number_of_microbatches():
    wide = {**VECTOR, "hidden": (256,) * 6, "dropout": 0.0}
    batch = batch_of("a", "b", size=8192)
    mesh = mesh_of(2)
    make = system_of({"a": wide, "b": wide}, {"info_nce": {"pairs": (("a", "b"),)}})
    arrays = arrays_of(make, mesh)

    def temporary(k):
        program = trained(make, k, mesh, batch).lower(*arrays, {"info_nce": np.float32(1)}, 0)
        return program.compile().memory_analysis().temp_size_in_bytes

    tower = 4 * 6 * 256 * 4096  # bytes of one tower's activations, on each device
    rest = 2 * sum(x.nbytes for x in arrays[0].values()) + 2**20  # gradients, embeddings
    whole, sliced, fine = (temporary(k) for k in (1, 4, 16))
    assert whole > 2 * tower
    # One slice of one tower at a time: activations, their cotangents, and what is between layers.
    assert sliced < 2 * tower / 4 + rest
    assert fine < 2 * tower / 16 + rest


def test_only_what_the_loss_reads_is_kept_and_pulled_back():
    mesh = mesh_of()
    params = {"w": jnp.ones((3, 4)), "unused": jnp.ones(7), "scale": jnp.float32(2)}
    batch = {"x": jnp.arange(24.0).reshape(8, 3) / 24, "y": jnp.ones((8, 3))}

    def embed(params, constants, batch, keys):
        outputs = {}
        for name, value in batch.items():
            z = jnp.tanh(value @ params["w"])
            tokens = jnp.broadcast_to(z[:, None], (len(z), 50, 4)) * 3
            outputs[name] = {"z": z, "count": (value > 0.2).sum(1), "tokens": tokens}
        return outputs, constants

    def reduce(params, constants, outputs):
        out = outputs["x"]
        return params["scale"] * (out["z"].sum(1) * out["count"]).sum() ** 2, constants

    def run(k):
        return lambda: microbatch.value_and_grad(
            embed,
            reduce,
            params,
            {},
            batch,
            microbatch.row_keys(jax.random.key(0), 8),
            microbatches=k,
            mesh=mesh,
        )

    (loss, _), expected = run(1)()
    (value, _), gradient = jax.jit(run(4))()
    np.testing.assert_allclose(value, loss, rtol=1e-6)
    assert_same(gradient, expected)
    np.testing.assert_array_equal(gradient["unused"], 0)
    compiled = jax.jit(run(4)).lower().compile().as_text()
    assert "f32[2,50,4]" not in compiled
    assert "8,50,4]" not in compiled


def test_slices_are_balanced_and_no_row_moves():
    mesh = mesh_of(4, 2)
    slices = microbatch.Slices(32, 2, mesh)
    rows = jax.device_put(np.arange(32), mesh_lib.batch_sharding(mesh))
    take = jax.jit(slices.take)
    parts = [take(rows, i) for i in range(2)]
    np.testing.assert_array_equal(parts[1], np.arange(1, 32, 2))
    for shard, whole in zip(parts[1].addressable_shards, rows.addressable_shards, strict=True):
        assert shard.device == whole.device
        assert set(np.asarray(shard.data)) < set(np.asarray(whole.data))
    join = jax.jit(slices.join)
    np.testing.assert_array_equal(join(jnp.stack(parts)), rows)
    compiled = take.lower(rows, 1).compile().as_text()
    for collective in ("all-gather", "all-to-all", "collective-permute", "all-reduce"):
        assert collective not in compiled


def test_batch_norm_works_with_one_and_is_refused_with_more():
    mesh = mesh_of()
    head = {"type": "mlp", "dim": 16, "hidden": 16, "norm": "batch"}
    make = system_of({"a": VECTOR, "b": VECTOR}, {"alignment": {"pairs": (("a", "b"),)}}, head)
    arrays = arrays_of(make, mesh)
    weights = {"alignment": np.float32(1)}
    (_, (_, after)), _ = trained(make, 1, mesh, VECTORS)(*arrays, weights, 0)
    assert any(np.abs(after[path] - arrays[1][path]).max() > 0 for path in arrays[1])
    with pytest.raises(ConfigError, match=r"tower of 'a' computes 'towers/a/head/norms/0/mean'"):
        trained(make, 2, mesh, VECTORS)(*arrays, weights, 0)


@pytest.mark.parametrize(("k", "shape"), [(3, (1, 1)), (8, (8, 1)), (0, (1, 1))])
def test_a_batch_that_does_not_divide_is_refused(k, shape):
    with pytest.raises(ConfigError, match=f"microbatches={k} does not fit data.batch_size=32"):
        microbatch.Slices(32, k, mesh_of(*shape))


def test_the_train_step_is_the_same():
    """Two updates of the trainer's own step, with dropout, under each number of microbatches."""
    tower = {"encoder": VECTOR, "head": LINEAR}
    view = {"type": "vector", "dim": 6}
    results = {}
    for k in (1, 4):
        tree = {
            "recipe": "test",
            "variant": "small",
            "paper": "none",
            "steps": 2,
            "data": {
                "source": {"type": "gaussian_latent", "examples": 64, "dim": 6},
                "views": {"a": view, "b": view},
                "batch_size": SIZE,
            },
            "model": {"towers": {"a": tower, "b": tower}},
            "objectives": {"clip": {"type": "info_nce", "pairs": (("a", "b"),)}},
            "optimizer": {"learning_rate": 0.1, "type": "sgd", "schedule": "constant"},
            "microbatches": k,
        }
        config = recipe_lib.complete(tree, "test")
        mesh = mesh_of(2, 2)
        plan = state_lib.plan(config, mesh)
        state = state_lib.initial(config, plan)
        update = step_lib.make(config, plan, mesh)
        for _ in range(2):
            state, metrics = update(state, mesh_lib.to_device(batch_of("a", "b"), mesh))
        results[k] = state, metrics
    for name, value in results[1][1].items():
        np.testing.assert_allclose(results[4][1][name], value, rtol=2e-6, err_msg=name)
    for path, value in results[1][0].params.items():
        np.testing.assert_allclose(results[4][0].params[path], value, rtol=1e-5, atol=1e-7)
