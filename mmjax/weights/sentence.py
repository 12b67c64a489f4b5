"""Folders of `sentence-transformers`: what makes one vector of the vectors of a text.

Reimers and Gurevych 2019. `modules.json` lists what follows each other: a Transformer, in the
folder itself or in one of its folders, a Pooling, and perhaps a Normalize, which all embeddings go
through here anyway. Texts are cut where `sentence_bert_config.json` says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from mmjax.weights.files import Folder, WeightsError

MODULES, CONFIG, POOLING = "modules.json", "sentence_bert_config.json", "1_Pooling"
_KNOWN = ("Transformer", "Pooling", "Normalize")


class Sentence(NamedTuple):
    """What such a folder says.

    Attributes:
      folder: of config.json, weights and tokenizer.
      pooling: the config of its Pooling; None where there is none.
    """

    folder: Folder
    pooling: Mapping[str, Any] | None


def read(folder: Folder) -> Sentence:
    """The folder's modules; of another folder, itself, and no pooling.

    Raises:
      WeightsError: for modules that are none of a Transformer, a Pooling and a Normalize.
    """
    file = folder.file(MODULES)
    if file is None:
        below = folder.below(POOLING)
        return Sentence(folder, None if below is None else below.json("config.json"))
    try:
        modules = [(m["type"].rpartition(".")[2], m["path"]) for m in json.loads(file.read_bytes())]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{file} is damaged: it should list modules with type and path"
        ) from error
    kinds = [kind for kind, _ in modules]
    if kinds[:2] != list(_KNOWN[:2]) or any(kind != "Normalize" for kind in kinds[2:]):
        raise WeightsError(
            f"{file} lists {', '.join(kinds) or 'nothing'}: what is read here is a Transformer, a "
            "Pooling and perhaps a Normalize"
        )
    (_, first), (_, second) = modules[:2]
    own = _below(folder, first) if first else folder
    return Sentence(own, _below(folder, second).json("config.json"))


def _below(folder: Folder, name: str) -> Folder:
    found = folder.below(name)
    if found is None:
        raise WeightsError(f"{folder.path} has no folder {name!r}, which its {MODULES} names")
    return found


def longest(folder: Folder) -> int | None:
    """Where texts are cut, in tokens with their marks; None where the folder does not say."""
    length = (folder.json(CONFIG) or {}).get("max_seq_length")
    return length if type(length) is int and length > 0 else None
