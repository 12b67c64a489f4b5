"""Sizes of the CLIP models of the step benchmark, the same for mmjax and open_clip."""

import dataclasses

from mmjax import recipe as recipe_lib
from mmjax.configs import clip
from mmjax.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Two towers as in Radford et al. 2021, table 20.

    Attributes:
      image: side of the image, in pixels.
      patch: side of a patch.
      image_width, image_depth, image_heads: of the vision transformer.
      text_width, text_depth, text_heads: of the text transformer.
      dim: of the joint space.
      vocabulary, length: of the text.
    """

    image: int
    patch: int
    image_width: int
    image_depth: int
    image_heads: int
    text_width: int
    text_depth: int
    text_heads: int
    dim: int
    vocabulary: int = 49408
    length: int = 77


MODELS = {
    "ViT-B-32": Sizes(224, 32, 768, 12, 12, 512, 12, 8, 512),
    "ViT-B-16": Sizes(224, 16, 768, 12, 12, 512, 12, 8, 512),
    "ViT-L-14": Sizes(224, 14, 1024, 24, 16, 768, 12, 12, 768),
    # For trying the benchmark itself. open_clip gives an image tower heads of 64 numbers.
    "tiny": Sizes(64, 32, 64, 2, 1, 64, 2, 1, 32, vocabulary=512, length=16),
}

# The optimizer of both: AdamW as the CLIP recipe has it.
LEARNING_RATE, B1, B2, EPS, WEIGHT_DECAY, CLIP_NORM = 5e-4, 0.9, 0.98, 1e-6, 0.2, 1.0


def config(sizes: Sizes, batch: int, *overrides: str) -> Recipe:
    """The CLIP recipe's `paper` variant with these sizes, for one device.

    Args:
      sizes: of the model.
      batch: examples in a step.
      overrides: more `key=value`.
    """
    image, text = "model.towers.image", "model.towers.text"
    changes = [
        # What products make is kept, and nothing else: half the memory of keeping all, and faster,
        # since less is stacked up and read again.
        f"{image}.encoder.remat=dots",
        f"{text}.encoder.remat=dots",
        f"data.batch_size={batch}",
        f"data.views.image.size={sizes.image}",
        f"data.views.text.length={sizes.length}",
        f"{image}.encoder.image_size=({sizes.image},{sizes.image})",
        f"{image}.encoder.patch={sizes.patch}",
        f"{image}.encoder.width={sizes.image_width}",
        f"{image}.encoder.depth={sizes.image_depth}",
        f"{image}.encoder.heads={sizes.image_heads}",
        f"{image}.head.dim={sizes.dim}",
        f"{text}.encoder.vocab_size={sizes.vocabulary}",
        f"{text}.encoder.eos_id={sizes.vocabulary - 1}",
        f"{text}.encoder.length={sizes.length}",
        f"{text}.encoder.width={sizes.text_width}",
        f"{text}.encoder.depth={sizes.text_depth}",
        f"{text}.encoder.heads={sizes.text_heads}",
        f"{text}.head.dim={sizes.dim}",
        f"optimizer.learning_rate={LEARNING_RATE}",
        f"optimizer.b1={B1}",
        f"optimizer.b2={B2}",
        f"optimizer.eps={EPS}",
        f"optimizer.weight_decay={WEIGHT_DECAY}",
        f"optimizer.clip_norm={CLIP_NORM}",
    ]
    return recipe_lib.load(f"{clip.__file__}:paper", (*changes, *overrides))
