"""BERT, RoBERTa, XLM-R and sentence encoders made of them (MiniLM), in Hugging Face's layout.

Devlin et al. 2019; Liu et al. 2019; Conneau et al. 2020; Wang et al. 2020. A folder of the library
`sentence-transformers` says in `1_Pooling/config.json` how the positions become one vector; without
it, that is the vector at [CLS].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmjax.weights import keymap
from mmjax.weights.files import WeightsError
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign, Part, Rule

BERT = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "position_embedding_type": "absolute",
    "is_decoder": False,
}
ROBERTA = {**BERT, "vocab_size": 50265, "pad_token_id": 1}
PASSED_OVER = (
    (r".*\bposition_ids", "the numbers 0, 1, 2, ..., which need no file"),
    (r".*\btoken_type_ids", "zeros, which need no file"),
    (r"(\w+\.)?pooler\..*", "trained to tell the next sentence; this encoder pools without it"),
    (r"cls\..*|lm_head\..*|classifier\..*", "the head of one task"),
)
_BLOCK: keymap.BlockNames = {
    "attention_norm": "attention.output.LayerNorm",
    "attention": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "out": "attention.output.dense",
    "mlp_norm": "output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
}
_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "cls": "cls",
    "mean": "mean",
}


def describe(config: Mapping[str, Any], pooling: Mapping[str, Any] | None = None) -> Foreign:
    """The tower of a BERT-like config.json.

    Args:
      config: the file's object.
      pooling: that of `1_Pooling/config.json`, or None.
    """
    roberta = config.get("model_type") in ("roberta", "xlm-roberta")
    options = Options(config, ROBERTA if roberta else BERT, "config.json")
    options.only("position_embedding_type", "absolute", "is not supported, only 'absolute' is")
    options.only("is_decoder", False, "is not supported: this encoder sees both sides")
    common = options.transformer()
    pad = options["pad_token_id"]
    # RoBERTa counts positions from pad + 1; the rows before belong to no position.
    skip = pad + 1 if roberta else 0
    encoder = {
        "type": "text_transformer",
        "vocab_size": options.size("vocab_size"),
        "length": options.size("max_position_embeddings") - skip,
        "causal": False,
        "pool": _pool(pooling),
        "pad_id": pad,
        "mask_padding": True,
        "norm": "post",
        "embedding_norm": True,
        "segments": options.size("type_vocab_size"),
        **common,
    }
    rules = (
        *keymap.same("encoder/token", "embeddings.word_embeddings.weight"),
        _positions("encoder/position", "embeddings.position_embeddings.weight", skip),
        *keymap.same("encoder/segment", "embeddings.token_type_embeddings.weight"),
        *keymap.norm("encoder/embedding_norm", "embeddings.LayerNorm"),
        *keymap.blocks("encoder.layer.{}.", common["depth"], **_BLOCK),
    )
    part = Part(encoder, {"type": "none"}, rules, prefixes=("", "bert.", "roberta."))
    family = "RoBERTa" if roberta else "BERT"
    return Foreign(family, {"text": part}, passed_over=PASSED_OVER)


def _pool(pooling: Mapping[str, Any] | None) -> str:
    if pooling is None:
        return "cls"
    mode = pooling.get("pooling_mode")
    modes = (
        [mode] if mode else [k for k, on in pooling.items() if k.startswith("pooling_mode_") and on]
    )
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise WeightsError(
            f"1_Pooling/config.json asks for {' and '.join(map(str, modes)) or 'no pooling'}; the "
            "mean of the tokens or the first token can be read"
        )
    return _POOLINGS[modes[0]]


def _positions(ours: str, theirs: str, skip: int) -> Rule:
    """Positions whose first `skip` rows there are of no position; they are written as zeros."""

    def write(arrays: keymap.Arrays) -> keymap.Arrays:
        (rows,) = arrays
        return (np.concatenate([np.zeros((skip, rows.shape[1]), np.float32), rows]),)

    return Rule((ours,), (theirs,), lambda a: (a[0][skip:],), write)
