"""Claims of `configs/claims/`: a statement, its arms, and the checks that decide it."""

import dataclasses
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class Check:
    """An inequality between two arms: `arm[metric] compare factor * baseline[metric] + offset`."""

    metric: str
    arm: str
    compare: Literal["<=", ">=", "<", ">"]
    baseline: str | None = None  # None compares with `offset` alone
    factor: float = 1.0
    offset: float = 0.0
    each_seed: bool = False  # hold in every seed, not only in the mean over seeds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of a paper, as an experiment.

    All arms start from a variant of the recipe, or from a `config` of the experiment's own.
    """

    statement: str
    arms: dict[str, dict[str, Any]]  # arm -> what it changes, as mmjax.recipe.changes says
    checks: tuple[Check, ...]
    metrics: tuple[str, ...]  # to show for every arm
    variant: str = "small"
    config: dict[str, Any] | None = None
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)  # what all arms change
    seeds: tuple[int, ...] = (0, 1, 2)
    # Further keys that are set to the seed of a run, such as the seeds of generated data.
    seed_keys: tuple[str, ...] = ()
    paper_numbers: str = ""  # the paper's own result, to read beside ours
    notes: str = ""  # what the results mean, for the page
