"""The Python API, for notebooks and scripts.

import mmjax

model = mmjax.load("runs/clip-20261125-101500")      # or an export, or a Hugging Face folder
images = model.encode(image=[Image.open("dog.jpg"), "cat.png"])     # f32[2, D], unit rows
texts = model.encode(text=["a dog", "a cat"])
model.similarity(images, texts)                                     # f32[2, 2], cosines
model.search(texts, images, k=1)                                    # (scores, positions)
"""

from __future__ import annotations

import logging
from pathlib import Path

from mmjax.errors import ConfigError
from mmjax.inference import parity
from mmjax.inference import verify as verify_lib
from mmjax.inference.bundle import Dtype
from mmjax.inference.model import Found, Model
from mmjax.train import runs
from mmjax.weights.files import is_foreign

__all__ = ["Found", "Model", "load"]

logger = logging.getLogger("mmjax")


def load(
    path: str | Path,
    *,
    checkpoint: str = "latest",
    dtype: Dtype | None = None,
    verify: str | Path | None = None,
) -> Model:
    """Loads a model for use.

    Args:
      path: folder of a run, of an export (`--format=hf`, `open_clip` or `safetensors`), or of
        foreign weights in Hugging Face's or open_clip's layout.
      checkpoint: of a run: `latest`, `previous`, `best` or a step.
      dtype: of the computation, `float32` or `bfloat16`; by default what the run used, float32 for
        foreign weights.
      verify: of foreign weights: compare them with their own library first, which needs the extra
        `torch`, and write the report, `parity.json`, to this folder. Exports have one already;
        without either, a warning says that nobody checked.

    Raises:
      ConfigError: in one sentence, for a folder that cannot be loaded.
      MissingExtra: with `verify`, without the library to compare with.
      ParityError: with `verify`, when the weights embed differently here.
    """
    if verify is not None or is_foreign(path):
        _verified(Path(path).expanduser(), verify)
    return Model(runs.bundle(path, checkpoint=checkpoint, dtype=dtype))


def _verified(path: Path, out: str | Path | None) -> None:
    """Compares foreign weights with their own library, or reports that this was not done."""
    if out is not None:
        if not is_foreign(path):
            raise ConfigError(f"verify={str(out)!r} is for foreign weights, and {path} are our own")
        logger.info(verify_lib.verify(path, out)[1])
    elif path.exists() and not (path / parity.REPORT).is_file():
        logger.warning(
            f"whether {path} embeds here as in its own library was not checked: give "
            "verify=FOLDER for the report (needs mmjax[torch]), or run python -m mmjax.export "
            f"--workdir={path} --format=verify --out=FOLDER"
        )
