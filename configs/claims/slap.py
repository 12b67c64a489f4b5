"""The modality gap and retrieval without negatives, against a contrastive loss."""

import dataclasses

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs import lit, slap

GAP = "geometry/test/centroid_distance"
RATES = {"optimizer.learning_rate": (3e-4, 1e-3, 3e-3)}


def experiment(config: dict, pair: tuple[str, str], **parts: object) -> Claim:
    """The claim on one data set."""
    top, deep = (c.recall("retrieval/test", pair, k=k) for k in (1, 10))

    def contrastive(temperature: float) -> dict:
        fixed = dict(temperature=temperature, learn_temperature=False)
        loss = dict(type="info_nce", pairs=(pair,), **fixed)
        embeddings = {kind: {"test": {"term": None}} for kind in ("retrieval", "geometry")}
        return {"objectives": {"slap": None, "clip": loss}, "teacher": None,
                "evaluators": embeddings}  # fmt: skip

    def balance(within: float) -> dict:
        return {"objectives": {"slap": {"within": within}}}

    momenta = {**RATES, "teacher.momentum": (0.95, 0.99)}
    return Claim(
        paper="siamese pretraining without negatives, whose predictors match momentum targets of "
        "both modalities, retrieves better than a contrastive loss and leaves hardly a modality "
        "gap, which only an equal weight of both targets does",
        config=config,
        arms={
            "contrastive": Arm(
                contrastive(0.1), grid={**RATES, "objectives.clip.temperature": (0.05, 0.1)}
            ),
            "slap": Arm(grid=momenta),
            "more across": Arm(balance(0.35), like="slap"),
            "more within": Arm(balance(0.65), like="slap"),
            "across alone": Arm(balance(0.0), grid=momenta),
            "contrastive, warm": Arm(
                contrastive(1.0), grid={**RATES, "objectives.clip.temperature": (0.3, 1.0)}
            ),
            "untrained": Arm(c.UNTRAINED, untuned="it does not train"),
        },
        checks=(
            Check("the gap is at most half of that of the contrastive loss", GAP, "slap", "<=",
                  "contrastive", factor=0.5),
            Check("the gap is at most a tenth of that with λ = .65", GAP, "slap", "<=",
                  "more across", factor=0.1),
            Check("the gap is at most a tenth of that with λ = .35", GAP, "slap", "<=",
                  "more within", factor=0.1),
            Check("R@1 is higher than by the contrastive loss", top, "slap", ">=", "contrastive"),
        ),
        controls=(
            Control("a contrastive loss at a higher temperature", "contrastive, warm", "slap"),
        ),
        extras=(
            Check("R@10 is within a point of the contrastive loss's", deep, "slap", ">=",
                  "contrastive", offset=-0.01),
            Check("without targets of the own modality R@10 falls by 20 points", deep,
                  "across alone", "<=", "slap", offset=-0.2),
            Check("it learns: R@10 is 20 points above that of the initial weights", deep, "slap",
                  ">=", "untrained", offset=0.2),
        ),
        metrics=(GAP, "geometry/test/linear_separability", *top, *deep),
        paper_numbers="Song Describer, audio to text: R@1 5.7 against 5.3 and R@5 18.1 against "
        "14.9 of a CLAP with the same towers",
        **parts,
    )  # fmt: skip


def claim() -> Claim:
    """Two modalities of a generated latent."""
    return experiment(
        slap.latent(),
        ("audio", "text"),
        statement="on two modalities of a generated latent, the distance of the centroids is at "
        "most half of a contrastive loss's and a tenth of that with λ = .35 or .65, and R@1 is "
        "higher than by the contrastive loss",
        tuning=Tuning(c.recall("retrieval/test", ("audio", "text"), k=10), seeds=(20,)),
        seeds=(205, 206, 207, 208, 209),  # the first five were seen between embeddings of towers
        seed_keys=c.WORLD_SEED,
        notes="The towers are MLPs that train from scratch, and no gap is built into the data: "
        "what there is comes from the initial weights and the loss.",
    )


def claim_emoji() -> Claim:
    """Frozen features of emoji and of their names."""
    validation = dict(source=lit.features("validation_concepts"))
    first = claim()
    return dataclasses.replace(
        experiment(
            slap.small("test"),
            ("image", "text"),
            statement=first.statement.replace("two modalities of a generated latent",
                                              "features of emoji and of their names"),
            tuning=Tuning(
                c.recall("retrieval/test", ("image", "text"), k=10),
                seeds=(20,),
                changes={"evaluators": {kind: {"test": validation}
                                        for kind in ("retrieval", "geometry")}},
            ),
        ),
        notes="69 unseen concepts of 1,673; MLPs on frozen features of two encoders that never "
        "met.",
    )  # fmt: skip
