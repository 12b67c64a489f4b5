"""SAT: universal segmentation of medical images with text prompts (its contrastive stages).

Zhao et al. 2023, arXiv 2312.17183. A text encoder of anatomy is first trained on terms and their
definitions, and then on terms and the regions of scans that they name. A batch repeats concepts, so
pairs of one concept are not negatives of each other. What a user can take from it: where captions
or classes repeat within a batch, `duplicates='mask'` with ids of concepts costs nothing (on emoji,
whose subgroups a batch repeats, it gains nothing either); and one temperature, by its name, serves
several terms.

    python -m mmjax.main --config=configs/sat.py          # generated regions, seconds
    python -m mmjax.main --config=configs/sat.py:emoji    # emoji, terms are their subgroups
    python -m mmjax.main --config=configs/sat.py:paper    # terms, definitions, features of regions
    python -m mmjax.claims sat                            # against the plain loss, and positives
    python -m mmjax.claims sat:claim_emoji                # the same on emoji

Left out: segmentation. The tower of volumes, a 3-D U-Net with pooling by masks, is outside: `paper`
reads the features of regions that such a network has made, the scan's modality is a word of the
term, and both terms are of one step.
"""

from mmjax.configs import common as c
from mmjax.configs import lit
from mmjax.data.sets.emoji import EmojiSource
from mmjax.data.synthetic.organ_regions import MODALITIES, SYNONYMS, WORDS

PAPER = "Zhao et al. 2023, SAT, arXiv 2312.17183"
REGION, DEFINITION = ("region", "text"), ("text", "text@definition")


def objectives(by: str | None = None, region: str = "region") -> dict:
    """Without negatives of the same concept, at one learned temperature."""
    masked = dict(type="info_nce", duplicates="mask", duplicates_by=by)
    return {
        "knowledge": dict(**masked, pairs=(DEFINITION,), temperature=0.07),
        "regions": dict(**masked, pairs=((region, "text"),), temperature="knowledge"),
    }


def stages(knowledge: int, regions: int, region: str = "region") -> tuple[dict, dict]:
    """Texts alone; then texts and regions."""
    alone = c.stage("knowledge", knowledge, without=("regions",), idle=(region,))
    return alone, {"name": "regions", "steps": regions}


def small(split: str = "validation") -> dict:
    """24 organs with three synonyms each; features of regions, in two modalities."""
    text = c.bag_text(WORDS, 5)
    view = {**text.view, "caption": "random"}
    words = {"encoder": text.encoder, "head": c.mlp_head(32, 64, activation="gelu")}
    named = dict(labels="organ", modality="region", synonyms=SYNONYMS)
    return c.recipe(
        PAPER,
        steps=500,
        data=c.data("organ_regions", 64, text.tokenizer, region=c.vector(9),
                    **dict.fromkeys(DEFINITION, view)),
        towers=c.towers(c.linear_head(32), region=c.mlp(9, (64, 64), 64), text=words),
        objectives=objectives(),
        optimizer=c.adamw(2e-3),
        evaluators=[
            c.zero_shot(f"{part}_{scans}", c.held_out(split, part=part, scans=scans),
                        templates=(f"{{}} {scans}",), **named)
            for part in ("all", "head", "tail") for scans in MODALITIES
        ],
        stages=stages(200, 500),
        log_every=100,
    )  # fmt: skip


def emoji(half: str = "validation") -> dict:
    """Features of emoji; the term is the subgroup, of 98, and its definition the emoji's name."""
    text = c.tiny_text("emoji_8k", 16)

    def source(split: str) -> dict:
        files = dict.fromkeys(("image", "text@definition"), f"emoji_pretrained:{split}")
        return dict(
            type="features",
            files=files,
            raw=("text@definition",),
            labels="emoji_pretrained",
            named={"text": "subgroup"},
        )

    concept = dict(c.LABEL, classes=tuple(EmojiSource().labels("subgroup")))
    return c.recipe(
        PAPER,
        steps=250,
        data=c.data(source("train"), 256, text.tokenizer, image=c.vector(lit.DIM),
                    subgroup=concept, **dict.fromkeys(DEFINITION, text.view)),
        towers=c.towers(c.linear_head(64), image=c.mlp(lit.DIM, (128,), 128), text=text.encoder),
        objectives=objectives("subgroup", "image"),
        optimizer=c.adamw(2e-3, learning_rate_rules=(("towers/text/encoder/token", 10.0),)),
        evaluators=[
            c.zero_shot("subgroup", source(f"{half}_concepts"), templates=("{}",)),
            c.retrieval("definitions", source(f"{half}_concepts"), pairs=(DEFINITION,)),
        ],
        stages=stages(100, 250, "image"),
        log_every=50,
    )  # fmt: skip


def paper() -> dict:
    """PubMedBERT, of which the last three layers train; 100,000 steps of texts, 100,000 of both.

    Two tables, of terms with definitions or relations, and of regions: the 1,792 features of a
    region at six scales, as a `.npy` file, the term and its definition.
    """
    text, labels = c.bert_text(256, pool="mean"), {"concept": "concept"}
    columns = {"text": "term", "text@definition": "definition"}
    texts = c.manifest("data/sat/terms.csv", "train", labels, **columns)
    table, columns = "data/sat/regions.csv", {**columns, "region": "features"}
    knowledge, both = stages(100_000, 100_000)
    raw = dict(objectives("concept")["knowledge"], temperature="knowledge", head="raw")
    return c.recipe(
        PAPER,
        steps=100_000,
        data=c.data(texts, 128, text.tokenizer, region=c.vector(1792), concept=c.LABEL,
                    **dict.fromkeys(DEFINITION, text.view), workers=16),
        towers=c.towers(
            region={
                "encoder": c.mlp(1792, (768,), 768, activation="gelu", final_activation=True),
                "head": dict(type="none"),
            },
            text=c.pretrained("weights/pubmedbert", text.encoder, "text",
                              head=c.mlp_head(768, 768, activation="gelu"),
                              heads={"raw": dict(type="none")}),
        ),
        objectives={**objectives("concept"), "raw": raw},
        optimizer=c.adamw(
            1e-5,
            warmup_steps=10_000,
            learning_rate_rules=(
                ("towers/text/encoder/transformer/blocks/.*", (0.0,) * 9 + (1.0,) * 3),
                ("towers/text/encoder/.*", 0.0),
            ),
        ),
        evaluators=[c.retrieval("val", c.manifest(table, "val", labels, **columns),
                                pairs=(REGION,))],
        stages=(
            knowledge,
            {**both, "data": {"source": c.manifest(table, "train", labels, **columns)}},
        ),
        checkpoints={"every": 5000},
    )  # fmt: skip


get_config = c.variants("sat", small, emoji, paper)
