"""Is a document of several modalities found by its best one, rather than by all on average?"""

import dataclasses

from mmjax.claims import Arm, Check, Claim, Replace, Tuning
from mmjax.configs import clamr
from mmjax.configs import common as c

NDCG = "retrieval/test/document@query_to_document/nDCG@10"
TWIN = "retrieval/test/document@query_to_document/decoy@1"
ANSWERED = "train/late/group_accuracy"
GRID = {"optimizer.learning_rate": (5e-4, 2e-3), "objectives.late.temperature": (0.0125, 0.05)}
ONE_VECTOR = {
    "objectives": {
        "late": Replace(
            dict(type="info_nce", pairs=(clamr.PAIR,), direction_weights=(0.0, 1.0),
                 learn_temperature=False, temperature=0.05)
        )
    },
    "evaluators": {"retrieval": {"test": {"term": None}}},
}  # fmt: skip


def scored(**options: object) -> dict:
    """The late interaction with other options."""
    return {"objectives": {"late": options}}


def claim() -> Claim:
    """Documents of four modalities beside twins with the same topics in other ones."""
    by_best = ("all tokens", "best modality")
    return Claim(
        paper="averaging the similarities of modalities hurts, for those that say nothing add "
        "noise; the modality that answers the query should score the document",
        statement="on generated documents, nDCG@10 by the maximum over all tokens, and by the best "
        "modality's score, is .2 higher than by the mean of the modalities' scores, and that .1 "
        "higher than with one vector for a document; scoring right pairs by the modality that is "
        "asked for does not change it by more than .02",
        config=clamr.topics("test"),
        arms={
            "one vector": Arm(ONE_VECTOR, grid=GRID),
            "mean of modalities": Arm(scored(groups="mean"), grid=GRID),
            "all tokens": Arm(scored(groups="none", group=None), grid=GRID),
            "best modality": Arm(grid=GRID),
            "asked modality": Arm(scored(hard_positive=True), grid=GRID),
            "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
        },
        tuning=Tuning(NDCG, seeds=(20,)),
        checks=(
            *(Check(f".2 higher by {name} than by the mean of modalities", NDCG, name, ">=",
                    "mean of modalities", offset=0.2) for name in by_best),
            Check("not lower by more than .02 where the asked modality scores right pairs", NDCG,
                  "asked modality", ">=", "best modality", offset=-0.02),
        ),
        premises=(
            Check("late interaction by the mean is .1 over one vector", NDCG,
                  "mean of modalities", ">=", "one vector", offset=0.1),
        ),
        extras=(
            Check("the best modality is the asked one, .5 more often than by the initial weights",
                  ANSWERED, "best modality", ">=", "untrained", offset=0.5),
        ),
        metrics=(NDCG, TWIN, "retrieval/test/document@query_to_document/R@1"),
        seed_keys=c.WORLD_SEED,
        paper_numbers="MultiVENT 2.0++ nDCG@10: 25.6 over the best retriever of one modality and "
        "35.4 over the best of several",
        notes="The maximum finds the right modality by itself here, so naming it in training is "
        "asked not to harm, and not to help. Margins of the mean are smaller, so its temperature "
        "is tuned, too.",
    )  # fmt: skip


def claim_emoji() -> Claim:
    """Unseen emoji: the German name looks for a drawing with names in three other languages."""
    first = claim()
    kept = ("one vector", "mean of modalities", "best modality", "untrained")
    arms = {name: first.arms[name] for name in kept}
    arms["all tokens"] = Arm(scored(groups="none"), grid=GRID)
    own = clamr.small("validation")["evaluators"]["retrieval"]["test"]
    validation = {"test": {"source": Replace(own["source"])}}
    return dataclasses.replace(
        first,
        statement="on unseen emoji, nDCG@10 of the German name among documents of a drawing and "
        "English, French and Spanish names is higher by the best part's score than by the mean of "
        "the parts' scores, and not lower by more than .02 than by the maximum over all tokens",
        config=clamr.small("test"),
        arms=arms,
        tuning=Tuning(
            NDCG, seeds=(20,), changes={"evaluators": {"retrieval": validation}}
        ),
        checks=(
            Check("higher by the best part than by the mean of parts", NDCG, "best modality", ">=",
                  "mean of modalities"),
            Check("not lower by more than .02 than by all tokens", NDCG, "best modality", ">=",
                  "all tokens", offset=-0.02),
        ),
        premises=(
            Check("training finds .05 more than the initial weights", NDCG, "mean of modalities",
                  ">=", "untrained", offset=0.05),
        ),
        extras=(),
        metrics=(NDCG,),
        seed_keys=(),
        notes="69 concepts. Which part answers is not known: a name may be like that of any of "
        "the other languages.",
    )  # fmt: skip
