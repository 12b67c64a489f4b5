"""Names of parameters are stable, and the default rules for weight decay and layout know them."""

import jax.numpy as jnp
import pytest
from flax import nnx

from mmjax.model.config import ModelConfig
from mmjax.model.definition import Definition
from mmjax.parallel import layout
from mmjax.parallel import mesh as mesh_lib
from mmjax.recipe import OptimizerConfig
from mmjax.system.system import System
from mmjax.train import optimizer as optimizer_lib

ENCODERS = {
    "vit": {
        "type": "vit",
        "image_size": (32, 32),
        "patch": 8,
        "width": 64,
        "depth": 2,
        "heads": 2,
        "registers": 2,
        "pre_norm": True,
        "layer_scale": 0.1,
    },
    "map": {
        "type": "vit",
        "image_size": (32, 32),
        "patch": 8,
        "width": 64,
        "depth": 2,
        "heads": 2,
        "pool": "map",
        "stem": "conv",
    },
    "text": {
        "type": "text_transformer",
        "vocab_size": 50,
        "length": 8,
        "width": 64,
        "depth": 2,
        "heads": 2,
        "segments": 2,
        "embedding_norm": True,
    },
    "resnet": {
        "type": "resnet",
        "image_size": (32, 32),
        "block": "bottleneck",
        "blocks": (1, 1),
        "widths": (16, 32),
        "pool": "attention",
        "heads": 4,
    },
    "vector": {"type": "mlp", "inputs": 6, "width": 16},
}
HEADS = {
    "vit": {"type": "linear", "dim": 16},
    "map": {"type": "mlp", "dim": 16, "hidden": 32, "norm": "batch"},
    "text": {"type": "linear", "dim": 16, "bias": True},
    "resnet": {"type": "mlp", "dim": 16, "hidden": 32, "norm": "layer", "final_norm": True},
    "vector": {"type": "none"},
}


@pytest.fixture(scope="module")
def definition():
    towers = {m: {"encoder": e, "head": HEADS[m]} for m, e in ENCODERS.items()}
    model = ModelConfig.of({"towers": towers})
    return Definition.of(lambda: System(model, {}, dtype=jnp.float32, rngs=nnx.Rngs(0)))


@pytest.fixture(scope="module")
def shapes(definition):
    return definition.kinds(nnx.Param)


def test_only_these_kinds_of_names_exist(definition, shapes):
    kinds = {path.rsplit("/", 1)[1] for path in shapes}
    assert kinds == {
        "kernel",
        "bias",
        "scale",
        "class_token",
        "register_tokens",
        "position",
        "probe",
        "token",
        "segment",
    }
    others = {path.rsplit("/", 1)[1] for path in set(definition.variables) - set(shapes)}
    assert others == {"mean", "var"}


@pytest.mark.parametrize(
    "path",
    [
        "towers/vit/encoder/stem/project/kernel",
        "towers/vit/encoder/class_token",
        "towers/vit/encoder/register_tokens",
        "towers/vit/encoder/position",
        "towers/vit/encoder/pre_norm/scale",
        "towers/vit/encoder/transformer/blocks/attention/query/kernel",
        "towers/vit/encoder/transformer/blocks/attention/out/bias",
        "towers/vit/encoder/transformer/blocks/attention_norm/scale",
        "towers/vit/encoder/transformer/blocks/attention_scale/scale",
        "towers/vit/encoder/transformer/blocks/mlp/up/kernel",
        "towers/vit/encoder/transformer/blocks/mlp/down/kernel",
        "towers/vit/encoder/transformer/norm/bias",
        "towers/vit/head/project/kernel",
        "towers/map/encoder/stem/convs/0/kernel",
        "towers/map/encoder/probe/probe",
        "towers/map/encoder/probe/attention/key/kernel",
        "towers/map/encoder/probe/mlp/up/kernel",
        "towers/map/head/layers/0/kernel",
        "towers/text/encoder/token",
        "towers/text/encoder/position",
        "towers/text/encoder/segment",
        "towers/text/encoder/embedding_norm/scale",
        "towers/text/head/project/bias",
        "towers/resnet/encoder/stem/convs/0/kernel",
        "towers/resnet/encoder/blocks/1/convs/2/kernel",
        "towers/resnet/encoder/blocks/1/norms/2/norm/scale",
        "towers/resnet/encoder/blocks/1/shortcut/kernel",
        "towers/resnet/encoder/attention_pool/position",
        "towers/vector/encoder/layers/0/kernel",
    ],
)
def test_names_that_checkpoints_and_recipes_rely_on(shapes, path):
    assert path in shapes


def test_only_kernels_decay_by_default(shapes):
    paths = [*shapes, "objectives/clip/temperature/log_scale", "objectives/siglip/bias"]
    factors = optimizer_lib.factors(OptimizerConfig(learning_rate=1e-3).weight_decay_rules, paths)
    for path, factor in factors.items():
        assert factor == float(path.endswith("/kernel")), path
    # Kernels are the matrices; everything else is a vector, or a table of vectors.
    for path, shape in shapes.items():
        stacked = "transformer/blocks" in path
        if path.endswith("/kernel"):
            assert len(shape.shape) - stacked in (2, 4), path
        elif path.endswith(("/bias", "/scale")):
            assert len(shape.shape) - stacked == 1, path


def test_fsdp_splits_every_matrix_and_never_the_layers(shapes):
    mesh = mesh_lib.make_mesh(data=4, fsdp=2)
    for path, spec in layout.specs(shapes, mesh, fsdp_min_size=4096).items():
        shape = shapes[path].shape
        stacked = "transformer/blocks" in path
        if stacked:
            assert shape[0] == 2
            assert not spec or spec[0] is None, path
        large = jnp.prod(jnp.asarray(shape)) >= 4096
        assert ("fsdp" in spec) == bool(large), path
