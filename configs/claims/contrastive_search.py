"""Contrastive search against the whole frontier of sampling, and with a loss for it."""

from mmjax.claims import Arm, Check, Claim, Tuning
from mmjax.configs import common as c
from mmjax.configs import contrastive_search

TEXTS = "generation/test"
COHERENCE, FRONTIER, DIVERSITY = (
    f"{TEXTS}/contrastive/{name}" for name in ("coherence", "frontier", "diversity")
)
PERPLEXITY, ISOTROPY = f"{TEXTS}/perplexity", "spectrum/tokens/isotropy"
GRID = {"optimizer.learning_rate": (1e-3, 3e-3)}


def claim() -> Claim:
    """Texts of a Markov chain, which says itself how likely they are."""
    apart = {"objectives": {"apart": dict(type="token_margin", margin=0.5)}}
    return Claim(
        paper="contrastive search writes texts that are coherent and varied, better than sampling "
        "and than the likeliest texts, with language models as they are: their tokens are "
        "isotropic without contrastive training",
        statement="on texts of a Markov chain of 60 words, contrastive search with k = 5 and "
        "alpha = .6 has a mean log probability .05 higher than nucleus sampling of equal "
        "diversity, its p and temperature interpolated, and is .3 more diverse than greedy texts; "
        "the contrastive loss on tokens changes its diversity by less than .05",
        config=contrastive_search.small("test"),
        arms={
            "language model": Arm(grid=GRID),
            "with token margin": Arm(apart, grid=GRID),
            "untrained": Arm(c.UNTRAINED, untuned="it does not train"),
        },
        tuning=Tuning(PERPLEXITY, mode="min", changes={"evaluators": {
            "generation": {"test": {"source": {"split": "validation"}}}}}),
        checks=(
            Check("texts are .05 likelier than sampled ones of equal diversity", COHERENCE,
                  "language model", ">=", "language model", offset=0.05, against=FRONTIER),
            Check("they are .3 more diverse than greedy ones", DIVERSITY, "language model", ">=",
                  "language model", offset=0.3, against=f"{TEXTS}/greedy/diversity"),
            Check("the loss on tokens makes them no more than .05 more diverse", DIVERSITY,
                  "language model", ">=", "with token margin", offset=-0.05),
        ),
        premises=(
            Check("the chain is learned: perplexity is a fifth of that of the initial weights",
                  PERPLEXITY, "language model", "<=", "untrained", factor=0.2),
        ),
        extras=(
            Check("tokens are as isotropic without the loss on them", ISOTROPY, "language model",
                  ">=", "with token margin", offset=-0.05),
            Check("with alpha = .3, too, texts are .05 likelier",
                  f"{TEXTS}/contrastive_30/coherence", "language model", ">=", "language model",
                  offset=0.05, against=f"{TEXTS}/contrastive_30/frontier"),
        ),
        metrics=(COHERENCE, FRONTIER, DIVERSITY, f"{TEXTS}/greedy/diversity", PERPLEXITY, ISOTROPY),
        seed_keys=c.WORLD_SEED,
        paper_numbers="GPT-2 large on WebText, diversity and mean log-likelihood by OPT-2.7B: "
        "contrastive 92.5 and -1.52, nucleus 93.6 and -2.88, greedy 5.4 and -.58",
        notes="Five likeliest tokens are acceptable here by construction. The model is isotropic "
        "from the start, so that a loss against anisotropy has nothing to mend.",
    )  # fmt: skip
