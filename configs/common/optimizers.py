"""Optimizers; options are those of `mmjax.recipe.OptimizerConfig`, by default a cosine schedule."""


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
