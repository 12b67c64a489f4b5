"""Captions of images by a decoder that has only seen captions: noise, and salient regions."""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs import maccap

GRID = {"optimizer.learning_rate": (1e-3, 2e-3, 4e-3)}
RECALL = {name: f"generation/{name}/greedy/word_recall" for name in ("text", *maccap.READINGS)}
SALIENT = RECALL["salient"]


def noisy(variance: float, **view: object) -> dict:
    """Changes: the variance of the noise, and options of the view of the text's feature."""
    change = {"objectives": {"caption": {"noise": variance**0.5}}}
    return change | ({"data": {"views": {"text": view}}} if view else {})


def claim() -> Claim:
    """Generated features of captions and of images with nine regions."""
    arm = "noise"
    return Claim(
        paper="a decoder that learns from embeddings of captions with noise captions images, and "
        "better from regions that matter than from the whole image",
        statement="by a decoder trained on 800 captions alone, captions of images have .05 more of "
        "the right words from salient regions than from the global feature, .1 more than from "
        "random regions, and .01 more with the noise of the paper than without",
        config=maccap.small("test"),
        arms={
            "no noise": Arm(noisy(0.0), grid=GRID),
            arm: Arm(grid=GRID),
            "noise 16 times": Arm(noisy(0.25), grid=GRID),
            "dropout": Arm(noisy(0.0, drop=0.3), grid=GRID),
            "untrained": Arm(c.UNTRAINED, untuned="it does not train"),
        },
        tuning=Tuning(SALIENT, seeds=(20,)),
        checks=(
            Check("salient regions give .05 more words than the global feature", SALIENT, arm,
                  ">=", arm, offset=0.05, against=RECALL["image"]),
            Check("they give .1 more than random regions", SALIENT, arm, ">=", arm, offset=0.1,
                  against=RECALL["drawn"]),
            Check("noise gives .01 more words than none", SALIENT, arm, ">=", "no noise",
                  offset=0.01),
            Check("it gives .04 more than 16 times as much", SALIENT, arm, ">=", "noise 16 times",
                  offset=0.04),
        ),
        controls=(Control("dropout of the input in the place of noise", "dropout", arm),),
        premises=(
            Check("captions are learned: half of the words come back from their own feature",
                  RECALL["text"], arm, ">=", "untrained", offset=0.5),
        ),
        extras=(
            Check("without noise, too, salient regions give .05 more words", SALIENT, "no noise",
                  ">=", "no noise", offset=0.05, against=RECALL["image"]),
            Check("all regions give no more words than the global feature", RECALL["image"], arm,
                  ">=", arm, against=RECALL["mean"]),
        ),
        metrics=tuple(RECALL.values()),
        seed_keys=c.WORLD_SEED,
        paper_numbers="zero-shot captions of COCO and Flickr30k; values not confirmed",
        notes="A gap that is drawn once an image and shared by all that is read of it, and other "
        "regions that matter, are by construction: with a gap of each region's own, a mean over "
        "regions would be better for that alone.",
    )  # fmt: skip
