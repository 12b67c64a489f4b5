"""Words of retrieved captions that fit image and captions, against simpler answers."""

from mmjax.claims import Arm, Check, Claim, Control, Replace, Tuning
from mmjax.configs import cased, lit
from mmjax.configs import common as c

TEST = "open_vocabulary/test"
ACCURACY = f"{TEST}/accuracy"


def of(answer: str) -> str:
    """The accuracy of one of the other answers."""
    return f"{TEST}/{answer}/accuracy"


def checks(arm: str, margins: tuple[float, float, float]) -> tuple[Check, ...]:
    """Against the nearest caption, a vote, and all words."""
    return tuple(
        Check(f"accuracy is {margin:.2f} higher than by {says}", ACCURACY, arm, ">=", arm,
              offset=margin, against=of(answer))
        for margin, (answer, says) in zip(margins, {
            "closest": "the word of the nearest caption that is nearest to the image",
            "vote": "the most frequent word of the captions",
            "vocabulary": "the nearest of all words",
        }.items(), strict=True)
    )  # fmt: skip


def claim() -> Claim:
    """Generated embeddings of images, captions and words."""

    def answered(**own: object) -> dict:
        return {"evaluators": {"open_vocabulary": {"test": own}}}

    return Claim(
        paper="without a list of classes, an image is named best by the word of the retrieved "
        "captions that fits both the image and the centroid of these captions",
        statement="among 5,000 words, with a database of 40,000 captions, CaSED names images of "
        "100 classes more accurately than the word of the nearest caption by .02, than the most "
        "frequent word by .06 and than the nearest of all words by .10; and without the captions' "
        "centroid it does not",
        config=cased.database(),
        arms={
            "CaSED": Arm(untuned="the paper's alpha, k and temperature"),
            "image only": Arm(answered(alpha=1.0), untuned="as CaSED, without the centroid"),
            "captions only": Arm(answered(alpha=0.0), untuned="as CaSED, without the image"),
            "every word": Arm(answered(least=1), untuned="as CaSED, without the filter"),
        },
        checks=checks("CaSED", (0.02, 0.06, 0.1)),
        controls=(
            Control(
                "the image alone ranks the captions' words",
                "image only",
                "CaSED",
            ),
        ),
        extras=(
            Check("the centroid helps", ACCURACY, "CaSED", ">=", "image only"),
            Check("words that occur once may be left out", ACCURACY, "CaSED", ">=", "every word",
                  offset=-0.01),
            Check("a list of the right classes would be better", of("classes"), "CaSED", ">=",
                  "CaSED", against=ACCURACY),
        ),
        metrics=(ACCURACY, *map(of, ("closest", "vote", "vocabulary", "classes"))),
        seed_keys=c.WORLD_SEED,
        paper_numbers="ten data sets: averages not confirmed; CaSED is better than CLIP over "
        "WordNet's words and than captioning models with many more parameters",
        notes="Part of the gain over all words is what the database knows: that only 600 of them "
        "are ever shown. That is the method's point.",
    )  # fmt: skip


def claim_emoji() -> Claim:
    """Emoji: words for images of unseen concepts, LiT's text tower trained for each seed."""
    validation = Replace(lit.features("validation_concepts", raw=("text",)))
    rates = {"optimizer.learning_rate": (3e-4, 1e-3, 3e-3)}
    return Claim(
        paper="without a list of classes, an image is named best by the word of the retrieved "
        "captions that fits both the image and the centroid of these captions",
        statement="with locked image features and a text tower trained on emoji names, CaSED finds "
        "a word of the names of unseen concepts .02 more often than the nearest caption does, and "
        ".02 more often than the most frequent word and the nearest of all words",
        config=cased.small("test"),
        arms={
            "CaSED": Arm(grid=rates),
            "untrained": Arm(
                {"steps": 1, "optimizer": dict(learning_rate=0.0, warmup_steps=0)},
                untuned="it does not train",
            ),
        },
        tuning=Tuning(
            ACCURACY, changes={"evaluators": {"open_vocabulary": {"test": {"source": validation}}}}
        ),
        checks=checks("CaSED", (0.02, 0.02, 0.02)),
        premises=(
            Check("the text tower has learned", ACCURACY, "CaSED", ">=", "untrained", offset=0.05),
        ),
        metrics=(ACCURACY, *map(of, ("closest", "vote", "vocabulary", "classes")),
                 f"{TEST}/similarity", f"{TEST}/IoU"),
        notes="69 concepts; the database has names and keywords of 1,673 others. A word counts "
        "where it is one of the name's.",
    )  # fmt: skip
