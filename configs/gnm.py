"""Generative negative mining: an edited image and its caption in the same batch as the original.

Sahin et al. 2024, arXiv 2311.03964. A model that only meets random negatives can tell images apart
by the things that are in them, and need not learn which belong together. So a generator makes
variations of an image in which one thing differs, with their captions, and both pairs are put into
one batch of plain CLIP (`stacked_info_nce`): hard negatives in both modalities. Useful wherever
records come in groups of near-duplicates that must be told apart, such as variants of a product or
edited images; the source `sibling_pairs` puts two of a group into a row.

    python -m mmjax.main --config=configs/gnm.py          # emoji of men and women, minutes
    python -m mmjax.main --config=configs/gnm.py:scenes   # generated scenes, a quarter of a minute
    python -m mmjax.main --config=configs/gnm.py:paper    # COCO and variations of one's own
    python -m mmjax.claims gnm                            # what the negatives are worth, on scenes

The numbers to look at are Winoground's, of the evaluator `choice`: `text`, `image` and `group`.
Left out: the pipeline that makes variations, its filters and drawing variations by their scores.
"""

from mmjax.configs import common as c
from mmjax.recipe.changes import Replace

PAPER = "Sahin et al. 2024, Generative Negative Mining, arXiv 2311.03964"


def objectives(label: str, **options: object) -> dict:
    """CLIP's loss over the pairs of a batch and their siblings, `image@<label>` and its text."""
    pairs = (("image", "text"), (f"image@{label}", f"text@{label}"))
    return {"clip": dict(type="stacked_info_nce", pairs=pairs, **options)}


def views(label: str, **own: dict) -> dict:
    """These views, and for each of them one of the sibling, of the field `<name>_<label>`."""
    return own | {f"{name}@{label}": {**v, "field": f"{name}_{label}"} for name, v in own.items()}


def winoground(name: str, label: str, source: dict) -> dict:
    """Two images and two captions that have to find each other: `choice/NAME/group`."""
    wrong, counterpart = (f"text@{label}",), f"image@{label}"
    return c.evaluator("choice", name, source, wrong=wrong, counterpart=counterpart)


def families(split: str, alone: bool = True) -> dict:
    """Emoji, two of a family (person, man, woman; to the left, to the right) in a row."""
    source = dict(type="emoji", split=split, families=True)
    return dict(type="sibling_pairs", source=source, by="family", alone=alone)


def small() -> dict:
    """Emoji of 32 pixels; one row of seven has a sibling. Tested in a style that is not trained."""
    base = c.emoji(PAPER, objectives("sibling", duplicates="mask", ids=("id", "sibling")))
    own = base["data"]["views"] | {"image": {**base["data"]["views"]["image"], "size": 32}}
    styles = families("new_style_train_concepts", alone=False)
    return c.changed(
        base,
        steps=600,
        data={
            "source": Replace(families("train")),
            "views": {**views("sibling", **own), "sibling": c.LABEL},
            "batch_size": 96,
        },
        model={"towers": {"image": {"encoder": Replace(c.tiny_resnet(32, "patch4", 64))}}},
        evaluators=[
            winoground("families", "sibling", styles),
            c.retrieval("new_concepts", dict(type="emoji", split="new_style_new_concepts")),
        ],
    )


def scenes() -> dict:
    """Scenes whose binding is a weak cue: 64 of them and their swapped ones in a batch."""
    tower, own = (
        c.mlp(64, (256,), 64, activation="gelu"),
        dict(image=c.vector(64), text=c.vector(64)),
    )
    test = c.held_out(siblings="fields")
    return c.recipe(
        PAPER,
        steps=600,
        data=c.data("bound_pairs", 64, **views("swapped", **own), swapped=c.LABEL),
        towers=c.towers(image=tower, text=tower),
        objectives=objectives("swapped", duplicates="mask", ids=("id", "swapped")),
        optimizer=c.adamw(1e-3, weight_decay=1e-4),
        evaluators=[
            winoground("test", "swapped", test),
            c.retrieval("test", {**test, "examples": 500}),
        ],
    )


def paper() -> dict:
    """OpenAI's ViT-B/32; a pair of variations for every eight of COCO, 10 epochs.

    `data/variations/pairs.csv` names two variations of an image in a row, with their captions.
    """
    text, names = c.causal_text(**c.OPENAI), ("image", "text", "image_sibling", "text_sibling")
    pairs = c.manifest("data/variations/pairs.csv", **dict(zip(names, names, strict=True)))
    both = views("sibling", image=c.clip_image(), text=text.view)
    source = {"variations": {**pairs, "weight": 1.0}, "coco": {**c.coco("train"), "weight": 8.0}}
    return c.recipe(
        PAPER,
        steps=7_200,  # assumed: ten epochs of COCO's 113,287 images
        data=c.data(source, 176, text.tokenizer, **both, workers=16),
        towers=c.openai_towers(),
        objectives=objectives("sibling", temperature=0.01),
        optimizer=c.adamw(1e-6, schedule="constant", b2=0.98, eps=1e-6, weight_decay=0.1),
        evaluators=c.coco_evaluators(),
        checkpoints={"every": 720},
    )


get_config = c.variants("gnm", small, scenes, paper)
