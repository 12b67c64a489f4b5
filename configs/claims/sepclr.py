"""Does SepCLR keep two factors apart, and by which of its terms?"""

import dataclasses

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c

RATES = {"optimizer.learning_rate": (3e-4, 1e-3, 3e-3)}
SPREAD = {"objectives.salient_spread.weight": (10.0, 20.0)}
INSIDE = ("probe/digit_in_salient/accuracy", "probe/texture_in_common/accuracy")
OUTSIDE = ("probe/digit_in_common/error", "probe/texture_in_salient/error")
APART = (*INSIDE, *OUTSIDE)


def without(*terms: str) -> dict:
    """The recipe without some of its terms."""
    return {"objectives": dict.fromkeys(terms)}


def claim() -> Claim:
    """The probe matrix of both factors in both spaces, on textures."""
    everywhere = {"layer": "unit", "where": None}
    plain = {
        "objectives": {
            **dict.fromkeys(("nothing", "joint")),
            "salient": {**everywhere, "weight": 1.0},
            "salient_spread": {"layer": "unit", "pinned": None, "weight": 2.0},
        }
    }
    classifier = {
        "objectives": {
            **dict.fromkeys(("nothing", "joint", "salient", "salient_spread")),
            "target": dict(
                type="classification", modalities=("salient",), label="target", classes=2, dim=16
            ),
        }
    }
    return Claim(
        paper="pinning the salient space of the background set to an information-less value, with "
        "uniformity in the target set and a high joint entropy, separates what two data sets "
        "share from what only one has, where one contrastive objective does not",
        statement="on gratings of which half have a digit, the mean of four probes (digits found "
        "in the salient space and textures in the common one, and neither in the other) is 0.125 "
        "higher than that of two plain contrastive towers, and joint entropy costs at most 0.025 "
        "of it",
        changes={"data": {"source": {"common": "texture"}}},
        arms={
            "plain": Arm(plain, grid={**RATES, "objectives.salient_spread.weight": (1.0, 2.0)}),
            "sepclr": Arm(grid={**RATES, "objectives.nothing.weight": (10.0, 30.0)}),
            "without joint entropy": Arm(
                without("joint"), grid={**RATES, "objectives.nothing.weight": (10.0, 30.0)}
            ),
            "without the information-less term": Arm(without("nothing"), grid={**RATES, **SPREAD}),
            "classifier": Arm(classifier, grid={**RATES, "objectives.target.weight": (1.0, 10.0)}),
            "untrained": Arm(c.UNTRAINED, untuned="features of the initial weights"),
        },
        tuning=Tuning(
            APART,
            seeds=(20,),
            changes={
                "evaluators": {
                    "probe": {
                        f"{label}_in_{space}": {"source": {"split": "validation"}}
                        for label in ("digit", "texture")
                        for space in ("common", "salient")
                    }
                }
            },
        ),
        checks=(
            Check("the factors are apart by 0.5 more than in plain contrastive towers", APART,
                  "sepclr", ">=", "plain", offset=0.125),
            Check("so they are without joint entropy", APART, "without joint entropy", ">=",
                  "plain", offset=0.125),
            Check("joint entropy costs no more than a separation of 0.1", APART, "sepclr", ">=",
                  "without joint entropy", offset=-0.025),
        ),
        controls=(
            Control("without the information-less term", "without the information-less term",
                    "sepclr"),
            Control("a classifier of the two sets in the place of the salient space", "classifier",
                    "sepclr"),
            Control("the initial weights", "untrained", "sepclr"),
        ),
        extras=(
            Check("joint entropy separates better by 0.1", APART, "sepclr", ">=",
                  "without joint entropy", offset=0.025),
            Check("digits are found in the salient space by 10 points more than by a classifier of "
                  "the sets", INSIDE[0], "sepclr", ">=", "classifier", offset=0.1),
        ),
        metrics=(*INSIDE, *(name.replace("error", "accuracy") for name in OUTSIDE)),
        seed_keys=c.WORLD_SEED,
        paper_numbers="CIFAR-10 with MNIST digits: digits high in the salient space and near "
        "chance in the common one, and objects the other way round; exact values not read",
        notes="Probes are fitted and tested on images with a digit. A texture that has a digit on "
        "it can be told from the digit's own contrast, so that no method here empties the salient "
        "space of textures.",
    )  # fmt: skip


def claim_emoji() -> Claim:
    """The same with real pictures under the digits."""
    first = claim()
    return dataclasses.replace(
        first,
        statement=first.statement.replace("gratings", "grey emoji").replace("textures", "emoji"),
        changes={},
        notes="The ten emoji are others for every seed. " + first.notes.partition(". ")[0] + ".",
    )
