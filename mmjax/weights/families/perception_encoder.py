"""Perception Encoder in open_clip's models, by `timm`: `vit_pe_core_base_patch16_224` and its kin.

Bolya et al. 2025. A ViT with learned and rotary positions, pooled by attention. Two things are
written otherwise here, and are the same function: the class token with its position is a register,
and the pairs that rotary positions turn lie half a head apart, where there they are neighbours. The
gigantic one has no class token, and a pooling whose MLP is of another width than its blocks'.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mmjax.weights import keymap
from mmjax.weights.files import WeightsError
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Part, Rule

# name -> (side of an image, options of `vit`)
MODELS: dict[str, tuple[int, dict[str, Any]]] = {
    "vit_pe_core_tiny_patch16_384": (
        384,
        {"patch": 16, "width": 192, "depth": 12, "heads": 3, "mlp_width": 768},
    ),
    "vit_pe_core_small_patch16_384": (
        384,
        {"patch": 16, "width": 384, "depth": 12, "heads": 6, "mlp_width": 1536},
    ),
    "vit_pe_core_base_patch16_224": (
        224,
        {"patch": 16, "width": 768, "depth": 12, "heads": 12, "mlp_width": 3072},
    ),
    "vit_pe_core_large_patch14_336": (
        336,
        {"patch": 14, "width": 1024, "depth": 24, "heads": 16, "mlp_width": 4096},
    ),
    "vit_pe_core_gigantic_patch14_448": (
        448,
        {"patch": 14, "width": 1536, "depth": 50, "heads": 16, "mlp_width": 8960}
        | {"pool_mlp_width": 6144, "registers": 0},
    ),
}
_POOL_HEADS = 8


def tower(options: Options, dim: int) -> Part:
    """The image tower of a vision_cfg with such a `timm_model_name`.

    Raises:
      WeightsError: for images of another size than the name says, and other poolings.
    """
    name = options["timm_model_name"]
    side, own = MODELS[name]
    if options.image_size() != (side, side):
        raise WeightsError(f"vision_cfg: image_size of {name} is {side}, as timm builds it")
    options.only("timm_pool", "map", f"is not supported for {name}, only 'map' is")
    if options.get("timm_proj"):
        raise WeightsError(f"vision_cfg: timm_proj of {name} is null: its trunk ends in one")
    count = side // own["patch"]
    encoder = {
        "type": "vit",
        "image_size": (side, side),
        "channels": 3,
        "pool": "map",
        "pool_heads": _POOL_HEADS,
        "registers": 1,
        "pre_norm": True,
        "patch_bias": False,
        "activation": "gelu",
        "eps": 1e-5,
        "rotary": {"base": 10_000.0, "coordinates": "index", "reference": (count, count)},
        **own,
    }
    width, depth, patch, there = own["width"], own["depth"], own["patch"], "visual.trunk."
    rules = keymap.patches("encoder/stem/project", f"{there}patch_embed.proj", patch, 3, bias=False)
    if encoder["registers"]:
        rules += _positions(there)
    else:
        shapes = (-1, width), (1, -1, width)
        rules += keymap.reshaped("encoder/position", f"{there}pos_embed", *shapes)
    rules += keymap.norm("encoder/pre_norm", f"{there}norm_pre")
    here, block = "encoder/transformer/blocks", f"{there}blocks.{{}}."
    rules += keymap.norm(f"{here}/attention_norm", f"{block}norm1", depth)
    rules += _turned(f"{here}/attention", f"{block}attn.qkv", own["heads"], width, depth)
    rules += keymap.linear(f"{here}/attention/out", f"{block}attn.proj", depth)
    rules += keymap.norm(f"{here}/mlp_norm", f"{block}norm2", depth)
    rules += keymap.linear(f"{here}/mlp/up", f"{block}mlp.fc1", depth)
    rules += keymap.linear(f"{here}/mlp/down", f"{block}mlp.fc2", depth)
    rules += keymap.norm("encoder/transformer/norm", f"{there}norm")
    rules += _pool("encoder/probe", f"{there}attn_pool", width)
    rules += keymap.linear("head/project", f"{there}head")
    return Part(encoder, {"type": "linear", "dim": dim, "bias": True}, rules)


def _positions(there: str) -> tuple[Rule, ...]:
    """Positions, and the class token, which has the first of them there and none here."""
    names = f"{there}cls_token", f"{there}pos_embed"

    def read(a: keymap.Arrays) -> keymap.Arrays:
        return a[0][0] + a[1][0, :1], a[1][0, 1:]

    def write(a: keymap.Arrays) -> keymap.Arrays:
        return a[0][None], np.concatenate([np.zeros_like(a[0]), a[1]])[None]

    return (Rule(("encoder/register_tokens", "encoder/position"), names, read, write),)


def _turned(ours: str, theirs: str, heads: int, width: int, depth: int) -> tuple[Rule, ...]:
    """Query, key and value, of which the first two have their units in another order."""
    size = width // heads
    quarter = size // 4
    # Here rows turn the first pairs and columns the others, there columns the first.
    pairs = np.roll(np.arange(2 * quarter), -quarter)
    own = np.concatenate([2 * pairs, 2 * pairs + 1])
    order = (size * np.arange(heads)[:, None] + own).reshape(-1)
    back, same = np.argsort(order), np.arange(width)
    parts = [f"{ours}/{part}" for part in ("query", "key", "value")]

    def rule(kind: str, name: str) -> Rule:
        def read(a: keymap.Arrays) -> keymap.Arrays:
            split = zip(np.split(a[0], 3), (order, order, same), strict=True)
            return tuple(part[units].T for part, units in split)

        def write(a: keymap.Arrays) -> keymap.Arrays:
            split = zip(a, (back, back, same), strict=True)
            return (np.concatenate([part.T[units] for part, units in split]),)

        return Rule(tuple(f"{part}/{kind}" for part in parts), (name,), read, write, depth)

    return rule("kernel", f"{theirs}.weight"), rule("bias", f"{theirs}.bias")


def _pool(ours: str, theirs: str, width: int) -> tuple[Rule, ...]:
    """The attention pooling, of which key and value are one matrix there."""

    def joined(kind: str, name: str) -> Rule:
        return Rule(
            (f"{ours}/attention/key/{kind}", f"{ours}/attention/value/{kind}"),
            (f"{theirs}.kv.{name}",),
            lambda a: tuple(part.T for part in np.split(a[0], 2)),
            lambda a: (np.concatenate([part.T for part in a]),),
        )

    shape = (1, 1, width)
    return (
        *keymap.reshaped(f"{ours}/probe", f"{theirs}.latent", shape, shape),
        *keymap.linear(f"{ours}/attention/query", f"{theirs}.q"),
        joined("kernel", "weight"),
        joined("bias", "bias"),
        *keymap.linear(f"{ours}/attention/out", f"{theirs}.proj"),
        *keymap.norm(f"{ours}/norm", f"{theirs}.norm"),
        *keymap.linear(f"{ours}/mlp/up", f"{theirs}.mlp.fc1"),
        *keymap.linear(f"{ours}/mlp/down", f"{theirs}.mlp.fc2"),
    )
