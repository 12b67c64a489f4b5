"""UniversalRAG: one index of several modalities, or a router and an index of each.

Yeo et al. 2025, arXiv 2504.20734. Between modalities there is a constant offset, so that a merged
index answers with items of the modality nearest to the queries; a classifier of queries that picks
the index of one modality does not care. **On the made topics here** it is enough to take the means
of the modalities away where a topic is in one of them only, and a router is needed where it is in
all, offset or not (docs/claims/universalrag.md). What a user can take from it: the evaluator
`merged_retrieval` says of any model which of the two it needs. Left out: the language models
that read what was found.

    python -m mmjax.main --config=configs/universalrag.py              # topics of one modality
    python -m mmjax.main --config=configs/universalrag.py:everywhere   # of all: the intent counts
    python -m mmjax.main --config=configs/universalrag.py:paper        # your tables, CLIP ViT-L/14
    python -m mmjax.evaluate --workdir=runs/... --config=configs/universalrag.py:paper
    python -m mmjax.claims universalrag                                # when routing pays
    python -m mmjax.claims universalrag:claim_everywhere

Nothing trains but the router, in the evaluator.
"""

from mmjax.configs import common as c

PAPER = "Yeo et al. 2025, UniversalRAG, arXiv 2504.20734"
ITEMS = ("text", "image", "video")


def small(everywhere: bool = False) -> dict:
    """Generated embeddings; seconds."""
    source = dict(type="routed_queries", everywhere=everywhere)
    names = ("query", *ITEMS)
    index = c.held_out("index", examples=None)
    return c.recipe(
        PAPER,
        steps=0,
        data=c.data(source, 256, **{name: c.vector(72) for name in names}),
        towers=c.towers(**{name: c.identity(72) for name in names}),
        evaluators=[
            c.evaluator("merged_retrieval", "test", "test", query="query", items=ITEMS,
                        train=c.held_out("train"), index=index)
        ],
    )  # fmt: skip


def everywhere() -> dict:
    """Every topic in all three modalities."""
    return small(everywhere=True)


def paper() -> dict:
    """CLIP ViT-L/14, tables of queries with the column `route`, and an index of texts and images.

    The paper has an index of paragraphs and of documents by BGE, and indexes of images, clips and
    videos by InternVideo2; here one model embeds all. A query's `id` is that of the record that
    answers it.
    """
    text = c.causal_text(768, 12, **c.OPENAI)
    weights = "weights/clip-vit-large-patch14"
    image = c.vit(14, size="large", pool="cls", pre_norm=True, patch_bias=False, **c.OPENAI)
    parts = {"image": image, "text": text.encoder}
    index = c.manifest("data/index.csv", image="image", text="text")

    def queries(path: str) -> dict:
        return c.manifest(path, labels={"route": "route"}, text="query")

    return c.recipe(
        PAPER,
        steps=0,
        data=c.data(index, 64, text.tokenizer, image=c.clip_image(), text=text.view, workers=16),
        towers=c.towers(
            c.linear_head(768), **{name: c.pretrained(weights, e) for name, e in parts.items()}
        ),
        evaluators=[
            c.evaluator("merged_retrieval", "test", queries("data/queries-test.csv"),
                        train=queries("data/queries-train.csv"), index=index)
        ],
    )  # fmt: skip


get_config = c.variants("universalrag", small, everywhere, paper)
