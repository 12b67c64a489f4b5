"""What recipes share: data sets, towers and optimizers to start from. Not a recipe itself.

A recipe's `get_config` takes the parts it needs and changes what its paper says. Every part is a
function that returns a fresh dict, so that no recipe can change another's.

Variants of a recipe are functions in a dict, `VARIANTS = {"small": small, "paper": paper}`;
`get_config = base.variants(__name__, VARIANTS)` makes them what the command line can ask for.
"""

from collections.abc import Callable, Mapping

from ml_collections import ConfigDict


def variants(name: str, table: Mapping[str, Callable[[], dict]]) -> Callable[..., ConfigDict]:
    """`get_config(variant="small")` of a recipe.

    Args:
      name: of the recipe; its file's name.
      table: variant -> function that makes its config.
    """

    def get_config(variant: str = "small") -> ConfigDict:
        config = {"recipe": name, "variant": variant, **table[variant]()}
        return ConfigDict(config)

    return get_config


# --- emoji: the embedded data ------------------------------------------------------------------

PROMPTS = ("{}", "an emoji of {}", "a picture of {}", "a small drawing of {}")


def emoji_data(batch_size: int) -> dict:
    """Pictures of the Fluent and Google styles with their English names and keywords, 64 pixels."""
    return {
        "source": {"type": "emoji", "split": "train", "keywords": True},
        "tokenizer": {"type": "sentencepiece", "path": "emoji_8k"},
        "views": {
            "image": {
                "type": "image",
                "size": 64,
                "crop_scale": (0.5, 1.0),
                "flip": 0.5,
                "rotate": 15.0,
                "brightness": 0.4,
                "contrast": 0.4,
                "saturation": 0.4,
                "hue": 0.05,
                "jitter": 0.8,
                "grayscale": 0.1,
                "cache_decoded": True,
            },
            "text": {"type": "text", "length": 16, "caption": "random"},
        },
        "batch_size": batch_size,
    }


def emoji_towers(dim: int = 256) -> dict:
    """A small residual network and a small text transformer, made for two CPU cores."""
    return {
        "image": {
            "encoder": {
                "type": "resnet",
                "block": "basic",
                "blocks": (1, 1, 1),
                "widths": (64, 128, 256),
                "stem": "patch4",
                "image_size": (64, 64),
            },
            "head": {"type": "linear", "dim": dim},
        },
        "text": {
            "encoder": {
                "type": "text_transformer",
                "vocab_size": 8000,
                "length": 16,
                "width": 192,
                "depth": 2,
                "heads": 4,
                "causal": False,
                "pool": "mean",
            },
            "head": {"type": "linear", "dim": dim},
        },
    }


def emoji_evaluators() -> dict:
    """Retrieval in a style never seen, of concepts never seen, zero-shot groups, and the gap."""
    new_style = {"type": "emoji", "split": "new_style"}
    new_concepts = {"type": "emoji", "split": "new_style_new_concepts"}
    return {
        "retrieval": {
            "new_style": {"source": new_style},
            "new_concepts": {"source": new_concepts},
        },
        "zero_shot": {
            "group": {"source": new_style, "labels": "group"},
            "subgroup": {"source": new_style, "labels": "subgroup"},
        },
        "geometry": {"new_style": {"source": new_style}},
    }
