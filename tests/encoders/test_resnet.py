"""Residual networks: sizes, CLIP's changes, and batch statistics on many devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import PartitionSpec as P
from jitted import jitted
from third_party import needs

from mmjax.encoders import ResNet
from mmjax.encoders.base import EncoderError
from mmjax.encoders.residual import average_pool
from mmjax.parallel import mesh as mesh_lib


def images(rows, height=16, width=24):
    rng = np.random.default_rng(rows)
    return rng.normal(0.3, 1.2, (rows, height, width, 3)).astype(np.float32)


def statistics(module):
    return {
        "/".join(map(str, path)): np.asarray(v[...])
        for path, v in nnx.to_flat_state(nnx.state(module, nnx.BatchStat))
    }


@pytest.mark.parametrize(
    ("options", "grid"),
    [
        ({"stem": "conv3"}, (8, 12)),
        ({"stem": "patch2"}, (4, 6)),
        ({"stem": "patch4"}, (2, 3)),
        ({"stem": "patch8"}, (1, 2)),
        ({"stem": "imagenet"}, (2, 3)),
        ({"stem": "clip", "antialias": True}, (2, 3)),
        ({"stem": "patch4", "block": "bottleneck", "antialias": True}, (2, 3)),
    ],
)
def test_the_map_has_the_size_of_the_strides(make, options, grid):
    module = make(ResNet, abstract=True, **options)
    out = jax.eval_shape(ResNet.__call__, module, jnp.zeros((2, 16, 24, 3)))
    width = 64 if options.get("block") == "bottleneck" else 16
    assert out.tokens.shape == (2, grid[0] * grid[1], width)
    assert out.pooled.shape == (2, module.width) == (2, width)


def test_odd_sizes_as_published_networks_round_them(make):
    """49 pixels: 25 after the stem's convolution, 13 after its pool, 7 after the second stage."""
    module = make(ResNet, abstract=True, stem="imagenet", image_size=(52, 52))
    out = jax.eval_shape(ResNet.__call__, module, jnp.zeros((1, 52, 52, 3)))
    assert out.tokens.shape[1] == 7 * 7


def test_a_new_block_is_its_shortcut(make):
    module = make(ResNet, norm="layer", new=True)
    block, x = module.blocks[2], np.abs(images(2)[..., :1]) * np.ones(16, np.float32)
    np.testing.assert_array_equal(jitted(block)(x, train=False), x)


def test_poolings(make, run):
    x = images(2)
    mean, largest = (run(make(ResNet, norm="group", pool=p), x) for p in ("mean", "max"))
    np.testing.assert_allclose(mean.pooled, mean.tokens.mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(largest.pooled, largest.tokens.max(axis=1))


def test_flatten_keeps_what_is_where(make, run):
    x = images(2)
    module = make(ResNet, norm="group", pool="flatten", image_size=(16, 24), pool_width=4)
    out = run(module, x)
    places = out.tokens.shape[1]
    assert out.pooled.shape == (2, module.width) == (2, 4 * places)
    # Each position's features have four places of their own.
    kernel, bias = (
        np.asarray(v[...], np.float64) for v in (module.squeeze.kernel, module.squeeze.bias)
    )
    squeezed = np.maximum(np.asarray(out.tokens, np.float64) @ kernel + bias, 0)
    np.testing.assert_allclose(out.pooled, squeezed.reshape(2, -1), atol=1e-5)


def test_flatten_insists_on_its_size(make):
    with pytest.raises(EncoderError, match="not divisible by the stride"):
        make(ResNet, pool="flatten", image_size=(18, 24), abstract=True)
    module = make(ResNet, pool="flatten", image_size=(16, 24), abstract=True)
    with pytest.raises(EncoderError, match="flatten pooling over"):
        jax.eval_shape(ResNet.__call__, module, jnp.zeros((2, 24, 24, 3)))


def test_average_pool_leaves_out_what_fills_no_square():
    x = np.arange(15.0, dtype=np.float32).reshape(1, 3, 5, 1)
    pooled = np.asarray(jax.jit(average_pool, static_argnums=1)(x, 2))
    np.testing.assert_allclose(pooled[0, :, :, 0], [[3.0, 5.0]])


def test_training_uses_the_batch_and_remembers_it(make, run):
    module, x = make(ResNet), images(6)
    before = statistics(module)
    still = run(module, x)
    np.testing.assert_equal(statistics(module), before)
    train = run(module, x, train=True)
    assert np.abs(train.pooled - still.pooled).max() > 0.1
    # The first norm sees the stem's output, which we can compute: momentum 0.9, from 0 and 1.
    y = np.asarray(jitted(module.stem.convs[0])(x), np.float64)
    after = statistics(module)
    np.testing.assert_allclose(
        after["stem/norms/0/norm/mean"], 0.1 * y.mean(axis=(0, 1, 2)), atol=1e-5
    )
    np.testing.assert_allclose(
        after["stem/norms/0/norm/var"], 0.9 + 0.1 * y.var(axis=(0, 1, 2)), rtol=1e-4
    )
    # They are no parameters, and after many batches evaluation does what training did.
    assert not any(
        "mean" in map(str, path) for path, _ in nnx.to_flat_state(nnx.state(module, nnx.Param))
    )
    for _ in range(150):
        train = run(module, x, train=True)
    np.testing.assert_allclose(run(module, x).pooled, train.pooled, atol=2e-3)


def test_norms_of_single_examples_have_no_state(make, run):
    for norm in ("group", "layer"):
        module, x = make(ResNet, norm=norm), images(4)
        assert not statistics(module)
        np.testing.assert_array_equal(run(module, x, train=True).pooled, run(module, x).pooled)


@pytest.mark.parametrize(
    "options", [{}, {"block": "bottleneck", "stem": "clip", "antialias": True}]
)
def test_batch_statistics_cross_devices(make, options):
    """Sharded over eight devices, one row each: output, gradient and statistics of one device."""
    module, x = make(ResNet, **options), images(8)
    # Rows of very different scale, so that statistics of single devices would show.
    x = x * np.arange(1, 9, dtype=np.float32)[:, None, None, None]
    graphdef, params, rest = nnx.split(module, nnx.Param, ...)

    def step(params, rest, x):
        def loss(params):
            m = nnx.merge(graphdef, params, rest, copy=True)
            pooled = m(x, train=True).pooled
            weights = jnp.linspace(-1, 1, pooled.size).reshape(pooled.shape)
            return jnp.sum(pooled * weights), nnx.split(m, nnx.Param, ...)[2]

        return jax.value_and_grad(loss, has_aux=True)(params)

    mesh = mesh_lib.make_mesh(data=4, fsdp=2)
    one = jax.jit(step)(params, rest, x)
    everywhere = mesh_lib.replicated(mesh)
    sharded = jax.device_put(x, mesh_lib.batch_sharding(mesh))
    assert sharded.sharding.spec == P(("data", "fsdp"))
    params, rest = jax.device_put((params, rest), everywhere)
    many = jax.jit(step)(params, rest, sharded)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(many), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=2e-5 * max(1, np.abs(a).max()))


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_timm_has_the_same_network(make, run, block):
    """Weights by their names in timm, and batch statistics that are not those of a start."""
    torch, timm = needs("torch"), needs("timm.models.resnet")
    blocks, widths = (2, 1, 1, 1), (64, 8, 16, 16)  # timm has a stem of 64
    kind = {"basic": timm.BasicBlock, "bottleneck": timm.Bottleneck}[block]
    theirs = timm.ResNet(kind, blocks, channels=widths, num_classes=0).eval()
    rng = np.random.default_rng(0)
    for value in theirs.state_dict().values():
        if value.ndim == 1:
            value.copy_(torch.tensor(rng.uniform(0.5, 1.5, len(value))))
    leaves = {"bias": "bias", "mean": "running_mean", "var": "running_var"}

    def name_of(path):
        """The name in timm of one of our parameters."""
        *where, leaf = path
        leaf = leaves.get(leaf, "weight")
        if where[0] == "stem":
            return f"{'conv' if where[1] == 'convs' else 'bn'}1.{leaf}"
        stage, index = [(k, i) for k, n in enumerate(blocks, 1) for i in range(n)][where[1]]
        part = where[2]
        if part.startswith("shortcut"):
            inner = f"downsample.{0 if part == 'shortcut' else 1}"
        else:
            inner = f"{'conv' if part == 'convs' else 'bn'}{where[3] + 1}"
        return f"layer{stage}.{index}.{inner}.{leaf}"

    options = {"image_size": (32, 32), "stem": "imagenet", "antialias": False, "norm": "batch"}
    ours = make(ResNet, **options, block=block, blocks=blocks, widths=widths)
    weights = {name: np.asarray(value) for name, value in theirs.state_dict().items()}
    state = nnx.state(ours)
    for path, variable in nnx.to_flat_state(state):
        value = weights[name_of(path)]
        variable[...] = jnp.asarray(value.transpose(2, 3, 1, 0) if value.ndim == 4 else value)
    nnx.update(ours, state)
    x = np.asarray(images(2, 32, 32))
    with torch.no_grad():
        want = theirs(torch.tensor(x).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(run(ours, x).pooled, want, atol=1e-5 * np.abs(want).max())
