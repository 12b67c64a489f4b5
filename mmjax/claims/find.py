"""From the name of an experiment to its checked claim and the configs of its runs."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmjax import recipe as recipe_lib
from mmjax.claims.experiment import Check, Claim
from mmjax.errors import ConfigError, NoVariant, unknown
from mmjax.recipe import Recipe
from mmjax.recipe.changes import merge
from mmjax.recipe.load import given, in_file, module_of
from mmjax.schema.sections import section
from mmjax.schema.values import plain

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

    def recipe_of(self, arm: str | None = None, seed: int | None = None) -> Recipe:
        """The completed recipe of an arm, or of what all arms start from.

        Raises:
          ConfigError: for what the arm changes and may not; the message names both.
        """
        claim, file = self.claim, self.file
        if claim.config is None:
            tree = given(f"{self.folder / self.recipe}.py:{claim.variant}")
        else:
            tree = plain(claim.config)
        tree = {**tree, "recipe": self.recipe, "variant": self.variant}
        where = file if arm is None else f"{file}, arm {arm!r}"
        try:
            tree = merge(tree, claim.changes)
            for key in ("seed", *claim.seed_keys) if seed is not None else ():
                recipe_lib.set_key(tree, f"{key}={seed}", file)
            tree = merge(tree, {} if arm is None else claim.arms[arm])
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        return recipe_lib.complete(tree, where)

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
        raise NoVariant(f"{folder / recipe}.py has no claim: {file} does not exist")
    return _made(recipe, variant, folder, names(file))


def _made(
    recipe: str, variant: str, folder: Path, known: Mapping[str, Callable[[], Claim]]
) -> Experiment:
    """The experiment of one of the functions that `names` has found."""
    file = folder / "claims" / f"{recipe}.py"
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
    section(Claim, plain(claim), where, file)
    for i, each in enumerate(claim.checks):
        section(Check, plain(each), f"{where}.checks[{i}]", file)
        for arm in {each.arm, each.baseline} - {None}:
            if arm not in claim.arms:
                raise unknown(arm, claim.arms, f"{where}.checks", file, "arm")


def check_metrics(experiment: Experiment, arm: str, recipe: Recipe) -> None:
    """Refuses a metric that no evaluator or term of an arm can have."""
    for name in experiment.needed(arm):
        where = f"{experiment.variant}.metrics"
        recipe_lib.check_metric(name, where, recipe, experiment.file, of_training=True)


def find_all(folder: Path) -> list[Experiment]:
    """Every claim of every recipe in a folder."""
    files = sorted((folder / "claims").glob("*.py"))
    return [
        _made(file.stem, name, folder, known)
        for file in files
        if file.stem != "__init__"
        for known in (names(file),)
        for name in known
    ]
