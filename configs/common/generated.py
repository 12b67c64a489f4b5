"""Recipes on synthetic data, for claims and for papers that are not about images and text."""

from collections.abc import Mapping
from typing import Any

from mmjax.configs.common.data import LABEL, data, held_out, vector
from mmjax.configs.common.evaluators import probe, spectrum
from mmjax.configs.common.optimizers import adamw
from mmjax.configs.common.recipe import recipe
from mmjax.configs.common.towers import mlp, mlp_head, towers

# An experiment on synthetic data generates a different data set for each seed.
WORLD_SEED = ("data.source.seed",)
NOISY_VIEW = vector(64, noise=1.0)


def attribute_classes(
    paper: str, objectives: Mapping[str, Any], steps: int, **labelled: object
) -> dict:
    """Two noisy views of classes that are patterns of attributes, evaluated by a linear probe.

    Args:
      paper: citation.
      objectives: of the views `x` and `x@2`, and of `label`.
      steps: number of training steps.
      **labelled: options of the split that the probe is fitted on, such as `examples`.
    """
    view = vector(64, noise=0.3)
    return recipe(
        paper,
        steps=steps,
        data=data("attribute_classes", 128, x=(view, view), label=LABEL),
        towers=towers(mlp_head(64, 128), x=mlp(64, (256,), 64, final_activation=True)),
        objectives=objectives,
        optimizer=adamw(1e-3, weight_decay=1e-4, warmup_steps=50),
        evaluators=[
            probe(train=held_out("train", **labelled), modalities=("x",)),
            spectrum(modality="x"),
        ],
    )


def latent_blocks(
    paper: str,
    objectives: Mapping[str, Any],
    tower: Mapping[str, Any],
    batch_size: int,
    **more: Any,
) -> dict:
    """Three modalities t, v and a that observe overlapping blocks of one latent.

    Args:
      paper: citation.
      objectives: of these modalities.
      tower: of each modality, for vectors of size 32.
      batch_size: of training.
      **more: `steps`, `evaluators` and further sections.
    """
    modalities = ("t", "v", "a")
    return recipe(
        paper,
        data=data("latent_blocks", batch_size, **dict.fromkeys(modalities, vector(32))),
        towers=towers(**dict.fromkeys(modalities, tower)),
        objectives=objectives,
        optimizer=adamw(1e-3, schedule="constant"),
        log_every=300,
        **more,
    )


def noisy_instances(paper: str, objectives: Mapping[str, Any], learning_rate: float = 1e-3) -> dict:
    """Views that are noisy instances of a 16-dimensional latent.

    Args:
      paper: citation.
      objectives: of the views `x` and `x@2`.
      learning_rate: constant.
    """
    test, train = held_out(noise=1.0), held_out("probe", noise=1.0)
    return recipe(
        paper,
        steps=600,
        data=data("noisy_instances", 128, x=(NOISY_VIEW, NOISY_VIEW)),
        towers=towers(
            mlp_head(16, 64, activation="gelu"), x=mlp(64, (128,), 32, activation="gelu")
        ),
        objectives=objectives,
        optimizer=adamw(learning_rate, schedule="constant"),
        evaluators=[
            spectrum(source=test, modality="x"),
            probe(source=test, train=train, modalities=("x",)),
        ],
        log_every=300,
    )
