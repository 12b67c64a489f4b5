"""The section `model` of a recipe: towers, fusions and adapters."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from mmjax.encoders import ENCODERS, Encoder, TrunkConfig
from mmjax.model.adapters import ADAPTERS
from mmjax.model.augment import AUGMENTATIONS
from mmjax.model.base import Adapter, Augmentation, Fusion, Head
from mmjax.model.fusions import FUSIONS
from mmjax.model.heads import HEADS
from mmjax.schema.annotations import ViewRef, names
from mmjax.schema.bounds import BelowOne
from mmjax.schema.names import ModuleName, PartName, ViewName
from mmjax.schema.registry import Spec
from mmjax.schema.sections import section
from mmjax.schema.values import plain

HeadSpec = Annotated[Spec[Head], HEADS]


@dataclasses.dataclass(frozen=True)
class InitFrom:
    """Which weights a tower starts from; see `mmjax.weights.start`.

    Attributes:
      path: folder of foreign weights.
      part: which tower of the folder; the modality of that name, or the only one, where None.
      head: whether its projection is taken, too; unless the recipe gives a head, where None.
      scale: the objective term whose temperature (and bias) start from the folder's logit scale.
    """

    path: str
    part: str | None = None
    head: bool | None = None
    scale: str | None = None


@dataclasses.dataclass(frozen=True)
class TowerConfig:
    """One tower of a recipe: an encoder, its head, and what training does to it.

    Attributes:
      encoder: what embeds the view.
      head: to the joint space.
      heads: further heads by name, for terms that name them.
      init_from: which weights it starts from.
      augment: what training does to its values on the device.
      deterministic: its outputs that training, too, encodes without dropout.
      reads: the modality whose views it embeds; that of its own name where None. Two towers may
        read one, and then see the same augmented images.
    """

    encoder: Annotated[Spec[Encoder], ENCODERS]
    head: HeadSpec = dataclasses.field(default_factory=lambda: HEADS.spec("none"))
    heads: dict[ModuleName, HeadSpec] = dataclasses.field(default_factory=dict)
    init_from: InitFrom | None = None
    augment: Annotated[Spec[Augmentation], AUGMENTATIONS] | None = None
    deterministic: tuple[str, ...] = ()
    reads: PartName | None = None

    def embeds(self, name: str) -> str:
        """The modality whose views it embeds, as the tower of this name."""
        return self.reads or name

    def plain(self) -> dict[str, Any]:
        """As plain values of a recipe, without keys that are not set."""
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        kept = ("encoder", "head")
        return {key: plain(value) for key, value in found.items() if value or key in kept}


_Inputs = tuple[ViewRef, ...]
_Also = dict[PartName, _Inputs]


@dataclasses.dataclass(frozen=True)
class FusionConfig:
    """A fusion of a recipe: a word of `FUSIONS` with its options, and beside them

    Attributes:
      fusion: the word and its options.
      inputs: outputs of towers, such as `image` or `text@edit`.
      also: label -> inputs, of further outputs with the same parameters: those of
        `also={'caption': ...}` in the fusion `query` make `query@caption`.
    """

    fusion: Spec[Fusion]
    inputs: _Inputs
    also: _Also = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, value: Any, where: str, file: str) -> "FusionConfig":
        """From the dict of a recipe, where all stands side by side."""
        beside: dict[str, tuple[Any, Any]] = {
            "inputs": (_Inputs, inspect.Parameter.empty),
            "also": (_Also, {}),
        }
        fusion, own = FUSIONS.parse_with(beside, value, where, file)
        return cls(fusion, **own)

    def plain(self) -> dict[str, Any]:
        """As plain values of a recipe, with all options."""
        return {**self.fusion.plain(), "inputs": plain(self.inputs), "also": plain(self.also)}

    def reads(self) -> Iterator[tuple[str, str]]:
        """(path of the key, name) of every input."""
        where = self.fusion.where
        yield from names(plain(self.inputs), _Inputs, "view", f"{where}.inputs")
        yield from names(plain(self.also), _Also, "view", f"{where}.also")

    def outputs(self, name: str) -> dict[str, tuple[str, ...]]:
        """The inputs of each of its outputs, as the fusion of this name; its own comes first."""
        also = {str(ViewName(name, label)): inputs for label, inputs in self.also.items()}
        return {name: self.inputs, **also}


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The towers by modality.

    Attributes:
      towers: modality -> tower.
      trunks: name -> transformer that several towers run through.
      fusions: name -> one embedding of several outputs of towers.
      dtype: of the towers' computation; `auto` is bfloat16 on TPU and GPU, float32 on a CPU.
      ema: decay of a moving average of the parameters; evaluation then uses it.
      adapters: what trains beside frozen towers, by name.
    """

    towers: dict[PartName, TowerConfig]
    trunks: dict[PartName, TrunkConfig] = dataclasses.field(default_factory=dict)
    fusions: dict[ModuleName, FusionConfig] = dataclasses.field(default_factory=dict)
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    ema: BelowOne | None = None
    adapters: dict[PartName, Annotated[Spec[Adapter], ADAPTERS]] = dataclasses.field(
        default_factory=dict
    )

    @classmethod
    def of(cls, tree: Mapping[str, Any], file: str = "this model") -> "ModelConfig":
        """From plain dicts, as the section `model` of a recipe has them, without shorthands."""
        read: ModelConfig = section(cls, tree, "model", file)
        return read
