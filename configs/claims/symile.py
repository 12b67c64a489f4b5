"""Prediction of a modality from all others: exclusive or, and the parity of eight."""

import itertools

from mmjax.claims import Arm, Check, Claim, Control, Replace, Tuning
from mmjax.configs import common as c
from mmjax.configs.symile import THREE

EIGHT = tuple("abcdefgh")
RATES = {"optimizer.learning_rate": (0.03, 0.1, 0.3)}
SYMILE = {**RATES, "objectives.symile.scale": (0.7408, 7.0)}
CLIP = {**RATES, "objectives.symile.temperature": (1.3499, 0.14)}
BEST, CHANCE = (f"tuple_retrieval/best/{name}" for name in ("R@1", "chance_R@1"))
PRODUCT, COSINE = (f"tuple_retrieval/{score}/R@1" for score in ("multilinear", "cosine_sum"))


def clip(modalities: tuple[str, ...], **more: object) -> dict:
    """The sum over all pairs, as in the authors' code, retrieved by the sum of cosines."""
    pairs = tuple(itertools.combinations(modalities, 2))
    term = dict(
        type="info_nce", pairs=pairs, weight=float(len(pairs)), temperature=1.3499, max_scale=None
    )
    best = {"tuple_retrieval": {"best": {"score": "cosine_sum"}}}
    return {"objectives": {"symile": term}, "evaluators": best, **more}


def claim() -> Claim:
    """Prediction of b from a and c, among 32 candidates."""
    deeper = c.towers(**dict.fromkeys(THREE, c.mlp(5, (64, 64), 16, init="uniform")))
    half = {"data": {"source": {"p": 0.5}}}
    return Claim(
        paper="a contrastive loss of tuples, scored by the multilinear inner product, captures "
        "what only all modalities together determine, which losses of pairs cannot: of c = a xor "
        "b it predicts b from a and c, and CLIP is at chance",
        statement="each loss at its best, on exclusive or Symile's accuracy among 32 candidates is "
        "50 points above that of pairwise CLIP, which is no more than 7 points above chance",
        changes={
            "evaluators": c.tuple_retrieval(
                "best", query=("a", "c"), answer=("b",), score="multilinear"
            )
        },
        arms={
            "symile": Arm(grid=SYMILE),
            "clip": Arm(clip(THREE), grid=CLIP),
            "clip, deeper towers": Arm(
                clip(THREE, model={"towers": Replace(deeper)}),
                grid={**CLIP, "optimizer.learning_rate": (1e-3, 1e-2, 1e-1)},
            ),
            "symile, p = 1/2": Arm(half, like="symile"),
            "clip, p = 1/2": Arm(clip(THREE, **half), like="clip"),
            "symile, all negatives": Arm(
                {"objectives": {"symile": {"negatives": "n_squared"}}, "data": {"batch_size": 100}},
                like="symile",
            ),
        },
        tuning=Tuning(BEST),
        checks=(
            Check("it predicts b 50 points better than CLIP", BEST, "symile", ">=", "clip",
                  offset=0.5),
            Check("CLIP is no more than 7 points above chance", BEST, "clip", "<=", "clip",
                  offset=0.07, against=CHANCE),
        ),
        controls=(
            Control("pairwise CLIP with deeper towers", "clip, deeper towers", "symile"),
        ),
        extras=(
            Check("at p = 1/2, too, it predicts b better than CLIP", BEST, "symile, p = 1/2", ">=",
                  "clip, p = 1/2"),
            Check("with all B² - 1 negatives of a smaller batch it is no more than 5 points worse",
                  BEST, "symile, all negatives", ">=", "symile", offset=-0.05),
        ),
        metrics=(BEST, PRODUCT, COSINE),
        seed_keys=c.WORLD_SEED,
        paper_numbers="p = 1: Symile near 1.0, CLIP at 1/32; Symile-M3 with 2, 5, 10 languages: "
        ".939, .919, .882 against CLIP's .473, .346, .303",
        notes="`best` is the score that a loss trains: the multilinear product, or the sum of "
        "cosines for CLIP. At p = 1/2 nobody can be right much more than half of the time. "
        "Data of this kind are made for the method; they show what losses of pairs cannot "
        "represent, not how much of it there is in real data.",
    )  # fmt: skip


def claim_eight() -> Claim:
    """The parity of eight, for 30 of the authors' 50 epochs: prediction of a from seven others."""
    tower = c.mlp(1, (), 16, init="uniform")
    asked = {"query": EIGHT[1:], "answer": EIGHT[:1]}
    best = c.tuple_retrieval("best", **asked, score="multilinear")["tuple_retrieval"]
    scores = dict.fromkeys(("multilinear", "cosine_sum"), asked)
    return Claim(
        paper="a contrastive loss of tuples, scored by the multilinear inner product, captures "
        "what only all modalities together determine, for any number of them, as the parity of "
        "eight bits, and CLIP is at chance",
        statement="each loss at its best, of eight bits with even parity Symile predicts one from "
        "the seven others with an accuracy 40 points above that of pairwise CLIP, which is no "
        "more than 5 points above chance",
        changes={
            "steps": 300,
            "data": {
                "source": {"type": "parity"},
                "views": Replace(dict.fromkeys(EIGHT, c.vector(1))),
            },
            "model": {"towers": Replace(c.towers(**dict.fromkeys(EIGHT, tower)))},
            "objectives": {"symile": {"modalities": EIGHT}},
            "evaluators": {"tuple_retrieval": {**best, **scores}},
        },
        arms={
            "symile": Arm(grid=SYMILE),
            # The schedule only for speed: 28 matrices, in tiles that fit into the cache.
            "clip": Arm(clip(EIGHT, pairwise=dict(schedule="gather", tile=250)), grid=CLIP),
        },
        tuning=Tuning(BEST),
        checks=(
            Check("it predicts a bit 40 points better than CLIP", BEST, "symile", ">=", "clip",
                  offset=0.4),
            Check("CLIP is no more than 5 points above chance", BEST, "clip", "<=", "clip",
                  offset=0.05, against=CHANCE),
        ),
        metrics=(BEST, PRODUCT, COSINE),
        seeds=(205, 206, 207, 208, 209),
        seed_keys=c.WORLD_SEED,
        notes="Chance is .5. Also where CLIP learns nothing its seeds differ by more than guessing "
        "would explain: the sum of cosines tests whether a weighted sum of seven bits is above a "
        "threshold, which is not independent of their parity. The product of eight unit vectors of "
        "size 16 is tiny at first, so that Symile's loss stays at chance for a while: in some "
        "worlds training is still there in the end.",
    )  # fmt: skip
