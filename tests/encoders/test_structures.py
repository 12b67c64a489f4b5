"""Encoders of clips, volumes, point clouds, graphs and tables: masks, order, formulas."""

import jax
import numpy as np
import pytest
from encoder_settings.graph import graph
from encoder_settings.points import clouds
from flax import nnx
from jitted import jitted

from mmjax.encoders import MLP
from mmjax.encoders.frames import FrameTransformer
from mmjax.encoders.graph import GraphNetwork, returns
from mmjax.encoders.patches import PatchTransformer
from mmjax.encoders.points import PointNet


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def arrays(module):
    """path -> float64 array of a module's parameters."""
    flat = nnx.to_flat_state(nnx.state(module, nnx.Param))
    return {"/".join(map(str, p)): np.asarray(v[...], np.float64) for p, v in flat}


# --- patches of clips and volumes ---------------------------------------------------------------


def test_a_block_of_a_volume_is_a_convolution_of_its_stride(make):
    stem = make(PatchTransformer).stem
    x = normal(2, 4, 8, 12, 2)
    kernel = np.asarray(stem.project.kernel[...]).reshape(2, 4, 4, 2, 24)
    dimensions = ("NDHWC", "DHWIO", "NDHWC")
    expected = jax.jit(
        lambda x, kernel: jax.lax.conv_general_dilated(
            x, kernel, (2, 4, 4), "VALID", dimension_numbers=dimensions
        )
    )(x, kernel)
    expected = np.asarray(expected) + np.asarray(stem.project.bias[...])
    np.testing.assert_allclose(jitted(stem)(x), expected, atol=1e-5)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("pool", "positions"), [("cls", "learned"), ("mean", "sincos"), ("map", "learned")]
)
def test_what_is_missing_of_a_clip_is_masked(make, run, pool, positions):
    module = make(PatchTransformer, pool=pool, positions=positions, padded=True)
    short = normal(2, 3, 8, 12, 2)  # an odd number of frames, with tubelets of two
    behind = np.full((2, 1, 8, 12, 2), np.nan, np.float32)
    out, padded = run(module, short), run(module, np.concatenate([short, behind], axis=1))
    np.testing.assert_allclose(out.pooled, padded.pooled, atol=1e-5)
    assert np.isfinite(padded.tokens).all()
    # One whole tubelet missing: its 6 patches are masked, and nothing of the others changes.
    one = run(module, short[:, :2])
    two = run(module, np.concatenate([short[:, :2], behind, behind], axis=1))
    np.testing.assert_allclose(one.pooled, two.pooled, atol=1e-5)
    real = two.mask.sum(axis=1)
    assert (real == 6 + (pool == "cls")).all()
    assert np.abs(out.pooled - one.pooled).max() > 1e-3


def test_a_clip_of_nothing_is_finite(make, run, gradient):
    module = make(PatchTransformer, pool="mean", padded=True)
    x = normal(2, 4, 8, 12, 2)
    x[0] = np.nan
    assert np.isfinite(run(module, x).pooled).all()
    assert all(np.isfinite(g).all() for g in gradient(module, x)[1].values())


def test_frames_that_are_not_there_do_not_count(make, run):
    module = make(FrameTransformer, temporal_depth=1)
    clip = normal(2, 3, 8, 12, 3)
    longer = np.pad(clip, ((0, 0), (0, 1), (0, 0), (0, 0), (0, 0)), constant_values=np.nan)
    out = run(module, longer)
    np.testing.assert_allclose(out.pooled, run(module, clip).pooled, atol=1e-5)
    assert out.mask.tolist() == [[True] * 3 + [False]] * 2


def test_order_of_frames_matters_to_the_transformer_over_them_only(make, run):
    clip = normal(2, 4, 8, 12, 3)
    for depth, differs in ((0, False), (1, True)):
        module = make(FrameTransformer, temporal_depth=depth)
        a, b = run(module, clip).pooled, run(module, clip[:, ::-1]).pooled
        assert (np.abs(a - b).max() > 1e-3) == differs
    plain = make(FrameTransformer)
    mean = run(plain, clip).pooled
    frames = run(plain.frame, clip.reshape(8, 8, 12, 3)).pooled.reshape(2, 4, 16)
    assert frames.shape == (2, 4, 16)
    np.testing.assert_allclose(mean, frames.mean(axis=1), atol=1e-5)


def test_dropout_of_a_clip_is_its_own(make):
    """Slices of a batch draw what the batch draws, as microbatches need it."""
    module = make(FrameTransformer, dropout=0.5, temporal_depth=1)
    clip, keys = normal(4, 3, 8, 12, 3), jax.random.split(jax.random.key(0), 4)

    @jax.jit
    def pooled(x, keys):
        return module(x, train=True, rngs=nnx.Rngs(dropout=keys)).pooled

    whole = pooled(clip, keys)
    halves = [pooled(clip[i : i + 2], keys[i : i + 2]) for i in (0, 2)]
    np.testing.assert_allclose(whole, np.concatenate(halves), atol=1e-5)


# --- points -------------------------------------------------------------------------------------


def layer_norm(x, scale, bias):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * scale + bias


@pytest.mark.smoke
def test_point_net_is_its_formula(make, run):
    module = make(PointNet)
    p = arrays(module)
    x = np.asarray(clouds(3, np.random.default_rng(0)), np.float64)
    expected = []
    for cloud in x:
        y = cloud[~np.isnan(cloud).any(axis=1)]
        for i in range(2):
            y = y @ p[f"points/{i}/kernel"] + p[f"points/{i}/bias"]
            y = layer_norm(y, p[f"point_norms/{i}/scale"], p[f"point_norms/{i}/bias"])
            y = np.maximum(y, 0)
        y = y.max(axis=0) @ p["layers/0/kernel"] + p["layers/0/bias"]
        y = np.maximum(layer_norm(y, p["norms/0/scale"], p["norms/0/bias"]), 0)
        expected.append(y @ p["last/kernel"] + p["last/bias"])
    np.testing.assert_allclose(run(module, np.float32(x)).pooled, expected, atol=1e-5)


def test_order_and_padding_of_points_do_not_matter(make, run):
    module, x = make(PointNet), normal(2, 7, 4)
    out = run(module, x)
    order = np.random.default_rng(1).permutation(7)
    np.testing.assert_allclose(run(module, x[:, order]).pooled, out.pooled, atol=1e-6)
    longer = np.pad(x, ((0, 0), (0, 5), (0, 0)), constant_values=np.nan)
    np.testing.assert_allclose(run(module, longer).pooled, out.pooled, atol=1e-6)
    empty = run(module, np.full((2, 5, 4), np.nan, np.float32))
    assert np.isfinite(empty.pooled).all()
    assert not empty.mask.any()


# --- graphs -------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_messages_are_their_formula(make, run):
    module = make(GraphNetwork, depth=1)
    p = arrays(module)
    rng = np.random.default_rng(0)
    graphs = [graph(rng, count, room=6) for count in (6, 4, 1)]
    expected = []
    for g in graphs:
        count = int(np.trace(g[:, 4:]))
        first = g[:count, 0].astype(int), g[:count, 1].astype(int) + 5
        h = p["node"][first[0]] + p["node"][first[1]]
        h = h + g[:count, 2:4] @ p["project/kernel"] + p["project/bias"]
        y = layer_norm(h, p["norms/0/scale"], p["norms/0/bias"])
        heard = (1 + p["messages/0/epsilon"]) * y
        for i in range(count):
            for j in range(count):
                kind = int(g[i, 4 + j])
                if i != j and kind:
                    heard[i] += np.maximum(y[j] + p["messages/0/edge"][kind - 1], 0)
        up = heard @ p["messages/0/mlp/up/kernel"] + p["messages/0/mlp/up/bias"]
        down = np.maximum(up, 0) @ p["messages/0/mlp/down/kernel"] + p["messages/0/mlp/down/bias"]
        expected.append(layer_norm(h + down, p["norm/scale"], p["norm/bias"]).mean(axis=0))
    out = run(module, np.float32(np.stack(graphs)))
    np.testing.assert_allclose(out.pooled, expected, atol=2e-5)


@pytest.mark.parametrize("options", [{}, {"heads": 2, "walk": 4, "pool": "max"}, {"pool": "sum"}])
def test_order_and_padding_of_nodes_do_not_matter(make, run, options):
    module, rng = make(GraphNetwork, **options), np.random.default_rng(0)
    x = np.stack([graph(rng, count, room=6) for count in (6, 5)])
    out = run(module, np.float32(x))
    order = rng.permutation(6)
    moved = np.concatenate([x[:, order, :4], x[:, order][:, :, 4 + order]], axis=2)
    again = run(module, np.float32(moved))
    np.testing.assert_allclose(again.pooled, out.pooled, atol=1e-5)
    np.testing.assert_allclose(again.tokens, out.tokens[:, order], atol=1e-5)
    room = np.zeros((2, 9, 13))
    room[:, :6, :10] = x
    np.testing.assert_allclose(run(module, np.float32(room)).pooled, out.pooled, atol=1e-5)


def test_a_neighbour_is_heard_with_the_kind_of_its_edge(make, run):
    """Two neighbours that change the kinds of their edges make another graph, whatever is alike."""
    module = make(GraphNetwork, depth=1)
    path = np.zeros((2, 3, 7))
    path[:, :, 0], path[:, :, 4:] = [1, 2, 3], np.eye(3)
    for g, (left, right) in zip(path, ((1, 2), (2, 1)), strict=True):
        g[1, 4], g[0, 5], g[1, 6], g[2, 5] = left, left, right, right
    middle = run(module, np.float32(path)).tokens[:, 1]
    assert np.abs(middle[0] - middle[1]).max() > 1e-3


def test_random_walks_come_back_as_often_as_they_should():
    ring = np.roll(np.eye(4), 1, axis=0) + np.roll(np.eye(4), -1, axis=0)
    triangle = np.zeros((4, 4))
    triangle[:3, :3] = 1 - np.eye(3)
    found = jax.jit(returns, static_argnums=1)(np.float32(np.stack([ring, triangle])), 4)
    found = np.asarray(found)
    # On a ring of four: never after an odd number of steps, else every second time.
    np.testing.assert_allclose(found[0], [[0, 0.5, 0, 0.5]] * 4, atol=1e-6)
    np.testing.assert_allclose(found[1, :3], [[0, 1 / 2, 1 / 4, 3 / 8]] * 3, atol=1e-6)
    np.testing.assert_allclose(found[1, 3], 0)  # a node without edges


def test_six_and_two_rings_of_three_are_told_apart_by_walks_only(make, run):
    """Message passing cannot (Xu et al. 2019, section 5): every node has two equal neighbours."""
    ring = np.roll(np.eye(6), 1, axis=0) + np.roll(np.eye(6), -1, axis=0)
    two = np.kron(np.eye(2), 1 - np.eye(3))
    x = np.zeros((2, 6, 10))
    x[:, :, 4:] = np.stack([ring, two]) + np.eye(6)
    for walk, differs in ((0, False), (4, True)):
        pooled = run(make(GraphNetwork, walk=walk), np.float32(x)).pooled
        assert (np.abs(pooled[0] - pooled[1]).max() > 1e-3) == differs


# --- tables -------------------------------------------------------------------------------------


def test_a_missing_number_is_said_to_be_missing(make, run):
    module, x = make(MLP, missing=True), normal(3, 6)
    x[1, 2], x[2] = np.nan, np.nan
    p = arrays(module)
    y = np.concatenate([np.nan_to_num(x, nan=0.0), np.isnan(x)], axis=1).astype(np.float64)
    for i in range(3):
        y = y @ p[f"layers/{i}/kernel"] + p[f"layers/{i}/bias"]
        y = np.maximum(y, 0) if i < 2 else y
    out = run(module, x).pooled
    np.testing.assert_allclose(out, y, atol=1e-5)
    zero = np.where(np.isnan(x), 0, x)
    assert np.abs(run(module, zero).pooled - out)[1].max() > 1e-3
