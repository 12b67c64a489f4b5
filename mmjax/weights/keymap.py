"""Key maps: parameters here and their tensors there, for both directions.

A `Rule` ties a few parameters of a tower to a few tensors of a foreign file by a pair of functions
that undo each other. Blocks of a transformer lie here on one leading `layers` axis and there under
one name a layer; a rule with `layers` says what one layer is, and is stacked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NotRequired, TypedDict

import numpy as np

from mmjax.weights.files import Tensors, WeightsError

Arrays = tuple[np.ndarray, ...]
_SHOWN = 8


@dataclass(frozen=True)
class Rule:
    """Parameters here and tensors there.

    Attributes:
      ours: paths below the tower, such as `head/project/kernel`.
      theirs: names of tensors; `{}` stands for the number of the layer.
      read: their arrays (of one layer) -> ours.
      write: our arrays (of one layer) -> theirs.
      layers: how many layers are stacked, or None.
    """

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    read: Callable[[Arrays], Arrays]
    write: Callable[[Arrays], Arrays]
    layers: int | None = None

    def names(self) -> list[tuple[str, ...]]:
        """Their names, one tuple a layer."""
        if self.layers is None:
            return [self.theirs]
        return [tuple(n.format(i) for n in self.theirs) for i in range(self.layers)]

    def prefixed(self, prefix: str) -> Rule:
        """The same with `prefix` before each of their names."""
        return replace(self, theirs=tuple(prefix + name for name in self.theirs))


def same(ours: str, theirs: str, layers: int | None = None) -> tuple[Rule, ...]:
    """The same numbers in the same shape."""
    return (Rule((ours,), (theirs,), lambda a: a, lambda a: a, layers),)


def reshaped(
    ours: str, theirs: str, here: tuple[int, ...], there: tuple[int, ...]
) -> tuple[Rule, ...]:
    """The same numbers in another shape; one axis of each may be -1."""
    return (
        Rule((ours,), (theirs,), lambda a: (a[0].reshape(here),), lambda a: (a[0].reshape(there),)),
    )


def matrix(ours: str, theirs: str, layers: int | None = None) -> tuple[Rule, ...]:
    """A linear layer's kernel: [in, out] here, [out, in] there."""
    return (Rule((ours,), (theirs,), lambda a: (a[0].T,), lambda a: (a[0].T,), layers),)


def zeros(ours: str, shape: tuple[int, ...], layers: int | None = None) -> tuple[Rule, ...]:
    """A parameter that they do not have, such as a bias, and that is zeros here.

    Args:
      ours: its path.
      shape: of one layer.
      layers: see `Rule`.
    """

    def write(a: Arrays) -> Arrays:
        if np.any(a[0]):
            raise WeightsError(f"{ours} is not zeros, and there is no place for it there")
        return ()

    return (Rule((ours,), (), lambda _: (np.zeros(shape, np.float32),), write, layers),)


def linear(
    ours: str, theirs: str, layers: int | None = None, *, bias: bool = True
) -> tuple[Rule, ...]:
    """A linear layer, its bias included."""
    rules = matrix(f"{ours}/kernel", f"{theirs}.weight", layers)
    return rules + same(f"{ours}/bias", f"{theirs}.bias", layers) if bias else rules


def convolution(ours: str, theirs: str, *, bias: bool = True) -> tuple[Rule, ...]:
    """A convolution over two axes: kernel [h, w, in, out] here, [out, in, h, w] there."""
    kernel = Rule(
        (f"{ours}/kernel",),
        (f"{theirs}.weight",),
        lambda a: (a[0].transpose(2, 3, 1, 0),),
        lambda a: (a[0].transpose(3, 2, 0, 1),),
    )
    return (kernel, *(same(f"{ours}/bias", f"{theirs}.bias") if bias else ()))


def convolution_1d(ours: str, theirs: str, *, bias: bool = True) -> tuple[Rule, ...]:
    """A convolution over one axis: kernel [n, in, out] here, [out, in, n] there."""
    kernel = Rule(
        (f"{ours}/kernel",),
        (f"{theirs}.weight",),
        lambda a: (a[0].transpose(2, 1, 0),),
        lambda a: (a[0].transpose(2, 1, 0),),
    )
    return (kernel, *(same(f"{ours}/bias", f"{theirs}.bias") if bias else ()))


def batch_norm(ours: str, theirs: str) -> tuple[Rule, ...]:
    """A batch norm with its statistics."""
    names = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
    return tuple(r for k, v in names.items() for r in same(f"{ours}/{k}", f"{theirs}.{v}"))


def norm(ours: str, theirs: str, layers: int | None = None) -> tuple[Rule, ...]:
    """A layer norm."""
    return same(f"{ours}/scale", f"{theirs}.weight", layers) + same(
        f"{ours}/bias", f"{theirs}.bias", layers
    )


def patches(ours: str, theirs: str, patch: int, channels: int, *, bias: bool) -> tuple[Rule, ...]:
    """The patch embedding: [p p C, W] here, a convolution's [W, C, p, p] there."""

    def read(a: Arrays) -> Arrays:
        return (a[0].transpose(2, 3, 1, 0).reshape(-1, a[0].shape[0]),)

    def write(a: Arrays) -> Arrays:
        return (a[0].reshape(patch, patch, channels, -1).transpose(3, 2, 0, 1),)

    rules = (Rule((f"{ours}/kernel",), (f"{theirs}.weight",), read, write),)
    return rules + same(f"{ours}/bias", f"{theirs}.bias") if bias else rules


def fused_qkv(
    ours: str, weight: str, bias: str | None, layers: int | None = None
) -> tuple[Rule, ...]:
    """Query, key and value: three kernels here, one matrix [3 W, W] there."""
    parts = [f"{ours}/{part}" for part in ("query", "key", "value")]
    rules = [
        Rule(
            tuple(f"{part}/kernel" for part in parts),
            (weight,),
            lambda a: tuple(part.T for part in np.split(a[0], 3)),
            lambda a: (np.concatenate([part.T for part in a]),),
            layers,
        )
    ]
    if bias is not None:
        rules.append(
            Rule(
                tuple(f"{part}/bias" for part in parts),
                (bias,),
                lambda a: tuple(np.split(a[0], 3)),
                lambda a: (np.concatenate(a),),
                layers,
            )
        )
    return tuple(rules)


class BlockNames(TypedDict):
    """The names of `blocks`."""

    attention_norm: str
    attention: tuple[str, str, str] | tuple[str, str]
    out: str
    mlp_norm: str
    up: str
    down: str
    scales: NotRequired[tuple[str, str]]


def blocks(
    theirs: str,
    layers: int,
    *,
    attention_norm: str,
    attention: tuple[str, str, str] | tuple[str, str],
    out: str,
    mlp_norm: str,
    up: str,
    down: str,
    scales: tuple[str, str] | None = None,
) -> tuple[Rule, ...]:
    """The blocks of a `Transformer` with biases.

    Args:
      theirs: what stands before each name, with `{}` for the layer.
      layers: number of blocks.
      attention_norm, out, mlp_norm, up, down: their names of these layers.
      attention: their names of query, key and value; or of the fused weight and bias.
      scales: their names of the two layer scales.
    """
    here = "encoder/transformer/blocks"
    rules = norm(f"{here}/attention_norm", theirs + attention_norm, layers)
    if len(attention) == 3:
        for part, name in zip(("query", "key", "value"), attention, strict=True):
            rules += linear(f"{here}/attention/{part}", theirs + name, layers)
    else:
        weight, bias = attention
        rules += fused_qkv(f"{here}/attention", theirs + weight, theirs + bias, layers)
    rules += linear(f"{here}/attention/out", theirs + out, layers)
    rules += norm(f"{here}/mlp_norm", theirs + mlp_norm, layers)
    rules += linear(f"{here}/mlp/up", theirs + up, layers)
    rules += linear(f"{here}/mlp/down", theirs + down, layers)
    if scales is not None:
        rules += same(f"{here}/attention_scale/scale", theirs + scales[0], layers)
        rules += same(f"{here}/mlp_scale/scale", theirs + scales[1], layers)
    return rules


@dataclass(frozen=True)
class Part:
    """One tower of a foreign model.

    Attributes:
      encoder, head: specs of ENCODERS and HEADS, with every option that the model decides.
      rules: all parameters of the tower, by paths below it.
      prefixes: what may stand before their names; the first that fits is used.
      outer: further rules, before whose names none of them stands.
    """

    encoder: dict[str, Any]
    head: dict[str, Any]
    rules: tuple[Rule, ...]
    prefixes: tuple[str, ...] = ("",)
    outer: tuple[Rule, ...] = ()

    def located(self, names: Iterable[str]) -> Part:
        """The same with the prefix that these names have."""
        names = set(names)
        probe = next((rule.names()[0][0] for rule in self.rules), "")
        found = next((p for p in self.prefixes if p + probe in names), self.prefixes[0])
        rules = tuple(rule.prefixed(found) for rule in self.rules) + self.outer
        return replace(self, rules=rules, prefixes=("",), outer=())

    def encoder_only(self) -> Part:
        """The same without the head."""
        kept = tuple(r for r in self.rules if not r.ours[0].startswith("head/"))
        return replace(self, head={"type": "none"}, rules=kept)

    def parameters(self) -> list[str]:
        """Paths below the tower that the rules fill."""
        return [path for rule in self.rules for path in rule.ours]


@dataclass(frozen=True)
class Foreign:
    """A foreign model: its towers and what it has besides.

    Attributes:
      family: name for messages.
      parts: modality -> tower.
      scale: name of the logarithm of the logit scale, or None.
      bias: name of the logit bias, or None.
      passed_over: (regular expression, reason) of tensors that no tower here has.
      renamed: (end of a tensor's name in older files, its end in those of today).
    """

    family: str
    parts: dict[str, Part]
    scale: str | None = None
    bias: str | None = None
    passed_over: tuple[tuple[str, str], ...] = field(default=())
    renamed: tuple[tuple[str, str], ...] = field(default=())


def read_parameter(rule: Rule, path: str, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """One parameter here, f32, from their tensors."""
    which = rule.ours.index(path)
    layers = [rule.read(tuple(tensors[n] for n in names))[which] for names in rule.names()]
    array = layers[0] if rule.layers is None else np.stack(layers)
    return np.asarray(array, np.float32)


def write_tensors(rules: Sequence[Rule], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Their tensors from parameters here, by paths below the tower."""
    tensors: dict[str, np.ndarray] = {}
    for rule in rules:
        own = tuple(np.asarray(arrays[path]) for path in rule.ours)
        for i, names in enumerate(rule.names()):
            layer = own if rule.layers is None else tuple(a[i] for a in own)
            tensors.update(zip(names, rule.write(layer), strict=True))
    return tensors


def check(
    part: Part,
    shapes: Mapping[str, tuple[int, ...]],
    tensors: Tensors,
    *,
    known: Iterable[str] = (),
    passed_over: Sequence[tuple[str, str]] = (),
) -> list[str]:
    """Checks that a file has exactly what a tower needs.

    Args:
      part: the tower, with its prefix found.
      shapes: path below the tower -> shape of the parameter.
      tensors: the file's.
      known: names that other towers use.
      passed_over: patterns of tensors that are left aside, with the reason.

    Returns:
      What was left aside, as sentences.

    Raises:
      WeightsError: naming tensors that are missing, that nothing here uses, or of wrong shape.
    """
    covered = set(part.parameters())
    if covered != set(shapes):
        raise WeightsError(
            f"the key map of {tensors.where} and the tower differ in "
            f"{sorted(covered ^ set(shapes))[:_SHOWN]}: the options of the encoder are not those "
            "of the folder's config"
        )
    expected: dict[str, tuple[int, ...]] = {}
    for rule in part.rules:
        for names in rule.names():
            layer = slice(None) if rule.layers is None else slice(1, None)
            like = tuple(np.broadcast_to(np.float32(0), shapes[path][layer]) for path in rule.ours)
            expected.update(zip(names, (a.shape for a in rule.write(like)), strict=True))
    missing = [name for name in expected if name not in tensors]
    wrong = [
        f"{name} is {list(tensors[name].shape)}, not {list(shape)}"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]
    aside, left = [], []
    for name in tensors:
        if name in expected or name in set(known):
            continue
        reason = next((r for pattern, r in passed_over if re.fullmatch(pattern, name)), None)
        if reason is None:
            left.append(name)
        else:
            aside.append(f"{name}: {reason}")
    problems = []
    if missing:
        problems.append(f"missing: {_some(missing)}")
    if left:
        problems.append(f"left over: {_some(left)}")
    if wrong:
        problems.append(f"of another shape than in config.json: {_some(wrong)}")
    if problems:
        raise WeightsError(
            f"the weights in {tensors.where} do not fit its config: " + "; ".join(problems)
        )
    return aside


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
