"""SAT: universal segmentation of medical images with text prompts (its contrastive stages).

Zhao et al. 2023, arXiv 2312.17183. A text encoder of anatomy is first trained on terms and their
definitions, and then on terms and the regions of scans that they name. A batch repeats concepts, so
pairs of one concept are not negatives of each other. What a user can take from it: where captions
or classes repeat within a batch, `duplicates='mask'` with ids of concepts costs nothing; and one
temperature, by its name, serves several terms.

    python -m mmjax.main --config=configs/sat.py          # generated regions, seconds
    python -m mmjax.main --config=configs/sat.py:paper    # terms, definitions, features of regions
    python -m mmjax.claims sat                            # against the plain loss, and positives

Left out: segmentation. The tower of volumes, a 3-D U-Net with pooling by masks, is outside: `paper`
reads the features of regions that such a network has made.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.organ_regions import MODALITIES, SYNONYMS, WORDS

PAPER = "Zhao et al. 2023, SAT, arXiv 2312.17183"
REGION, DEFINITION = ("region", "text"), ("text", "text@definition")
IDLE = {"views": {"region": {"train": False}}}


def objectives() -> dict:
    """Without negatives of the same concept, at one learned temperature."""
    masked = dict(type="info_nce", duplicates="mask")
    return {
        "knowledge": dict(**masked, pairs=(DEFINITION,), temperature=0.07),
        "regions": dict(**masked, pairs=(REGION,), temperature="knowledge"),
    }


def stages(knowledge: int, regions: int) -> tuple[dict, dict]:
    """Texts alone; then texts and regions."""
    alone = {"data": IDLE, "objectives": {"regions": None}}
    return (
        {"name": "knowledge", "steps": knowledge, **alone},
        {"name": "regions", "steps": regions},
    )


def small(split: str = "validation") -> dict:
    """24 organs with three synonyms each; features of regions, in two modalities."""
    text = c.tiny_text(WORDS, 5, caption="random")
    prompts = tuple(f"{{}} {modality}" for modality in MODALITIES)
    named = dict(labels="organ", modality="region", synonyms=SYNONYMS, templates=prompts)
    return c.recipe(
        PAPER,
        steps=500,
        data={
            **c.data("organ_regions", 64, text.tokenizer, region=c.vector(9), text=text.view),
            "views": {"region": c.vector(9), "text": text.view, "text@definition": text.view},
        },
        towers=c.towers(c.linear_head(32), region=c.mlp(9, (64, 64), 64), text=text.encoder),
        objectives=objectives(),
        optimizer=c.adamw(2e-3),
        evaluators=[
            c.zero_shot("organ", split, **named),
            c.zero_shot("head", c.held_out(split, part="head"), **named),
            c.zero_shot("tail", c.held_out(split, part="tail"), **named),
        ],
        stages=stages(200, 500),
        log_every=100,
    )


def paper() -> dict:
    """BioLORD, of which the last three layers train; 100,000 steps of texts, 100,000 of both.

    Two tables, of terms with definitions or relations, and of regions: the 1,792 features of a
    region at six scales, as a `.npy` file, the term and its definition.
    """
    text = c.bert_text(256, pool="mean")
    columns = {"text": "term", "text@definition": "definition"}
    labels = {"concept": "concept"}
    texts = c.manifest("data/sat/terms.csv", "train", labels, **columns)
    regions = c.manifest("data/sat/regions.csv", "train", labels, region="features", **columns)
    of_blocks = (0.0,) * 9 + (1.0,) * 3
    rules = (("towers/text/encoder/transformer/blocks/.*", of_blocks),
             ("towers/text/encoder/.*", 0.0))  # fmt: skip
    knowledge, both = stages(100_000, 100_000)
    by_concept = {name: {"duplicates_by": "concept"} for name in objectives()}
    recipe = c.recipe(
        PAPER,
        steps=100_000,
        data={
            **c.data(regions, 128, text.tokenizer, region=c.vector(1792), workers=16),
            "views": {"region": c.vector(1792), "text": text.view, "text@definition": text.view,
                      "concept": c.LABEL},
        },
        towers=c.towers(
            c.mlp_head(768, 768, activation="gelu"),
            region=c.mlp(1792, (768,), 768, activation="gelu", final_activation=True),
            text=c.pretrained("weights/biolord", text.encoder, "text"),
        ),
        objectives=objectives(),
        optimizer=c.adamw(1e-5, warmup_steps=10_000, learning_rate_rules=rules),
        evaluators=[c.retrieval("val", "val", pairs=(REGION,))],
        stages=({**knowledge, "data": {**IDLE, "source": texts}}, both),
        checkpoints={"every": 5000},
    )  # fmt: skip
    return c.changed(recipe, objectives=by_concept)


get_config = c.variants("sat", small, paper)
