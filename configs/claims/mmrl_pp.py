"""Is MMRL++ as good as MMRL with a part of its parameters, and by which of its parts?"""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs import mmrl_pp
from mmjax.configs.claims.mmrl import ABOUT_DIGITS, validated

TEST, MIXED, DECOUPLED = (f"zero_shot/{name}" for name in ("test", "mixed", "decoupled"))
BASE, NOVEL, HARMONIC = (
    f"{MIXED}/base/top_1", f"{TEST}/novel/top_1", f"{DECOUPLED}/harmonic_mean",
)  # fmt: skip
BLOCKS = "Two blocks get tokens here, and seven in the paper, where more is shared."
GRID = {
    "stages.adapt.optimizer.learning_rate": (5e-3, 1.5e-2, 4.5e-2),
    "stages.adapt.objectives.tie.weight": (1.0, 10.0),
}


def other(head_rank: int | None, **prompts: object) -> Arm:
    """Other maps into the blocks, and the rank of the second head's update."""
    towers = {"image": {"heads": {"tokens": {"rank": head_rank}}}}
    model = {"adapters": {"prompts": prompts}, "towers": towers}
    return Arm({"stages": {"adapt": {"model": model}}}, grid=GRID)


def experiment(where: str, tuning: dict, **parts: object) -> Claim:
    """The claim on one kind of classes, as in `mmrl`."""
    return Claim(
        paper="maps that share their weights with an update of low rank a block, and tokens that "
        "are blended from block to block, generalise better than MMRL with a sixth of its "
        "parameters",
        statement=f"{where} of 8 images, novel accuracy is better than that of MMRL and base "
        "accuracy at most 2 points below; neither the maps alone, without blending, nor an MMRL of "
        "a smaller space do it, too",
        arms={
            "mmrl": other(None, rank=None, blend=1.0),
            "mmrl_pp": Arm(grid=GRID),
            "without blending": other(8, blend=1.0),
            "smaller mmrl": other(None, rank=None, blend=1.0, latent=14),
        },
        tuning=Tuning(HARMONIC, seeds=(20,), changes=tuning),
        checks=(
            Check("on novel classes it is better than MMRL", NOVEL, "mmrl_pp", ">=", "mmrl"),
            Check("on base classes it is at most 2 points worse", BASE, "mmrl_pp", ">=", "mmrl",
                  offset=-0.02),
        ),
        controls=(
            Control("the shared maps without blending", "without blending", "mmrl_pp"),
            Control("an MMRL of as few parameters, by a smaller space", "smaller mmrl", "mmrl_pp"),
        ),
        extras=(
            Check("the harmonic mean is 5 points higher than the frozen model's", HARMONIC,
                  "mmrl_pp", ">=", "mmrl_pp", offset=0.05,
                  against=f"pretrain/{TEST}/harmonic_mean"),
        ),
        metrics=(BASE, NOVEL, HARMONIC, f"pretrain/{TEST}/harmonic_mean"),
        seed_keys=c.WORLD_SEED,
        paper_numbers="from memory, mean of 11 data sets: base 85.5, novel 78.3 and harmonic mean "
        "81.8, against 85.7, 77.2 and 81.2 of MMRL",
        **parts,
    )  # fmt: skip


def claim() -> Claim:
    """Generated classes in another domain."""
    return experiment(
        "on generated classes in another domain, adapted to 20 base classes", {}, notes=BLOCKS
    )


def claim_digits() -> Claim:
    """Real digits, of which a model of plain ones is adapted to five before backgrounds."""
    return experiment(
        "on handwritten digits before backgrounds, adapted to 5 base classes",
        validated("tokens", "mixed", "decoupled"),
        config=mmrl_pp.digits(),
        notes=f"{ABOUT_DIGITS} {BLOCKS}",
    )
