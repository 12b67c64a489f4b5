"""Harnessing Shared Relations via Multimodal Mixup Contrastive Learning (M3CoL).

Singhal et al. 2024, arXiv 2409.17777. Next to classifiers of each modality and of both, a mixture
of two examples in one modality has to match both of them in the other. After a third of the
training this is replaced by soft targets from the similarities within a modality.

    python -m mmjax.main --config=configs/m3col.py          # pairs of concepts, 600 examples
    python -m mmjax.main --config=configs/m3col.py:paper    # Food-101, images and recipes
    python -m mmjax.claims m3col                            # geometry, and parity with InfoNCE

Two differences from the authors' code, which follow the paper: the modality that is not mixed stays
unchanged (there, in-place mixing changes it, too), and a row that is mixed with itself keeps its
whole target. In the claim's experiment no contrastive term makes classification better than that of
tuned classifiers alone; all of them bring images of shared concepts closer, plain InfoNCE as much
as mixtures. Left out: accumulated gradients, and a rate that falls when the validation loss stands
still.
"""

from mmjax.configs import common as c

PAPER = "Singhal et al. 2024, Multimodal Mixup Contrastive Learning, arXiv 2409.17777"
PAIR = ("image", "text")
WEIGHT, SWITCH = 0.1, 0.33  # lambda, and the fraction of training before the switch


def objectives(classes: int, dim: int) -> dict:
    """Three classifiers, and the two contrastive phases.

    The paper sums over both directions, of which the terms here are means, hence twice lambda.
    `soft_clip` is MultiSClip: the targets are the similarities within the second modality.
    """
    heads = {"fusion": PAIR, "image": ("image",), "text": ("text",)}
    sizes = dict(type="classification", classes=classes, dim=dim)
    step, pairs = dict(type="step", begin=SWITCH), (PAIR[::-1], PAIR)
    own = dict(reference="second", reference_temperature=0.125, stop_gradient=False)
    return {
        **{name: dict(**sizes, modalities=modalities) for name, modalities in heads.items()},
        "m3co": dict(
            type="mixup_nce",
            pairs=pairs,
            alpha=0.15,
            mix_probability=0.5,
            temperature=0.1,
            weight=dict(**step, start=2 * WEIGHT, end=0.0),
        ),
        "soft_clip": dict(
            type="soft_info_nce",
            pairs=pairs,
            **own,
            temperature=0.125,
            learn_temperature=False,
            weight=dict(**step, start=0.0, end=2 * WEIGHT),
        ),
    }


def small() -> dict:
    """Two concepts in an image and in its text; classify the stronger one; seconds.

    A single cosine schedule; in pilot experiments it was restarted at the switch.
    """
    view, tower = c.vector(64), c.mlp(64, (128,), 64)
    return c.recipe(
        PAPER,
        steps=1350,  # 150 epochs
        data=c.data("concept_pairs", 64, image=view, text=view, label=c.LABEL),
        towers=c.towers(image=tower, text=tower),
        objectives=objectives(12, 64),
        optimizer=c.adamw(1e-3, weight_decay=1e-4, warmup_steps=50),
        evaluators=[c.structure(modality="image", reference="concepts"), c.probe(modalities=PAIR)],
        log_every=450,
    )


def paper() -> dict:
    """Food-101 with ViT-B/16 and BERT-base, 50 epochs of 67,988 recipes.

    Both towers start from pretrained weights, local folders in Hugging Face's format. The paper
    accumulates gradients over four batches of 32 (without negatives across them), and lowers the
    learning rate when the validation loss stagnates; here the batch size is 32 and the learning
    rate constant.
    """
    image, text = c.vit(16, pool="cls", eps=1e-12), c.bert_text(512)
    weights = {"image": "weights/vit-base-patch16-224-in21k", "text": "weights/bert"}
    return c.recipe(
        PAPER,
        steps=106_000,
        data=c.data(
            c.manifest(
                "data/food101/train.csv", "train", {"label": "label"}, image="image", text="text"
            ),
            32,
            text.tokenizer,
            image=c.image(),  # assumed: no augmentation
            text=text.view,
            label=c.LABEL,
            workers=8,
        ),
        towers=c.towers(
            image=c.pretrained(weights["image"], image, "image", take_head=False),
            text=c.pretrained(weights["text"], text.encoder, "text", take_head=False),
        ),
        objectives=objectives(101, 768),
        optimizer=c.adamw(
            1e-4, weight_decay=1e-4, schedule="constant", learning_rate_rules=(("towers/.*", 0.5),)
        ),
        evaluators=[c.probe("val", "val", modalities=PAIR)],
        checkpoints={"every": 2000},
    )


get_config = c.variants("m3col", small, paper)
