"""Vision-free retrieval: images are found by descriptions of them, with one text tower (LexiCLIP).

Ntinou et al. 2025, arXiv 2509.19203. A captioner describes every image once; a text encoder is then
trained with InfoNCE on captions and descriptions of the same image, so that both sides are texts
and share their weights (a view `text@scene` of the tower `text`). There is less of a modality gap
and more composition is kept, as far as the captioner got it right. Useful where images have, or can
be given, good descriptions: the same holds for any record that can be put into words.

    python -m mmjax.main --config=configs/lexiclip.py          # emoji by their keywords, minutes
    python -m mmjax.main --config=configs/lexiclip.py:scenes   # generated scenes, half a minute
    python -m mmjax.main --config=configs/lexiclip.py:paper    # Flickr30k with descriptions
    python -m mmjax.claims lexiclip                            # against images, on scenes

The numbers to look at are `tuple_retrieval/test/R@1`, the gap `geometry/test/centroid_distance` and
`choice/test/...`, captions with two words exchanged. Left out: the captioner, short queries that
name a part of the scene, and the benchmarks subFlickr and subCOCO.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.scenes import COLOURS, RELATIONS, SHAPES
from mmjax.recipe.changes import Replace

PAPER = (
    "Ntinou et al. 2025, Vision-Free Retrieval: Rethinking Multimodal Search with Textual Scene "
    "Descriptions, arXiv 2509.19203"
)
WRONG = ("text@colours", "text@places")  # captions of the scene with these exchanged


def objectives(scene: str = "text@scene") -> dict:
    """InfoNCE of captions and what is searched, in which an equal scene is no negative."""
    pair = ("text", scene)
    return {"calibration": dict(type="info_nce", pairs=(pair,), duplicates="mask")}


def found_by(scene: str, source: str | dict = "test", wrong: tuple[str, ...] = ()) -> list[dict]:
    """Captions that look for `scene`, the gap between both, and the choice of its caption."""
    choice = [c.evaluator("choice", "test", source, query=scene, right="text", wrong=wrong)]
    return [
        c.tuple_retrieval("test", source, query=("text",), answer=(scene,)),
        c.geometry("test", source, pair=("text", scene)),
        *(choice if wrong else ()),
    ]


def small(half: str = "validation") -> dict:
    """Emoji: names look for lists of keywords, of concepts that are not trained.

    Args:
      half: of the unseen concepts.
    """

    def emoji(split: str) -> dict:
        return dict(type="emoji", split=split, apart=True)

    base = c.emoji(PAPER, objectives(), length=32)
    text = base["data"]["views"]["text"]
    views = {"text": {**text, "field": "text_en"}, "text@scene": {**text, "field": "keywords_en"}}
    return c.changed(
        base,
        steps=600,
        data={"source": Replace(emoji("train")), "views": Replace(views)},
        model={"towers": {"image": None}},
        evaluators=found_by("text@scene", emoji(f"{half}_concepts")),
    )


def scenes() -> dict:
    """Scenes of two shapes; a captioner that gets 5 % of colours, shapes and places wrong."""
    spoken = " ".join(("a", *COLOURS, *SHAPES, *RELATIONS)).split()
    words = tuple(dict.fromkeys((*spoken, ";", ":", ",")))
    text = c.tiny_text(words, length=16)
    encoder = dict(type="bag_of_tokens", vocab_size=len(words) + 4, length=16)
    encoder |= dict(embedding=16, window=2, hidden=(64,), width=64)
    views = {"text": text.view, "text@scene": {**text.view, "field": "description"}}
    views |= {
        name: {**text.view, "field": name.replace("@", "_"), "train": False} for name in WRONG
    }
    return c.recipe(
        PAPER,
        steps=1000,
        data=c.data(
            dict(type="compositional_scenes", size=24, described=True), 64, text.tokenizer, **views
        ),
        towers=c.towers(c.linear_head(32), text=encoder),
        objectives=objectives(),
        optimizer=c.adamw(2e-3),
        evaluators=found_by("text@scene", wrong=WRONG),
        log_every=200,
    )


def paper() -> dict:
    """Flickr30k's captions and descriptions by a vision-language model, a text encoder of 0.1 B.

    `captions.csv` has a row for each image: five captions and its description.
    """
    text = c.bert_text(512)
    captions = [f"caption_{k}" for k in range(1, 6)]
    train, test = (
        c.manifest("data/flickr30k/captions.csv", split, text=captions, text_scene="description")
        for split in ("train", "val")
    )
    views = {"text": text.view, "text@scene": {**text.view, "field": "text_scene"}}
    return c.recipe(
        PAPER,
        steps=2_000,  # assumed
        data=c.data(train, 512, text.tokenizer, **views, workers=16),  # assumed
        towers=c.towers(
            text=c.pretrained(
                "weights/bge-base-en-v1.5", text.encoder, "text", head={"type": "none"}
            )
        ),
        objectives={"calibration": {**objectives()["calibration"], "temperature": 0.05}},  # assumed
        optimizer=c.adamw(2e-5, weight_decay=0.01, warmup_steps=200),  # assumed
        evaluators=[
            c.retrieval("test", test, pairs=(("text", "text@scene"),), alternatives="all"),
            *found_by("text@scene", test),
        ],
        checkpoints={"every": 500},
    )


get_config = c.variants("lexiclip", small, scenes, paper)
