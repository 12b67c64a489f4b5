"""Contrastive search is what you need for neural text generation.

Su and Xu 2023, arXiv 2210.14140. Of a few likely next tokens the one is taken whose hidden state is
least like those before it: texts that do not go in circles, and nothing is drawn at random. A model
needs no training for it unless its tokens all point one way, which the paper's isotropy measures.
What a user can take from it: the decoder `contrastive` of the evaluator `generation`, for any model
with the term `captioning`; `spectrum` with `layer='tokens'`, to see whether its tokens are apart;
and the term `token_margin`, where they are not. On the claim's chain it is far more varied than
greedy search, and no better than sampling of equal diversity with any certainty.

    python -m mmjax.main --config=configs/contrastive_search.py            # a Markov chain
    python -m mmjax.main --config=configs/contrastive_search.py:dialogues  # lines in 13 languages
    python -m mmjax.main --config=configs/contrastive_search.py:paper      # GPT-2's size, WebText
    python -m mmjax.claims contrastive_search                              # against sampling

Left out: weights of GPT-2, so that `paper` trains from the start; MAUVE, coherence under another
language model, translation and code.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.markov_text import WORDS

PAPER = "Su and Xu 2023, Contrastive Search Is What You Need, arXiv 2210.14140"
CONTRASTIVE = dict(type="contrastive", k=5, alpha=0.6)
SAMPLING = {
    f"nucleus_{p:.0%}_at_{t:.0%}".replace("%", ""): dict(type="nucleus", p=p, temperature=t)
    for p, t in ((0.95, 1.0), (0.8, 1.0), (0.95, 0.7), (0.6, 1.0), (0.95, 0.5))
}
DECODERS = {"greedy": dict(type="greedy"), "contrastive": CONTRASTIVE}


def language_model(encoder: dict, margin: float | None = None) -> dict:
    """Sections `model` and `objectives`: a causal text tower that predicts its next tokens."""
    sizes = dict(inputs={"text": encoder["width"]}, vocab_size=encoder["vocab_size"])
    words = dict(type="captioning", conditions=(), depth=0, **sizes)
    apart = dict(type="token_margin", margin=margin)
    head = dict(type="none", tokens=True)
    return {
        "towers": c.towers(head, text={**encoder, "causal": True, "pool": "last"}),
        "objectives": {"words": words} | ({} if margin is None else {"apart": apart}),
    }


def generated(source: object, decoders: dict, **options: object) -> list[dict]:
    """Texts behind a prompt, and whether tokens point one way."""
    texts = c.evaluator("generation", "test", source, term="words", decoders=decoders, **options)
    return [texts, c.spectrum("tokens", source, modality="text", layer="tokens")]


def small(split: str = "test") -> dict:
    """Texts of a chain of 60 words, which says itself how likely a text is."""
    text = c.tiny_text(WORDS, 72)
    decoders = {**DECODERS, "contrastive_30": {**CONTRASTIVE, "alpha": 0.3},
                "beam": dict(type="beam"), **SAMPLING}  # fmt: skip
    measured = dict(prompt=8, reference="source", frontier=tuple(SAMPLING), examples=40)
    return c.recipe(
        PAPER,
        steps=400,
        data=c.data("markov_text", 64, text.tokenizer, text=text.view),
        **language_model(text.encoder),
        optimizer=c.adamw(3e-3, warmup_steps=20),
        evaluators=generated(split, decoders, **measured),
        log_every=100,
    )


def dialogues() -> dict:
    """Lines of Fish Fillets in 13 languages, byte by byte."""
    text = c.tiny_text("bytes", 96, width=128, depth=3)
    languages = ("en", "cs", "nl", "de", "fr", "es", "it", "pl", "sk", "sv", "fi", "pt", "ru")
    source, test = (dict(type="fillets", split=s, languages=languages) for s in ("train", "test"))
    return c.recipe(
        PAPER,
        steps=1500,
        data=c.data(source, 64, text.tokenizer, text=text.view),
        **language_model(text.encoder),
        optimizer=c.adamw(2e-3, warmup_steps=100),
        evaluators=generated(test, {**DECODERS, "nucleus": dict(type="nucleus")}, prompt=16),
    )


def paper() -> dict:
    """GPT-2 small on web pages, one a line of a table, and prompts of 40 tokens."""
    text = c.causal_text(768, 12, 12, length=256, eps=1e-5, activation="gelu_tanh")
    train, test = (c.manifest(f"data/webtext/{s}.csv", text="text") for s in ("train", "valid"))
    decoders = {**DECODERS, "beam": dict(type="beam", width=4),
                "nucleus": dict(type="nucleus", p=0.95)}  # fmt: skip
    return c.recipe(
        PAPER,
        steps=100_000,  # assumed
        data=c.data(train, 512, text.tokenizer, workers=16, text={**text.view, "window": "random"}),
        **language_model(text.encoder, margin=0.5),
        optimizer=c.adamw(6e-4, weight_decay=0.1, warmup_steps=2000),  # assumed
        evaluators=generated(test, decoders, prompt=40, tokens=200),
        checkpoints={"every": 5000},
    )


get_config = c.variants("contrastive_search", small, dialogues, paper)
