"""Geodesic Multi-Modal Mixup for Robust Fine-Tuning (m²-Mix).

Oh et al. 2023, arXiv 2203.03897. Fine-tuning of a model with a modality gap: points on the geodesic
between an image and its text are hard negatives for all other examples. In the claim here, InfoNCE
at a higher temperature does as much without them.

    python -m mmjax.main --config=configs/m2mix.py          # emoji, from scratch
    python -m mmjax.main --config=configs/m2mix.py:paper    # Flickr30k, from CLIP's weights
    python -m mmjax.claims m2mix                            # ways to fine-tune a CLIP

Left out: captions of an image but the first, and fine-tuning on several data sets.
"""

from mmjax.configs import common as c

PAPER = "Oh et al. 2023, Geodesic Multi-Modal Mixup, arXiv 2203.03897"


def clip(temperature: float = 0.01, **options: object) -> dict:
    """InfoNCE with a fixed temperature."""
    fixed = dict(temperature=temperature, learn_temperature=False, max_scale=None)
    return {"type": "info_nce", **fixed, **options}


def mix(weight: float | dict, alpha: float = 0.5) -> dict:
    """Mixed negatives with the second temperature, 0.07; the sum of both directions."""
    return dict(type="geodesic_negatives", alpha=alpha, temperature=0.07, weight=weight)


def small() -> dict:
    """Emoji and names, both towers from scratch, where the paper fine-tunes a pretrained CLIP."""
    return c.emoji(PAPER, {"clip": clip(), "mix": mix(0.5)})


def paper() -> dict:
    """m³-Mix on Flickr30k: 9 epochs of 29,000 images, batch size 128, constant learning rate.

    Starts from `openai/clip-vit-base-patch32` in a local folder. Learning rate, weight decay and
    loss weights are one point of the paper's sweeps; all mixing terms are divided by the epoch
    number. Only the first caption of an image is used, as in the authors' code.
    """
    pair, text = ("image", "text"), c.causal_text(**c.OPENAI)

    def decay(weight: float) -> dict:
        return dict(type="harmonic", start=weight, end=0.0, periods=9)

    def within(mixed: tuple[str, str], weight: float, how: str = "first") -> dict:
        arcs = dict(mix=how, mixing="geodesic", partner="reverse", each_row=False, alpha=0.5)
        always = dict(mix_probability=1.0, temperature=0.01, weight=decay(weight))
        return dict(type="mixup_nce", pairs=(mixed,), **arcs, **always)

    return c.recipe(
        PAPER,
        steps=2034,
        data=c.data(
            c.manifest("data/flickr30k/train.csv", "train", image="image", text="caption"),
            128,
            text.tokenizer,
            image=c.clip_image(),
            text={**text.view, "caption": "first"},
            workers=8,
        ),
        towers=c.openai_towers(),
        objectives={
            "clip": clip(),
            "m2_mix": mix(decay(0.01), alpha=0.2),
            "v_mix": within(pair, 0.05),
            "l_mix": within(pair[::-1], 0.05),
            "vl_mix": within(pair, 0.1, "both"),  # assumed: a weight of the paper's sweep
        },
        optimizer=c.adamw(
            learning_rate=7e-6,  # assumed: a point of the paper's sweep
            weight_decay=0.2,  # assumed: a point of the paper's sweep
            schedule="constant",
        ),
        evaluators=[c.retrieval("val", "val", alternatives="all"), c.geometry("val", "val")],
        checkpoints={"every": 1000},
    )


get_config = c.variants("m2mix", small, paper)
