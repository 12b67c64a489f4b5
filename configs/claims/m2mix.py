"""A CLIP with a modality gap, and ways to fine-tune it on 1,024 pairs."""

from mmjax.claims import Check, Claim
from mmjax.configs import common as c
from mmjax.configs.m2mix import PAPER, clip, mix


def config() -> dict:
    """Classes with nuisances: a CLIP pretrained at temperature .01, fine-tuned on a subset."""
    pair = ("image", "text")
    pretrain = {"source": {"split": "train"}, "batch_size": 256}
    return c.recipe(
        PAPER,
        steps=150,
        data=c.data(
            dict(type="nuisance_pairs", split="tune"), 128, **dict.fromkeys(pair, c.vector(64))
        ),
        towers=c.towers(**dict.fromkeys(pair, c.mlp(64, (256,), 32, cone=10.0))),
        objectives={"clip": clip()},
        optimizer=c.adamw(3e-4, schedule="constant"),
        evaluators=[c.retrieval(), c.geometry()],
        stages=({"name": "pretrain", "steps": 600, "data": pretrain}, {"name": "tune"}),
        log_every=150,
        checkpoints={"every": 0},
    )


def claim() -> Claim:
    """Each way with learning rates 1e-3, 3e-3 and 1e-2, from the same pretrained towers."""
    recall = "retrieval/test/image_to_text/R@1"
    distance, spread = "geometry/test/alignment", "geometry/test/uniformity/image"
    ways = {
        "clip": {},
        "clip, tau2": {"clip": clip(0.07)},
        "plain": {"plain": {**clip(0.07, direction_weights=(1.0, 1.0)), "weight": 0.5}},
        "m2mix": {"mix": mix(0.5)},
    }

    def arm(terms: dict, rate: float) -> dict:
        return {"stages": {"tune": {"objectives": terms, "optimizer": {"learning_rate": rate}}}}

    arms = {"pretrained": {"stages": {"tune": None}}}
    for rate, name in ((1e-3, ""), (3e-3, ", 3e-3"), (1e-2, ", 1e-2")):
        arms |= {f"{way}{name}": arm(terms, rate) for way, terms in ways.items()}
    # Ablation: without the second temperature.
    arms["m2mix, one tau"] = arm({"mix": {**mix(0.5), "temperature": 0.01}}, 1e-3)
    return Claim(
        config=config(),
        statement="if a gap is left, mixed negatives raise R@1 by 2 points over original ones "
        "with the same temperatures and a learning rate of 1e-3, and bring pairs 10 % closer; "
        "each at its best learning rate, by 3 points over InfoNCE at .01",
        arms=arms,
        checks=(
            Check(recall, "m2mix", ">=", "plain", offset=0.02),
            Check(distance, "m2mix", "<=", "plain", factor=0.9),
            # Each at its best learning rate.
            Check(recall, "m2mix, 1e-2", ">=", "clip, 1e-2", offset=0.03),
        ),
        metrics=(recall, distance, "geometry/test/centroid_distance", spread),
        seeds=(0, 1, 2, 3),
        seed_keys=c.WORLD_SEED,
        paper_numbers="better uniformity, alignment and retrieval than fine-tuning on Flickr30k "
        "and COCO; table values not confirmed",
        notes="`plain` has the original negatives at both temperatures. Mixing improves on them "
        "at 1e-3 and 3e-3, and brings pairs closer. At 1e-2, the best learning rate for all "
        "(3e-2, tried separately, is not better), it adds little and is as good as InfoNCE at the "
        "second, higher temperature, which makes the difference to fine-tuning at .01. Mixing "
        "does not improve the uniformity of images.",
    )
