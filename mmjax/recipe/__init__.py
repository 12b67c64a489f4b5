"""Recipes: loading, validation, overrides and defaults.

A recipe is a Python file with `get_config(variant)` that returns an `ml_collections.ConfigDict`.
The schema is not written twice: a section is a frozen dataclass (`OptimizerConfig`, `MeshConfig`,
...), and a component is a `Spec`: a word, named by `type`, that its package's registry knows, and
options, which the constructor's signature names. `load` checks every key before anything is built
and completes the defaults, so that the recipe that a run writes down is whole.
"""

from mmjax.errors import ConfigError, NoVariant
from mmjax.recipe.changes import Replace, changes, merge
from mmjax.recipe.complete import complete, of_json
from mmjax.recipe.load import given, load, set_key
from mmjax.recipe.references import check_metric, check_references
from mmjax.recipe.sections import (
    CheckpointConfig,
    MeshConfig,
    OptimizerConfig,
    PairwiseConfig,
    Recipe,
    StageConfig,
    UntilConfig,
)
from mmjax.recipe.stages import each
from mmjax.recipe.stored import OPERATIONAL, differences, dump, read, same
from mmjax.recipe.words import REGISTRIES

__all__ = [
    "OPERATIONAL",
    "REGISTRIES",
    "CheckpointConfig",
    "ConfigError",
    "MeshConfig",
    "NoVariant",
    "OptimizerConfig",
    "PairwiseConfig",
    "Recipe",
    "Replace",
    "StageConfig",
    "UntilConfig",
    "changes",
    "check_metric",
    "check_references",
    "complete",
    "differences",
    "dump",
    "each",
    "given",
    "load",
    "merge",
    "of_json",
    "read",
    "same",
    "set_key",
]
