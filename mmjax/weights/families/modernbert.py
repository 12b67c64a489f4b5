"""ModernBERT in Hugging Face's layout: `ModernBertModel`, and sentence encoders made of it.

Warner et al. 2024. Rotary positions, most blocks see only a window, gated MLPs, and no biases; of
the layer norms they are zeros here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmjax.weights import keymap
from mmjax.weights.families.bert import pool_of
from mmjax.weights.files import WeightsError
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part, Rule

DEFAULTS = {
    "vocab_size": 50368,
    "hidden_size": 768,
    "intermediate_size": 1152,
    "num_hidden_layers": 22,
    "num_attention_heads": 12,
    "hidden_activation": "gelu",
    "max_position_embeddings": 8192,
    "norm_eps": 1e-5,
    "norm_bias": False,
    "attention_bias": False,
    "mlp_bias": False,
    "pad_token_id": 50283,
    "local_attention": 128,
    "global_attn_every_n_layers": 3,
    "global_rope_theta": 160_000.0,
    "local_rope_theta": 10_000.0,
}
PASSED_OVER = ((r"(head|decoder|classifier)\..*", "the head of one task"),)


def describe(config: Mapping[str, Any], pooling: Mapping[str, Any] | None = None) -> Foreign:
    """The tower of a ModernBERT config.json; `pooling` is as in `bert.describe`."""
    options = Options(config, DEFAULTS, "config.json")
    for key in ("norm_bias", "attention_bias", "mlp_bias"):
        options.only(key, False, "is not supported: the published models have no biases")
    options.only("hidden_activation", "gelu", "is not supported, only 'gelu' is")
    width, depth = options.size("hidden_size"), options.size("num_hidden_layers")
    encoder = {
        "type": "text_transformer",
        "vocab_size": options.size("vocab_size"),
        "length": options.size("max_position_embeddings"),
        "causal": False,
        "pool": pool_of(pooling),
        "pad_id": options["pad_token_id"],
        "mask_padding": True,
        "embedding_norm": True,
        "first_norm": False,
        "rotary": {
            "base": _base(options, "full_attention", "global_rope_theta"),
            "window": options.size("local_attention") // 2,
            "window_base": _base(options, "sliding_attention", "local_rope_theta"),
            "every": _every(options, depth),
        },
        "bias": False,
        "width": width,
        "depth": depth,
        "heads": options.size("num_attention_heads"),
        "mlp_width": options.size("intermediate_size"),
        "activation": "geglu",
        "eps": float(options["norm_eps"]),
    }
    here = "encoder/transformer/blocks"
    rules = (
        *keymap.same("encoder/token", "embeddings.tok_embeddings.weight"),
        *_norm("encoder/embedding_norm", "embeddings.norm", (width,)),
        _attention_norms(f"{here}/attention_norm/scale", depth, width),
        *keymap.zeros(f"{here}/attention_norm/bias", (width,), depth),
        *keymap.fused_qkv(f"{here}/attention", "layers.{}.attn.Wqkv.weight", None, depth),
        *keymap.matrix(f"{here}/attention/out/kernel", "layers.{}.attn.Wo.weight", depth),
        *_norm(f"{here}/mlp_norm", "layers.{}.mlp_norm", (width,), depth),
        *keymap.matrix(f"{here}/mlp/up/kernel", "layers.{}.mlp.Wi.weight", depth),
        *keymap.matrix(f"{here}/mlp/down/kernel", "layers.{}.mlp.Wo.weight", depth),
        *_norm("encoder/transformer/norm", "final_norm", (width,)),
    )
    part = Part(encoder, {"type": "none"}, rules, prefixes=("", "model."))
    return Foreign("ModernBERT", {"text": part}, passed_over=PASSED_OVER)


def _norm(
    ours: str, theirs: str, shape: tuple[int, ...], layers: int | None = None
) -> tuple[Rule, ...]:
    """A layer norm without bias."""
    scale = keymap.same(f"{ours}/scale", f"{theirs}.weight", layers)
    return scale + keymap.zeros(f"{ours}/bias", shape, layers)


def _attention_norms(ours: str, depth: int, width: int) -> Rule:
    """The scales of the blocks' first norms; that of the first block, which has none, is ones."""
    return Rule(
        (ours,),
        tuple(f"layers.{i}.attn_norm.weight" for i in range(1, depth)),
        lambda a: (np.stack([np.ones(width, np.float32), *a]),),
        lambda a: tuple(a[0][1:]),
    )


def _base(options: Options, kind: str, older: str) -> float:
    """The base of the rotary positions of a kind of blocks, in configs of either age.

    Raises:
      WeightsError: for rotary positions of another type.
    """
    given = (options.get("rope_parameters") or {}).get(kind) or {}
    if given.get("rope_type", "default") != "default" or options.get("rope_scaling"):
        raise WeightsError(
            f"config.json: rope_parameters {given} are not supported, only 'default'"
        )
    return float(given.get("rope_theta", options[older]))


def _every(options: Options, depth: int) -> int:
    """Of how many blocks, from the first on, one sees all.

    Raises:
      WeightsError: where they do not follow each other so.
    """
    kinds = options.get("layer_types")
    if kinds is None:
        return options.size("global_attn_every_n_layers")
    whole = [i for i, kind in enumerate(kinds) if kind == "full_attention"]
    every = whole[1] if len(whole) > 1 else depth
    if len(kinds) != depth or whole != list(range(0, depth, every)):
        raise WeightsError(
            f"config.json: layer_types={kinds} is not supported: the first block and every n-th "
            "after it are 'full_attention'"
        )
    return every
