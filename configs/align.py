"""ALIGN: Scaling Up Visual and Vision-Language Representation Learning With Noisy Text Supervision.

Jia et al. 2021, arXiv 2102.05918. A plain dual encoder on a very large set of raw captions: once it
is large enough, a noisy set is better than a clean one, and at equal size it is worse. The loss is
the sum of both directions with label smoothing, and the temperature itself is the parameter.

    python -m mmjax.main --config=configs/align.py          # 20,000 noisy pairs, generated
    python -m mmjax.main --config=configs/align.py:paper    # COYO-700M, ResNet-152 and BERT
    python -m mmjax.claims align                            # the claim

R@1 is low because twelve words say little; the order is what counts. Small sets are overfitted in a
few hundred steps, so every arm is measured where it is best, picture to text, on clean pairs of
validation.

The claim is shown, in 3 minutes on two idle cores; R@1 at the best step, picture to text and text
to picture, and that step, over 4 seeds:

    20,000 noisy pairs     .125 ± .010  .144 ± .008  1275 ± 189
    no label smoothing     .127 ± .010  .138 ± .010  1100 ± 245
    1,000 clean pairs      .078 ± .004  .083 ± .002   425 ± 150
    1,000 noisy pairs      .045 ± .007  .039 ± .007   200 ± 141

The temperature falls from 1 to .068. The paper: 3 million noisy pairs are worse than as many clean
ones, all of them better.
"""

from configs import base

PAPER = "Jia et al. 2021, ALIGN, arXiv 2102.05918"
NOISE = {"mismatched": 0.4, "garbled": 0.2}


def objective(**options: object) -> dict:
    """The sum of both directions; a temperature of 1 at the start, and at least 0.01."""
    return {
        "type": "info_nce",
        "direction_weights": (1.0, 1.0),
        "label_smoothing": 0.1,
        "temperature": 1.0,
        "temperature_form": "temperature",
        **options,
    }


def small() -> dict:
    """20,000 generated pairs, of which most captions are wrong or half wrong."""
    clean = {"mismatched": 0.0, "garbled": 0.0, "examples": None}
    text = {
        **base.mlp(500, (), 64, init="normal"),  # a table of embeddings, and their mean
        "head": {"type": "mlp", "dim": 64, "hidden": 256},
    }
    return {
        "paper": PAPER,
        "steps": 1500,
        "data": {
            "source": {"type": "noisy_captions", **NOISE},
            "views": {
                "image": {"type": "vector", "dim": 128},
                "text": {"type": "vector", "dim": 500},
            },
            "batch_size": 256,
        },
        "model": {"towers": {"image": base.mlp(128, (256,), 64), "text": text}},
        "objectives": {"align": objective()},
        "optimizer": {"learning_rate": 1e-3, "schedule": "constant"},
        "evaluators": {
            "retrieval": {
                "val": {"source": base.held_out("val", **clean)},
                "test": {"source": base.held_out("test", **clean)},
            }
        },
        "log_every": 100,
        "evaluate_every": 100,
        "checkpoints": {
            "every": 100,
            "keep_last": 1,
            "keep_best": 1,
            "metric": "retrieval/val/image_to_text/R@1",
        },
    }


def paper() -> dict:
    """The paper's batch, steps and optimizer, on COYO-700M with towers of the open reproduction.

    The paper's 1.8 billion pairs are not public; the set is tar shards after its filters of
    captions. The reproduction's picture tower is EfficientNet-B7 and the paper's L2, neither of
    which is here: this one is a ResNet-152, for pictures of 288 pixels instead of 289, which
    strides of 32 divide. Texts: BERT-Base, where the paper has BERT-Large. The reproduction: batch
    65,536, 300,000 steps, learning rate 2e-3 after 40,000 steps of warm-up; on 256 chips of v5e
    that batch does not fit, and with batch norm there are no exact microbatches.

    Of the reproduction are also the crops, 289 of 346 pixels a side (of a squashed picture, here of
    one with its shape), and that batch norms neither decay nor are adapted by LAMB, and all else
    does: biases, layer norms, the temperature. Not of it: it drops whole residual branches at a
    rate of up to 0.2, and takes the statistics of batch norm over 16 pictures, not the whole batch.
    """
    # Without `remat` and with the whole state on each of 256 chips of v5e, 17.1 of 15.8 GiB.
    text = base.bert(64, segments=0, dropout=0.1, remat="full")
    return {
        "paper": PAPER,
        "steps": 1_200_000,
        "data": {
            "source": base.webdataset("data/coyo700m/*.tar"),
            "tokenizer": base.bert_tokenizer(),
            "views": {
                "image": {
                    "type": "image",
                    "size": 288,
                    "crop_scale": (0.7, 0.7),
                    "crop_ratio": (1.0, 1.0),
                    "flip": 0.5,
                    "fit": "squash",
                },
                "text": {"type": "text", "length": 64, "lowercase": True},
            },
            "batch_size": 16_384,
            "workers": 32,
        },
        "model": {
            "towers": {
                "image": {
                    "encoder": {**base.resnet(50, 288), "blocks": (3, 8, 36, 3)},
                    "head": {"type": "linear", "dim": 640, "bias": True},
                },
                "text": {"encoder": text, "head": {"type": "linear", "dim": 640, "bias": True}},
            }
        },
        "objectives": {"align": objective()},
        "optimizer": {
            "type": "lamb",
            "learning_rate": 1e-3,
            "eps": 1e-6,
            "weight_decay": 1e-5,
            "weight_decay_rules": (("towers/image/.*norm.*", 0.0), (".*", 1.0)),
            "schedule": "linear",
            "warmup_steps": 10_000,
        },
        "mesh": {"fsdp": 8},
        "evaluators": base.coco_evaluators(),
        "checkpoints": {"every": 5000},
    }


def claim() -> dict:
    """Card 56's experiment: a large noisy set against small ones, clean and as noisy."""
    found = ("best/retrieval/test/image_to_text/R@1", "best/retrieval/test/text_to_image/R@1")
    scale = "train/align/scale"  # 1 / temperature, mean of the last 100 steps
    few = ("data.source.examples=1000", "steps=600")  # they are best before
    clean = ("data.source.mismatched=0.0", "data.source.garbled=0.0")
    # The temperature falls from 1 to less than 0.15.
    checks = [{"metric": scale, "arm": "noisy 20k", "compare": ">", "offset": 1 / 0.15}]
    for metric in found:
        checks += [
            {
                "metric": metric,
                "arm": "noisy 20k",
                "compare": ">=",
                "baseline": "clean 1k",
                "offset": 0.02,
            },
            {
                "metric": metric,
                "arm": "clean 1k",
                "compare": ">=",
                "baseline": "noisy 1k",
                "offset": 0.02,
            },
            {
                "metric": metric,
                "arm": "noisy 20k",
                "compare": ">=",
                "baseline": "no smoothing",
                "offset": -0.01,
            },
        ]
    return {
        **small(),
        "claim": {
            "statement": "R@1 after 20,000 noisy pairs is higher by 0.02 than after 1,000 clean "
            "ones, which are better by 0.02 than 1,000 noisy ones",
            "arms": {
                "noisy 20k": (),
                "clean 1k": (*few, *clean),
                "noisy 1k": few,
                # A control: how much is the label smoothing's.
                "no smoothing": ("objectives.align.label_smoothing=0.0",),
            },
            "checks": tuple(checks),
            "metrics": (*found, "best/step", scale),
            "seeds": (0, 1, 2, 3),
            "seed_keys": base.WORLD_SEED,
            "paper_numbers": "zero-shot ImageNet 76.4 with 1.8 billion noisy pairs; 3 million of "
            "them are worse than as many clean ones, all of them better",
        },
    }


get_config = base.variants("align", {"small": small, "paper": paper, "claim": claim})
