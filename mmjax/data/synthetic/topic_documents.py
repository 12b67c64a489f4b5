"""Documents of four modalities, and queries that one of them answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

KINDS = ("video", "speech", "screen", "description")
DIM, REAL, DISTRACTORS = 32, 3, 3


@dataclass(kw_only=True, eq=False, repr=False)
class TopicDocuments(Generated):
    """Pairs of documents with the same topics in other modalities, each with one query.

    A document has a topic of N(0, I_32) in each of four modalities, of no other document but its
    twin, which has the same four moved on by one modality. A modality is f32[6, 32]: three tokens
    of its topic with noise of N(0, 0.5^2) and three of N(0, I), in random order. `query` f32[4, 32]
    is three tokens of the topic of one of the document's modalities, with noise of N(0, 0.3^2), and
    a word, the same in all splits, that says which. Labels: `kind`, the modality asked for, from 0,
    `topic`, the number of the pair of twins, and `twin`, the id of the other one. After retrieval
    of videos by queries that one modality answers, as in Wan et al. 2025 (arXiv 2506.06144, CLaMR).

    Args:
      split: 'train' (12,800 documents), 'validation' or 'test' (500 each).
      examples: number of documents, if another, an even one.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"

    name = "topic_documents"
    splits: ClassVar = {"train": 12_800, "validation": 500, "test": 500}
    modalities = (*KINDS, "query")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        if count % 2:
            raise ValueError(f"topic_documents: {count} documents are no pairs of twins")
        words, rows = normal(world, len(KINDS), DIM), np.arange(count)
        topics = normal(rng, count // 2, len(KINDS), DIM)
        topics = np.stack([topics, np.roll(topics, 1, axis=1)], axis=1).reshape(count, -1, DIM)
        tokens = np.repeat(topics[:, :, None], REAL, axis=2)
        tokens = tokens + normal(rng, *tokens.shape, scale=0.5)
        both = [tokens, normal(rng, count, len(KINDS), DISTRACTORS, DIM)]
        order = np.argsort(rng.random((count, len(KINDS), REAL + DISTRACTORS)), axis=2)
        parts = np.take_along_axis(np.concatenate(both, axis=2), order[..., None], axis=2)

        kind = rng.integers(len(KINDS), size=count)
        asked = topics[rows, kind][:, None] + normal(rng, count, REAL, DIM, scale=0.3)
        return {
            **{name: parts[:, m] for m, name in enumerate(KINDS)},
            "query": np.concatenate([asked, words[kind][:, None]], axis=1),
            "kind": kind,
            "topic": rows // 2,
            "twin": rows ^ 1,
        }
