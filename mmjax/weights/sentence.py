"""Folders of `sentence-transformers`: what makes one vector of the vectors of a text.

Reimers and Gurevych 2019. `modules.json` lists what follows each other: a Transformer, in the
folder itself or in one of its folders, a Pooling, perhaps a Dense (a linear layer and an
activation), and perhaps a Normalize, which all embeddings go through here anyway. Texts are cut
where `sentence_bert_config.json` says, or the tokenizer's config.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from mmjax.weights import keymap
from mmjax.weights.files import Folder, WeightsError
from mmjax.weights.hf_options import Options
from mmjax.weights.keymap import Foreign

MODULES, CONFIG, POOLING = "modules.json", "sentence_bert_config.json", "1_Pooling"
_FIRST = ["Transformer", "Pooling"]
_DENSE = {"bias": True, "activation_function": "torch.nn.modules.activation.Tanh"}
# By the names of torch's classes.
_ACTIVATIONS = {"Identity": "none", "Tanh": "tanh", "ReLU": "relu", "GELU": "gelu"}


class Sentence(NamedTuple):
    """What such a folder says.

    Attributes:
      folder: of config.json, weights and tokenizer.
      pooling: the config of its Pooling; None where there is none.
      dense: the folder of its Dense; None where there is none.
    """

    folder: Folder
    pooling: Mapping[str, Any] | None
    dense: Folder | None = None


def read(folder: Folder) -> Sentence:
    """The folder's modules; of another folder, itself, and no pooling.

    Raises:
      WeightsError: for modules that are none of a Transformer, a Pooling, a Dense and a Normalize,
        or in another order.
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
    has_dense = kinds[2:3] == ["Dense"]
    if kinds[:2] != _FIRST or any(kind != "Normalize" for kind in kinds[2 + has_dense :]):
        raise WeightsError(
            f"{file} lists {', '.join(kinds) or 'nothing'}: what is read here is a Transformer, a "
            "Pooling, perhaps a Dense and perhaps a Normalize, in this order"
        )
    (_, first), (_, second) = modules[:2]
    own = _below(folder, first) if first else folder
    dense = _below(folder, modules[2][1]) if has_dense else None
    return Sentence(own, _below(folder, second).json("config.json"), dense)


def with_dense(foreign: Foreign, dense: Folder) -> Foreign:
    """An encoder of texts with the Dense behind it as the head of its tower.

    Raises:
      WeightsError: for one without config.json, and for activations and connections that the head
        does not have.
    """
    config = dense.json("config.json")
    if config is None:
        raise WeightsError(f"{dense.path} has no config.json, so what its layer is cannot be told")
    options = Options(config, _DENSE, "config.json")
    for key, value in (
        ("use_residual", False),
        ("module_input_name", "sentence_embedding"),
        ("module_output_name", "sentence_embedding"),
    ):
        if options.get(key) not in (None, value):
            raise WeightsError(f"{dense.path}: {key}={options[key]!r} is not supported")
    activation = str(options["activation_function"]).rpartition(".")[2]
    if activation not in _ACTIVATIONS:
        raise WeightsError(
            f"{dense.path}: activation_function={options['activation_function']!r} is not "
            f"supported, only {', '.join(_ACTIVATIONS)}"
        )
    bias = bool(options["bias"])
    head = {
        "type": "linear",
        "dim": options.size("out_features"),
        "bias": bias,
        "activation": _ACTIVATIONS[activation],
    }
    rules = keymap.linear("head/project", f"{dense.path.name}.linear", bias=bias)
    part = dataclasses.replace(foreign.parts["text"], head=head, outer=rules)
    return dataclasses.replace(foreign, parts={"text": part})


def _below(folder: Folder, name: str) -> Folder:
    found = folder.below(name)
    if found is None:
        raise WeightsError(f"{folder.path} has no folder {name!r}, which its {MODULES} names")
    return found


def longest(folder: Folder) -> int | None:
    """Where texts are cut, in tokens with their marks; None where the folder does not say.

    Folders of version 6 of the library leave it to the tokenizer.
    """
    own = folder.json(CONFIG)
    length = (own or {}).get("max_seq_length")
    if own is not None and length is None:
        length = (folder.json("tokenizer_config.json") or {}).get("model_max_length")
    return length if type(length) is int and length > 0 else None
