"""Model export: to `transformers`, `open_clip`, plain safetensors and StableHLO.

Every export is checked: what was written is read again, by the library it is for where that is
installed, and has to embed as the model does (`parity.json`).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mmjax import api, digests
from mmjax.errors import ConfigError
from mmjax.export import card
from mmjax.export.formats import FORMATS
from mmjax.inference import bundle, parity


def export(
    path: str | Path,
    out: str | Path,
    *,
    format: str,
    checkpoint: str = "latest",
    license: str | None = None,
) -> tuple[Path, str]:
    """Writes a model in another format.

    Args:
      path: whatever `mmjax.load` takes: a run, an export, foreign weights.
      out: the folder to make; it must not exist, or be empty.
      format: `hf`, `open_clip`, `safetensors` or `stablehlo`.
      checkpoint: of a run.
      license: of the weights, for the model card.

    Returns:
      (the folder, a line on parity).

    Raises:
      ConfigError: when the model is not of the format's shape; nothing is left then.
      ParityError: when what was written embeds differently; `<out>.failed` keeps it.
    """

    if format not in FORMATS:
        raise ConfigError(f"--format={format} is none of {', '.join(FORMATS)}")
    target = Path(out).expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(
            f"{target} is there already and not an empty folder: choose another --out"
        )
    # In float32 whatever the run computed in: only so can two libraries be compared.
    model = api.load(path, checkpoint=checkpoint, dtype="float32")
    if format in ("hf", "open_clip"):
        model = api.Model(bundle.merged(model.bundle))
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    notes: list[str] = []
    try:
        report: dict[str, Any] = FORMATS[format](model, part, notes)
        line = parity.finish(report, part / parity.REPORT)
    except parity.ParityError:
        failed = target.with_name(target.name + ".failed")
        shutil.rmtree(failed, ignore_errors=True)
        part.rename(failed)
        raise
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    text = card.card(
        kind=format,
        name=target.name,
        bundle=model.bundle,
        report=report,
        notes=notes,
        license=license,
    )
    (part / "README.md").write_text(text, encoding="utf-8")
    digests.write(part)
    if target.exists():
        target.rmdir()
    part.rename(target)
    return target, line
