"""A model for MTEB, MIEB (images) and MAEB (sounds), which measure it with their own code.

import mteb
from mmjax.harnesses.mteb import Encoder

mteb.evaluate(Encoder("weights/clip"), mteb.get_tasks(tasks=["CIFAR10ZeroShot"]))
"""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from mmjax import api
from mmjax.cli import fail
from mmjax.errors import ConfigError
from mmjax.extras import needs
from mmjax.harnesses import needed

needed("mteb", "mteb", "MTEB", __name__)
_mteb: Any = importlib.import_module("mteb.models")


class Encoder(_mteb.abs_encoder.AbsEncoder):  # type: ignore[misc]
    """An encoder of every modality that a model and MTEB share: text, image, audio.

    A document of several modalities has the mean of their embeddings, as other dual encoders have
    there. Prompts of tasks are not used: contrastive towers know no instructions.

    Args:
      path: what `mmjax.load` takes.
      options: of `mmjax.load`.
    """

    def __init__(self, path: str | Path, **options: Any):
        self.model = api.load(path, **options)
        shared = [each for each in ("text", "image", "audio") if each in self.model.modalities]
        about = {
            "name": f"mmjax/{Path(path).name}",
            "revision": str(options.get("checkpoint", "latest")),
            "framework": ["JAX"],
            "modalities": shared,
            "embed_dim": self.model.dim(shared[0]) if shared else None,
            "similarity_fn_name": _mteb.model_meta.ScoringFunction.COSINE,
        }
        self.mteb_model_meta = _mteb.ModelMeta.create_empty(about)

    def encode(self, inputs: Any, *, batch_size: int = 64, **_: Any) -> np.ndarray:
        """Batches of {modality: N values} -> f32[N, D], rows of length 1."""
        inputs.collate_fn = lambda rows: {key: [row[key] for row in rows] for key in rows[0]}
        parts = [
            np.sum([self._encode(key, batch[key], batch_size) for key in self._read(batch)], axis=0)
            for batch in inputs
        ]
        rows = np.concatenate(parts)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12))

    def _read(self, batch: Any) -> list[str]:
        given = [each for each in ("text", "image", "audio", "video") if each in batch]
        if not given or not set(given) <= set(self.model.modalities):
            raise ConfigError(f"the task has {given or list(batch)}, the model {self.model!r}")
        return given

    def _encode(self, modality: str, values: list[Any], batch_size: int) -> np.ndarray:
        known = [_sound(value) for value in values] if modality == "audio" else values
        return self.model.encode(batch_size=batch_size, progress=False, **{modality: known})


def _sound(value: Any) -> bytes:
    """A decoded sound as a WAV file, which the model's view brings to its own sampling rate."""
    file, soundfile = io.BytesIO(), needs("soundfile", "audio", "MTEB's sounds")
    soundfile.write(
        file, np.asarray(value["array"]).T, value["sampling_rate"], "FLOAT", format="WAV"
    )
    return file.getvalue()


if __name__ == "__main__":
    fail("mmjax.harnesses.mteb is no command: import its Encoder and give it to mteb.evaluate")
