"""What a record is of: the config of every arm, the data, and the versions of words.

A record is stale where one of them is not what the claim has today. Configs are stored whole, not
as hashes alone: what an option that did not exist then is set to by default is no difference.
"""

import dataclasses
import hashlib
import json
import math
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from mmjax import recipe as recipe_lib
from mmjax.claims.find import Experiment, nested
from mmjax.claims.tuning import Setting, choices
from mmjax.errors import ConfigError, UserError
from mmjax.recipe import Recipe
from mmjax.schema.registry import Spec
from mmjax.schema.values import plain
from mmjax.train import trainer

# Records of a source that are looked at, from its first to its last.
_ROWS = 16
# Relative: another version of NumPy, or another CPU, gives other last digits.
_TOLERANCE = 1e-4


def of(
    experiment: Experiment, chosen: Mapping[str, Setting], seed: int, **how: bool
) -> dict[str, Any]:
    """What runs of an experiment are of.

    Args:
      experiment: whose runs.
      chosen: setting of every arm that ran.
      seed: of one of them, which stands for all.
      how: as for `Experiment.recipe_of`.

    Returns:
      `configs` of every arm, leaf by leaf, those after the first as what differs from it;
      `hashes` of the whole configs; `words`, their versions; and `data`, what was read.
    """
    recipes = {arm: experiment.recipe_of(arm, seed, chosen[arm], **how) for arm in chosen}
    flat = {arm: leaves(recipe.plain()) for arm, recipe in recipes.items()}
    first = next(iter(flat.values()))
    configs = {arm: own if own is first else changed(first, own) for arm, own in flat.items()}
    specs = [spec for recipe in recipes.values() for spec in _specs(recipe)]
    return {
        "configs": configs,
        "hashes": {arm: digest(own) for arm, own in flat.items()},
        "words": _versions(specs),
        "data": {name: _seen(spec) for name, spec in _sources(recipes.values()).items()},
    }


def of_tuning(experiment: Experiment) -> dict[str, Any]:
    """What the trials of an experiment's tuning are of; their settings are in the grids.

    Arms without a grid have none: they may change without a new tuning.
    """
    claim = experiment.claim
    assert claim.tuning is not None
    first = {arm: each.settings()[0] for arm, each in claim.arms.items() if each.grid}
    return of(experiment, first, claim.tuning.seeds[0], tuning=True)


def untuned(experiment: Experiment, stored: Mapping[str, Any] | None) -> list[str]:
    """Why a stored tuning is not of the experiment as it is, a sentence each; none if it is."""
    try:
        choices(experiment, stored)
    except ConfigError as error:
        return [str(error)]
    if stored is None:  # and there is nothing to choose
        return []
    said = differences(stored["of"], of_tuning(experiment), stored["arms"])
    asked = experiment.claim.tuning
    assert asked is not None
    now = {"metric": asked.metric, "mode": asked.mode, "seeds": asked.seeds}
    said += [f"{key} has changed" for key in now if _json(stored[key]) != _json(now[key])]
    return [f"of the tuning: {text}" for text in said]


def differences(
    stored: Mapping[str, Any], now: Mapping[str, Any], arms: Collection[str] | None = None
) -> list[str]:
    """Where what is stored differs from today, a sentence each.

    Args:
      stored: of a record, as `of` gives it.
      now: the same of today.
      arms: of the record that are meant; all by default.
    """
    found = []
    before, today = whole(stored["configs"]), whole(now["configs"])
    if arms is not None:
        before = {arm: each for arm, each in before.items() if arm in arms}
    if list(before) != list(today):
        found.append(f"arms: {list(before)} -> {list(today)}")
        return found
    for arm, new in today.items():
        old = before[arm]
        if digest(old) != stored["hashes"][arm]:
            found.append(f"arm {arm!r}: the stored config is not that of the stored hash")
        if digest(old) != digest(new):
            try:
                old = leaves(recipe_lib.complete(nested(old), f"record, arm {arm!r}").plain())
            except ConfigError as error:
                found.append(f"arm {arm!r}: {error}")
                continue
            found += [
                f"arm {arm!r}: {key}: {_json(old.get(key))} -> {_json(new.get(key))}"
                for key in sorted({*old, *new})
                if _json(old.get(key)) != _json(new.get(key))
            ]
    for word, version in now["words"].items():
        known = stored["words"].get(word, version)
        if known != version:
            found.append(f"{word}: version {known} -> {version}")
    for name, seen in now["data"].items():
        read = stored["data"].get(name)
        if read is not None and seen is not None and not _same(read, seen):
            found.append(f"the data are others: {name}")
    return found


def leaves(tree: Any, where: str = "") -> dict[str, Any]:
    """{path: value} of a config; empty sections are leaves."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{where}.{key}" if where else key
        if isinstance(value, Mapping) and value:
            found |= leaves(value, path)
        else:
            found[path] = json.loads(_json(value))  # as it is read again
    return found


def digest(config: Mapping[str, Any]) -> str:
    """Hash of a config's leaves."""
    return hashlib.sha256(_json(dict(sorted(config.items()))).encode()).hexdigest()[:16]


def _json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False)


_GONE = "(not set)"  # a leaf of the first arm that another one does not have


def changed(first: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves of an arm that the first arm has not, or not so, and those that only that one has."""
    gone = {key: _GONE for key in first if key not in own}
    # As they are written: 1, 1.0 and True are equal here, and are not the same in a file.
    return gone | {
        key: value
        for key, value in own.items()
        if key not in first or _json(first[key]) != _json(value)
    }


def whole(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The leaves of every arm, of what `changed` has left."""
    first = next(iter(configs.values()))
    found = {}
    for arm, own in configs.items():
        both = {**first, **own}
        found[arm] = {key: value for key, value in both.items() if value != _GONE}
    return found


def _specs(part: Any) -> Iterator[Spec[Any]]:
    """Every component of a recipe, those of stages included."""
    if isinstance(part, Recipe) and part.stages:
        for _, recipe in recipe_lib.each(part):
            yield from _specs(recipe)
    elif isinstance(part, Spec):
        yield part
        yield from _specs(part.options)
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from _specs(value)
    elif isinstance(part, tuple | list):
        for value in part:
            yield from _specs(value)
    elif dataclasses.is_dataclass(part) and not isinstance(part, type):
        for field in dataclasses.fields(part):
            yield from _specs(getattr(part, field.name))


def _versions(specs: Iterable[Spec[Any]]) -> dict[str, int]:
    """{kind and word: version}, and that of the trainer."""
    found = {
        f"{spec.registry.kind} {spec.type}": spec.registry.version(spec.type) for spec in specs
    }
    return {**dict(sorted(found.items())), "trainer": trainer.VERSION}


def _sources(recipes: Iterable[Recipe]) -> dict[str, Spec[Any]]:
    """Every source that is read, in training, by a gallery or an evaluator, by its options."""
    found: dict[str, Spec[Any]] = {}
    for recipe in recipes:
        for _, stage in recipe_lib.each(recipe):
            read = list(stage.data.sources.values())
            read += [gallery.source for gallery in stage.data.galleries.values()]
            for _, _, evaluator in stage.each_evaluator():
                read += evaluator.sources.values()
            found |= {_json(dict(sorted(spec.plain().items()))): spec for spec in read}
    return dict(sorted(found.items()))


def _seen(spec: Spec[Any]) -> dict[str, Any] | None:
    """What stands for the rows of a source; None where it is not here."""
    try:
        source = spec.build()
        rows = len(source)
        at = sorted({round(i * (rows - 1) / (_ROWS - 1)) for i in range(_ROWS)})
        records = [source[i] for i in at]
    except (UserError, OSError):
        return None
    exact, inexact = 0, {}
    for field in sorted({field for record in records for field in record}):
        numbers = []
        for record in records:
            for value in _values(record.get(field)):
                if (isinstance(value, np.ndarray) and value.dtype.kind == "f") or isinstance(
                    value, float
                ):
                    numbers.append(np.asarray(value, np.float64).ravel())
                else:
                    exact = zlib.crc32(_bytes(value), exact)
        if numbers:
            every = np.concatenate(numbers)
            scale = float(np.abs(every).mean())
            # The first ones, too: the mean of many hardly changes with their order.
            inexact[field] = [
                float(f"{v:.6g}") for v in (every.mean(), every.std(), scale, *every[:3])
            ]
    return {"rows": rows, "exact": f"{exact:08x}", "numbers": inexact}


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _values(each)
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield key
            yield from _values(value[key])
    else:
        yield value


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, np.ndarray):
        return str((value.dtype, value.shape)).encode() + np.ascontiguousarray(value).tobytes()
    return repr(value).encode()


def _same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    exact = all(old[key] == new[key] for key in ("rows", "exact"))
    if not exact or list(old["numbers"]) != list(new["numbers"]):
        return False
    for field, numbers in new["numbers"].items():
        scale = numbers[2] or 1.0
        pairs = zip(old["numbers"][field], numbers, strict=True)
        if not all(
            math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE * scale) for a, b in pairs
        ):
            return False
    return True
