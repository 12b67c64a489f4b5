"""Late interaction with documents of several modalities that are read together (CLaMR).

Wan et al. 2025, arXiv 2506.06144. Frames, speech, text on the screen and a description of a video
are tokens of one transformer; a query is scored by the modality whose tokens answer it best, since
the mean over modalities adds those that say nothing. What a user can take from it: a fusion
`transformer` with `tokens=True` makes one document of any towers with tokens, and
`late_interaction_nce` with `groups='max'` searches it by its best part, in `retrieval`, too.

    python -m mmjax.main --config=configs/clamr.py         # emoji, minutes on two CPU cores
    python -m mmjax.main --config=configs/clamr.py:topics  # generated documents, two minutes
    python -m mmjax.main --config=configs/clamr.py:paper   # tables of videos, OpenAI's ViT-B/32
    python -m mmjax.claims clamr                           # the maximum, the mean and one vector

The number to look at is `retrieval/test/document@query_to_document/nDCG@10`. Left out: a
multimodal language model with LoRA as the encoder, audio itself, and wrong modalities of the own
document as negatives.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.topic_documents import KINDS
from mmjax.recipe.changes import Replace

PAPER = "Wan et al. 2025, CLaMR: Contextualized Late-Interaction for Multimodal, arXiv 2506.06144"
PAIR = ("document", "document@query")


def fused(*inputs: str, query: str, dim: int, **sizes: object) -> dict:
    """One transformer reads the parts of a document together, and queries."""
    also = {"query": (query,)}
    kinds = dict(type="transformer", pool="mean", kinds="view", tokens=True)
    return {"document": {**kinds, "inputs": inputs, "also": also, "dim": dim, **sizes}}


def late(dim: int, temperature: float = 0.02, **options: object) -> dict:
    """Queries look for documents, by the best modality of each."""
    fixed = dict(temperature=temperature, learn_temperature=False)
    how = dict(fusion="max", groups="max", direction_weights=(0.0, 1.0))
    own = dict(pair=PAIR, tokens=PAIR, dim=dim)
    return {"late": {"type": "late_interaction_nce", **own, **how, **fixed, **options}}


def search(source: dict | str = "test", **options: object) -> dict:
    """Ranked by the term's own score."""
    pairs = ((PAIR[1], PAIR[0]),)
    return c.retrieval("test", source, pairs=pairs, term="late", more=("nDCG@k",), **options)


def topics(split: str = "test") -> dict:
    """Generated documents beside a twin with the same topics in other modalities."""
    part = {"type": "token_mlp", "inputs": 32, "hidden": (), "width": 64}
    views = {f"part@{kind}": dict(type="sequence", length=6, dim=32, field=kind) for kind in KINDS}
    views |= {"part@query": dict(type="sequence", length=4, dim=32, field="query"), "kind": c.LABEL}
    data = c.data("topic_documents", 64)
    return c.recipe(
        PAPER,
        steps=500,
        data={**data, "views": views, "groups": {"by": "topic", "per": 2}},
        towers=c.towers(part=part),
        fusions=fused(*(f"part@{kind}" for kind in KINDS), query="part@query", dim=32),
        objectives=late(32, 0.05, group="kind"),
        optimizer=c.adamw(1e-3, weight_decay=0.0),
        evaluators=[search(split, by="kind", decoy="twin")],
    )


def small(half: str = "validation") -> dict:
    """Emoji: a document is a drawing and a name in three languages, a query the German name."""

    def emoji(split: str) -> dict:
        spoken = ("en", "fr", "es", "de")
        return dict(type="emoji", split=split, languages=spoken, apart=True)

    base = c.emoji(PAPER, late(64))
    text, image = (base["data"]["views"][name] for name in ("text", "image"))
    views = {f"text@{code}": {**text, "field": f"text_{code}"} for code in ("en", "fr", "es", "de")}
    views |= {"image": {**image, "size": 32, "field": "image_google"}}
    return c.changed(
        base,
        steps=1200,
        data={"source": Replace(emoji("train")), "views": Replace(views), "batch_size": 64},
        model={
            "towers": {"image": {"encoder": Replace(c.tiny_resnet(32, "patch8", 64))}},
            "fusions": fused("image", "text@en", "text@fr", "text@es", query="text@de", dim=64,
                             width=128, depth=2, heads=4),
        },
        evaluators=[search(emoji(f"{half}_concepts"))],
    )  # fmt: skip


def paper() -> dict:
    """MultiVENT's videos as a table: a frame, what is said, shown and described, and a query."""
    text, kinds = c.causal_text(**c.OPENAI), ("speech", "screen", "description", "query")
    columns = {"image": "frame", **{kind: kind for kind in kinds}}
    train, test = (
        c.manifest(f"data/multivent/{split}.csv", labels={"kind": "query_type"}, **columns)
        for split in ("train", "test")
    )
    views = {f"text@{kind}": {**text.view, "field": kind} for kind in kinds}
    folder, encoders = "weights/clip-vit-base-patch32", {"text": text.encoder}
    encoders["image"] = c.openai_image()
    inputs = ("image", *(f"text@{kind}" for kind in kinds[:3]))
    return c.recipe(
        PAPER,
        steps=3_000,  # assumed: an epoch of about 96,000 queries
        data={
            **c.data(train, 32, text.tokenizer, workers=16),
            "views": {"image": c.clip_image(), **views, "kind": c.LABEL},
        },
        towers=c.towers({"type": "none"}, **{
            name: c.pretrained(folder, e, name, take_head=False) for name, e in encoders.items()
        }),
        fusions=fused(*inputs, query="text@query", dim=128, width=512, depth=6, heads=8),
        objectives=late(128, group="kind", hard_positive=True),
        optimizer=c.adamw(1e-5, schedule="linear", weight_decay=0.01, warmup_steps=300),
        evaluators=[search(test, by="kind")],
        pairwise={"tile": 8},
    )  # fmt: skip


get_config = c.variants("clamr", small, topics, paper)
