"""Does grounding make words say what things look like, and does it take places of images?"""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs import lit, vg_bert
from mmjax.data.synthetic.grid_objects import WORDS
from mmjax.recipe.changes import Replace

R2, GROUPS = "regression/attributes/R2", "clusters/words/class_silhouette"
FOUND = c.recall("retrieval/test", vg_bert.PAIR)
POINTING = "grounding/nouns/pointing"
NAMES = "clusters/names/class_silhouette"
MASKED, HIDDEN = "text@masked", "model.towers.text.augment.rate"
RATES = {"optimizer.learning_rate": (5e-4, 1e-3, 2e-3)}
PAPER = (
    "grounding a language model in images makes its word vectors predict human norms of features "
    "and group by category better than text alone"
)
NUMBERS = "a silhouette and predictions of norms above those of BERT; values not read"


def texts(view: dict, size: int, width: int, evaluators: dict) -> dict:
    """Masked words of captions, and images not looked at.

    Args:
      view: of the texts.
      size: of their vocabulary; the mask is one id more.
      width: of the text tower.
      evaluators: changes of these.
    """
    words = c.masked_words({MASKED: width}, size, width, depth=1, heads=2)
    tower = {"encoder": {"vocab_size": size + 1}, **c.hides(MASKED, size)}
    masked = {**view, "field": "text"}
    return {
        "data": {"views": {"image": {"train": False}, MASKED: masked, "text": {"train": False}}},
        "model": {"towers": {"text": tower}},
        "objectives": Replace({"words": words}),
        "evaluators": evaluators,
    }


def claim() -> Claim:
    """Generated scenes of three nouns, whose attributes only images show."""
    view, plain = vg_bert.grid()["data"]["views"]["text"], {"retrieval": {"test": {"term": None}}}
    mean = {"objectives": Replace(vg_bert.pooled(0.1)), "evaluators": plain}
    match = "objectives.match.temperature"
    return Claim(
        paper=PAPER,
        statement="from word vectors of captions grounded in images, by their places as in the "
        "paper and by their mean, attributes are read with an R2 that is .4 above that of captions "
        "alone, and by the mean categories have a silhouette that is .15 higher",
        variant="grid",
        arms={
            "texts alone": Arm(texts(view, len(WORDS) + 4, 32, plain),
                               grid={**RATES, HIDDEN: (0.15, 0.3)}),
            "pooled": Arm(mean, grid={**RATES, match: (0.05, 0.1)}),
            "places": Arm(grid={**RATES, match: (1.0, 3.0)}),
            "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
        },
        tuning=Tuning((R2, GROUPS), seeds=(20,)),
        checks=(
            Check("by places R2 of attributes is .4 above that of texts alone", R2, "places", ">=",
                  "texts alone", offset=0.4),
            Check("by the mean R2 of attributes is .4 above that of texts alone", R2, "pooled",
                  ">=", "texts alone", offset=0.4),
            Check("by the mean the silhouette of categories is .15 above that of texts alone",
                  GROUPS, "pooled", ">=", "texts alone", offset=0.15),
        ),
        controls=(Control("untrained towers", "untrained", "pooled"),),
        extras=(
            Check("places are better than the mean of an image", R2, "places", ">=", "pooled"),
            Check("words find their places", POINTING, "places", ">=", "places", offset=0.2,
                  against="grounding/nouns/chance_pointing"),
        ),
        metrics=(R2, GROUPS, *FOUND, POINTING),
        seed_keys=c.WORLD_SEED,
        paper_numbers=NUMBERS,
        notes="The paper grounds by places and starts from a trained language model and trained "
        "images, which have features to be found; here both are trained from nothing.",
    )  # fmt: skip


def claim_emoji() -> Claim:
    """Names of emoji, by the subgroups of what they name."""
    view = vg_bert.small()["data"]["views"]["text"]
    rates = {"optimizer.learning_rate": (1e-3, 2e-3)}
    plain = {"retrieval": {"new_style": {"term": None}}}
    names = lit.features("train", labels="emoji_pretrained")
    vectors, tower = c.vector(lit.DIM), c.identity(lit.DIM)
    clusters = vg_bert.small()["evaluators"]["clusters"]["names"]
    minilm = {
        "data": Replace(c.data(names, 128, image=vectors, text=vectors)),
        "model": {"towers": Replace(c.towers({"type": "none"}, image=tower, text=tower))},
        "objectives": Replace({}),
        "evaluators": Replace({"clusters": {"names": {**clusters, "source": names}}}),
    }
    return Claim(
        paper=PAPER,
        statement="names of emoji that were grounded in their images group by subgroup, with a "
        "silhouette that is .05 above that of names without images",
        changes={"steps": 300, "data": {"batch_size": 64}},
        arms={
            "texts alone": Arm(texts(view, 8000, 64, plain), grid=rates),
            "pooled": Arm({"objectives": Replace(vg_bert.pooled(0.07)), "evaluators": plain},
                          grid=rates),
            "places": Arm(grid=rates),
            "MiniLM": Arm({**minilm, "steps": 0, "optimizer": None, "checkpoints": Replace({})},
                          untuned="a sentence encoder as it is"),
            "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
        },
        tuning=Tuning(NAMES, seeds=(20,)),
        checks=(
            Check("by places the silhouette is .05 above that of texts alone", NAMES, "places",
                  ">=", "texts alone", offset=0.05),
        ),
        controls=(Control("untrained towers", "untrained", "places"),),
        extras=(
            Check("the mean of an image does so, too", NAMES, "pooled", ">=", "texts alone",
                  offset=0.05),
            Check("grounding groups names as well as a sentence encoder", NAMES, "places", ">=",
                  "MiniLM"),
        ),
        metrics=(NAMES, "clusters/names/ARI", "clusters/names/NMI"),
        notes="Names are those of training, so that only their grouping is asked for. MiniLM has "
        "read a billion sentences and is no control of the same kind. 300 steps of 64, of the "
        "recipe's 800 of 128.",
    )  # fmt: skip
