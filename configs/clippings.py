"""Record linkage by one embedding of image and text, tuned with labels of entities (CLIPPINGS).

Arora et al. 2023, arXiv 2304.03464. Two towers learn from unlabelled pairs as CLIP does; then both
are tuned by a supervised contrastive loss of the mean of a record's image and text embedding, on
batches with three records of each entity. What a user can take from it: the fusion `mean` is one
vector of a record for an index or for clustering, and `data.groups` with `sup_con` trains it where
some records are known to be the same thing.

    python -m mmjax.main --config=configs/clippings.py           # emoji, minutes on two CPU cores
    python -m mmjax.main --config=configs/clippings.py:entities  # generated records, half a minute
    python -m mmjax.main --config=configs/clippings.py:paper     # OpenAI's ViT-B/32, own tables
    python -m mmjax.claims clippings                             # what the labels of the mean add

The numbers to look at are `retrieval/records/pooled_to_pooled/R@1`, leaving the record itself out,
and `clusters/records/ARI` of single linkage. Left out: batches of classes that the model confuses,
an MLP as the fusion, and the loss with a margin.
"""

from typing import get_args

from mmjax.configs import common as c
from mmjax.data.sets.emoji import Style
from mmjax.recipe.changes import Replace

PAPER = "Arora et al. 2023, Linking Representations with Multimodal Contrastive, arXiv 2304.03464"
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
STYLES, LANGUAGES = get_args(Style), ("en", "de", "fr", "es", "it", "nl")


def objectives() -> dict:
    """InfoNCE of image and text, of the first stage; the second has `tune` in its place."""
    return {"clip": dict(type="info_nce")}


def tune(steps: int, label: str, source: dict | None = None, **changes: dict) -> dict:
    """The second stage: supervised contrast of the mean, three records of an entity in a row."""
    linked = dict(type="sup_con", views=("pooled",), label=label, temperature=0.1)
    data = {"groups": {"by": label, "per": 3}, "views": {label: c.LABEL}}
    data |= {} if source is None else {"source": source}
    objectives = {"clip": None, "linked": linked}
    return {"name": "tune", "steps": steps, "data": data, "objectives": objectives, **changes}


def pooled(*weights: float) -> dict:
    """The mean of image and text, by default with equal weights."""
    return {"type": "mean", "inputs": ("image", "text"), "weights": weights or (0.5, 0.5)}


def linkage(name: str, source: dict | str, label: str, val: dict | str, *views: str) -> list[dict]:
    """Records that look for others of their entity by each view, and are clustered by the mean."""
    views = ("pooled", "image", "text", *views)
    return [
        c.retrieval(name, source, pairs=tuple((v, v) for v in views), labels=label),
        c.evaluator("clusters", name, source, modality="pooled", labels=label, method="linkage",
                    val=c.held_out(val) if isinstance(val, str) else val),
    ]  # fmt: skip


def entities(weights: tuple[int, ...] = (1, 2, 3, 4, 6, 7, 8, 9)) -> dict:
    """Generated records of 500 entities, tested on 50 others; `mean_3` weighs the image .3."""
    text = c.bag_text(LETTERS, 8, embedding=16, width=None, pool="concat")
    sweep = {f"mean_{k}": pooled(k / 10, 1 - k / 10) for k in weights}
    symbols = {**c.vector(208), "train": False}
    search = dict(pairs=(("pooled", "pooled"), ("symbols", "symbols")), labels="entity")
    return c.recipe(
        PAPER,
        steps=1000,
        data=c.data("noisy_entities", 144, text.tokenizer, image=c.vector(256), text=text.view,
                    symbols=symbols),
        towers=c.towers(
            image=c.mlp(256, (256, 256), 64),
            text={"encoder": text.encoder, "head": c.mlp_head(64, 256)},
            symbols=c.identity(208),
        ),
        fusions={"pooled": pooled(), **sweep},
        objectives={"clip": dict(type="info_nce", temperature=0.07, learn_temperature=False)},
        optimizer=c.adamw(1e-3, weight_decay=0.0),
        evaluators=[
            *linkage("records", "test", "entity", "validation", "symbols", *sweep),
            c.retrieval("exemplars", "test", gallery="exemplars", **search),
        ],
        stages=(c.stage("pairs", 500), tune(500, "entity")),
    )  # fmt: skip


def small(half: str = "validation") -> dict:
    """Emoji: a concept is an entity, and a style with a name in one language is a record of it."""

    def records(split: str) -> dict:
        drawn = dict(type="emoji", split=split, styles=STYLES, languages=LANGUAGES)
        return dict(type="alternatives", source=drawn, fields=("image", "text"))

    base = c.emoji(PAPER, objectives())
    other = {"validation": "test", "test": "validation"}[half]
    return c.changed(
        base,
        data={"source": Replace(records("train")), "views": {"image": {"size": 32}},
              "batch_size": 120},
        model={
            "towers": {"image": {"encoder": Replace(c.tiny_resnet(32, "patch4", 64))}},
            "fusions": {"pooled": pooled()},
        },
        stages=(c.stage("pairs", 600), tune(600, "record")),
        evaluators=linkage("records", records(f"{half}_concepts"), "record",
                           records(f"{other}_concepts")),
    )  # fmt: skip


def paper() -> dict:
    """OpenAI's ViT-B/32 on one's own records: a table of image files and texts, some with a label.

    `data/records/labels.csv` has a column `entity` of numbers, three records of one at the least.
    """
    text, columns = c.causal_text(**c.OPENAI), dict(image="file", text="text")
    pairs = c.manifest("data/records/pairs.csv", **columns)
    train, val, test = (
        c.manifest(f"data/records/{name}.csv", labels={"entity": "entity"}, **columns)
        for name in ("labels", "val", "test")
    )
    return c.recipe(
        PAPER,
        steps=20_000,  # assumed
        data=c.data(
            pairs,
            144,  # 153 there
            text.tokenizer,
            image=c.clip_image(),
            text=text.view,
            workers=16,
        ),
        towers=c.openai_towers(),
        fusions={"pooled": pooled(0.3, 0.7)},
        objectives={"clip": dict(type="info_nce", temperature=0.01)},
        optimizer=c.adamw(5e-6, b2=0.98, eps=1e-6, weight_decay=1e-3),
        evaluators=linkage("records", test, "entity", val),
        stages=(
            c.stage("pairs", 15_000),
            tune(5_000, "entity", train, optimizer={"learning_rate": 5e-7}),
        ),
    )


get_config = c.variants("clippings", small, entities, paper)
