"""Learning Transferable Visual Models From Natural Language Supervision (CLIP).

Radford et al. 2021, arXiv 2103.00020. Two towers, symmetric InfoNCE over the batch, a learned
temperature.

    python -m mmjax.main --config=configs/clip.py          # emoji, minutes on two CPU cores
    python -m mmjax.main --config=configs/clip.py:paper    # ViT-B/32, batch 32,768, on a pod

Left out: the paper's pairs, which are not public, and its larger models.
"""

from mmjax.configs import common as c

PAPER = "Radford et al. 2021, CLIP, arXiv 2103.00020"


def objectives() -> dict:
    """Symmetric InfoNCE; the temperature starts at 0.07, and 1/temperature is at most 100."""
    return {"clip": dict(type="info_nce", temperature=0.07, max_scale=100.0)}


def small() -> dict:
    """Emoji and their names."""
    return c.emoji(PAPER, objectives())


def paper() -> dict:
    """Tables 18 and 19 of the paper: 32 epochs of 400 million pairs.

    The paper's pairs (WIT) are not public: use shards of your own, such as LAION or DataComp.
    """
    text, shards = c.causal_text(**c.OPENAI), c.webdataset("data/shards/*.tar")
    # A random square crop of the resized image is the paper's only augmentation.
    image = c.clip_image(crop_scale=(0.9, 1.0), crop_ratio=(1.0, 1.0))  # assumed: the scale
    return c.recipe(
        PAPER,
        steps=390_625,
        data=c.data(shards, 32_768, text.tokenizer, image=image, text=text.view, workers=64),
        towers=c.towers(c.linear_head(512), image=c.openai_image(), text=text.encoder),
        objectives=objectives(),
        optimizer=c.adamw(
            5e-4,
            b2=0.98,
            eps=1e-6,
            weight_decay=0.2,
            warmup_steps=2000,
            clip_norm=1.0,  # assumed: not in the paper; helps with large batches of web data
        ),
        evaluators=c.coco_evaluators(),
        evaluate_every=10_000,
        checkpoints={"every": 1000},
    )


get_config = c.variants("clip", small, paper)
