"""Tokens as rows: each token of an item by itself, with a label of its own."""

import dataclasses
from typing import Any

import numpy as np

from mmjax.evaluators.data import Embedded
from mmjax.evaluators.errors import EvaluationError


def token_rows(items: Embedded, tokens: int, labels: str, evaluator: str) -> Embedded:
    """The tokens of items as items: the frames of speech with their phonemes, say.

    Args:
      items: of a layer that holds tokens side by side, f32[N, T D].
      tokens: T, of an item with its padding.
      labels: field of the records, the labels of an item's first tokens, one each; what comes
        behind these is padding and left out.
      evaluator: its name, for messages.

    Returns:
      An item for each label, whose fields have the token's own label under the same name.

    Raises:
      EvaluationError: for a layer that is not made of so many tokens, and for a record without
        labels or with more than tokens.
    """
    width, rest = divmod(items.unit.shape[1], tokens)
    if rest or not width:
        raise EvaluationError(
            f"{evaluator}: the layer of {items.modality!r} has {items.unit.shape[1]} numbers, "
            f"which are not those of tokens={tokens}"
        )
    counts: list[int] = []
    fields: list[dict[str, Any]] = []
    for own in items.fields:
        there = np.asarray(own.get(labels, ())).reshape(-1).tolist()
        if not 0 < len(there) <= tokens:
            raise EvaluationError(
                f"{evaluator}: {labels!r} of {own['key']} has {len(there)} labels; give the "
                f"first of its {tokens} tokens one each"
            )
        counts.append(len(there))
        fields += [{**own, labels: label} for label in there]
    each = items.unit.reshape(len(items), tokens, width)
    return dataclasses.replace(
        items,
        unit=np.concatenate([own[:count] for own, count in zip(each, counts, strict=True)]),
        ids=np.repeat(items.ids, counts),
        rows=np.repeat(items.rows, counts),
        alternatives=np.repeat(items.alternatives, counts),
        fields=tuple(fields),
    )
