"""A run's tokenizer in the format of Hugging Face's `tokenizers`, with the very same ids.

A SentencePiece model (BPE with byte fallback, or Unigram) is written as what it computes: the
normalisation by its own table of characters, words begun with "▁", and its pieces by rank or
score. The marks that the text view puts around a text become a template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmjax import extras
from mmjax.data.tokenizers import HuggingFaceTokenizer, SentencePieceTokenizer
from mmjax.errors import ConfigError

_SPACE = "▁"


def files(view: Any) -> dict[str, dict[str, Any]]:
    """`tokenizer.json` and its companions for a text view, name -> JSON object.

    Args:
      view: a TextView.

    Raises:
      ConfigError: for a tokenizer that this format cannot express.
      MissingExtra: without the extra.
    """
    extras.find("tokenizers", "tokenizers", "writing tokenizer files")
    from tokenizers import Tokenizer, normalizers, processors

    own = view.tokenizer
    tokenizer: Any
    names: Any
    if isinstance(own, SentencePieceTokenizer):
        tokenizer, names = _sentencepiece(own, lowercase=view.lowercase)
    elif isinstance(own, HuggingFaceTokenizer):
        tokenizer, names = Tokenizer.from_str(own.text), own.tokens
        if view.lowercase:
            rest = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
            tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *rest])
        tokenizer.no_padding()
        tokenizer.no_truncation()
    else:
        raise ConfigError(
            f"a tokenizer of type {type(own).__name__} has no form in Hugging Face's library"
        )
    marks = [names["bos"]] * view.bos + ["$A"] + [names["eos"]] * view.eos
    special = [
        (name, own_id)
        for name, own_id in ((names["bos"], own.bos_id), (names["eos"], own.eos_id))
        if name in marks
    ]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join(marks), special_tokens=special
    )
    roles = {f"{role}_token": name for role, name in names.items() if name is not None}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": view.length,
        "padding_side": "right",
        "truncation_side": "right",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        **roles,
    }
    return {
        "tokenizer.json": json.loads(tokenizer.to_str()),
        "tokenizer_config.json": config,
        "special_tokens_map.json": roles,
    }


def _sentencepiece(own: Any, *, lowercase: bool) -> tuple[Any, dict[str, str]]:
    """A SentencePieceTokenizer as a Tokenizer, and the names of its special pieces by role."""
    from sentencepiece import sentencepiece_model_pb2 as proto
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
    from tokenizers import pre_tokenizers as pre

    model = proto.ModelProto.FromString(own.model)  # type: ignore[attr-defined]
    trainer, normal = model.trainer_spec, model.normalizer_spec
    if trainer.treat_whitespace_as_suffix or not normal.escape_whitespaces:
        raise ConfigError(f"the SentencePiece model {own.path} marks spaces in a way not exported")
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    kinds = {piece.type for piece in model.pieces}
    if model.SentencePiece.USER_DEFINED in kinds:
        raise ConfigError(
            f"the SentencePiece model {own.path} has user-defined pieces, which are not exported"
        )
    names = {role: pieces[getattr(own, f"{role}_id")][0] for role in ("bos", "eos", "pad", "unk")}
    ids = {piece: i for i, (piece, _) in enumerate(pieces)}
    if trainer.model_type == trainer.BPE:
        core: models.Model = models.BPE(
            vocab=ids,
            merges=_merges(model, ids),
            unk_token=names["unk"],
            fuse_unk=True,
            byte_fallback=trainer.byte_fallback,
        )
    elif trainer.model_type == trainer.UNIGRAM:
        core = models.Unigram(pieces, own.unk_id, trainer.byte_fallback)
    else:
        raise ConfigError(f"the SentencePiece model {own.path} is neither BPE nor Unigram")
    tokenizer = Tokenizer(core)
    steps: list[normalizers.Normalizer] = []
    if lowercase:
        steps.append(normalizers.Lowercase())
    if normal.precompiled_charsmap:
        steps.append(normalizers.Precompiled(normal.precompiled_charsmap))
    if normal.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    tokenizer.normalizer = normalizers.Sequence(steps)
    prefix = "always" if normal.add_dummy_prefix else "never"
    tokenizer.pre_tokenizer = pre.Metaspace(replacement=_SPACE, prepend_scheme=prefix, split=True)
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(_SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in names.values()]
    )
    return tokenizer, names


def _merges(model: Any, ids: Mapping[str, int]) -> list[tuple[str, str]]:
    """The merges of a BPE model, best first.

    SentencePiece keeps no merges: of neighbours whose joined text is a piece, those with the piece
    of the best score are joined first. So each piece is the merge of every pair that spells it.
    """
    normal = model.SentencePiece.NORMAL
    found = []
    for piece in model.pieces:
        if piece.type != normal:
            continue
        text = piece.piece
        pairs = [(text[:i], text[i:]) for i in range(1, len(text))]
        found += [(-piece.score, a, b) for a, b in pairs if a in ids and b in ids]
    found.sort(key=lambda merge: merge[0])
    return [(a, b) for _, a, b in found]


def write(view: Any, folder: Path) -> list[str]:
    """Writes the tokenizer's files into a folder; their names."""
    made = files(view)
    for name, value in made.items():
        text = json.dumps(value, ensure_ascii=False, indent=1 if name != "tokenizer.json" else None)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    return list(made)
