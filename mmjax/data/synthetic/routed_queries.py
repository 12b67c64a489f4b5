"""Queries that ask for a text, an image or a video, and an index of all three, as embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal, unit
from mmjax.schema.bounds import NonNegative

TOPICS, INTENT = 64, 8  # dimensions of what an item is about, and of what a query asks for
ROUTES = ("text", "image", "video")


@dataclass(kw_only=True, eq=False, repr=False)
class RoutedQueries(Generated):
    """Embeddings f32[72] of queries and of items, with a constant offset between modalities.

    Topics u are random unit vectors of R^64, which 8 further dimensions of intent follow. An item
    of modality m is unit([u + 0.05 e; 0] + g_m), with g_text = +a e_1, g_image = -a e_1 and g_video
    = -a e_2. A query is unit([u + 0.05 e; 0.3 H_m + 0.106 e'] + g_text), where H_m, a random unit
    vector of R^8, is the intent to find an item of modality m. 3,000 topics are in one modality
    each, so that the topic says the modality, too; or with `everywhere` 1,000 are in all three, and
    only the intent does.

    The splits 'train' (3,000) and 'test' (600) have `query` and the label `route`, the modality
    that is asked for; 'index' has the items, `text`, `image` and `video` of a topic. The `id` is
    the topic. A model of the argument of Yeo et al. 2025 (UniversalRAG, arXiv 2504.20734).

    Args:
      split: 'train', 'test' or 'index'.
      examples: number of rows, if another; of the index only the whole.
      offset: a, of the modalities.
      everywhere: whether each topic is in all modalities.
      seed: of everything.
    """

    split: Literal["train", "test", "index"] = "train"
    offset: NonNegative = 0.8
    everywhere: bool = False

    name = "routed_queries"
    splits: ClassVar = {"train": 3000, "test": 600, "index": 3000}  # of the index topics
    modalities = ("query", *ROUTES)

    def __post_init__(self) -> None:
        if self.split == "index" and self.examples is not None:
            raise ValueError("routed_queries: the split 'index' has all topics: leave out examples")
        super().__post_init__()

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        topics = unit(normal(world, 1000 if self.everywhere else 3000, TOPICS))
        intents = unit(normal(world, len(ROUTES), INTENT))
        places = world.permutation(len(topics)) % len(ROUTES)  # where a topic is, if in one only
        gaps = np.zeros((len(ROUTES), TOPICS + INTENT), np.float32)
        gaps[0, 0], gaps[1, 0], gaps[2, 1] = self.offset, -self.offset, -self.offset

        def seen(about: np.ndarray, intent: np.ndarray, route: int) -> np.ndarray:
            about = topics[about] + normal(rng, len(about), TOPICS, scale=0.05)
            vectors: np.ndarray = unit(np.concatenate([about, intent], axis=1) + gaps[route])
            return vectors

        if self.split == "index":
            lacking = [None] * len(topics)
            every, nothing = np.arange(len(topics)), np.zeros((len(topics), INTENT), np.float32)
            fields: dict[str, Any] = {"query": lacking}
            for route, name in enumerate(ROUTES):
                here = self.everywhere | (places == route)
                vectors = seen(every, nothing, route)
                fields[name] = [v if h else None for v, h in zip(vectors, here, strict=True)]
            return {**fields, "route": lacking, "id": every}
        lacking = [None] * count
        about = rng.integers(len(topics), size=count)
        asked = rng.integers(len(ROUTES), size=count) if self.everywhere else places[about]
        intent = 0.3 * intents[asked] + normal(rng, count, INTENT, scale=0.106)
        vectors = seen(about, intent.astype(np.float32), 0)
        names = [ROUTES[route] for route in asked]
        return {"query": vectors, **dict.fromkeys(ROUTES, lacking), "route": names, "id": about}
