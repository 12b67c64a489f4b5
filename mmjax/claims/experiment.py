"""Experiments of `configs/claims/`: a paper's claim, arms tuned alike, checks that decide it."""

import dataclasses
from typing import Any, Literal

# No run that chose anything, in tuning or before, has seen these.
SEEDS = (200, 201, 202, 203, 204)
TUNING_SEEDS = (20, 21)

Metric = str | tuple[str, ...]  # of several their mean is meant


def names_of(metric: Metric) -> tuple[str, ...]:
    """The names of the metrics whose mean is meant."""
    return (metric,) if isinstance(metric, str) else metric


@dataclasses.dataclass(frozen=True)
class Check:
    """An inequality between two arms: `arm[metric] compare factor * baseline[metric] + offset`.

    It holds where the means over seeds pass the bound, and the 95 % interval of the differences,
    paired by seed, excludes the contrary: that the arm is no better than the baseline or, where the
    bound allows it to be worse, that it is worse than allowed.

    A bound on one arm alone says nothing of what was learned: its baseline is an arm without
    training or a simple method.

    Attributes:
      says: what is true where it holds, as a clause for tables: "R@1 is higher by 3 points".
      metric: of the arm.
      arm: which.
      compare: `>=` where more is better.
      baseline: another arm, or the same one with another metric.
      factor, offset: of the bound.
      against: metric of the baseline, where it is another one.
    """

    says: str
    metric: Metric
    arm: str
    compare: Literal["<=", ">="]
    baseline: str
    factor: float = 1.0
    offset: float = 0.0
    against: Metric | None = None

    @property
    def metrics(self) -> tuple[Metric, Metric]:
        """Of the arm and of the baseline."""
        return self.metric, self.metric if self.against is None else self.against

    @property
    def strict(self) -> bool:
        """Whether the arm has to be better, and not only no worse than allowed."""
        if self.compare == ">=":
            return self.factor >= 1 and self.offset >= 0
        return self.factor <= 1 and self.offset <= 0


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Arms that are higher by one metric are higher by another: Spearman's rank correlation.

    Of every seed by itself, over its arms. It holds where the mean over seeds is at least `least`
    and its 95 % interval excludes that there is none.

    Attributes:
      says: what is true where it holds, as a clause for tables.
      metric: of every arm.
      against: the other metric of the same arms.
      arms: which, three at least.
      least: the correlation that is asked for.
    """

    says: str
    metric: Metric
    against: Metric
    arms: tuple[str, ...]
    least: float


@dataclasses.dataclass(frozen=True)
class Control:
    """An arm that lacks what the paper holds to be the cause, or a simple method.

    It does what is claimed, too, where the checks that hold hold with it in the place of an arm,
    and this arm is not better than it by what one of these checks asks for.

    Attributes:
      says: what it is, as a clause for tables: "K separate losses".
      arm: which.
      of: the arm whose place it takes.
      metrics: metric of `of` -> what is compared with it, where it is another one.
    """

    says: str
    arm: str
    of: str
    metrics: dict[str, str] = dataclasses.field(default_factory=dict)

    def measured(self, metric: Metric) -> tuple[str, ...]:
        """What is compared in the place of a metric of `of`."""
        return tuple(self.metrics.get(name, name) for name in names_of(metric))


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to train.

    One of `grid`, `like` and `untuned` says where its setting comes from.

    Attributes:
      changes: of the recipe, as mmjax.recipe.changes says.
      grid: keys -> values to choose from, `optimizer.learning_rate` or, for keys that have one
        value, `objectives.a.temperature, objectives.b.temperature`; of a stage `stages.<name>...`.
        Every combination is a trial.
      like: another arm, whose choice it takes, but for keys that it changes itself; for ablations
        at the setting of what they ablate.
      untuned: why there is nothing to choose, such as an arm without training.
      seed_keys: those of the claim by default; for an arm whose data has other ones.
    """

    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    grid: dict[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)
    like: str | None = None
    untuned: str = ""
    seed_keys: tuple[str, ...] | None = None

    def settings(self) -> list[dict[str, Any]]:
        """Every combination of the grid's values; of no grid the empty one."""
        found: list[dict[str, Any]] = [{}]
        for key, values in self.grid.items():
            found = [{**each, key: value} for each in found for value in values]
        return found


@dataclasses.dataclass(frozen=True)
class Tuning:
    """How the setting of every arm is chosen, all with the same number of trials.

    Attributes:
      metric: what a setting is chosen by, the mean over the seeds.
      mode: whether more of it is better.
      seeds: used for nothing else.
      changes: of all arms, such as a validation split where no seed makes another world.
    """

    metric: Metric
    mode: Literal["max", "min"] = "max"
    seeds: tuple[int, ...] = TUNING_SEEDS
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of a paper, as an experiment that could refute it.

    All arms start from a variant of the recipe, or from a `config` of the experiment's own.

    Attributes:
      paper: what the paper claims, in a sentence.
      statement: what is tested here.
      arms: by name.
      checks: what the paper's claim is here; the first one heads the tables.
      tuning: None where no arm has a grid.
      controls: arms that must not do it, too.
      premises: without which the experiment tests nothing, such as that there is a gap to close.
      extras: further comparisons, of which no verdict depends.
      rankings: of arms, what the paper's claim is here besides `checks`.
      metrics: to show for every arm.
      not_tested: why the paper's claim cannot be tested here; then the checks are extras.
      variant, config: what the arms start from.
      changes: of all arms.
      seeds: of the runs that are judged.
      seed_keys: further keys that are set to the seed of a run, such as that of generated data.
      paper_numbers: the paper's own result, to read beside ours.
      notes: what the results mean, for the page.
    """

    paper: str
    statement: str
    arms: dict[str, Arm]
    checks: tuple[Check, ...]
    metrics: tuple[str, ...]
    tuning: Tuning | None = None
    controls: tuple[Control, ...] = ()
    premises: tuple[Check, ...] = ()
    extras: tuple[Check, ...] = ()
    rankings: tuple[Ranking, ...] = ()
    not_tested: str = ""
    variant: str = "small"
    config: dict[str, Any] | None = None
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    seeds: tuple[int, ...] = SEEDS
    seed_keys: tuple[str, ...] = ()
    paper_numbers: str = ""
    notes: str = ""

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """Premises, the claim's own and further ones."""
        return (*self.premises, *self.checks, *self.extras)

    @property
    def gain(self) -> bool:
        """Whether the paper's claim asks for one, and not only that nothing is lost."""
        return bool(self.rankings) or any(check.strict for check in self.checks)
