"""Optimizers; options are those of `mmjax.recipe.OptimizerConfig`, by default a cosine schedule."""

# Changes of a recipe that leave the initial weights as they are, for an arm without training.
UNTRAINED = {"steps": 1, "optimizer": {"learning_rate": 0.0, "warmup_steps": 0}}


def adamw(learning_rate: float, **options: object) -> dict:
    """AdamW; without `weight_decay`, Adam."""
    return {"learning_rate": learning_rate, **options}


def sgd(learning_rate: float, **options: object) -> dict:
    """SGD with momentum."""
    return {"type": "sgd", "learning_rate": learning_rate, **options}


def lars(learning_rate: float, **options: object) -> dict:
    """LARS: SGD with a trust ratio per layer (You et al. 2017)."""
    return {"type": "lars", "learning_rate": learning_rate, **options}


def lamb(learning_rate: float, **options: object) -> dict:
    """LAMB: Adam with a trust ratio per layer (You et al. 2020)."""
    return {"type": "lamb", "learning_rate": learning_rate, **options}
