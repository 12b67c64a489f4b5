"""From the name of an experiment to its checked claim and the configs of its runs."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ml_collections

from mmjax import recipe as config_lib
from mmjax.claims.experiment import Check, Claim
from mmjax.errors import ConfigError, unknown
from mmjax.recipe.changes import merge
from mmjax.recipe.load import given, in_file, module_of

# What a summary holds beside the metrics of evaluators, and those of terms (`train/<term>/...`).
_OF_EVERY_RUN = (
    "seconds",
    "step",
    "train/loss",
    "train/learning_rate",
    "train/gradient_norm",
    "train/parameter_norm",
)
_CONSTRUCTOR = re.compile(
    r"(Claim|Check)\.__init__\(\) (?:got an unexpected keyword argument '(\w+)'"
    r"|missing \d+ required .*?: (.*))"
)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A claim of a recipe.

    Attributes:
      recipe: name of the recipe.
      variant: name of the function that makes the claim, `claim` or `claim_<name>`.
      folder: of the recipes; the experiments are in its folder `claims`.
      claim: what is claimed.
    """

    recipe: str
    variant: str
    folder: Path
    claim: Claim

    @property
    def file(self) -> str:
        """The file that the claim is in."""
        return str(self.folder / "claims" / f"{self.recipe}.py")

    @property
    def name(self) -> str:
        """`tcl`, or `lit-claim_tux_paint` for a further claim: of files and folders."""
        return self.recipe if self.variant == "claim" else f"{self.recipe}-{self.variant}"

    @property
    def word(self) -> str:
        """`tcl`, or `lit:claim_tux_paint`: how the command line names it."""
        return self.recipe if self.variant == "claim" else f"{self.recipe}:{self.variant}"

    def config(self, arm: str | None = None, seed: int | None = None) -> ml_collections.ConfigDict:
        """The completed config of an arm, or of what all arms start from.

        Raises:
          ConfigError: for what the arm changes and may not; the message names both.
        """
        claim, file = self.claim, self.file
        if claim.config is None:
            tree = given(f"{self.folder / self.recipe}.py:{claim.variant}")
        else:
            tree = config_lib.plain(claim.config)
        tree = {**tree, "recipe": self.recipe, "variant": self.variant}
        where = file if arm is None else f"{file}, arm {arm!r}"
        try:
            tree = merge(tree, claim.changes)
            for key in ("seed", *claim.seed_keys) if seed is not None else ():
                config_lib.set_key(tree, f"{key}={seed}", file)
            tree = merge(tree, {} if arm is None else claim.arms[arm])
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        return ml_collections.ConfigDict(config_lib.complete(tree, where))

    def needed(self, arm: str) -> list[str]:
        """The metrics that a run of an arm has to have.

        Those of its checks, and those that are shown: but for an arm with evaluators or stages of
        its own, on other data perhaps, which may do without the latter.
        """
        checks = [c.metric for c in self.claim.checks if arm in (c.arm, c.baseline)]
        own = _measures_otherwise(self.claim.arms[arm])
        return checks if own else [*self.claim.metrics, *checks]


def _measures_otherwise(changes: Mapping[str, Any]) -> bool:
    stages = changes.get("stages", {})
    if not isinstance(stages, Mapping):
        return True
    return "evaluators" in changes or any("evaluators" in (each or {}) for each in stages.values())


def names(file: Path) -> dict[str, Callable[[], Claim]]:
    """The functions of a file that make claims, by their names."""
    module = module_of(str(file))
    return {
        name: value
        for name, value in vars(module).items()
        if re.fullmatch(r"claim(_\w+)?", name) and callable(value)
    }


def find(word: str, folder: Path) -> Experiment:
    """An experiment, checked but for its runs' configs.

    Args:
      word: `tcl` or `lit:claim_tux_paint`.
      folder: of the recipes.

    Raises:
      ConfigError: in one sentence, for a file, a name or a key that cannot be.
    """
    recipe, _, variant = word.partition(":")
    variant = variant or "claim"
    file = folder / "claims" / f"{recipe}.py"
    if not file.is_file() and (folder / f"{recipe}.py").is_file():
        raise config_lib.NoVariant(f"{folder / recipe}.py makes no claim: there is no {file}")
    known = names(file)
    if variant not in known:
        raise unknown(variant, known, recipe, str(file), "claim")
    try:
        claim = known[variant]()
    except ConfigError:
        raise
    except Exception as error:
        raise _of_constructor(str(file), variant, error) from error
    if not isinstance(claim, Claim):
        raise ConfigError(f"{file}: {variant}() should return a Claim, not {claim!r}")
    experiment = Experiment(recipe, variant, folder, claim)
    check(experiment)
    return experiment


def _of_constructor(file: str, variant: str, error: Exception) -> ConfigError:
    found = _CONSTRUCTOR.search(str(error)) if isinstance(error, TypeError) else None
    if found is None:
        return in_file(file, error)
    section = {"Claim": Claim, "Check": Check}[found[1]]
    where = variant if section is Claim else f"{variant}.checks"
    if found[3]:
        return ConfigError(f"{file}: a key of {where!r} is missing: {found[3]}")
    return unknown(found[2], [f.name for f in dataclasses.fields(section)], where, file)


def check(experiment: Experiment) -> None:
    """Checks the types of a claim's keys, and the arms that its checks name."""
    claim, file, where = experiment.claim, experiment.file, experiment.variant
    config_lib.fill(Claim, vars(claim), where, file)
    for i, each in enumerate(claim.checks):
        config_lib.fill(Check, vars(each), f"{where}.checks[{i}]", file)
        for arm in {each.arm, each.baseline} - {None}:
            if arm not in claim.arms:
                raise unknown(arm, claim.arms, f"{where}.checks", file, "arm")


def check_metrics(experiment: Experiment, arm: str, config: Mapping[str, Any]) -> None:
    """Refuses a metric that no evaluator or term of an arm's config can have.

    Only the evaluator or the term can be known here; what it measures is its own.
    """
    known, others = _measured(config), list(_OF_EVERY_RUN)
    for own, stage in config_lib.stage_configs(config)[:-1]:  # the last one's are those of the run
        known += [f"{own['name']}/{each}" for each in _measured(stage)]
    if config["checkpoints"]["keep_best"]:
        known += [f"best/{each}" for each in _measured(config)]
        others.append("best/step")
    for name in experiment.needed(arm):
        if name not in others and not any(name.startswith(f"{each}/") for each in known):
            valid = [f"{each}/..." for each in known]
            raise unknown(name, valid, f"{experiment.variant}.metrics", experiment.file, "metric")


def _measured(config: Mapping[str, Any]) -> list[str]:
    found = [f"{kind}/{each}" for kind, named in config["evaluators"].items() for each in named]
    return found + [f"train/{term}" for term in config["objectives"]]


def find_all(folder: Path) -> list[Experiment]:
    """Every claim of every recipe in a folder."""
    files = sorted((folder / "claims").glob("*.py"))
    return [
        find(f"{file.stem}:{name}", folder)
        for file in files
        if file.stem != "__init__"
        for name in names(file)
    ]
