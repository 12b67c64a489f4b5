"""From the name of an experiment to its checked claim and the configs of its runs."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmjax import recipe as recipe_lib
from mmjax.claims import checked
from mmjax.claims.experiment import Arm, Check, Claim, Control, Metric, Tuning, names_of
from mmjax.errors import ConfigError, NoVariant, unknown
from mmjax.recipe import Recipe
from mmjax.recipe.changes import Replace, merge
from mmjax.recipe.load import given, in_file, module_of
from mmjax.schema.values import plain

_PARTS = {part.__name__: part for part in (Claim, Check, Control, Arm, Tuning)}
_CONSTRUCTOR = re.compile(
    rf"({'|'.join(_PARTS)})\.__init__\(\) (?:got an unexpected keyword argument '(\w+)'"
    r"|missing \d+ required .*?: (.*))"
)
# Of a trial run, which shows whether everything works.
_TRIAL_STEPS = 12


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

    def base(self) -> Recipe:
        """The completed recipe of what all arms start from."""
        return recipe_lib.complete(merge(self._given(), self.claim.changes), self.file)

    def recipe_of(
        self,
        arm: str,
        seed: int,
        setting: Mapping[str, Any],
        *,
        tuning: bool = False,
        trial: bool = False,
    ) -> Recipe:
        """The completed recipe of a run.

        Args:
          arm: its name.
          seed: of the run, and of the claim's other keys of seeds.
          setting: what was chosen for the arm, or is tried: keys -> value.
          tuning: with what the claim's tuning changes.
          trial: of a few steps.

        Raises:
          ConfigError: for what the arm changes and may not; the message names both.
        """
        claim, own = self.claim, self.claim.arms[arm]
        where = f"{self.file}, arm {arm!r}"
        keys = claim.seed_keys if own.seed_keys is None else own.seed_keys
        try:
            tree = merge(self._given(), claim.changes)
            tree = merge(tree, own.changes)
            if tuning and claim.tuning is not None:
                tree = merge(tree, claim.tuning.changes)
            for names, each in self.taken(arm, setting).items():
                leaves = {name.strip(): each for name in names.split(",")}
                tree = merge(tree, nested(leaves))
            for key in ("seed", *keys):
                recipe_lib.set_key(tree, f"{key}={seed}", self.file)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        return recipe_lib.complete(shortened(tree) if trial else tree, where)

    def taken(self, arm: str, setting: Mapping[str, Any]) -> dict[str, Any]:
        """What an arm takes of a setting: of another arm's all but what it changes itself.

        Without this an ablation of what was tuned, such as of label smoothing, would get it back.
        """
        like = self.claim.arms[arm].like
        if like is None:
            return dict(setting)
        own, other = (self.claim.arms[name].changes for name in (arm, like))
        names = {key: [name.strip() for name in key.split(",")] for key in setting}
        return {
            key: value
            for key, value in setting.items()
            if all(_value(own, name) == _value(other, name) for name in names[key])
        }

    def _given(self) -> dict[str, Any]:
        claim = self.claim
        if claim.config is None:
            tree = given(f"{self.folder / self.recipe}.py:{claim.variant}")
        else:
            tree = plain(claim.config)
        return {**tree, "recipe": self.recipe, "variant": self.variant}

    def needed(self, arm: str) -> list[str]:
        """The metrics that a run of an arm has to have.

        Those of its checks, and those that are shown: but for an arm with evaluators or stages of
        its own, on other data perhaps, which may do without the latter.
        """
        claim = self.claim
        asked: list[Metric] = []
        for check in claim.all_checks:
            asked += [m for a, m in zip((check.arm, check.baseline), check.metrics, strict=True)
                      if a == arm]  # fmt: skip
            for control in claim.controls:
                if control.arm == arm and control.of == check.arm and check in claim.checks:
                    asked += control.measured(check.metric)
        for ranking in claim.rankings:
            if arm in ranking.arms:
                asked += [ranking.metric, ranking.against]
        found = [name for metric in asked for name in names_of(metric)]
        own = _measures_otherwise(claim.arms[arm].changes)
        return list(dict.fromkeys(found if own else [*claim.metrics, *found]))

    def to_tune(self, arm: str) -> list[str]:
        """The metrics by which the setting of an arm is chosen."""
        tuning = self.claim.tuning
        return list(names_of(tuning.metric)) if tuning and self.claim.arms[arm].grid else []


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a": {"b": value}}` of `{"a.b": value}`."""
    tree: dict[str, Any] = {}
    for path, value in leaves.items():
        *sections, key = path.split(".")
        part = tree
        for section in sections:
            part = part.setdefault(section, {})
        part[key] = value
    return tree


def shortened(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe of a few steps a stage, with a warm-up that is shorter yet."""
    most = {"steps": _TRIAL_STEPS, "warmup_steps": _TRIAL_STEPS // 4}
    short: dict[str, Any] = {}
    for key, value in tree.items():
        if key in most and isinstance(value, int):
            short[key] = min(value, most[key])
        elif key == "stages":
            short[key] = tuple(shortened(stage) for stage in value or ())
        elif key in ("optimizer", "checkpoints") and isinstance(value, Mapping):
            short[key] = shortened(value)
        else:
            short[key] = value
    return short


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
    checked.check(claim, variant, str(file))
    return experiment


def _of_constructor(file: str, variant: str, error: Exception) -> ConfigError:
    found = _CONSTRUCTOR.search(str(error)) if isinstance(error, TypeError) else None
    if found is None:
        return in_file(file, error)
    part = _PARTS[found[1]]
    where = variant if part is Claim else f"{variant}, {found[1]}"
    if found[3]:
        return ConfigError(f"{file}: a key of {where!r} is missing: {found[3]}")
    return unknown(found[2], [f.name for f in dataclasses.fields(part)], where, file)


def check_metrics(experiment: Experiment, arm: str, recipe: Recipe, asked: list[str]) -> None:
    """Refuses a metric that no evaluator or term of an arm can have."""
    for name in asked:
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


def _value(changes: Any, key: str) -> Any:
    """What changes give to a dotted key; None where they do not."""
    for part in key.split("."):
        changes = changes.value if isinstance(changes, Replace) else changes
        changes = changes.get(part) if isinstance(changes, Mapping) else None
    return changes
