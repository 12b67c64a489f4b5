"""Checks what an experiment says, before anything is run."""

from mmjax.claims.experiment import Claim
from mmjax.errors import ConfigError, unknown
from mmjax.schema.sections import section
from mmjax.schema.values import plain


def check(claim: Claim, where: str, file: str) -> None:
    """Checks the types of a claim's keys, the arms that it names, and that all are tuned alike.

    Args:
      claim: as the function of the file has made it.
      where: name of this function, for messages.
      file: that it is in, for messages.

    Raises:
      ConfigError: in one sentence.
    """
    section(Claim, plain(claim), where, file)
    for name in ("premises", "checks", "extras"):
        for i, each in enumerate(getattr(claim, name)):
            for arm in (each.arm, each.baseline):
                _known(arm, claim, f"{where}.{name}[{i}]", file)
            if each.arm == each.baseline and each.metrics[0] == each.metrics[1]:
                raise ConfigError(
                    f"{file}: {where}.{name}[{i}] compares {each.arm!r} with itself: name another "
                    "arm as the baseline, or another metric of it by 'against'"
                )
    for i, ranking in enumerate(claim.rankings):
        if len({*ranking.arms}) < 3:
            raise ConfigError(f"{file}: {where}.rankings[{i}] needs three arms to rank, at least")
        for arm in ranking.arms:
            _known(arm, claim, f"{where}.rankings[{i}]", file)
    for i, control in enumerate(claim.controls):
        for arm in (control.arm, control.of):
            _known(arm, claim, f"{where}.controls[{i}]", file)
        if control.arm == control.of and not control.metrics:
            raise ConfigError(
                f"{file}: {where}.controls[{i}] compares {control.of!r} with itself: name another "
                "arm, or other metrics of it by 'metrics'"
            )
        if all(each.arm != control.of for each in claim.checks):
            raise ConfigError(
                f"{file}: {where}.controls[{i}] takes the place of {control.of!r}, of which no "
                "check is"
            )
    _check_arms(claim, where, file)


def _known(arm: str, claim: Claim, where: str, file: str) -> None:
    if arm not in claim.arms:
        raise unknown(arm, claim.arms, where, file, "arm")


def _check_arms(claim: Claim, where: str, file: str) -> None:
    """Checks where the setting of every arm comes from."""
    trials: dict[str, int] = {}
    for name, arm in claim.arms.items():
        path = f"{where}.arms[{name!r}]"
        if sum((bool(arm.grid), arm.like is not None, bool(arm.untuned))) != 1:
            raise ConfigError(
                f"{file}: {path} needs one of 'grid' (what to choose from), 'like' (an arm whose "
                "choice it takes) and 'untuned' (why there is nothing to choose)"
            )
        if arm.grid:
            if claim.tuning is None:
                raise ConfigError(f"{file}: {path} has a grid, so {where!r} needs 'tuning'")
            trials[name] = len(arm.settings())
        if arm.like is not None:
            _known(arm.like, claim, f"{path}.like", file)
            if not claim.arms[arm.like].grid:
                raise ConfigError(f"{file}: {path} is like {arm.like!r}, which has no grid itself")
    if len(set(trials.values())) > 1:
        counts = ", ".join(f"{count} of {name!r}" for name, count in trials.items())
        raise ConfigError(f"{file}: arms of {where!r} differ in their number of trials: {counts}")
    if claim.tuning and (both := {*claim.tuning.seeds} & {*claim.seeds}):
        raise ConfigError(f"{file}: seeds {sorted(both)} of {where!r} are used for tuning, too")
