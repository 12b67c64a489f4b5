"""Alignment after training, in closed form, against joint contrastive training."""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c

WAYS = ("image_to_text", "text_to_image")
TRAINED = tuple(f"retrieval/test/{way}/R@1" for way in WAYS)


def by(solver: str) -> tuple[str, ...]:
    """R@1 of a closed form, both ways."""
    return tuple(f"linear_map/{solver}/{way}/R@1" for way in WAYS)


def claim() -> Claim:
    """Two spaces of 16 dimensions, of which 8 are linearly related, or all, or none."""
    grid = {
        "optimizer.learning_rate": (6e-4, 2e-3, 6e-3),
        "objectives.clip.temperature": (0.03, 0.1),
    }
    encoder = c.mlp(16, (), 16)
    linear = {"model": {"towers": {name: {"encoder": encoder} for name in ("image", "text")}}}

    def related(count: int, **changes: object) -> dict:
        return {"data": {"source": {"linear": count}}, **changes}

    validation = {"evaluators": {"retrieval": {"test": {"source": {"split": "validation"}}}}}
    return Claim(
        paper="alignment of embedding spaces after training recovers retrieval across them only as "
        "far as they are linearly related, and joint contrastive training needs no such relation",
        variant="partly_linear",
        statement="where half of the dimensions of two spaces are linearly related and the others "
        "by an even function, jointly trained MLPs have an R@1 that is .30 higher than Procrustes "
        "and .05 higher than jointly trained linear maps; where all are linearly related, "
        "Procrustes is no more than .01 below them; and neither ridge regression nor CCA does what "
        "the MLPs do, too",
        arms={
            "MLPs": Arm(grid=grid),
            "linear maps": Arm(linear, grid=grid),
            "MLPs, all linear": Arm(related(16), like="MLPs"),
            "MLPs, none linear": Arm(related(0), like="MLPs"),
            "linear maps, none linear": Arm(related(0, **linear), like="linear maps"),
        },
        tuning=Tuning(TRAINED, seeds=(20,), changes=validation),
        checks=(
            Check("R@1 is .30 higher than by Procrustes", TRAINED, "MLPs", ">=", "MLPs",
                  offset=0.3, against=by("procrustes")),
            Check("R@1 is .05 higher than with jointly trained linear maps", TRAINED, "MLPs", ">=",
                  "linear maps", offset=0.05),
            Check("where all is linear, Procrustes is no more than .01 below", by("procrustes"),
                  "MLPs, all linear", ">=", "MLPs, all linear", offset=-0.01, against=TRAINED),
        ),
        controls=(
            Control("ridge regression", "MLPs", "MLPs",
                    dict(zip(TRAINED, by("ridge"), strict=True))),
            Control("canonical correlation analysis", "MLPs", "MLPs",
                    dict(zip(TRAINED, by("cca"), strict=True))),
        ),
        extras=(
            Check("where nothing is linear, MLPs are .50 better than linear maps", TRAINED,
                  "MLPs, none linear", ">=", "linear maps, none linear", offset=0.5),
            Check("CSLS is better than cosines after Procrustes", by("csls"), "MLPs", ">=", "MLPs",
                  against=by("procrustes")),
        ),
        metrics=(*TRAINED, *by("procrustes"), *by("ridge"), *by("cca"), *by("csls")),
        seed_keys=c.WORLD_SEED,
        notes="1,000 pairs, 5,000 to fit on. The survey has no experiment of its own.",
    )  # fmt: skip
