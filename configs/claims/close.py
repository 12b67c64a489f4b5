"""A classifier trained on texts with noise and tested on images, against one without noise."""

from mmjax.claims import Arm, Check, Claim, Control, Replace, Tuning
from mmjax.configs import clip_uniform, close, lit
from mmjax.configs import common as c

ACCURACY = "probe/transfer/accuracy"
GAP = "geometry/test/centroid_distance"
PENALTIES = {"evaluators.probe.transfer.c": (1.0, 10.0, 100.0, 1e4)}


def experiment(config: dict, temperature: float, **parts: object) -> Claim:
    """The claim on one data set; `temperature` is another one, which leaves a smaller gap."""
    pair = ("image", "text")

    def probe(**own: object) -> dict:
        return {"evaluators": {"probe": {"transfer": own}}}

    def pretrained(objectives: dict) -> dict:
        return {"objectives": Replace(objectives)}

    cua = clip_uniform.objectives(pair)
    noise = {"evaluators.probe.transfer.noise": (0.02, 0.05, 0.1, 0.2)}
    return Claim(
        paper="a head that is trained on the text vectors of a contrastive model transfers to its "
        "image vectors, once noise is added to the text vectors in training",
        config=config,
        arms={
            "no noise": Arm(probe(c=1e4), untuned="it has nothing to choose"),
            "noise": Arm(probe(c=1e4, copies=8), grid=noise),
            "weight decay": Arm(grid=PENALTIES),
            "shift": Arm(
                probe(adapter="shift", paired=config["evaluators"]["probe"]["transfer"]["train"]),
                grid=PENALTIES,
            ),
            "smaller gap": Arm(
                pretrained(close.objectives(pair, temperature)), grid=PENALTIES
            ),
            "uniformity": Arm(pretrained(cua), grid=PENALTIES),
            "trained on images": Arm(probe(modalities=("image",)), grid=PENALTIES),
            "too much noise": Arm(
                probe(c=1e4, copies=8, noise=0.4), untuned="more than the grid has"
            ),
        },
        checks=(
            Check("accuracy on images is half a point higher than without noise", ACCURACY,
                  "noise", ">=", "no noise", offset=0.005),
        ),
        controls=(
            Control("weight decay in place of noise", "weight decay", "noise"),
            Control("a shift by the difference of the means", "shift", "noise"),
            Control("a contrastive loss of another temperature, without noise", "smaller gap",
                    "noise"),
        ),
        premises=(
            Check("texts instead of images cost accuracy", ACCURACY, "trained on images", ">=",
                  "no noise", offset=0.01),
        ),
        extras=(
            Check("noise of .4 costs 2 points", ACCURACY, "noise", ">=", "too much noise",
                  offset=0.02),
            Check("without a gap, by uniformity and alignment, no noise is needed", ACCURACY,
                  "uniformity", ">=", "noise"),
            Check("the other temperature leaves a smaller gap", GAP, "smaller gap", "<=",
                  "no noise"),
        ),
        metrics=(ACCURACY, GAP),
        paper_numbers="from memory: captions trained on texts alone have a CIDEr of 95 with noise, "
        "69 without, and 113 where images are trained on",
        **parts,
    )  # fmt: skip


def claim() -> Claim:
    """Two MLPs of a Gaussian latent; classes are the signs of two of its numbers."""
    config = close.latent()
    told = close.transfer(
        "text", "image", labels="quadrant", hidden=128,
        **{key: config["evaluators"]["probe"]["no_noise"][key] for key in ("source", "train")},
    )  # fmt: skip
    config["evaluators"]["probe"] = {"transfer": told[0]["probe"]["no_noise"]}
    return experiment(
        config,
        temperature=0.07,
        tuning=Tuning(ACCURACY, seeds=(20,)),
        seed_keys=c.WORLD_SEED,
        statement="on two views of a Gaussian latent, a classifier that is trained on texts and "
        "tested on images is half a point more accurate with noise in training than "
        "without; and neither weight decay, nor a shift by the difference of the means, nor a "
        "higher temperature in pretraining does it, too",
        notes="2,000 texts to train on, 1,000 images to test. The paper's heads are language "
        "models, and the gap of its CLIP is wider.",
    )


def claim_emoji() -> Claim:
    """Emoji: 98 subgroups of names, tested on images of unseen concepts."""
    config = close.small("test")
    config["evaluators"]["probe"] = {"transfer": config["evaluators"]["probe"]["no_noise"]}
    validation = Replace(lit.features("validation_concepts", labels="emoji_pretrained"))
    return experiment(
        config,
        temperature=0.07,
        tuning=Tuning(
            ACCURACY,
            seeds=(20,),
            changes={"evaluators": {"probe": {"transfer": {"source": validation}}}},
        ),
        statement="on emoji, a classifier of subgroups that is trained on names and tested on "
        "images of unseen concepts is half a point more accurate with noise in training than "
        "without; and neither weight decay, nor a shift by the difference of the means, nor a "
        "higher temperature in pretraining does it, too",
        notes="Linear heads on frozen features of 1,673 concepts; 69 unseen concepts, of which one "
        "is more than a point.",
    )
