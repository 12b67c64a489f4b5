"""A model for inference: embeddings of raw values, similarities, search."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from mmjax.data.records import BadExample
from mmjax.errors import ConfigError
from mmjax.inference.bundle import Bundle
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.embedder import Embedder

# Texts are cut to a multiple of this many tokens where padding changes nothing.
_TEXT_STEP = 16


class Found(NamedTuple):
    """Search results: the best of a gallery for each query.

    Attributes:
      scores: f32[Q, k], cosines, falling.
      positions: i32[Q, k], in the gallery.
    """

    scores: np.ndarray
    positions: np.ndarray


class Model:
    """Towers that embed images, texts and whatever else they were trained on.

    Attributes:
      bundle: parameters, structure and views.
      modalities: what `encode` takes.
      log_scale, bias: logits are exp(log_scale) cosine + bias; None where the model has none.
    """

    def __init__(self, bundle: Bundle):
        self.bundle = bundle
        self.log_scale, self.bias = bundle.log_scale, bundle.bias
        self._embedder = Embedder(bundle.definition, bundle.arrays, bundle.mesh)
        self.modalities = self._embedder.modalities

    def __repr__(self) -> str:
        about = self.bundle.about.get("source", "model")
        return f"Model({about}: {', '.join(self.modalities)})"

    def encode(
        self, *, batch_size: int = 64, progress: bool | None = None, **values: Any
    ) -> np.ndarray:
        """Embeds values of one modality, named by the keyword: `encode(text=["a dog"])`.

        Args:
          batch_size: of one call of the model; smaller ones are padded to a power of two, so that
            few shapes are compiled.
          progress: show a bar; by default where there is more than one batch.
          values: one keyword, the modality. Its values are a sequence of what the modality's view
            takes (for `image`: PIL images, paths, bytes or uint8 arrays; for `text`: strings), or
            one array [N, ...], NumPy or JAX, of inputs that are ready for the tower.

        Returns:
          f32[N, D], rows of length 1.

        Raises:
          ConfigError: for another modality, or values that cannot be read, with their position.
        """
        if len(values) != 1:
            raise ConfigError(f"encode takes one modality, one of {', '.join(self.modalities)}")
        ((modality, given),) = values.items()
        if modality not in self.modalities:
            raise ConfigError(
                f"there is no tower for {modality!r}, only for {', '.join(self.modalities)}"
            )
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size}: at least 1 is needed")
        if isinstance(given, str | bytes | Path | Image.Image):
            raise ConfigError(f"give a list, {modality}=[...], also for one value")
        ready = isinstance(given, np.ndarray | jax.Array) and not _raw(modality, given)
        total = len(given)
        starts = range(0, total, batch_size)
        show = len(starts) > 1 if progress is None else progress
        rows = []
        for start in tqdm(starts, desc=f"encode {modality}", disable=not show, leave=False):
            part = given[start : start + batch_size]
            batch = np.asarray(part) if ready else self._prepare(modality, part, start)
            rows.append(self._embed(modality, batch, batch_size))
        if not rows:
            return np.zeros((0, self.dim(modality)), np.float32)
        return np.concatenate(rows)

    def embed(
        self, modality: str, values: np.ndarray, layer: Literal["unit", "encoder"] = "unit"
    ) -> np.ndarray:
        """Embeds one batch of ready inputs, of any size; what evaluators ask of a model.

        Args:
          modality: name of a tower.
          values: [B, ...] as the modality's view makes them.
          layer: `unit`, the embedding; or `encoder`, what the encoder gives to the head.

        Returns:
          f32[B, D], rows of length 1; or f32[B, W] of the encoder.
        """
        return self._embedder.embed(modality, self._trimmed(modality, values), layer)

    def dim(self, modality: str) -> int:
        """D, the size of the embeddings of a modality."""
        return int(self._embedder.dim(modality))

    def similarity(self, a: Any, b: Any) -> np.ndarray:
        """Cosines of all pairs, f[N, D] and f[M, D] -> f32[N, M]."""
        a, b = _unit(a), _unit(b)
        if a.shape[1] != b.shape[1]:
            raise ConfigError(f"embeddings of sizes {a.shape[1]} and {b.shape[1]} do not compare")
        cosines: np.ndarray = a @ b.T
        return cosines

    def search(self, query: Any, gallery: Any, k: int = 10, *, rows: int = 1024) -> Found:
        """The `k` nearest of a gallery for each query, by cosine.

        Args:
          query: f[Q, D], NumPy or JAX.
          gallery: f[N, D].
          k: how many; all of the gallery where it is smaller.
          rows: queries at a time: the Q x N scores are never held whole.

        Returns:
          Found; of equal scores, the one earlier in the gallery comes first.
        """
        query, gallery = _unit(query), _unit(gallery)
        if k < 1 or not len(gallery):
            raise ConfigError(f"k={k} of a gallery of {len(gallery)}: nothing can be found")
        k = min(k, len(gallery))
        table = jnp.asarray(gallery)
        scores, positions = [], []
        for start in range(0, len(query), rows):
            part = query[start : start + rows]
            padded = np.pad(part, ((0, min(rows, len(query)) - len(part)), (0, 0)))
            best, where = _nearest(jnp.asarray(padded), table, k)
            scores.append(np.asarray(best)[: len(part)])
            positions.append(np.asarray(where)[: len(part)])
        if not scores:
            return Found(np.zeros((0, k), np.float32), np.zeros((0, k), np.int32))
        return Found(np.concatenate(scores), np.concatenate(positions))

    def logits(self, a: Any, b: Any) -> np.ndarray:
        """exp(log_scale) cosine + bias, f32[N, M]; of models that have a scale."""
        if self.log_scale is None:
            raise ConfigError("this model has no logit scale: use similarity")
        scale, bias = np.exp(np.float32(self.log_scale)), np.float32(self.bias or 0.0)
        logits: np.ndarray = scale * self.similarity(a, b) + bias
        return logits

    def view(self, modality: str) -> Any:
        """The view that makes inputs of a modality."""
        if modality not in self.bundle.views:
            raise ConfigError(
                f"the model has no preprocessing of {modality!r} (a foreign folder has it in "
                "preprocessor_config.json and tokenizer.json): give an array of ready inputs"
            )
        return self.bundle.views[modality]

    def prepare(self, modality: str, values: Iterable[Any]) -> np.ndarray:
        """Inputs of a tower, [N, ...], of raw values."""
        return self._prepare(modality, list(values), 0)

    def _prepare(self, modality: str, values: Sequence[Any], start: int) -> np.ndarray:
        view, rows = self.view(modality), []
        for i, value in enumerate(values, start):
            try:
                rows.append(view(_plain(modality, value), None, False))
            except (BadExample, OSError) as error:
                reason = getattr(error, "reason", None) or error
                raise ConfigError(f"{modality}[{i}]: {reason}") from error
        return np.stack(rows)

    def _embed(self, modality: str, batch: np.ndarray, batch_size: int) -> np.ndarray:
        shards = mesh_lib.batch_shards(self.bundle.mesh)
        rows = len(batch)
        size = min(1 << (rows - 1).bit_length(), batch_size)
        size += -size % shards
        padded = np.concatenate([batch, np.repeat(batch[-1:], size - rows, axis=0)])
        return self.embed(modality, padded)[:rows]

    def _trimmed(self, modality: str, ids: np.ndarray) -> np.ndarray:
        """Texts without the padding that all of a batch have, where it changes nothing."""
        encoder = self.bundle.towers[modality].encoder
        if encoder.type != "text_transformer" or ids.ndim != 2:
            return ids
        spec = encoder.options
        if spec["pad_id"] == spec["eos_id"]:
            return ids
        unseen = spec["mask_padding"] and spec["pool"] != "last"
        if not unseen and not (spec["causal"] and spec["pool"] == "eot"):
            return ids
        kept = ids != spec["pad_id"]
        if spec["pool"] == "eot":
            kept |= ids == spec["eos_id"]
        used = int(np.max(np.nonzero(kept.any(axis=0))[0], initial=0)) + 1
        return ids[:, : min(-(-used // _TEXT_STEP) * _TEXT_STEP, ids.shape[1])]


def _raw(modality: str, values: Any) -> bool:
    """Whether an array is of raw images, uint8, rather than of inputs of a tower."""
    return modality == "image" and values.dtype == np.uint8


def _plain(modality: str, value: Any) -> Any:
    """What a view takes, of what people have: images and paths too."""
    if isinstance(value, Image.Image):
        value = ImageOps.exif_transpose(value)
        if value.mode in ("RGB", "RGBA", "L"):
            return np.asarray(value)
        # Of other modes a view knows what they look like in a file.
        data = io.BytesIO()
        value.save(data, "PNG")
        return data.getvalue()
    if isinstance(value, Path) or (modality == "image" and isinstance(value, str)):
        return Path(value).expanduser().read_bytes()
    return value


@functools.partial(jax.jit, static_argnums=2)
def _nearest(query: jax.Array, gallery: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    scores = jnp.matmul(query, gallery.T, precision="highest")
    return jax.lax.top_k(scores, k)


def _unit(x: Any) -> np.ndarray:
    x = np.asarray(jnp.asarray(x, jnp.float32))
    if x.ndim != 2:
        raise ConfigError(f"embeddings are of shape [N, D], not {list(x.shape)}")
    unit: np.ndarray = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return unit
