"""Parity of what a run starts from: every foreign folder against its own library, before a step.

The reports lie in the run's folder, `imports/<tower>.json`: what `python -m mmjax.export
--format=verify` writes, of a few images and texts, with `checked: true`. Without the extra
`torch` they say `checked: false` and why, and so does the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmjax.files import write_atomically, writing
from mmjax.inference import parity, verify
from mmjax.weights.foreign import Weights

FOLDER = "imports"
ROWS = 8  # of images and texts; an export, made once, takes more


def check(folders: Mapping[str, tuple[Weights, list[str]]], workdir: Path) -> list[str]:
    """Compares the folders that towers start from with their own libraries.

    Compared are a folder's towers with the folder's own options: what a recipe changed, such as
    the size of images, has no original to compare with, and the report lists it.

    Args:
      folders: tower -> where its weights are from, and options that the recipe has otherwise
        (`Pretrained.folders`).
      workdir: of the run.

    Returns:
      Lines for the log, one a tower.

    Raises:
      ParityError: when a folder embeds differently here; its report is kept.
    """
    made: dict[Path, dict[str, Any]] = {}
    lines = []
    for tower, (weights, changes) in folders.items():
        path = weights.folder.path.resolve()
        if path not in made:  # towers of one folder are compared once
            made[path] = _report(weights)
        report = {**made[path], "folder": str(weights.folder.path), "changed_by_recipe": changes}
        target = workdir / FOLDER / f"{tower}.json"
        with writing(target):
            target.parent.mkdir(exist_ok=True)
        if report["checked"]:
            lines.append(f"{tower}: {parity.finish(report, target)}")
            continue
        write_atomically(target, json.dumps(report, indent=2) + "\n")
        lines.append(
            f"{tower}: parity of {weights.folder.path} was not checked, because "
            f"{report['reason']}; python -m mmjax.export --workdir={weights.folder.path} "
            "--format=verify --out=REPORT checks it"
        )
    return lines


def _report(weights: Weights) -> dict[str, Any]:
    why = verify.unable(weights)
    if why is not None:
        return {"checked": False, "reason": why}
    return {"checked": True, **verify.compared(weights, ROWS)}
