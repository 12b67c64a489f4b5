"""CLIP-Refine: Post-pre-training for Modality Alignment in Vision-Language Foundation Models.

Yamaguchi et al. 2025, arXiv 2504.12717. A short second stage closes the gap between the modalities
of a trained CLIP without forgetting: both members of a pair are pulled to one random vector (RaFA),
and half of the targets come from the frozen CLIP itself (HyCD).

    python -m mmjax.main --config=configs/clip_refine.py          # both stages, generated, a minute
    python -m mmjax.main --config=configs/clip_refine.py:paper    # COCO, from CLIP's weights
    python -m mmjax.claims clip_refine                            # the claim

Distances of the centres here are the roots of the paper's gap, which is a square.

The claim is shown, in 2 minutes on two idle cores; distance of the centres, picture to text R@1
and uniformity of pictures, over 3 seeds (text to picture is within .02, that of texts within .12):

    pretrained                  .917 ± .292  .502 ± .115  -1.24
    InfoNCE for longer          .430 ± .229  .688 ± .066  -2.55
    the same at 3e-3            .248 ± .090  .733 ± .012  -2.81
    HyCD alone                  .966 ± .282  .535 ± .095  -1.56
    RaFA alone                  .139 ± .040  .011 ± .003  -3.50
    aligned pairs and HyCD      .036 ± .003  .681 ± .040  -1.41
    CLIP-Refine                 .101 ± .020  .571 ± .021  -3.42
    CLIP-Refine, alpha = 0      .182 ± .019  .460 ± .035  -3.38
    CLIP-Refine at 3e-4         .165 ± .061  .485 ± .041  -3.38

It depends on the learning rate. At the card's 3e-4 the gap closes but R@1 falls, in all worlds but
those where the pretrained towers are worst (.42 and below); an implementation apart from this one
says the same (.513 before and .471 after, mean of six worlds). At 1e-3, the best of three rates in
three other worlds, it rises. InfoNCE and aligned pairs retrieve better at every rate; what
CLIP-Refine adds to them is uniformity. The paper, with ViT-B/32: about 2.3 points of zero-shot
accuracy.
"""

from configs import base

PAPER = "Yamaguchi et al. 2025, Post-pre-training for Modality Alignment, arXiv 2504.12717"
PAIR = ("image", "text")
RAFA, HYCD = {"type": "rafa"}, {"type": "hybrid_distill"}
# Raw embeddings have norms near 10 in CLIP, so that their products are its scaled cosines.
CLIP = {"type": "info_nce", "temperature": 0.01, "learn_temperature": False}


def small() -> dict:
    """Classes of which a CLIP has seen all, and its refinement on half of them.

    Large biases of the last layers, in directions of their own, give the towers their two cones.
    """
    tower = base.mlp(64, (256,), 32, cone=10.0)
    test = base.held_out("test", classes=40)
    view = {"type": "vector", "dim": 64}
    return {
        "paper": PAPER,
        "steps": 150,
        "data": {
            "source": {"type": "nuisance_pairs", "split": "tune", "classes": 20},
            "views": dict.fromkeys(PAIR, view),
            "batch_size": 128,
        },
        "model": {"towers": dict.fromkeys(PAIR, tower)},
        "teacher": {"type": "frozen", "views": PAIR},
        "objectives": {"rafa": RAFA, "hycd": HYCD},
        "optimizer": {"learning_rate": 3e-4, "schedule": "constant"},
        "evaluators": {
            "retrieval": {"test": {"source": test}},
            "geometry": {"test": {"source": test}},
        },
        "stages": (
            {
                "name": "pretrain",
                "steps": 600,
                "data": {"source": {"split": "train", "classes": 40}, "batch_size": 256},
                "objectives": {"rafa": None, "hycd": None, "clip": CLIP},
                "teacher": None,
            },
            # Norms of 13 become 10, so that products of embeddings are cosines times 100 again.
            {
                "name": "refine",
                "scale": ((".*/layers/1/.*", 0.77),),
                "optimizer": {"learning_rate": 1e-3},
            },
        ),
        "checkpoints": {"every": 0},
    }


def paper() -> dict:
    """One epoch over COCO from OpenAI's ViT-B/32, whose weights are a folder on this disk.

    TFDS has the pictures of 2014; the paper's are 99 % of the 118 thousand of 2017, 229 steps.
    """
    view = {"type": "image", "size": 224, "mean": base.CLIP_MEAN, "std": base.CLIP_STD}
    return {
        "paper": PAPER,
        "steps": 161,  # 82,783 pictures, once
        "data": {
            "source": base.coco("train"),
            "tokenizer": base.clip_tokenizer(),
            "views": {"image": view, "text": {"type": "text", "length": 77}},
            "batch_size": 512,
            "workers": 16,
        },
        "model": {"towers": base.openai_clip()},
        "teacher": {"type": "frozen", "views": PAIR},
        "objectives": {"rafa": RAFA, "hycd": HYCD},
        "optimizer": {
            "learning_rate": 1e-6,
            "weight_decay": 0.1,
            "schedule": "constant",  # as the released config; the published runs are not known
        },
        "evaluators": base.coco_evaluators(),
        "checkpoints": {"every": 100},
    }


def claim() -> dict:
    """Card 63's experiment: six ways to spend the second stage, at one learning rate.

    The rate, 1e-3 for the card's 3e-4, was chosen of 1e-4, 3e-4 and 1e-3 in three other worlds, by
    an implementation apart from this one: R@1 is highest there both with InfoNCE and with
    CLIP-Refine.
    """
    gap = "geometry/test/centroid_distance"
    spread = ("geometry/test/uniformity/image", "geometry/test/uniformity/text")
    found = ("retrieval/test/image_to_text/R@1", "retrieval/test/text_to_image/R@1")

    def arm(*changes: str, **terms: dict | None) -> tuple[str, ...]:
        return (*(f"objectives.{name}={spec!r}" for name, spec in terms.items()), *changes)

    plain = arm("teacher=None", rafa=None, hycd=None, clip=CLIP)
    # At the same rate the gap of refined towers is a fifth of theirs; a gap is a square.
    closer = 0.2**0.5
    return {
        **small(),
        "claim": {
            "statement": "CLIP-Refine leaves a fifth of the gap of the pretrained CLIP and of one "
            "that is trained on with the same learning rate, without lower R@1, more evenly than "
            "with aligned pairs; it needs both of its terms",
            "arms": {
                "pretrained": ("stages.refine=None",),
                "contrastive": plain,
                # Controls: how much is the learning rate's.
                "contrastive 3e-3": (*plain, "stages.refine.optimizer.learning_rate=3e-3"),
                "refine 3e-4": ("stages.refine.optimizer.learning_rate=3e-4",),
                "hycd": arm(rafa=None),
                "rafa": arm("teacher=None", hycd=None),
                # In the second stage only: all start from the same pretrained towers.
                "aligned + hycd": arm(
                    f"stages.refine.objectives={ {'alignment': {'type': 'alignment'}}!r}", rafa=None
                ),
                "refine": (),
                "refine alpha=0": ("objectives.hycd.alpha=0.0",),
            },
            "checks": (
                {
                    "metric": gap,
                    "arm": "refine",
                    "compare": "<=",
                    "baseline": "contrastive",
                    "factor": closer,
                },
                {
                    "metric": gap,
                    "arm": "refine",
                    "compare": "<=",
                    "factor": closer,
                    "baseline": "pretrained",
                },
                *(
                    {"metric": metric, "arm": "refine", "compare": ">=", "baseline": "pretrained"}
                    for metric in found
                ),
                *(
                    {
                        "metric": metric,
                        "arm": "refine",
                        "compare": "<=",
                        "baseline": "aligned + hycd",
                        "offset": -1.0,
                    }
                    for metric in spread
                ),
                *(
                    {
                        "metric": metric,
                        "arm": "rafa",
                        "compare": "<=",
                        "baseline": "refine",
                        "factor": 0.5,
                    }
                    for metric in found
                ),
                *(
                    {
                        "metric": metric,
                        "arm": "refine",
                        "compare": ">=",
                        "baseline": "refine alpha=0",
                    }
                    for metric in found
                ),
            ),
            "metrics": (gap, *found, *spread),
            "seed_keys": base.WORLD_SEED,
            "paper_numbers": "about 2.3 points of zero-shot accuracy over 12 sets with ViT-B/32; "
            "tables not confirmed",
        },
    }


get_config = base.variants("clip_refine", {"small": small, "paper": paper, "claim": claim})
