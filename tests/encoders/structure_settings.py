"""Small encoders of clips, volumes, point clouds, graphs and tables, and inputs for them."""

import jax.numpy as jnp
import numpy as np

from mmjax.encoders.frames import FrameTransformer
from mmjax.encoders.graph import GraphNetwork
from mmjax.encoders.mlp import MLP
from mmjax.encoders.patches import PatchTransformer
from mmjax.encoders.points import PointNet

SMALL = {
    PatchTransformer: {
        "size": (4, 8, 12),
        "patch": (2, 4, 4),
        "channels": 2,
        "width": 24,
        "depth": 2,
        "heads": 2,
    },
    FrameTransformer: {
        "frames": 4,
        "image_size": (8, 12),
        "patch": 4,
        "width": 16,
        "depth": 1,
        "heads": 2,
    },
    PointNet: {"channels": 4, "widths": (12, 16), "hidden": (10,), "width": 8},
    GraphNetwork: {"categories": (5, 3), "features": 2, "edges": 3, "width": 16, "depth": 2},
}
DROPPING = [
    (PatchTransformer, {"patch_dropout": 0.5, "padded": True, "pool": "mean"}),
    (FrameTransformer, {"dropout": 0.3, "temporal_depth": 1}),
    (PointNet, {"dropout": 0.5}),
    (GraphNetwork, {"dropout": 0.3}),
]
EVERY = [
    (PatchTransformer, {"pool": "mean", "positions": "sincos", "padded": True, "registers": 1}),
    (PatchTransformer, {"pool": "map", "padded": True}),
    (PatchTransformer, {}),
    (FrameTransformer, {"temporal_depth": 1}),
    (FrameTransformer, {"pool": "mean", "pre_norm": True, "patch_bias": False}),
    (PointNet, {}),
    (GraphNetwork, {}),
    (GraphNetwork, {"heads": 2, "walk": 3, "pool": "max"}),
    (GraphNetwork, {"categories": (), "features": 4, "pool": "sum", "heads": 2}),
    (MLP, {"missing": True}),
]
WRONG_OPTIONS = [
    (PatchTransformer, {"size": (4, 8)}, r"^size=\(4, 8\) and patch=\(2, 4, 4\) need as many axes"),
    (PatchTransformer, {"patch": (3, 4, 4)}, r"^size=\(4, 8, 12\) is not divisible by patch=\(3, "),
    (PatchTransformer, {"stem": "conv"}, r"^stem='conv' is for images in squares"),
    (PatchTransformer, {"positions": "sincos", "width": 16}, r"^width=16: sincos .* 12 .* by 6$"),
    (FrameTransformer, {"frames": 0}, r"^frames=0: at least 1 is needed$"),
    (FrameTransformer, {"temporal_depth": -1}, r"^temporal_depth=-1 is negative"),
    (PointNet, {"channels": 2}, r"^channels=2: a point has three coordinates at least$"),
    (PointNet, {"widths": ()}, r"^widths=\(\) and hidden=\(10,\): at least one layer"),
    (GraphNetwork, {"categories": (), "features": 0}, r"^categories=\(\) and features=0: a node"),
    (GraphNetwork, {"edges": 0}, r"^edges=0: at least 1 is needed$"),
    (GraphNetwork, {"heads": 3}, r"^heads=3 does not divide width=16$"),
    (GraphNetwork, {"walk": -1}, r"^categories=\(5, 3\) have to be 1 or more, .* walk=-1"),
    (GraphNetwork, {"pool": "cls"}, r"^pool='cls' is not one of 'mean', 'sum', 'max'$"),
]
WRONG_INPUTS = [
    (PatchTransformer, {}, np.zeros((2, 4, 8, 2)), r"where \[B, S1, S2, S3, 2\] is expected"),
    (PatchTransformer, {}, np.zeros((2, 2, 8, 12, 2)), r"learned positions for \(4, 8, 12\)"),
    (PatchTransformer, {"padded": True}, np.zeros((2, 6, 8, 12, 2)), r"positions up to \(4, 8, "),
    (PatchTransformer, {"positions": "sincos"}, np.zeros((2, 3, 8, 12, 2)), r"not divisible by"),
    (FrameTransformer, {}, np.zeros((2, 5, 8, 12, 3)), r"\[B, at most 4, H, W, 3\] is expected"),
    (PointNet, {}, np.zeros((2, 7, 3)), r"shape \(2, 7, 3\) where \[B, N, 4\] is expected"),
    (GraphNetwork, {}, np.zeros((2, 5, 8)), r"where \[B, N, 4 \+ N\] is expected: 2 categories"),
]


def draw(encoder, rows, rng):
    """A batch of inputs: clips whose last frames are not there, clouds and graphs of odd sizes."""
    if encoder is PointNet:
        x = rng.normal(size=(rows, 7, 4))
        for i in range(rows):
            x[i, 7 - i % 3 :] = np.nan
    elif encoder is GraphNetwork:
        x = np.stack([graph(rng, count=6 - i % 3, room=6) for i in range(rows)])
    elif encoder is FrameTransformer:
        x = rng.normal(size=(rows, 4, 8, 12, 3))
        x[0, 3:] = np.nan
    else:
        x = rng.normal(size=(rows, 4, 8, 12, 2))
    return jnp.asarray(x, jnp.float32)


def graph(rng, count, room):
    """Rows of a random graph of `count` nodes in an array for `room`: f[room, 4 + room]."""
    x = np.zeros((room, 4 + room))
    x[:count, 0] = rng.integers(5, size=count)
    x[:count, 1] = rng.integers(3, size=count)
    x[:count, 2:4] = rng.normal(size=(count, 2))
    links = np.triu(rng.integers(4, size=(count, count)), 1)
    x[:count, 4 : 4 + count] = links + links.T + np.eye(count)
    return x
