"""Runs of two steps, small enough for every test: one of CLIP's shape, one of SigLIP's."""

import pytest

from mmjax import recipe as recipe_lib

VISION = {
    "type": "vit",
    "image_size": (32, 32),
    "patch": 8,
    "width": 24,
    "depth": 2,
    "heads": 3,
    "mlp_width": 40,
}
TEXT = {
    "type": "text_transformer",
    "vocab_size": 8000,
    "length": 16,
    "width": 16,
    "depth": 2,
    "heads": 2,
}
SHAPES = {
    "clip": (
        {**VISION, "pool": "cls", "pre_norm": True, "patch_bias": False, "eps": 1e-5},
        {**TEXT, "causal": True, "pool": "eot", "eps": 1e-5},
        {"type": "linear", "dim": 20},
        {"type": "linear", "dim": 20},
        {"type": "info_nce"},
    ),
    "siglip": (
        {**VISION, "pool": "map", "activation": "gelu_tanh"},
        {**TEXT, "causal": False, "pool": "last", "mask_padding": False, "activation": "gelu_tanh"},
        {"type": "none"},
        {"type": "linear", "dim": 24, "bias": True},
        {"type": "sigmoid"},
    ),
    # Texts in sentences, and an image tower with a level below its end.
    "sentences": (
        {
            "type": "patch_transformer",
            "size": (32, 32),
            "patch": (8, 8),
            "width": 24,
            "depth": 2,
            "heads": 3,
            "pool": "mean",
            "levels": {"early": 1},
        },
        {
            "type": "hierarchical_text",
            "vocab_size": 8000,
            "length": 8,
            "width": 16,
            "depth": 2,
            "heads": 2,
            "blocks": (1, 1),
        },
        {"type": "linear", "dim": 20, "level": "early"},
        {"type": "linear", "dim": 20},
        {"type": "info_nce"},
    ),
    # No shape of another library: a mean over tokens, and a head that reads them, with dropout.
    "own": (
        {**VISION, "pool": "mean"},
        {**TEXT, "causal": False, "pool": "mean"},
        {"type": "token_projector", "dim": 20, "refine": True, "dropout": 0.1},
        {"type": "linear", "dim": 20},
        {"type": "info_nce", "learn_temperature": False},
    ),
}


def config_of(shape, file):
    """The config of a run of two steps."""
    image, text, image_head, text_head, term = SHAPES[shape]
    views = {
        "image": {"type": "image", "size": 32},
        "text": {"type": "text", "length": 16, "bos": shape != "own"},
    }
    if shape == "sentences":
        views["text"] = {"type": "sentences", "sentences": 3, "length": 8}
    tree = {
        "recipe": "tiny",
        "variant": "small",
        "paper": "none",
        "steps": 2,
        "data": {
            "source": {"type": "emoji", "split": "new_concepts"},
            "views": views,
            "tokenizer": {"type": "sentencepiece", "path": "emoji_8k"},
            "batch_size": 8,
        },
        "model": {
            "towers": {
                "image": {"encoder": image, "head": image_head},
                "text": {"encoder": text, "head": text_head},
            }
        },
        "objectives": {"loss": term},
        "optimizer": {"learning_rate": 1e-2},
        "evaluators": {},
    }
    return recipe_lib.complete(tree, file)


@pytest.fixture(scope="session")
def config_for():
    """`config_for(shape, file)`, for tests that change something of it."""
    return config_of


@pytest.fixture(scope="session")
def run_of(tmp_path_factory):
    """`run_of(shape)`: the folder of a finished run; each is trained once."""
    from mmjax.train import trainer

    made = {}

    def make(shape):
        if shape not in made:
            folder = tmp_path_factory.mktemp("runs") / shape
            trainer.train(config_of(shape, "tiny"), folder, quiet=True)
            made[shape] = folder
        return made[shape]

    return make
