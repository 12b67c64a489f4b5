"""Foreign weights as towers: the model family of a folder, and its parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmjax.encoders import ENCODERS, Encoder, positions
from mmjax.model.base import Head
from mmjax.model.config import TowerConfig
from mmjax.model.definition import Definition
from mmjax.model.heads import HEADS
from mmjax.model.towers import Tower
from mmjax.schema.registry import Spec
from mmjax.weights import keymap, preprocessing, sentence
from mmjax.weights.families import (
    ast,
    bert,
    clap,
    clip,
    convnext,
    dinov2,
    dinov3,
    efficientnet,
    gpt2,
    modernbert,
    open_clip,
    siglip,
    vit,
    wav2vec2,
    whisper,
)
from mmjax.weights.files import WEIGHTS, Folder, Tensors, WeightsError
from mmjax.weights.keymap import Foreign, Part
from mmjax.weights.preprocessing import Specs

# `model_type` of a config.json -> what describes it.
FAMILIES: dict[str, Callable[..., Foreign]] = {
    "clip": clip.describe,
    "clip_vision_model": clip.describe,
    "clip_text_model": clip.describe,
    "metaclip_2": clip.describe,
    "metaclip_2_vision_model": clip.describe,
    "metaclip_2_text_model": clip.describe,
    "siglip": siglip.describe,
    "siglip_vision_model": siglip.describe,
    "siglip_text_model": siglip.describe,
    "siglip2": siglip.describe,
    "siglip2_vision_model": siglip.describe,
    "siglip2_text_model": siglip.describe,
    "vit": vit.describe,
    "dinov2": dinov2.describe,
    "dinov2_with_registers": dinov2.describe,
    "dinov3_vit": dinov3.describe,
    "convnext": convnext.describe,
    "convnextv2": convnext.describe,
    **dict.fromkeys(bert.KINDS, bert.describe),
    "modernbert": modernbert.describe,
    "gpt2": gpt2.describe,
    "audio-spectrogram-transformer": ast.describe,
    "whisper": whisper.describe,
    "wav2vec2": wav2vec2.describe,
    "hubert": wav2vec2.describe,
    "clap": clap.describe,
    "clap_audio_model": clap.describe,
    "clap_text_model": clap.describe,
    "efficientnet_lite": efficientnet.describe,
}
# Of these, those that a folder of sentence-transformers may be made of; they take its pooling.
_SENTENCES = (bert.describe, modernbert.describe)
# What a recipe may choose for itself although the folder's config says otherwise: how it trains,
# sizes that positions are carried over to, and how tokens are read. (Another pooling with other
# parameters does not find them and is refused then.)
FREE = frozenset(
    {
        "type",
        "dropout",
        "drop_path",
        "patch_dropout",
        "init",
        "scan",
        "remat",
        "augment",
        "image_size",
        "length",
        "samples",
        "pool",
        "keep_last",
        "mask_padding",
        "padding",
        "fusion",
        "eos_id",
        "pad_id",
        "blocks",
    }
)

_OF_TRAINING = Encoder.training_options | {"type"}
_POSITIONS = ("encoder/position", "encoder/transformer/position")
# Of the free ones, those that decide which parameters there are, and of which shape.
_OF_PARAMETERS = ("image_size", "length", "samples", "fusion", "augment")


class Weights:
    """Foreign weights in a local folder.

    Args:
      path: the folder, in Hugging Face's or open_clip's layout, or a safetensors file in it.

    Attributes:
      folder: for the other files in it.
      config: its config.json (or open_clip_config.json).
      native: `transformers` or `open_clip`, whose layout it is.
      dense: the folder of a layer behind an encoder of texts, of sentence-transformers; or None.
      scale_comes_late: whether the logit scale is only known when training starts.

    Raises:
      WeightsError: for a folder that is of no known family, or a config that cannot be.
    """

    scale_comes_late = False
    dense: Folder | None = None

    def __init__(self, path: str):
        self.folder = Folder(path)
        with self.folder.understood():
            self._describe()

    def _describe(self) -> None:
        """Reads the configs: `config`, `native` and the towers."""
        config = self.folder.json("open_clip_config.json")
        # Beside both configs, model.safetensors alone is in Hugging Face's layout.
        both = self.folder.inside("config.json").is_file()
        if config is not None and not (both and not self.folder.inside(WEIGHTS[0]).is_file()):
            self.config, self.native = config, "open_clip"
            self._foreign = open_clip.describe(config)
            return
        self.folder, pooling, self.dense = sentence.read(self.folder)
        config = self.folder.json("config.json")
        if config is None:
            raise WeightsError(
                f"{self.folder.path} has no config.json and no open_clip_config.json, so what its "
                "weights are cannot be told"
            )
        self.config, self.native = config, "transformers"
        kind = config.get("model_type")
        if not isinstance(kind, str) or kind not in FAMILIES:
            known = sorted(k for k in FAMILIES if not k.endswith("_model"))
            raise WeightsError(
                f"{self.folder.path}/config.json: model_type={kind!r} is none of {', '.join(known)}"
            )
        describe = FAMILIES[kind]
        self._foreign = describe(config, pooling) if describe in _SENTENCES else describe(config)
        if self.dense is not None:
            with self.dense.understood():
                self._foreign = sentence.with_dense(self._foreign, self.dense)

    @functools.cached_property
    def tensors(self) -> Tensors:
        """All tensors of the folder."""
        found = self.folder.tensors()
        if self.dense is not None:
            own = self.dense.tensors().items()
            behind = {f"{self.dense.path.name}.{name}": array for name, array in own}
            found = Tensors({**found, **behind}, found.where)
        renamed = self._foreign.renamed
        if not renamed:
            return found
        named = {_today(name, renamed): array for name, array in found.items()}
        return Tensors(named, found.where)

    @property
    def has_bias(self) -> bool:
        """Whether its logits have a bias."""
        return self._foreign.bias is not None

    @property
    def family(self) -> str:
        """The family's name."""
        return self._foreign.family

    @property
    def modalities(self) -> tuple[str, ...]:
        """The towers that are here."""
        return tuple(self._foreign.parts)

    def part(self, name: str, kind: str | None = None) -> Part:
        """One tower, as the config describes it.

        Args:
          name: which tower.
          kind: type of the encoder that is wanted, where a model can be several: an AST is a
            `spectrogram_transformer`, or an `audio_transformer` on waveforms, which is the default
            where the folder says how spectrograms are made; a BERT is a `text_transformer`, or a
            `hierarchical_text`, which it is cut into.

        Raises:
          WeightsError: where the model has no such tower.
        """
        if name not in self._foreign.parts:
            raise WeightsError(
                f"{self.folder.path} is a {self.family} model with {', '.join(self.modalities)}; "
                f"it has no {name!r}: name the part, init_from={{'path': ..., 'part': ...}}"
            )
        part = self._foreign.parts[name]
        takes_spectrograms = part.encoder["type"] == "spectrogram_transformer"
        if kind is None and takes_spectrograms and self.folder.file(preprocessing.PROCESSOR):
            kind = "audio_transformer"
        if kind == "hierarchical_text" and part.encoder["type"] == "text_transformer":
            return bert.in_sentences(part)
        if kind != "audio_transformer" or part.encoder["type"] == kind:
            return part
        if not takes_spectrograms:
            raise WeightsError(
                f"{self.folder.path} is a {self.family} model, whose encoder is a "
                f"{part.encoder['type']}: audio_transformer takes the weights of an AST"
            )
        return ast.of_waves(part, self.folder.json(preprocessing.PROCESSOR))

    def specs(self, *parts: str, kind: str | None = None) -> Specs:
        """The views and the tokenizer of some towers, by default of all.

        Args:
          parts: which towers.
          kind: type of the encoder that is wanted, see `part`.

        Raises:
          WeightsError: for files that are damaged, or what no view here does.
          MissingExtra: for a tokenizer without the extra `tokenizers`.
        """
        named = parts or self.modalities
        encoders = {name: complete(self.part(name, kind)).encoder for name in named}
        open_clip = self.config if self.native == "open_clip" else None
        with self.folder.understood():
            return preprocessing.specs(self.folder, open_clip, encoders)

    def scale_and_bias(self) -> tuple[float | None, float | None]:
        """The logarithm of the logit scale, and the logit bias, where the model has them."""
        values = []
        for name in (self._foreign.scale, self._foreign.bias):
            if name is not None and name not in self.tensors:
                raise WeightsError(f"the weights in {self.folder.path} do not have {name!r}")
            values.append(None if name is None else float(self.tensors[name].reshape(())))
        return values[0], values[1]

    def tower(
        self, name: str, encoder: Spec[Encoder] | None = None, *, head: bool = True
    ) -> Loaded:
        """The parameters of a tower, checked but not read.

        Args:
          name: which tower.
          encoder: spec of the encoder that they are for; what the folder's config says where None.
          head: whether the head is wanted too.

        Raises:
          WeightsError: naming the options, or the tensors, that do not fit.
        """
        part = self.part(name, None if encoder is None else encoder.type).located(self.tensors)
        if not head:
            part = part.encoder_only()
        with self.folder.understood():
            whole = complete(part)
        native = whole.encoder.plain()
        wanted = {**native, **({} if encoder is None else encoder.plain())}
        differing = [
            f"{key}={wanted.get(key)!r} where the folder has {value!r}"
            for key, value in native.items()
            if key not in FREE and not _agree(key, wanted, native)
        ]
        if differing:
            raise WeightsError(
                f"the encoder's options are not those of {self.folder.path}: "
                + "; ".join(differing)
                + ". Leave them out, and they are taken from there"
            )
        sizes = {k: native[k] for k in _OF_PARAMETERS if k in native}
        with self.folder.understood():
            shapes = tower_shapes(ENCODERS.spec(**{**wanted, **sizes}), whole.head)
        aside = keymap.check(
            part, shapes, self.tensors, known=self._names(), passed_over=self._foreign.passed_over
        )
        return Loaded(part, self.tensors, native, wanted, tuple(aside))

    def _names(self) -> set[str]:
        """Names of tensors of all towers here."""
        names = {name for name in (self._foreign.scale, self._foreign.bias) if name is not None}
        for part in self._foreign.parts.values():
            rules = part.located(self.tensors).rules
            names |= {n for rule in rules for layer in rule.names() for n in layer}
        return names


class Loaded(Mapping[str, np.ndarray]):
    """The parameters of a tower by path below it; each is read when it is asked for.

    Attributes:
      aside: sentences on tensors that no parameter here takes.
      part: the tower.
    """

    def __init__(
        self,
        part: Part,
        tensors: Tensors,
        native: Mapping[str, Any],
        wanted: Mapping[str, Any],
        aside: tuple[str, ...],
    ):
        self.part, self.aside, self._tensors = part, aside, tensors
        self._native, self._wanted = native, wanted
        self._rules = {path: rule for rule in part.rules for path in rule.ours}
        self._position(None)

    def __getitem__(self, path: str) -> np.ndarray:
        array = keymap.read_parameter(self._rules[path], path, self._tensors)
        return self._position(array) if path in _POSITIONS else array

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def changes(self) -> list[str]:
        """Options that the recipe has otherwise than the folder, and that a result depends on."""
        return [
            f"{key}={self._wanted.get(key)!r} where the folder has {value!r}"
            for key, value in self._native.items()
            if key in FREE - _OF_TRAINING and self._wanted.get(key) != value
            # Padding that is not masked is a token like others, whichever the tokenizer has.
            if key != "pad_id" or self._wanted.get("mask_padding")
        ]

    @overload
    def _position(self, array: None) -> None: ...

    @overload
    def _position(self, array: np.ndarray) -> np.ndarray: ...

    def _position(self, array: np.ndarray | None) -> np.ndarray | None:
        """Positions for the wanted size of images or length of texts; None only checks it."""
        native, wanted = self._native, self._wanted
        if native["type"] == "vit" and native["image_size"] != wanted["image_size"]:
            patch = native["patch"]
            old, new = (tuple(n // patch for n in s["image_size"]) for s in (native, wanted))
            if array is None:
                return None
            prefix = array.shape[0] - old[0] * old[1]
            return np.asarray(positions.interpolate(jnp.asarray(array), old, new, prefix=prefix))
        of_texts = native["type"] in ("text_transformer", "hierarchical_text")
        if of_texts and native["length"] != wanted["length"]:
            return None if array is None else positions.stretch(array, wanted["length"])
        if native["type"] == "whisper" and native["samples"] != wanted["samples"]:
            before, after = (
                -(-s["samples"] // s["spectrogram"]["hop"] // 2) for s in (native, wanted)
            )
            self._check_shorter(before, after)
            return None if array is None else array[:after]
        if native["type"] == "audio_transformer" and native["samples"] != wanted["samples"]:
            (bands, before), (_, after) = ast.grid(native), ast.grid(wanted)
            self._check_shorter(before, after)
            if array is not None:
                special = array[:2]
                grid: np.ndarray = array[2:].reshape(bands, before, -1)
                grid = grid[:, :after].reshape(bands * after, -1)
                return np.concatenate([special, grid])
        return array

    def _check_shorter(self, before: int, after: int) -> None:
        if after > before:
            raise WeightsError(
                f"samples={self._wanted['samples']} are more than the {self._native['samples']} "
                f"that the positions of the weights in {self._tensors.where} are for: cut longer "
                "sounds by the view, or into segments by fusion"
            )


def complete(part: Part) -> TowerConfig:
    """The whole tower of a part, defaults included."""
    where = "the folder's config"
    return TowerConfig(
        encoder=ENCODERS.parse(part.encoder, "encoder", where),
        head=HEADS.parse(part.head, "head", where),
    )


def tower_shapes(encoder: Spec[Encoder], head: Spec[Head]) -> dict[str, tuple[int, ...]]:
    """path below a tower -> shape, of the tower of these specs."""

    def make() -> Tower:
        own = nnx.Rngs(jax.random.key(0))
        built = encoder.build(dtype=jnp.float32, rngs=own)
        return Tower(built, head.build(width=built.width, dtype=jnp.float32, rngs=own))

    return {path: tuple(v.shape) for path, (_, v) in Definition.of(make).variables.items()}


def _today(name: str, renamed: Iterable[tuple[str, str]]) -> str:
    """A tensor's name, of an older file in the form of today."""
    for old, new in renamed:
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def _agree(key: str, wanted: Mapping[str, Any], native: Mapping[str, Any]) -> bool:
    """Whether an option means the same in two specs of an encoder."""
    a, b = wanted.get(key), native.get(key)
    if key == "layer_scale":  # the start value; what is learned comes from the file
        return (a is None) == (b is None)
    if key == "mlp_width":
        a, b = a or 4 * wanted["width"], b or 4 * native["width"]
    return a == b
