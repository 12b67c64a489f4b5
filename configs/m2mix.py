"""Geodesic Multi-Modal Mixup for Robust Fine-Tuning (m²-Mix).

Oh et al. 2023, arXiv 2203.03897. Fine-tuning of a model with a gap between its modalities: points
on the arc between a picture and its text are hard negatives for all others.

    python -m mmjax.main --config=configs/m2mix.py          # emoji, from scratch
    python -m mmjax.main --config=configs/m2mix.py:paper    # Flickr30k, from CLIP's weights
    python -m mmjax.claims m2mix                            # the claim, on classes with nuisances

The claim is shown, in 4 minutes; R@1 and mean squared distance of pairs, over 4 seeds:

    learning rate                  1e-3                      3e-3
    InfoNCE at .01                 .569 ± .083, .93 ± .41    .814 ± .022, .33 ± .13
    then at .07                    .625 ± .058, .42 ± .11    .837 ± .015, .25 ± .01
    both, the original negatives   .725 ± .033, .33 ± .06
    both, mixed negatives          .750 ± .026, .21 ± .01    .870 ± .012, .20 ± .00

Most of what the term brings over fine-tuning at .01 is its second, softer temperature and what a
higher learning rate brings, too; mixing itself adds 2.5 points, hardly more than the 2 that are
asked for, and 3 at the higher rate over the soft temperature alone. It does not spread pictures
better: uniformity is -2.89 with mixed and -3.02 with original negatives. The paper reports better
retrieval, alignment and uniformity than fine-tuning on Flickr30k and COCO.
"""

from configs import base

PAPER = "Oh et al. 2023, Geodesic Multi-Modal Mixup, arXiv 2203.03897"


def clip(temperature: float = 0.01, **options: object) -> dict:
    """InfoNCE at a fixed temperature."""
    return {
        "type": "info_nce",
        "temperature": temperature,
        "learn_temperature": False,
        "max_scale": None,
        **options,
    }


def mix(weight: float | dict, alpha: float = 0.5) -> dict:
    """Mixed negatives at the second temperature, 0.07; the sum of both directions."""
    return {
        "type": "geodesic_negatives",
        "alpha": alpha,
        "temperature": 0.07,
        "weight": weight,
    }


def small() -> dict:
    """Emoji with their names. The paper fine-tunes: give towers an `init_from` for that."""
    return {"paper": PAPER, **base.emoji({"clip": clip(), "mix": mix(0.5)})}


def paper() -> dict:
    """m³-Mix on Flickr30k: 9 epochs of 29,000 pictures in batches of 128, constant learning rate.

    Start from `openai/clip-vit-base-patch32` with `model.towers.<m>.init_from`. Weights are one
    point of the paper's sweeps; every mixing term is divided by the number of the epoch.
    """
    pair = ("image", "text")

    def within(mixed: tuple[str, str], weight: float, how: str = "first") -> dict:
        return {
            "type": "mixup_nce",
            "pairs": (mixed,),
            "mix": how,
            "mixing": "geodesic",
            "partner": "reverse",
            "each_row": False,
            "mix_probability": 1.0,
            "alpha": 0.5,
            "temperature": 0.01,
            "weight": decay(weight),
        }

    def decay(weight: float) -> dict:
        return {"type": "harmonic", "start": weight, "end": 0.0, "periods": 9}

    return {
        "paper": PAPER,
        "steps": 2034,
        "data": {
            "source": {
                "type": "manifest",
                "path": "data/flickr30k/train.csv",
                "split": "train",
                "columns": {"image": "image", "text": "caption"},
            },
            "tokenizer": base.clip_tokenizer(),
            "views": {
                "image": {
                    "type": "image",
                    "size": 224,
                    "mean": base.CLIP_MEAN,
                    "std": base.CLIP_STD,
                },
                "text": {"type": "text", "length": 77},
            },
            "batch_size": 128,
            "workers": 8,
        },
        "model": {"towers": base.clip_towers(patch=32)},
        "objectives": {
            "clip": clip(),
            "m2_mix": mix(decay(0.01), alpha=0.2),
            "v_mix": within(pair, 0.05),
            "l_mix": within(pair[::-1], 0.05),
            "vl_mix": within(pair, 0.1, "both"),
        },
        "optimizer": {"learning_rate": 7e-6, "weight_decay": 0.2, "schedule": "constant"},
        "evaluators": {
            "retrieval": {"val": {"source": base.held_out("val"), "alternatives": "all"}},
            "geometry": {"val": {"source": base.held_out("val")}},
        },
        "checkpoints": {"every": 1000},
    }


def claim() -> dict:
    """Card 75's experiment in one run: 600 steps of CLIP that leave a gap, then 150 of each arm.

    The pretraining is the warm-up of the learning rate, so that it runs at half of it in the mean,
    and both parts see the same 8,000 pairs in batches of 128; the card's has a rate of 3e-4,
    batches of 256, and tunes on 1,024 pairs.
    """
    before = {"type": "step", "start": 1.0, "end": 0.0, "begin": 0.8}

    def after(weight: float) -> dict:
        return {**before, "start": 0.0, "end": weight}

    towers = {m: base.mlp(64, (256,), 32, cone=10.0) for m in ("image", "text")}
    test, pair = base.held_out(), ("image", "text")
    recall = "retrieval/test/image_to_text/R@1"
    distance = "geometry/test/alignment"

    def arm(*terms: tuple[str, dict], rate: float = 1e-3) -> tuple[str, ...]:
        changes = [f"objectives.{name}={spec!r}" for name, spec in terms]
        return (*changes, f"optimizer.learning_rate={rate}")

    soft = ("soft", {**clip(0.07), "weight": after(1.0)})
    plain = ("plain", {**clip(0.07, direction_weights=(1.0, 1.0)), "weight": after(0.5)})
    mixed = ("mix", mix(after(0.5)))
    only_before = ("clip", {**clip(), "weight": before})
    return {
        "paper": PAPER,
        "steps": 750,
        "data": {
            "source": {"type": "nuisance_pairs"},
            "views": {m: {"type": "vector", "dim": 64} for m in pair},
            "batch_size": 128,
        },
        "model": {"towers": towers},
        "objectives": {"clip": clip()},
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 600, "schedule": "constant"},
        "evaluators": {
            "retrieval": {"test": {"source": test}},
            "geometry": {"test": {"source": test}},
        },
        "log_every": 150,
        "claim": {
            "statement": "where a gap is left, mixed negatives raise R@1 by 2 points over original "
            "ones at the same temperatures and bring pairs 10 % closer",
            "arms": {
                "clip": arm(),
                "clip, tau 7e-2": arm(only_before, soft),
                "plain": arm(plain),
                "m2mix": arm(mixed),
                # Controls: the same at three times the learning rate.
                "clip, rate 3e-3": arm(rate=3e-3),
                "clip, tau 7e-2, rate 3e-3": arm(only_before, soft, rate=3e-3),
                "m2mix, rate 3e-3": arm(mixed, rate=3e-3),
            },
            "checks": (
                {"metric": recall, "arm": "m2mix", "compare": ">=", "baseline": "plain",
                 "offset": 0.02},
                {"metric": distance, "arm": "m2mix", "compare": "<=", "baseline": "plain",
                 "factor": 0.9},
                {"metric": recall, "arm": "m2mix, rate 3e-3", "compare": ">=",
                 "baseline": "clip, rate 3e-3", "offset": 0.03},
            ),
            "metrics": (recall, distance, "geometry/test/centroid_distance",
                        "geometry/test/uniformity/image"),
            "seeds": (0, 1, 2, 3),
            "seed_keys": base.WORLD_SEED,
            "paper_numbers": "better uniformity, alignment and retrieval than fine-tuning on "
            "Flickr30k and COCO; table values not confirmed",
        },
    }  # fmt: skip


get_config = base.variants("m2mix", {"small": small, "paper": paper, "claim": claim})
