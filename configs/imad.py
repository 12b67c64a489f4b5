"""Composed queries: a dialogue, and an image in the place of an utterance, find the utterance.

Moskvoretskii et al. 2023, IMAD, arXiv 2305.10512. The paper makes dialogues in which an utterance
is replaced by an image that says the same in that context, and shows that context and image
together say more than either. What a user can take from it: a fusion of two towers as the query of
a contrastive loss, of type `sum` where one part may be asked for alone, for its own tower is then
the query; and `mmjax data select`, which scores how well each image of a corpus fits its text.

    python -m mmjax.main --config=configs/imad.py        # generated triples, half a minute
    python -m mmjax.main --config=configs/imad.py:mlp    # the same with an MLP as the fusion
    python -m mmjax.main --config=configs/imad.py:paper  # IMAD's dialogues, OpenAI's ViT-B/32
    python -m mmjax.claims imad                          # both inputs, against each of them

The numbers to look at are `retrieval/test/query_to_text/R@1` and those of `context` and `image`.
Left out: the generator of replies (BLIP), the forest that says which utterances an image can
replace, and the choice among ten images by a question-answering model.
"""

from mmjax.configs import common as c

PAPER = "Moskvoretskii et al. 2023, IMAD: IMage-Augmented multi-modal Dialogue, arXiv 2305.10512"
PARTS = ("context", "image")


def replies(source: str | dict = "test", **options: object) -> dict:
    """Texts that are found by the query, and by each part of it."""
    pairs = tuple((query, "text") for query in ("query", *PARTS))
    return c.retrieval("test", source, pairs=pairs, **options)


def composed(fusion: dict) -> dict:
    """Generated triples, whose text says the image in the light of the context."""
    seen = c.mlp(64, (128,), 32, activation="gelu")
    return c.recipe(
        PAPER,
        steps=800,
        data=c.data("composed_queries", 256, **dict.fromkeys((*PARTS, "text"), c.vector(64))),
        towers=c.towers(**dict.fromkeys((*PARTS, "text"), seen)),
        fusions={"query": {"inputs": PARTS, **fusion}},
        objectives={"clip": dict(type="info_nce", pairs=(("query", "text"),))},
        optimizer=c.adamw(1e-3, weight_decay=1e-2),
        evaluators=[replies(labels="pair")],
    )


def small() -> dict:
    """The sum of both towers as the query."""
    return composed(dict(type="sum"))


def mlp() -> dict:
    """An MLP of both as the query."""
    return composed(dict(type="mlp", dim=32, hidden=(256,), activation="gelu"))


def paper() -> dict:
    """Dialogues of IMAD: tables with the last turns, an image file and the utterance."""
    text, columns = c.causal_text(**c.OPENAI), dict(context="context", image="image", text="reply")
    train, test = (c.manifest(f"data/imad/{split}.csv", **columns) for split in ("train", "test"))
    folder = "weights/clip-vit-base-patch32"
    said = c.pretrained(folder, text.encoder, "text", take_head=True)
    return c.recipe(
        PAPER,
        steps=1_500,  # assumed: 40 epochs of about 4,900 dialogues
        data=c.data(train, 128, text.tokenizer, workers=16,
                    context=text.view, image=c.clip_image(), text=text.view),
        towers=c.towers(
            c.linear_head(512),
            context=said,
            image=c.pretrained(folder, c.openai_image(), "image", take_head=True),
            text=said,
        ),
        fusions={"query": dict(type="sum", inputs=PARTS)},
        objectives={"clip": dict(type="info_nce", pairs=(("query", "text"),), temperature=0.01)},
        optimizer=c.adamw(1e-5, weight_decay=0.01, warmup_steps=100),
        evaluators=[replies(test)],
    )  # fmt: skip


get_config = c.variants("imad", small, mlp, paper)
