"""Classification with M3Co and then MultiSClip, against InfoNCE and classifiers alone."""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs.m3col import PAIR

RATES = {"optimizer.learning_rate": (1e-3, 3e-3)}
WEIGHTS = (0.06, 0.2, 0.6)  # twice the paper's lambda, which is 0.1


def arm(objectives: dict, *weights: str) -> Arm:
    """Next to the classifiers, some contrastive terms with one weight."""
    key = ", ".join(f"objectives.{weight}" for weight in weights)
    return Arm({"objectives": objectives}, grid={**RATES, key: WEIGHTS})


def claim() -> Claim:
    """Accuracy of a linear probe of both modalities, and correlation with shared concepts."""
    accuracy, relation = "probe/test/accuracy", "structure/test/spearman"
    constant, off = {"weight": 0.2}, dict.fromkeys(("m3co", "soft_clip"), None)
    # A symmetric loss counts twice, because the paper's terms sum over both directions.
    plain = dict(type="info_nce", temperature=0.1, learn_temperature=False, pairs=(PAIR[::-1],))
    return Claim(
        paper="classification of images with text is better if mixtures of two examples of one "
        "modality have to match both in the other, and later soft targets from the similarities "
        "within a modality, than with plain contrastive learning or none",
        statement="for pairs of concepts, a linear probe of both modalities is a point better "
        "after M3Co and then MultiSClip beside the classifiers than after the classifiers alone, "
        "and better than after InfoNCE beside them",
        arms={
            "none": Arm(
                {"objectives": off}, grid={**RATES, "optimizer.weight_decay": (1e-4, 0.1, 1.0)}
            ),
            "info_nce": arm({**off, "term": {**plain, **constant}}, "term.weight"),
            "m3co": arm({"soft_clip": None, "m3co": constant}, "m3co.weight"),
            "soft_clip": arm({"m3co": None, "soft_clip": constant}, "soft_clip.weight"),
            "m3col": arm({}, "m3co.weight.start", "soft_clip.weight.end"),
            "untrained": Arm(
                c.UNTRAINED, untuned="features of the initial weights"
            ),
        },
        tuning=Tuning(accuracy, seeds=(20,)),
        checks=(
            Check("its probe is a point better than with classifiers alone", accuracy, "m3col",
                  ">=", "none", offset=0.01),
            Check("its probe is better than with InfoNCE", accuracy, "m3col", ">=", "info_nce"),
        ),
        controls=(
            Control("plain InfoNCE", "info_nce", "m3col"),
            Control("features of the initial weights", "untrained", "m3col"),
        ),
        extras=(
            Check("M3Co alone is better than InfoNCE", accuracy, "m3co", ">=", "info_nce"),
            Check("MultiSClip alone is better than InfoNCE", accuracy, "soft_clip", ">=",
                  "info_nce"),
            Check("both in turn are better than M3Co alone", accuracy, "m3col", ">=", "m3co"),
            Check("images with shared concepts are closer than with classifiers alone, by 0.03 "
                  "of Spearman's correlation", relation, "m3col", ">=", "none", offset=0.03),
            Check("images with shared concepts are closer than with InfoNCE", relation, "m3col",
                  ">=", "info_nce"),
        ),
        metrics=(accuracy, relation),
        seed_keys=c.WORLD_SEED,
        paper_numbers="order of an ablation: none < InfoNCE < M3Co or SoftClip < M3Co, then "
        "SoftClip; figures not confirmed",
        notes="The probe is fitted on the 600 rows of training. Embeddings are mixed, not inputs. "
        "The correlation is that of the cosines of images with the number of concepts they share: "
        "every contrastive term raises it, and none more than InfoNCE does. What each "
        "arm has is tuned: the weight of its terms, and weight decay of the classifiers alone.",
    )  # fmt: skip
