"""Configs as runs write them down, and in what two of them differ."""

import json
from collections.abc import Mapping
from typing import Any

from mmjax.config.sections import OPERATIONAL
from mmjax.config.values import plain


def differences(old: Mapping, new: Mapping, where: str = "") -> list[str]:
    """The leaves in which two configs differ, operational keys left out, as `key: old -> new`."""
    old, new, found = plain(old), plain(new), []
    for key in sorted({*old, *new}):
        path = f"{where}.{key}" if where else key
        if path in OPERATIONAL:
            continue
        a, b = old.get(key, "(not set)"), new.get(key, "(not set)")
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += differences(a, b, path)
        elif _json(a) != _json(b):
            found.append(f"{path}: {_json(a)} -> {_json(b)}")
    return found


def _json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False)


def dump(config: Mapping) -> str:
    """The config as JSON text, readable and with keys in order."""
    return json.dumps(plain(config), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
