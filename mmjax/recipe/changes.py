"""Changes of a config, for stages, the arms of an experiment and derived variants.

    {"steps": 150,
     "data": {"source": {"split": "tune"}},                          # merged key by key
     "objectives": {"clip": None, "rafa": {"type": "rafa"}},         # one taken away, one added
     "evaluators": Replace({"geometry": {"test": {...}}}),           # nothing of the old ones stays
     "stages": {"refine": {"optimizer": {"learning_rate": 1e-3}}}}   # of one stage, by its name

A change is a nested dict of the keys that it sets. Sections are merged, a component of another
`type` replaces the old one, None takes a named component (an objective, a tower, a view, an
evaluator, a stage) away, and `Replace` puts a value in the place of a whole section.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmjax.errors import unknown
from mmjax.schema.values import plain

# Sections of named components, of which None takes one away.
_NAMED = re.compile(
    r"objectives|data\.(views|match|mix_inputs)|model\.(adapters|towers|trunks|fusions)"
    r"|evaluators(\.[^.]+)?"
)
_TOWER = re.compile(r"model\.towers\.[^.]+")


@dataclasses.dataclass(frozen=True)
class Replace:
    """A value that replaces what was there, where a plain dict would be merged with it."""

    value: Any

    def plain(self) -> "Replace":
        """The same of plain values."""
        return Replace(plain(self.value))


def merge(base: Mapping[str, Any], changes: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """`base` with `changes`, as the module says."""
    merged = dict(base)
    for key, new in changes.items():
        path, old = f"{where}.{key}" if where else key, base.get(key)
        if isinstance(new, Replace):
            merged[key] = plain(new.value)
        elif path == "stages" and isinstance(new, Mapping):
            merged[key] = _merge_stages(old or (), new)
        elif new is None and isinstance(old, Mapping) and _removable(where, base):
            del merged[key]
        elif (
            isinstance(old, Mapping) and isinstance(new, Mapping) and not _replaces(old, new, path)
        ):
            merged[key] = merge(old, new, path)
        else:
            merged[key] = new
    return merged


def compose(first: Mapping[str, Any], then: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """One change that does what `first` and after it `then` do."""
    both = dict(first)
    for key, new in then.items():
        path, old = f"{where}.{key}" if where else key, first.get(key)
        if isinstance(old, Replace) and isinstance(old.value, Mapping) and isinstance(new, Mapping):
            both[key] = Replace(merge(old.value, new, path))
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            # Of another type than `first` says: nothing that it says of the old one holds.
            other = "type" in old and _replaces(old, new, path)
            both[key] = new if other else compose(old, new, path)
        else:
            both[key] = new
    return both


def _merge_stages(
    stages: Sequence[Mapping[str, Any]], changes: Mapping[str, Any]
) -> tuple[dict[str, Any], ...]:
    """Stages, each with the `changes` under its name; None leaves it out."""
    names = [stage["name"] for stage in stages]
    for name in changes:
        if name not in names:
            raise unknown(name, names, "stages", "a change", "stage")
    return tuple(
        compose(stage, changes.get(stage["name"], {}))
        for stage in stages
        if changes.get(stage["name"], {}) is not None
    )


def changes(base: Mapping[str, Any], other: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """What `merge` turns `base` into `other` with."""
    found: dict[str, Any] = {}
    for key in [*base, *(key for key in other if key not in base)]:
        path = f"{where}.{key}" if where else key
        old = base.get(key)
        if key not in other:
            if not _removable(where, base):
                raise ValueError(f"{path} cannot be taken away")
            found[key] = None
            continue
        new = other[key]
        if key in base and old == new and isinstance(old, bool) == isinstance(new, bool):
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping) and not _replaces(old, new, path):
            found[key] = changes(old, new, path)
        else:
            found[key] = new
    return found


def holds_components(where: str) -> bool:
    """Whether the section at this path is one of named components."""
    return _NAMED.fullmatch(where) is not None


def _removable(where: str, section: Mapping[str, Any]) -> bool:
    mixture = where == "data.source" and "type" not in section
    return mixture or holds_components(where) or _TOWER.fullmatch(where) is not None


def _replaces(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> bool:
    """Whether a section is of another kind, so that nothing of the old one holds for it."""
    if where == "optimizer":  # whose keys are those of all types
        return False
    if "type" in new:
        return bool(new["type"] != old.get("type"))
    if where.rpartition(".")[2] not in ("source", "train"):
        return False
    parts = [value for value in new.values() if value is not None]
    mixture = bool(parts) and all(isinstance(p, Mapping) and "type" in p for p in parts)
    return mixture and "type" in old  # one source that becomes several
