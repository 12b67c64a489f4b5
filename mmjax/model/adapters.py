"""Adapters of frozen towers: LoRA and prompt tuning.

    "adapters": {
        "update": {"type": "lora", "modules": (r"towers/.*/(query|value)",), "rank": 8},
        "prompts": {"type": "prompts", "towers": ("text", "image"), "depth": 9, "coupling": "text"},
    }

under `model`, and `optimizer.freeze=("towers/.*",)`: freezing skips the parameters of adapters,
wherever they lie, and the optimizer has state for them alone. (A trained head on frozen encoders
needs no adapter: `freeze=("towers/.*/encoder/.*",)`.)
"""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmjax.encoders.base import Encoder
from mmjax.encoders.prompts import Prompts
from mmjax.encoders.trunk import Trunk
from mmjax.errors import ConfigError
from mmjax.model.base import Adapter
from mmjax.model.towers import Tower
from mmjax.schema.annotations import Pattern
from mmjax.schema.bounds import Count, CountOrZero, Fraction, Positive, Repeats
from mmjax.schema.registry import Registry, Spec


class AdapterParam(nnx.Param[jax.Array]):
    """A parameter of an adapter, which `optimizer.freeze` skips."""


class LoRA(Adapter):
    """LoRA, low-rank updates of linear layers: y = x W + b + (alpha / rank) x A B.

    A f[inputs, rank] starts uniform in +-inputs^-1/2 and B f[rank, outputs] at 0, so that the model
    starts as it was (Hu et al. 2022, "LoRA", arXiv 2106.09685, section 4.1). Layers that a
    transformer stacks have an A and a B each. They lie beside W, as `lora_a` and `lora_b`.

    Args:
      modules: regular expressions over whole paths of linear layers, such as
        `towers/text/encoder/transformer/blocks/attention/query`; those of trunks start with
        `trunks/NAME/`.
      rank: of the update.
      alpha: its scale; `rank` where None, which is a factor of 1.

    Raises:
      ConfigError: for a pattern that no linear layer matches, and options that make no sense.
    """

    def __init__(
        self, *, modules: tuple[Pattern, ...], rank: Count = 8, alpha: Positive | None = None
    ):
        if rank < 1 or not modules:
            raise ConfigError(f"lora: rank={rank} should be at least 1, modules={modules} some")
        self.modules, self.rank = tuple(modules), rank
        self.scale = (rank if alpha is None else alpha) / rank

    def install(self, where: str, parts: Mapping[str, nnx.Module], rngs: nnx.Rngs) -> None:
        """Gives the layers that match their updates."""
        linear = dict(_linear_layers(parts))
        for pattern in self.modules:
            if not any(re.fullmatch(pattern, path) for path in linear):
                raise ConfigError(
                    f"{where}.modules: no linear layer matches {pattern!r}; there are "
                    f"{', '.join(list(linear)[:3])}, ..."
                )
        key = rngs.params()
        for path, layer in linear.items():
            if not any(re.fullmatch(pattern, path) for pattern in self.modules):
                continue
            if hasattr(layer, "lora_a"):
                raise ConfigError(f"{where}.modules: {path} has an update by another adapter")
            *stack, inputs, outputs = layer.kernel.shape
            bound = inputs**-0.5
            own = jax.random.fold_in(key, zlib.crc32(path.encode()))
            start = jax.random.uniform(
                own, (*stack, inputs, self.rank), minval=-bound, maxval=bound
            )
            layer.__class__ = _with_update(type(layer))
            updated: Any = layer
            updated.lora_a = AdapterParam(start)
            updated.lora_b = AdapterParam(jnp.zeros((*stack, self.rank, outputs)))
            updated.lora_scale = self.scale


@functools.cache
def _with_update(layer: type) -> type:
    """The class of a linear layer that has an update: one for each class, so that jit knows it."""

    def call(self: Any, x: jax.Array, *args: Any, **options: Any) -> jax.Array:
        y: jax.Array = layer.__call__(self, x, *args, **options)
        a, b = (w[...].astype(x.dtype) for w in (self.lora_a, self.lora_b))
        update: jax.Array = self.lora_scale * (x @ a @ b)
        return y + update.astype(y.dtype)

    return type(f"{layer.__name__}WithUpdate", (layer,), {"__call__": call})


def _linear_layers(parts: Mapping[str, nnx.Module]) -> Iterator[tuple[str, nnx.Linear]]:
    for name, part in parts.items():
        for path, module in nnx.iter_modules(part):
            if isinstance(module, nnx.Linear):
                yield "/".join((name, *map(str, path))), module


def merge_updates(
    adapters: Mapping[str, Spec[Adapter]], arrays: Mapping[str, Any]
) -> tuple[dict[str, Spec[Adapter]], dict[str, Any]]:
    """The adapters without low-rank updates, and `arrays` with these added to the kernels.

    Args:
      adapters: of a recipe.
      arrays: path -> array, the variables of its System.
    """
    updates = [spec.build() for spec in adapters.values() if spec.type == "lora"]
    scales = [(each, own.scale) for own in updates if isinstance(own, LoRA) for each in own.modules]
    merged = {path: a for path, a in arrays.items() if not path.endswith(("/lora_a", "/lora_b"))}
    for path in arrays:
        if path.endswith("/lora_a"):
            layer = path.removesuffix("/lora_a")
            scale = next(scale for pattern, scale in scales if re.fullmatch(pattern, layer))
            a, b, w = (
                np.asarray(arrays[f"{layer}/{n}"], np.float64)
                for n in ("lora_a", "lora_b", "kernel")
            )
            old = arrays[f"{layer}/kernel"]
            merged[f"{layer}/kernel"] = jnp.asarray(w + scale * a @ b, old.dtype)
    return {name: spec for name, spec in adapters.items() if spec.type != "lora"}, merged


def without_updates(arrays: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """`arrays`, path -> array, with low-rank updates that change nothing."""
    return {
        path: jnp.zeros_like(a) if path.endswith("/lora_b") else a for path, a in arrays.items()
    }


class PromptTokens(Adapter, nnx.Module):
    """Prompt tuning: learned tokens in the first blocks of towers.

    Before block `first` (counted from 0) of a tower, `length` vectors are put behind the first
    position, and before each of the next `depth - 1` blocks others take their place; later blocks
    pass on what the last of them made (see `mmjax.encoders.prompts`). `depth=1` are shallow prompts
    (Zhou et al. 2022, CoOp; Jia et al. 2022, VPT-shallow), more are deep ones.

    `coupling` says whose parameters they are, for block j and tower m:
      'none'    P_mj, each tower its own.
      a tower   that tower has P_j, and every other one the image P_j F_mj + b_mj of it, so that the
                gradients of all towers meet in P_j (Khattak et al. 2023, MaPLe, arXiv 2210.03117).
      'shared'  R F_mj + b_mj with one R f[length, latent] for all towers and blocks (Guo and Gu
                2025, MMRL, arXiv 2503.08497).
    P and R start with standard deviation 0.02; F_m and b_m uniform in +-inputs^-1/2, the same for
    every j. With `rank` they are F_mj = F_m + B_mj A_mj, one F_m f[inputs, width] for all blocks
    and for each an update of that rank, A uniform in +-rank^-1/2 and B at 0 (the shared-residual
    aligner of MMRL++, Guo and Gu 2025, arXiv 2505.10088, and its code); biases stay each block's.
    With `blend` β below 1 a later block does not replace its prompts, but gets β of its own and 1 -
    β of what the block before made of them (progressive composition, the same).
    With `words` the first vectors of the first block are what the tower makes of these words behind
    its first position, and the parameter, which starts at 0, is added to them. MaPLe's are the
    first `length` words of "a photo of a"; its prompts take the place of the text's own words, and
    here they stand before them.

    Args:
      towers: whose encoders get prompts.
      length: number of vectors.
      depth: blocks that get fresh ones; all from `first` on where None.
      first: the first of these blocks.
      coupling: see above.
      latent: size of R's rows.
      rank: of the updates of one F_m; None gives every block a whole one.
      blend: β, see above.
      words: tower of texts -> ids of words by its tokenizer, at most `length`; CLIP's for "a photo"
        are (320, 1125). The towers are those that have a P.
      encoders: by tower; provided by the framework.
      rngs: for the initial parameters.

    Raises:
      ConfigError: for a tower without prompts, and blocks that it does not have.
    """

    def __init__(
        self,
        *,
        towers: tuple[str, ...],
        length: Count = 2,
        depth: Repeats | None = 1,
        first: CountOrZero = 0,
        coupling: str = "none",
        latent: Count = 512,
        rank: Count | None = None,
        blend: Fraction = 1.0,
        words: dict[str, tuple[CountOrZero, ...]] | None = None,
        encoders: Mapping[str, Encoder],
        rngs: nnx.Rngs,
    ):
        if length < 1 or first < 0 or latent < 1 or not towers:
            raise ConfigError(
                f"prompts: towers={tuple(towers)} should name some, length={length} and "
                f"latent={latent} be at least 1, first={first} at least 0"
            )
        if coupling not in ("none", "shared", *towers):
            raise ConfigError(
                f"prompts: coupling={coupling!r} is neither 'none' nor 'shared' nor one of the "
                f"towers {tuple(towers)}"
            )
        widths, blocks = {}, []
        for name in towers:
            encoder = encoders.get(name)
            if encoder is None or not encoder.reads_prompts:
                kind = "no tower" if encoder is None else f"a {type(encoder).__name__}"
                raise ConfigError(
                    f"prompts: {name!r} is {kind}, and not a transformer that takes prompts"
                )
            prompted: Any = encoder  # one that reads prompts has a transformer
            widths[name] = prompted.transformer.width
            blocks.append(prompted.transformer.depth)
        depth = min(blocks) - first if depth is None else depth
        if depth < 1 or first + depth > min(blocks):
            raise ConfigError(
                f"prompts: first={first} and depth={depth} do not fit transformers of "
                f"{min(blocks)} blocks"
            )
        self.first, self.coupling, self.names = first, coupling, tuple(towers)
        self.blend = blend
        own = towers if coupling == "none" else () if coupling == "shared" else (coupling,)
        self.words = {name: tuple(ids) for name, ids in (words or {}).items()}
        for name, ids in self.words.items():
            known = getattr(encoders.get(name), "vocab_size", 0)
            if name not in own or not known or first:
                raise ConfigError(
                    f"prompts: words={self.words} are for towers of texts that have vectors of "
                    f"their own, {tuple(m for m in own if hasattr(encoders[m], 'vocab_size'))}, "
                    f"before their first block, and first={first}"
                )
            if not 0 < len(ids) <= length or not all(0 <= i < known for i in ids):
                raise ConfigError(
                    f"prompts: words of {name!r} are {ids}, but should be from 1 to length={length}"
                    f" ids below {known}"
                )

        def vectors(*shape: int) -> jax.Array:
            return 0.02 * jax.random.normal(rngs.params(), shape)

        def beside_words(name: str) -> jax.Array:
            drawn, count = vectors(depth, length, widths[name]), len(self.words.get(name, ()))
            return drawn.at[0, :count].set(0.0)

        def uniform(bound: float, *shape: int, copies: int = depth) -> AdapterParam:
            one = jax.random.uniform(rngs.params(), shape, minval=-bound, maxval=bound)
            return AdapterParam(jnp.tile(one, (copies, *(1 for _ in shape))))

        def update(width: int, rank: int) -> tuple[AdapterParam, AdapterParam]:
            bound = rank**-0.5
            a = jax.random.uniform(rngs.params(), (depth, rank, width), minval=-bound, maxval=bound)
            return AdapterParam(a), AdapterParam(jnp.zeros((depth, inputs, rank)))

        self.vectors = nnx.Dict({m: AdapterParam(beside_words(m)) for m in own})
        self.shared = AdapterParam(vectors(length, latent)) if coupling == "shared" else None
        inputs = latent if coupling == "shared" else widths.get(coupling, 1)
        mapped = [m for m in towers if m not in own]
        if rank is not None and not mapped:
            raise ConfigError(f"prompts: rank={rank} is of maps, but coupling='none' has none")
        whole = depth if rank is None else 1
        self.kernels = nnx.Dict(
            {m: uniform(inputs**-0.5, inputs, widths[m], copies=whole) for m in mapped}
        )
        updates = {} if rank is None else {m: update(widths[m], rank) for m in mapped}
        self.updates_a = nnx.Dict({m: a for m, (a, _) in updates.items()})
        self.updates_b = nnx.Dict({m: b for m, (_, b) in updates.items()})
        self.biases = nnx.Dict({m: uniform(inputs**-0.5, widths[m]) for m in mapped})

    def __call__(self, encoders: Mapping[str, Encoder]) -> dict[str, Prompts]:
        """The prompts of every tower, whose encoders are given."""
        found = {name: own[...] for name, own in self.vectors.items()}
        for name, ids in self.words.items():
            encoder: Any = encoders[name]  # of texts, which has `words`
            words = jax.lax.stop_gradient(encoder.words(ids)).astype(jnp.float32)
            found[name] = found[name].at[0, : len(ids)].add(words)
        for name, kernel in self.kernels.items():
            source = found[self.coupling] if self.shared is None else self.shared[...]
            mapped = jnp.matmul(source, kernel[...], precision="highest")
            if name in self.updates_a:
                low = jnp.matmul(source, self.updates_b[name][...], precision="highest")
                mapped += jnp.matmul(low, self.updates_a[name][...], precision="highest")
            found[name] = mapped + self.biases[name][...][:, None]
        return {name: Prompts(found[name], self.first, self.blend) for name in self.names}


ADAPTERS: Registry[Adapter] = Registry(
    "adapter", Adapter, {"lora": LoRA, "prompts": PromptTokens}, provided=("encoders", "rngs")
)


def install(
    specs: Mapping[str, Spec[Adapter]],
    towers: Mapping[str, Tower],
    trunks: Mapping[str, Trunk],
    key: jax.Array,
) -> nnx.Dict[PromptTokens]:
    """Builds the adapters of a recipe: updates into the towers, prompts as modules of their own.

    Args:
      specs: of the recipe, by name.
      towers: modality -> Tower; changed in place.
      trunks: name -> Trunk, likewise.
      key: each adapter draws from a key of its own name.

    Returns:
      The modules that `prompts_of` calls, by name.
    """
    modules: dict[str, PromptTokens] = {}
    encoders = {name: tower.encoder for name, tower in towers.items()}
    parts: dict[str, nnx.Module] = {f"towers/{name}": tower for name, tower in towers.items()}
    parts |= {f"trunks/{name}": trunk for name, trunk in trunks.items()}
    taken: dict[str, str] = {}
    for name, spec in specs.items():
        rngs = nnx.Rngs(jax.random.fold_in(key, zlib.crc32(name.encode())))
        adapter = spec.build(encoders=encoders, rngs=rngs)
        adapter.install(f"model.adapters.{name}", parts, rngs)
        if not isinstance(adapter, PromptTokens):
            continue
        for tower in adapter.names:
            if taken.setdefault(tower, name) != name:
                raise ConfigError(
                    f"model.adapters: {taken[tower]!r} and {name!r} both give {tower!r} prompts"
                )
        modules[name] = adapter
    return nnx.Dict(modules)


def prompts_of(
    modules: Mapping[str, PromptTokens], towers: Mapping[str, Tower]
) -> dict[str, Prompts]:
    """The prompts of every one of the towers that has some."""
    encoders = {name: tower.encoder for name, tower in towers.items()}
    return {tower: own for module in modules.values() for tower, own in module(encoders).items()}
