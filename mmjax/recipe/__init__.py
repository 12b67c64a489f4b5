"""What a recipe may say, and the check that it says it well.

A recipe is a Python file with `get_config(variant)` that returns an `ml_collections.ConfigDict`.
The schema is not written twice: a section is a dataclass (`sections`: `Optimizer`, `Mesh`, ...),
and a component is named by `type`, looked up in its package's dict (`ENCODERS`, `TERMS`, ...), and
the constructor's signature says which keys there are, of which types, and which may be left out.
`load` checks every key before anything is built and completes the defaults, so that the config
that a run writes down is whole.
"""

from mmjax.errors import ConfigError, NoVariant, unknown
from mmjax.recipe.complete import build, check, complete
from mmjax.recipe.load import load, set_key
from mmjax.recipe.sections import (
    OPERATIONAL,
    Check,
    Checkpoints,
    Claim,
    Config,
    Data,
    Mesh,
    Model,
    Optimizer,
    Pairwise,
    Stage,
)
from mmjax.recipe.stages import stage_configs
from mmjax.recipe.stored import differences, dump, read, same
from mmjax.schema.values import fill, fits, plain, signature

__all__ = [
    "OPERATIONAL",
    "Check",
    "Checkpoints",
    "Claim",
    "Config",
    "ConfigError",
    "Data",
    "Mesh",
    "Model",
    "NoVariant",
    "Optimizer",
    "Pairwise",
    "Stage",
    "build",
    "check",
    "complete",
    "differences",
    "dump",
    "fill",
    "fits",
    "load",
    "plain",
    "read",
    "same",
    "set_key",
    "signature",
    "stage_configs",
    "unknown",
]
