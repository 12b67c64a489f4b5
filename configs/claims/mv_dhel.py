"""Linear probes and effective rank of MV-DHEL, MV-InfoNCE and pairwise losses."""

import itertools

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs.mv_dhel import PAPER

UNTRAINED = Arm(c.UNTRAINED, untuned="features of the initial weights")
# Around the temperatures that suit each: the loss without repulsion between views has a higher one.
TEMPERATURES = {"mv_dhel": (0.15, 0.5, 1.5)}


def grid(kind: str) -> dict:
    """Temperatures and rates of a loss."""
    return {
        "objectives.term.temperature": TEMPERATURES.get(kind, (0.05, 0.15, 0.5)),
        "optimizer.learning_rate": (1e-3, 3e-3),
    }


def term(kind: str, count: int = 2) -> dict:
    """A loss of some views."""
    views = ("x", *(f"x@{k}" for k in range(2, count + 1)))
    return {"type": kind, "views": views, "temperature": 0.5}


def arm(kind: str, count: int) -> Arm:
    """A loss of two views or more."""
    more = {f"x@{k}": c.NOISY_VIEW for k in range(3, count + 1)}
    changes = {
        "objectives": {"term": term(kind, count)},
        **({"data": {"views": more}} if more else {}),
    }
    return Arm(changes, grid=grid(kind))


def claim() -> Claim:
    """Views are noisy instances of a 16-dimensional latent."""
    rank, accuracy = "spectrum/test/effective_rank", "probe/test/accuracy"
    return Claim(
        paper="a loss with one term for all views of an example, which repels other examples "
        "within each view only, gives better features in a linear probe than the average over "
        "pairs of views, uses more dimensions, and gets better with more views",
        statement="on noisy instances of a 16-dimensional latent, each loss at its own best "
        "temperature and rate by the probe, the probe of MV-DHEL with four views is better than "
        "that of the average over pairs of views, its effective rank is at least 1.25 times as "
        "high, and both are higher than with two views",
        config=c.noisy_instances(PAPER, {"term": term("mv_dhel")}),
        arms={
            "pairs 2": arm("nt_xent", 2),
            "mv_dhel 2": arm("mv_dhel", 2),
            "pairs 4": arm("nt_xent", 4),
            "mv_infonce 4": arm("mv_infonce", 4),
            "mv_dhel 4": arm("mv_dhel", 4),
            "untrained": UNTRAINED,
        },
        tuning=Tuning(accuracy, seeds=(20,)),
        checks=(
            Check("its probe is better than that of pairs of views", accuracy, "mv_dhel 4", ">=",
                  "pairs 4"),
            Check("its effective rank is 1.25 times that of pairs of views", rank, "mv_dhel 4",
                  ">=", "pairs 4", factor=1.25),
            Check("its probe is better with four views than with two", accuracy, "mv_dhel 4",
                  ">=", "mv_dhel 2"),
            Check("its effective rank is higher with four views than with two", rank,
                  "mv_dhel 4", ">=", "mv_dhel 2"),
        ),
        controls=(Control("features of the initial weights", "untrained", "mv_dhel 4"),),
        extras=(
            Check("its probe is no more than a point worse than that of pairs of views", accuracy,
                  "mv_dhel 4", ">=", "pairs 4", offset=-0.01),
            Check("its probe is better than that of MV-InfoNCE", accuracy, "mv_dhel 4", ">=",
                  "mv_infonce 4"),
            Check("with two views its probe is better than NT-Xent's", accuracy, "mv_dhel 2",
                  ">=", "pairs 2"),
            Check("with two views its effective rank is 1.25 times NT-Xent's", rank, "mv_dhel 2",
                  ">=", "pairs 2", factor=1.25),
            Check("the probe of pairs is better with four views than with two", accuracy,
                  "pairs 4", ">=", "pairs 2"),
        ),
        metrics=(accuracy, rank, "spectrum/test/uniformity"),
        seed_keys=c.WORLD_SEED,
        paper_numbers="linear accuracy, 4 views, best baseline and MV-DHEL: CIFAR-10 88.7 and "
        "89.5, CIFAR-100 61.1 and 62.7, ImageNet-100 74.4 and 77.2",
        notes="`pairs` is NT-Xent, with four views its mean over pairs of them. Low temperatures "
        "raise the effective rank of any of these losses, so that ranks at one temperature say "
        "little; tuned, pairs come so close to all 16 dimensions that none could have 1.25 times "
        "their rank. Quality is the probe's accuracy; a higher rank is not quality: features of "
        "the initial weights have a rank like that of pairs. Every arm chose the lowest "
        "temperature and the highest rate of its grid. Four views make no difference to the probe "
        "that seeds could tell.",
    )  # fmt: skip


def claim_multimodal() -> Claim:
    """Three modalities that observe overlapping parts of one latent."""
    modalities = ("t", "v", "a")
    head = c.mlp_head(16, 64, activation="gelu")
    tower = {"encoder": c.mlp(32, (128,), 32, activation="gelu"), "head": head}
    dhel = dict(type="mv_dhel", views=modalities, temperature=0.5)
    pairs = tuple(itertools.combinations(modalities, 2))
    clip = dict(type="info_nce", pairs=pairs, learn_temperature=False, weight=3.0)
    ranks = tuple(f"spectrum/{m}/effective_rank" for m in modalities)
    accuracies = tuple(f"probe/{name}/accuracy" for name in ("t", "others"))

    def loss(changes: dict) -> Arm:
        return Arm({"objectives": {"term": changes}}, grid=grid(changes["type"]))

    return Claim(
        paper="a loss with one term for all modalities of an example, which repels other examples "
        "within each modality only, gives better features than the sum of contrastive losses of "
        "pairs of modalities, and uses more dimensions",
        statement="for three modalities of one latent, each loss at its own best temperature and "
        "rate by the probes, the linear probes of MV-DHEL, of t and of v and a, are better than "
        "those of CLIP's loss summed over pairs, and its effective rank is at least 1.25 times as "
        "high",
        config=c.latent_blocks(
            PAPER,
            {"term": dhel},
            tower,
            128,
            steps=600,
            evaluators=[
                *(c.spectrum(m, modality=m) for m in modalities),
                c.probe("t", modalities=("t",)),
                c.probe("others", modalities=("v", "a")),
            ],
        ),
        arms={
            "clip": loss(clip),
            "mv_infonce": loss({**dhel, "type": "mv_infonce"}),
            "mv_dhel": loss(dhel),
            "untrained": UNTRAINED,
        },
        tuning=Tuning(accuracies),
        checks=(
            Check("its probes are better than those of pairs", accuracies, "mv_dhel", ">=",
                  "clip"),
            Check("its effective rank is 1.25 times that of pairs", ranks, "mv_dhel", ">=",
                  "clip", factor=1.25),
        ),
        controls=(Control("features of the initial weights", "untrained", "mv_dhel"),),
        extras=(
            Check("its probes are no more than a point worse than those of pairs", accuracies,
                  "mv_dhel", ">=", "clip", offset=-0.01),
            Check("its probes are better than those of MV-InfoNCE", accuracies, "mv_dhel", ">=",
                  "mv_infonce"),
        ),
        metrics=(*accuracies, *ranks),
        seed_keys=c.WORLD_SEED,
        paper_numbers="sentiment of text, audio and video: better than pairs; values not known",
        notes="The probes use the encoder of t, and those of v and a together; the first check is "
        "of the mean of both, the second of the mean rank of the three. Temperatures are fixed: "
        "MV-DHEL cannot learn its own, as its loss has no lower bound as 1/temperature grows.",
    )  # fmt: skip
