"""Which modalities decide the recall; and a reranker against weights of a fused score."""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs import mrag

IMAGE, QUESTION = mrag.QUERY


def r1(configuration: str) -> str:
    """R@1 of a configuration of the grid."""
    return f"retrieval_grid/test/{configuration}/R@1"


IMAGES, IMAGE_TEXT = r1(f"{IMAGE}_to_image"), r1(f"{IMAGE}_to_text")
QUESTION_TEXT, IMAGE_ALL = r1(f"{QUESTION}_to_text"), r1(f"{IMAGE}_to_all")
ALL, WEIGHTED, TUNED = r1("all_to_all"), r1(f"{IMAGE}_to_tuned"), r1("tuned")
RERANKED = "rerank/test/query_to_item/R@1"
NUMBERS = "about 5 % better answers end to end, without training; tables not confirmed"


def claim() -> Claim:
    """Questions that mostly name the category alone."""
    return Claim(
        paper="which modalities stand on the side of the query and of the item decides the recall; "
        "a question does not name what it is about, so that an image finds more",
        statement="on generated pages, questions find by texts 15 points less than images do, and "
        "these 15 less than images by images; a question that is added to the image with equal "
        "weight costs 10 points; and a weight of the item's text that is tuned on other queries "
        "gains half a point over images alone",
        config=mrag.small("test"),
        arms={
            "towers": Arm(grid={"optimizer.learning_rate": (3e-4, 1e-3, 3e-3)}),
            "untrained": Arm(c.UNTRAINED, untuned="it does not train"),
        },
        tuning=Tuning(IMAGES),
        checks=(
            Check("images find by texts 15 points more than questions do", IMAGE_TEXT, "towers",
                  ">=", "towers", offset=0.15, against=QUESTION_TEXT),
            Check("images find by images 15 points more than by texts", IMAGES, "towers", ">=",
                  "towers", offset=0.15, against=IMAGE_TEXT),
            Check("a question added with equal weight costs 10 points", ALL, "towers", "<=",
                  "towers", offset=-0.1, against=IMAGE_ALL),
            Check("a tuned weight of the text gains half a point over images alone", WEIGHTED,
                  "towers", ">=", "towers", offset=0.005, against=IMAGES),
        ),
        premises=(
            Check("towers learn: images find 20 points more by texts than at the start",
                  IMAGE_TEXT, "towers", ">=", "untrained", offset=0.2),
        ),
        extras=(
            Check("with equal weights the text is no gain", IMAGE_ALL, "towers", "<=", "towers",
                  against=IMAGES),
        ),
        metrics=(QUESTION_TEXT, IMAGE_TEXT, IMAGES, IMAGE_ALL, WEIGHTED, ALL, TUNED),
        seed_keys=c.WORLD_SEED,
        paper_numbers=NUMBERS,
        notes="Embeddings that are added without being made unit vectors again are a sum of "
        "scores, which all configurations here are.",
    )  # fmt: skip


def claim_reranked() -> Claim:
    """Blurred images, and questions of the category or of two attributes."""
    return Claim(
        paper="a listwise reranker of the first items finds the right one more often than the "
        "search alone",
        statement="on generated pages with blurred queries, R@1 of a listwise reranker of the ten "
        "nearest by the image is 6 points higher than that of the search by the image",
        config=mrag.reranked("test"),
        arms={
            "reranker": Arm(
                grid={"stages.reranker.optimizer.learning_rate": (1e-3, 2e-3, 4e-3)}
            ),
        },
        tuning=Tuning(RERANKED),
        checks=(
            Check("R@1 is 6 points higher than by the image alone", RERANKED, "reranker", ">=",
                  "reranker", offset=0.06, against=IMAGES),
        ),
        controls=(
            Control("a search by weights of the four cosines, tuned on other queries", "reranker",
                    "reranker", {RERANKED: TUNED}),
        ),
        metrics=(IMAGES, RERANKED, TUNED, "rerank/test/query_to_item/found", ALL),
        seed_keys=c.WORLD_SEED,
        paper_numbers=NUMBERS,
        notes="The reranker sees the four cosines of a query and an item, and no more; so do the "
        "weights. They search all pages, and it orders ten.",
    )  # fmt: skip
