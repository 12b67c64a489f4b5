"""Search of captions by gradient against random swaps and chance, and a vector for a word."""

from mmjax.claims import Arm, Check, Claim, Tuning
from mmjax.configs import common as c
from mmjax.configs import sage

SEARCH, TOKEN = "word_search/slots", "universal_token/slots"
SEARCHES = ("gradient", "climb", "random")


def success(search: str, calls: int) -> str:
    """The share of classes of which a failing caption was found."""
    return f"{SEARCH}/{search}/success@{calls}"


def ahead(of: str, by: float, calls: int) -> Check:
    """The gradient finds more than another search of the same model."""
    said = {"climb": "random swaps that stay where they help", "random": "random captions"}[of]
    return Check(f"of {calls} calls the gradient finds {round(100 * by)} points more than {said}",
                 success("gradient", calls), "trained", ">=", "trained", offset=by,
                 against=success(of, calls))  # fmt: skip


def claim() -> Claim:
    """Captions of 64 classes with modifiers that training rarely varied."""
    reached, random = f"{TOKEN}/free/reached", f"{TOKEN}/free/random"
    rates = {"optimizer.learning_rate": (5e-4, 1e-3, 2e-3)}
    top_1 = f"{SEARCH}/natural/top_1"
    return Claim(
        paper="gradient-guided search over prompts finds natural ones for which image generators "
        "fail, and one learned token turns every prompt into a chosen object",
        statement="of a text tower that classifies 95 % of random natural captions, the gradient "
        "search finds failing ones of 15 points more classes than random captions, at 60 and 200 "
        "calls, and of 10 more than random hill climbing, at 20 and 60; and one vector without a "
        "bound in a word's place brings 75 points more captions to a chosen class than a random "
        "one of its length",
        config=sage.slots("test"),
        arms={
            "trained": Arm(grid=rates),
            "varied": Arm({"data": {"source": {"varied": 0.5}}}, grid=rates),
            "untrained": Arm(c.UNTRAINED, untuned="it does not train"),
        },
        tuning=Tuning(
            "zero_shot/name/top_1",
            changes={"evaluators": {"word_search": None, "universal_token": None}},
        ),
        checks=(
            ahead("random", 0.15, 60),
            ahead("random", 0.15, 200),
            ahead("climb", 0.10, 20),
            ahead("climb", 0.10, 60),
            Check("a vector without a bound brings 75 points more captions to a chosen class than "
                  "a random one of its length",
                  reached, "trained", ">=", "trained", offset=0.75, against=random),
        ),
        premises=(
            Check("random natural captions are classified 75 points better than by the initial "
                  "weights, so that failures have to be searched for",
                  top_1, "trained", ">=", "untrained", offset=0.75),
        ),
        extras=(
            Check("with half of the training captions varied, the gradient of 60 calls finds at "
                  "most 5 points more than random captions",
                  success("gradient", 60), "varied", "<=", "varied", offset=0.05,
                  against=success("random", 60)),
            Check("a vector no longer than the longest word brings no more captions to the class "
                  "than half of those that one without a bound does",
                  f"{TOKEN}/bound_1/reached", "trained", "<=", "trained", factor=0.5,
                  against=reached),
        ),
        metrics=(
            top_1,
            *(success(search, k) for search in SEARCHES for k in (20, 60, 200)),
            *(f"{TOKEN}/{bound}/reached" for bound in ("bound_1", "bound_2", "free")),
            f"{TOKEN}/free/length",
            random,
        ),
        seed_keys=c.WORLD_SEED,
        paper_numbers="all five generators fail for natural prompts and latents; numbers not "
        "confirmed",
        notes="A call is one caption or one gradient, for every search. Failures belong to one "
        "model: in a pilot none of them failed for a second one, so nothing is said of transfer. "
        "The vector is several times as long as a word's: it attacks the space of vectors, and "
        "nobody can type it.",
    )  # fmt: skip
