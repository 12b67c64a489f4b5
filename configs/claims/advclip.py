"""A fitted patch against random ones: zero-shot, retrieval and a probe, and a second model."""

from mmjax.claims import Arm, Check, Claim, Replace, Tuning
from mmjax.configs import advclip
from mmjax.configs import common as c

VALIDATION = Replace(dict(type="emoji", split="new_style_validation_concepts"))
MEASURES = {"top_1": "zero-shot accuracy", "R@1": "R@1", "probe": "accuracy of a probe"}


def of(evaluator: str, where: str, measure: str) -> str:
    """A metric, such as `attack/contrastive/attacked/top_1`."""
    return f"attack/{evaluator}/{where}/{measure}"


def below(
    evaluator: str,
    by: float,
    where: str = "",
    *,
    measures: tuple[str, ...] = tuple(MEASURES),
    than: str = "random patches",
) -> tuple[Check, ...]:
    """Attacked metrics are below those with what is random; `where` is of a further model."""
    whose = "the other model's " if where else ""
    return tuple(
        Check(f"attacked by {evaluator}, {whose}{MEASURES[m]} is {round(100 * by)} points lower "
              f"than with {than}", of(evaluator, f"{where}attacked", m), "trained", "<=",
              "trained", offset=-by, against=of(evaluator, f"{where}random", m))
        for m in measures
    )  # fmt: skip


def arms(**changes: object) -> dict[str, Arm]:
    """One model, trained with the rate that its clean accuracy is best with, and none."""
    rates = {"optimizer.learning_rate": (1e-3, 2e-3, 4e-3)}
    return {
        "trained": Arm(changes, grid=rates),
        "untrained": Arm({**changes, **c.UNTRAINED}, untuned="it does not train"),
    }


def premise(evaluator: str, by: float) -> Check:
    """There is something to lose."""
    clean = of(evaluator, "clean", "top_1")
    return Check(f"clean zero-shot accuracy is {round(100 * by)} points over the initial weights",
                 clean, "trained", ">=", "untrained", offset=by)  # fmt: skip


def claim() -> Claim:
    """Pairs of glyphs, 45 classes; the patch is 3.5 % of the area."""
    return Claim(
        paper="one patch, fitted to a public encoder of images and texts, fools whatever stands on "
        "it: retrieval and classification",
        statement="on generated images, zero-shot accuracy, R@1 by class and the accuracy of a "
        "probe with a patch that was fitted to the model are each 20 points lower than with random "
        "patches of its size",
        config=advclip.glyphs("test"),
        changes={"steps": 700},
        arms=arms(),
        tuning=Tuning(of("contrastive", "clean", "top_1")),
        checks=below("contrastive", 0.2),
        premises=(premise("contrastive", 0.2),),
        extras=(
            *below("topology", 0.2),
            Check("with the topology term added, zero-shot accuracy is not lower",
                  of("both", "attacked", "top_1"), "trained", ">=", "trained", offset=-0.02,
                  against=of("contrastive", "attacked", "top_1")),
            *below("contrastive", 0.1, "other/", measures=("top_1",)),
        ),
        metrics=tuple(
            of(evaluator, where, "top_1")
            for evaluator in advclip.LOSSES
            for where in ("clean", "random", "attacked", "other/attacked")
        ),
        seed_keys=c.WORLD_SEED,
        paper_numbers="drops of retrieval and classification on 8 data sets with five encoders; "
        "numbers not confirmed",
        notes="Random patches are the control: they hide as many pixels. The patch is free pixels "
        "and no network. Each of the two losses does it alone, so nothing is said for their sum.",
    )  # fmt: skip


def claim_emoji() -> Claim:
    """Emoji in a style that is not trained, small; no second model."""
    return Claim(
        paper="one patch, fitted to a public encoder of images and texts, fools whatever stands on "
        "it: retrieval and classification",
        statement="on emoji in a new style, zero-shot accuracy of groups, R@1 of names and the "
        "accuracy of a probe of groups with a patch of 3 % of the area, fitted to the model on "
        "trained styles, are each 5 points lower than with random patches of its size",
        changes={
            "steps": 400,
            "data": {"views": {"image": {"size": 32}}},
            "model": {"towers": {"image": {"encoder": c.tiny_resnet(32, "patch4", 32)}}},
            "evaluators": {
                "attack": {"both": {"by": {"side": 6, "border": 2}, "examples": 1000}},
                "retrieval": {"new_style": None},
                "zero_shot": {"group": None},
            },
        },
        arms=arms(),
        tuning=Tuning(
            of("both", "clean", "R@1"),
            changes={"evaluators": {"attack": {"both": {"source": VALIDATION}}}},
        ),
        checks=below("both", 0.05),
        premises=(premise("both", 0.1),),
        metrics=tuple(of("both", where, m) for m in MEASURES for where in
                      ("clean", "random", "attacked")),
        paper_numbers="drops of retrieval and classification on 8 data sets with five encoders; "
        "numbers not confirmed",
        notes="A small model on small images; the lower right corner of an emoji is often empty, "
        "so that random patches hide little.",
    )  # fmt: skip
