"""Entity linking with texts and images on both sides (M3EL), by contrast within a side, too.

Hu et al. 2024, arXiv 2412.10440. A mention (a sentence and a photo) is linked to an entry of a
knowledge base (a description and a photo): texts are compared with texts, images with images, and
the scores are added, so that a mention without an image is still ranked. The contrastive loss of
both takes the other mentions as negatives of a mention and the other entries as those of an entry,
weighed 0.8 (`info_nce` with `same_side`). Useful for matching records of two catalogues by several
modalities of which some are missing: `tuple_retrieval` with `missing='zero'` ranks them. On the
generated entities here batches of twice the size gain as much as the negatives of one's own side.

    python -m mmjax.main --config=configs/m3el.py            # emoji in two languages and styles
    python -m mmjax.main --config=configs/m3el.py:entities   # generated, 15 seconds
    python -m mmjax.main --config=configs/m3el.py:paper      # CLIP on WikiMEL's tables
    python -m mmjax.claims m3el                              # what `same_side` is worth

The numbers to look at are `tuple_retrieval/both/R@1` and that of `text`. Left out: matching of
tokens by attention and the gated match across modalities, with their losses on pairs of a batch.
"""

from mmjax.configs import common as c
from mmjax.recipe.changes import Replace

PAPER = (
    "Hu et al. 2024, Multi-level Matching Network for Multimodal Entity Linking, arXiv 2412.10440"
)
PAIRS = (("text", "text@entity"), ("image", "image@entity"))


def objectives(temperature: float = 0.03) -> dict:
    """Mention and entry, text with text and image with image; other mentions of an entry masked."""
    options = dict(temperature=temperature, learn_temperature=False, duplicates="mask")
    return {"contrast": dict(type="info_nce", pairs=PAIRS, same_side=0.8, **options)}


def linking(source: dict | str, gallery: dict | str, **options: object) -> list[dict]:
    """Mentions that look for their entries, by text and image (`both`) and by text alone."""
    options |= dict(gallery=gallery, score="paired_sum", missing="zero", ks=(1, 3, 5, 10, 20))
    return [
        c.tuple_retrieval(name, source, query=query, answer=answer, **options)
        for name, (query, answer) in {
            "both": tuple(zip(*PAIRS, strict=True)),
            "text": (PAIRS[0][:1], PAIRS[0][1:]),
        }.items()
    ]


def views(text: dict, image: dict, mention: tuple[str, str], entry: tuple[str, str]) -> dict:
    """Text and image of mentions and entries, from these fields."""
    sides = {"text": mention[0], "image": mention[1]}
    sides |= {"text@entity": entry[0], "image@entity": entry[1]}
    kinds = {"text": text, "image": image}
    return {name: {**kinds[name.split("@")[0]], "field": field} for name, field in sides.items()}


def small(half: str = "validation") -> dict:
    """Emoji: a German name and a 3D image, which flags lack, find the English name and a flat one.

    Args:
      half: of the unseen concepts, which look for themselves among those of both halves.
    """

    def emoji(split: str) -> dict:
        return dict(type="emoji", split=split, languages=("en", "de"), apart=True)

    base = c.emoji(PAPER, objectives())
    text, image = (base["data"]["views"][name] for name in ("text", "image"))
    fields = ("text_de", "image_fluent"), ("text_en", "image_google")
    return c.changed(
        base,
        steps=600,
        data={
            "source": Replace(emoji("train")),
            "views": Replace(views(text, {**image, "size": 32}, *fields)),
            "batch_size": 64,
        },
        model={"towers": {"image": {"encoder": Replace(c.tiny_resnet(32, "patch4", 64))}}},
        evaluators=linking(emoji(f"{half}_concepts"), emoji("new_concepts")),
    )


def entities() -> dict:
    """Generated mentions of entities that have near duplicates; 30 % lack an image."""
    tower = c.mlp(32, (128,), 32, activation="gelu")
    vector = c.vector(32)
    return c.recipe(
        PAPER,
        steps=1500,
        data=c.data("entities", 64)
        | {"views": views(vector, vector, ("text", "image"), ("entity_text", "entity_image"))},
        towers=c.towers(text=tower, image=tower),
        objectives=objectives(),
        optimizer=c.adamw(1e-3, weight_decay=1e-4),
        evaluators=linking("test", "gallery"),
        log_every=500,
    )


def paper() -> dict:
    """CLIP's ViT-B/32 on WikiMEL; tables of mentions and of the knowledge base, images in files."""
    text = c.causal_text(**c.OPENAI)
    entry = {"entity_text": "entity", "entity_image": "entity_image"}
    mention = {"text": "mention", "image": "mention_image"}
    labels = {"entity": "entity_id"}
    train, test = (
        c.manifest(f"data/wikimel/{split}.csv", labels=labels, **mention, **entry)
        | {"optional": ("image", "entity_image")}
        for split in ("train", "test")
    )
    entities = c.manifest("data/wikimel/entities.csv", labels=labels, **entry)
    return c.recipe(
        PAPER,
        steps=2900,  # assumed: 20 epochs of 18,092 mentions, 2,835 of them
        data=c.data(train, 128, text.tokenizer, workers=16)
        | {"views": views(text.view, c.clip_image(), tuple(mention), tuple(entry))},
        towers=c.openai_towers(),
        objectives=objectives(),
        optimizer=c.adamw(1e-5, schedule="constant", eps=1e-4, weight_decay=1e-4),
        evaluators=linking(test, {**entities, "optional": ("entity_image",)}, labels="entity"),
        checkpoints={"every": 290},
    )


get_config = c.variants("m3el", small, entities, paper)
