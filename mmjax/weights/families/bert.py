"""BERT and its kin (RoBERTa, XLM-R, MPNet, DistilBERT, MiniLM), in Hugging Face's layout.

Devlin et al. 2019; Liu et al. 2019; Conneau et al. 2020; Song et al. 2020; Sanh et al. 2019; Wang
et al. 2020. A folder of the library `sentence-transformers` says in `1_Pooling/config.json` how the
positions become one vector; without it, that is the vector at [CLS].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

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
MPNET = {**ROBERTA, "vocab_size": 30527, "relative_attention_num_buckets": 32}
PASSED_OVER = (
    (r".*\bposition_ids", "the numbers 0, 1, 2, ..., which need no file"),
    (r".*\btoken_type_ids", "zeros, which need no file"),
    (r"(\w+\.)?pooler\..*", "trained to tell the next sentence; this encoder pools without it"),
    (r"(cls|lm_head|classifier|pre_classifier|vocab_\w+)\..*", "the head of one task"),
)
_BLOCK: keymap.BlockNames = {
    "attention_norm": "attention.output.LayerNorm",
    "attention": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "out": "attention.output.dense",
    "mlp_norm": "output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
}
_MPNET_BLOCK: keymap.BlockNames = {
    **_BLOCK,
    "attention_norm": "attention.LayerNorm",
    "attention": ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
    "out": "attention.attn.o",
}
_DISTIL_BLOCK: keymap.BlockNames = {
    "attention_norm": "sa_layer_norm",
    "attention": ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    "out": "attention.out_lin",
    "mlp_norm": "output_layer_norm",
    "up": "ffn.lin1",
    "down": "ffn.lin2",
}
# What DistilBERT calls these keys.
_DISTIL_KEYS = {
    "hidden_size": "dim",
    "intermediate_size": "hidden_dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "hidden_act": "activation",
}


class _Kind(NamedTuple):
    """One of this family.

    Attributes:
      name: for messages.
      defaults: of its config.
      layers, block: names of its blocks.
      prefixes: before all names.
      keys: other names of keys of its config.
      from_pad: whether positions are counted from behind the id of padding.
    """

    name: str
    defaults: Mapping[str, Any] = BERT
    layers: str = "encoder.layer.{}."
    block: keymap.BlockNames = _BLOCK
    prefixes: tuple[str, ...] = ("", "bert.")
    keys: Mapping[str, str] = {}
    from_pad: bool = False


_ROBERTA = _Kind("RoBERTa", ROBERTA, prefixes=("", "roberta."), from_pad=True)
KINDS = {
    "bert": _Kind("BERT"),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "mpnet": _Kind("MPNet", MPNET, block=_MPNET_BLOCK, prefixes=("", "mpnet."), from_pad=True),
    "distilbert": _Kind(
        "DistilBERT",
        {**BERT, "num_hidden_layers": 6},
        "transformer.layer.{}.",
        _DISTIL_BLOCK,
        ("", "distilbert."),
        _DISTIL_KEYS,
    ),
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
    name = config.get("model_type", "bert")
    kind = KINDS[name]
    config = {**config, **{ours: config[key] for ours, key in kind.keys.items() if key in config}}
    options = Options(config, kind.defaults, "config.json")
    options.only("position_embedding_type", "absolute", "is not supported, only 'absolute' is")
    options.only("is_decoder", False, "is not supported: this encoder sees both sides")
    common = options.transformer()
    pad = options["pad_token_id"]
    # Where positions are counted from pad + 1, the rows before belong to none.
    skip = pad + 1 if kind.from_pad else 0
    segments = 0 if name in ("mpnet", "distilbert") else options.size("type_vocab_size")
    encoder = {
        "type": "text_transformer",
        "vocab_size": options.size("vocab_size"),
        "length": options.size("max_position_embeddings") - skip,
        "causal": False,
        "pool": pool_of(pooling),
        "pad_id": pad,
        "mask_padding": True,
        "norm": "post",
        "embedding_norm": True,
        "segments": segments,
        **common,
    }
    rules = (
        *keymap.same("encoder/token", "embeddings.word_embeddings.weight"),
        _positions("encoder/position", "embeddings.position_embeddings.weight", skip),
        *keymap.norm("encoder/embedding_norm", "embeddings.LayerNorm"),
        *keymap.blocks(kind.layers, common["depth"], **kind.block),
    )
    if segments:
        rules += keymap.same("encoder/segment", "embeddings.token_type_embeddings.weight")
    if name == "mpnet":
        # Its code has these two numbers, whatever the config says.
        options.only("relative_attention_num_buckets", 32, "is not supported, only 32 is")
        options.only("pad_token_id", 1, "is not supported, only 1 is")
        encoder["relative_buckets"] = 32
        rules += keymap.same("encoder/distance", "encoder.relative_attention_bias.weight")
    part = Part(encoder, {"type": "none"}, rules, prefixes=kind.prefixes)
    return Foreign(kind.name, {"text": part}, passed_over=PASSED_OVER)


def in_sentences(part: Part) -> Part:
    """A tower of texts as a `hierarchical_text`, whose parameters are the same ones.

    Raises:
      WeightsError: for what that encoder does not have.
    """
    not_there = [k for k in ("rotary", "relative_buckets", "first_norm") if k in part.encoder]
    if not_there or part.encoder["causal"]:
        raise WeightsError(
            "an encoder of type 'hierarchical_text' takes the weights of a BERT, and this text "
            f"tower has {', '.join(not_there) or 'causal'}"
        )
    left = ("type", "causal", "pool", "mask_padding")
    encoder = {key: value for key, value in part.encoder.items() if key not in left}
    return replace(part, encoder={"type": "hierarchical_text", **encoder})


def pool_of(pooling: Mapping[str, Any] | None) -> str:
    """The pooling of an encoder of texts, as `1_Pooling/config.json` says it; [CLS] without it.

    Raises:
      WeightsError: for others than the mean and the first token.
    """
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
