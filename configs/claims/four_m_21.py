"""Does one masked model search from any modality, and better from several at once?"""

from mmjax.claims import Arm, Check, Claim, Control, Replace, Tuning
from mmjax.configs import common as c

ONE, THREE, NOISY, NOISY_THREE = (
    f"retrieval/test/slots@{query}_to_teacher/R@1"
    for query in ("one", "three", "one_noisy", "three_noisy")
)
RATES = {"optimizer.learning_rate": (1.5e-3, 3e-3, 6e-3)}
CHANCE = 1 / 500


def augmented(**options: object) -> dict:
    """Other budgets, or other shares of modalities."""
    return {"model": {"towers": {"slots": {"augment": options}}}}


def contrastive() -> dict:
    """InfoNCE between the tokens that are seen and the teacher's vector, without a decoder."""
    term = dict(type="info_nce", pairs=(("slots@masked", "teacher"),))
    return {
        "objectives": Replace({"clip": term}),
        "model": {"towers": {"slots": {"head": Replace(c.linear_head(6))}}},
        "evaluators": {"retrieval": {"test": {"term": None}}},
    }


def claim() -> Claim:
    """Generated modalities of one latent, and a teacher's tokens of it."""
    both = (ONE, THREE)
    validation = c.held_out("validation", examples=500)
    return Claim(
        paper="one model of many modalities as tokens, trained by masked modelling, searches by "
        "the predicted tokens of a global feature from any modality and any of their combinations",
        statement="of 500 latents one query of three modalities finds its own 1.8 times as often "
        "(R@1) as a query of one of them, of those with little noise and of those with much; one "
        "alone finds it 20 times as often as chance; and a model that has hardly seen more than "
        "one modality at a time does not do as much",
        variant="latents",
        arms={
            "masked modelling": Arm(grid=RATES),
            "one modality at a time": Arm(
                augmented(inputs=4, alphas=(0.003,)), grid=RATES
            ),
            "contrastive": Arm(contrastive(), grid=RATES),
            "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
        },
        tuning=Tuning(
            both,
            seeds=(20,),
            changes={"evaluators": {"retrieval": {"test": {"source": Replace(validation)}}}},
        ),
        checks=(
            Check("R@1 from three modalities with little noise is 1.8 times that from one", THREE,
                  "masked modelling", ">=", "masked modelling", factor=1.8, against=ONE),
            Check("and from three with much noise", NOISY_THREE, "masked modelling", ">=",
                  "masked modelling", factor=1.8, against=NOISY),
            Check("one modality with little noise finds it 20 times as often as chance", ONE,
                  "masked modelling", ">=", "untrained", offset=19 * CHANCE),
            Check("and one with much noise", NOISY, "masked modelling", ">=", "untrained",
                  offset=19 * CHANCE),
        ),
        controls=(
            Control("a model that sees hardly more than one modality at a time",
                    "one modality at a time", "masked modelling"),
        ),
        extras=(
            Check("it finds as much as InfoNCE of the tokens that are seen, within 3 points", both,
                  "masked modelling", ">=", "contrastive", offset=-0.03),
        ),
        metrics=(ONE, THREE),
        seed_keys=c.WORLD_SEED,
        paper_numbers="search across modalities is shown by examples; kNN on ImageNet by predicted "
        "DINOv2 tokens; numbers not confirmed",
        notes="Nothing is claimed for the mixture of alphas, nor that more modalities are free: at "
        "equal steps the same tokens are spread over more of them, and neither was run. The paper "
        "starts from a model of 7 modalities and trains far longer. The teacher sees the latent "
        "without noise, as no specialist network does.",
    )  # fmt: skip
