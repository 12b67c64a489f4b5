"""Contrastive long-form language-audio pretraining (CoLLAP).

Wu et al. 2025, arXiv 2410.02271. A song is not one vector: each sentence of a long text attends to
the segments of the song, and their weighted similarities are the score of the pair, in training and
in retrieval. Useful where items are long and texts name some of their parts: videos, recordings,
documents. Most of the gain is a score by segments, of which attention is the better form. The term
is `late_interaction_nce`, and `retrieval` ranks by its score with `term`.

    python -m mmjax.main --config=configs/collap.py        # generated songs, a minute
    python -m mmjax.main --config=configs/collap.py:paper  # features of songs and RoBERTa
    python -m mmjax.claims collap                          # attention, maximum and one vector

Pieces of a text are the names of events in `small`, which are its tokens, and its sentences in
`paper`, each by itself through the text tower. Left out: BEATs and Whisper side by side, in whose
place `paper` reads features of segments.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.event_songs import DIM, WORDS

PAPER = "Wu et al. 2025, CoLLAP, arXiv 2410.02271"
PAIR = ("audio", "text")


def objectives(dim: int, tokens: tuple[str, ...] = PAIR, fusion: str = "attention") -> dict:
    """InfoNCE of the scores of segments with pieces, at CLAP's temperature."""
    parts = dict(pair=PAIR, dim=dim, tokens=tokens, fusion=fusion)
    return {"late": dict(type="late_interaction_nce", **parts, temperature=0.07)}


def measured(name: str, source: object) -> list[dict]:
    """Retrieval by the score, and by one vector each."""
    kinds = {name: "late", f"{name}_vectors": None}
    return [c.retrieval(each, source, pairs=(PAIR,), term=term) for each, term in kinds.items()]


def small() -> dict:
    """Songs of 16 segments, three of which are named; segments and names see no other ones."""
    text = c.bag_text(WORDS, 3, embedding=32, hidden=(128,), width=32)
    audio = dict(type="token_mlp", inputs=DIM, hidden=(128,), width=32)
    view = dict(type="sequence", length=16, dim=DIM)
    return c.recipe(
        PAPER,
        steps=1000,
        data=c.data("event_songs", 64, text.tokenizer, audio=view, text=text.view),
        towers=c.towers(c.linear_head(32, tokens=True), audio=audio, text=text.encoder),
        objectives=objectives(32),
        optimizer=c.adamw(2e-3, weight_decay=1e-4, warmup_steps=50),
        evaluators=measured("test", "test"),
        log_every=250,
    )


def paper() -> dict:
    """51,300 songs of up to 30 segments of 10 s, whose features are computed, and long texts."""
    roberta = dict(type="hierarchical_text", vocab_size=50_265, length=512, blocks=(12, 0),
                   pad_id=1, norm="post", embedding_norm=True, segments=1, eps=1e-5, width=768,
                   depth=12, heads=12)  # fmt: skip
    sentences = dict(type="sentences", sentences=24, length=40)  # assumed
    songs, test = (
        c.manifest(f"data/collap/{split}.csv", None, audio="segments", text="caption")
        for split in ("train", "test")
    )
    audio = dict(type="token_mlp", inputs=2048, hidden=(1024,), width=768)  # assumed
    return c.recipe(
        PAPER,
        steps=6000,  # assumed: 15 epochs
        data=c.data(songs, 128, c.roberta_tokenizer("data/roberta/tokenizer.json"),
                    audio=dict(type="sequence", length=30, dim=2048), text=sentences,
                    workers=16),  # assumed: batch_size
        towers=c.towers(c.linear_head(512, tokens=True), audio=audio,
                        text=c.pretrained("weights/roberta-base", roberta, "text",
                                          head=c.linear_head(512, tokens=True))),
        objectives=objectives(512),
        optimizer=c.adamw(1e-4, warmup_steps=300,  # assumed
                          learning_rate_rules=(("towers/text/encoder/.*", 0.1),)),  # assumed
        evaluators=measured("test", test),
        pairwise={"tile": 32},
    )  # fmt: skip


get_config = c.variants("collap", small, paper)
