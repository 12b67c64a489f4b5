"""The Python API, for notebooks and scripts.

import mmjax

model = mmjax.load("runs/clip-20261125-101500")  # or an export, weights, hf://owner/name
images = model.encode(images=[Image.open("dog.jpg"), "cat.png"])    # f32[2, D], unit rows
texts = model.encode(texts=["a dog", "a cat"])
model.similarity(images, texts)                                     # f32[2, 2], cosines
model.search(texts, images, k=1)                                    # (scores, positions)
model.zero_shot(["dog.jpg"], ["dog", "cat"], ["a photo of a {}"])   # (labels, scores)
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import get_args

from mmjax.data.views.image_libraries import Preprocessing
from mmjax.errors import ConfigError
from mmjax.evaluators.neighbours import Found
from mmjax.inference import parity
from mmjax.inference import verify as verify_lib
from mmjax.inference.bundle import Dtype
from mmjax.inference.model import Classified, Model
from mmjax.train import runs
from mmjax.weights import hub
from mmjax.weights.files import is_foreign

__all__ = ["Classified", "Found", "Model", "load"]

logger = logging.getLogger("mmjax")


def load(
    path: str | Path,
    *,
    checkpoint: str | int = "latest",
    dtype: Dtype | None = None,
    verify: str | Path | None = None,
    preprocessing: Preprocessing | None = None,
) -> Model:
    """Loads a model for use.

    Args:
      path: folder of a run, of an export (`--format=hf`, `open_clip` or `safetensors`), or of
        foreign weights in Hugging Face's or open_clip's layout. `hf://owner/name[@revision]`
        is a model of the Hugging Face Hub, and so is `owner/name` where no folder `owner` is here.
      checkpoint: of a run: `latest`, `previous`, `best` or a step.
      dtype: of the computation, `float32` or `bfloat16`; by default what the run used, float32 for
        foreign weights.
      verify: of foreign weights: compare them with their own library first, which needs the extra
        `torch`, and write the report, `parity.json`, to this folder. Exports have one already;
        without either, a warning says that nobody checked.
      preprocessing: how images are resized, cut and normalized: `own`, or exactly as `transformers`
        or `open_clip` does; by default as the model's view of images says, which is `own` for
        foreign weights.

    Raises:
      ConfigError: in one sentence, for a folder that cannot be loaded.
      MissingExtra: with `verify`, without the library to compare with; for a model of the Hub
        without the extra `hub`.
      ParityError: with `verify`, when the weights embed differently here.
    """
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"load takes a folder or a name, not a {type(path).__name__}")
    if not isinstance(verify, str | os.PathLike | None):
        raise ConfigError(f"load: verify={verify!r} is no folder")
    if dtype not in (None, *get_args(Dtype)):
        raise ConfigError(f"load: dtype={dtype!r} is none of {', '.join(get_args(Dtype))}")
    if preprocessing not in (None, *get_args(Preprocessing)):
        raise ConfigError(
            f"load: preprocessing={preprocessing!r} is none of {', '.join(get_args(Preprocessing))}"
        )
    folder = hub.local(path)
    if verify is not None or is_foreign(folder):
        _verified(folder, verify)
    bundle = runs.bundle(folder, checkpoint=str(checkpoint), dtype=dtype)
    return Model(bundle if preprocessing is None else bundle.prepared(preprocessing))


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
