"""Multi-modal motion retrieval in a fine-grained joint space of motion, text, audio and video.

IEEE TMM 2025, arXiv 2507.23188. An item is a sequence of tokens in each modality, not one vector,
and a pair scores by how well every token of one side is found on the other, both ways. Useful where
items have more parts than a vector holds: instructions, recordings of movement, dialogs. Here a
vector of as many numbers as all tokens together does as well for texts.

    python -m mmjax.main --config=configs/motion_4modal.py        # generated sequences, a minute
    python -m mmjax.main --config=configs/motion_4modal.py:paper  # HumanML3D
    python -m mmjax.claims motion_4modal                          # tokens against one vector

The paper's loss was not read: this is its reconstruction from the abstract, with equal weights of
tokens in `small`. Left out: the decoder that reconstructs motion, and synthesized speech.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.action_sequences import DIMS, LENGTH, LONGEST, WORDS

PAPER = "IEEE TMM 2025, Multi-Modal Motion Retrieval, arXiv 2507.23188"
OTHERS = ("text", "video", "audio")


def objectives(dim: int, weights: str = "equal") -> dict:
    """The mean over the pairs with motion of InfoNCE by token-wise interaction."""
    late = dict(type="late_interaction_nce", fusion="max", symmetric=True, dim=dim, weights=weights)
    fixed = dict(temperature=0.1, learn_temperature=False, weight=1 / len(OTHERS))
    pairs = {name: (name, "motion") for name in OTHERS}
    return {name: {**late, **fixed, "pair": p, "tokens": p} for name, p in pairs.items()}


def measured(source: object = "test") -> list[dict]:
    """Motion for each other modality, and back, by the score of their term."""
    ks = (1, 2, 3, 5, 10)
    pairs = {name: ((name, "motion"),) for name in OTHERS}
    return [c.retrieval(n, source, pairs=p, ks=ks, term=n) for n, p in pairs.items()]


def small() -> dict:
    """Six of 40 actions in order; every token is embedded by itself."""
    text = c.bag_text(WORDS, LENGTH, embedding=32, hidden=(128,), width=16)
    views = {name: dict(type="sequence", length=LONGEST, dim=dim) for name, dim in DIMS.items()}
    encoders = {
        name: dict(type="token_mlp", inputs=dim, hidden=(128,), width=16)
        for name, dim in DIMS.items()
    }
    return c.recipe(
        PAPER,
        steps=400,
        data=c.data("action_sequences", 64, text.tokenizer, **views, text=text.view),
        towers=c.towers(c.linear_head(16, tokens=True), **encoders, text=text.encoder),
        objectives=objectives(16),
        optimizer=c.adamw(1e-3),
        evaluators=measured(),
        log_every=100,
    )


def paper() -> dict:
    """HumanML3D: 196 frames of motion in 49 tokens, features of speech and of video, and texts."""
    text, head = c.bert_text(77, lowercase=True), c.linear_head(512, tokens=True)
    sizes = dict(width=512, depth=4, heads=8)  # assumed
    motion = dict(type="signal_transformer", channels=263, length=196, patch=4, **sizes)
    features = {"audio": (64, 768), "video": (16, 768)}  # assumed
    views = {n: dict(type="sequence", length=t, dim=d) for n, (t, d) in features.items()}
    encoders = {
        name: dict(type="token_mlp", inputs=dim, hidden=(512,), width=512)  # assumed
        for name, (_, dim) in features.items()
    }
    columns = dict(motion="frames", audio="speech", video="video", text="caption")
    train, test = (
        c.manifest(f"data/humanml3d/{s}.csv", None, **columns) for s in ("train", "test")
    )
    seen = dict(type="signal", channels=263, length=196)
    return c.recipe(
        PAPER,
        steps=36_000,  # assumed: 100 epochs
        data=c.data(train, 64, text.tokenizer, motion=seen, **views, text=text.view, workers=16),
        towers=c.towers(head, motion=motion, **encoders,
                        text=c.pretrained("weights/bert-base-uncased", text.encoder, "text",
                                          head=head)),
        objectives=objectives(512, "learned"),  # assumed: the temperature
        optimizer=c.adamw(1e-4, warmup_steps=1000,  # assumed
                          learning_rate_rules=(("towers/text/encoder/.*", 0.1),)),
        evaluators=measured(test),
        pairwise={"tile": 16},
    )  # fmt: skip


get_config = c.variants("motion_4modal", small, paper)
