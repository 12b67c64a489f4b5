"""Mining fine-grained image-text alignment for zero-shot captioning (MacCap).

Qiu et al. 2024, arXiv 2401.02347. A decoder learns from captions alone to say a caption again from
its embedding with noise, and then reads embeddings of images: noise bridges the gap between them,
and what is read of salient regions is nearer to a caption than the whole image. What a user can
take from it: `captioning` with `layer='unit'` and `noise` on the text's own embedding makes a
captioner of any frozen dual encoder without a single image.

    python -m mmjax.main --config=configs/maccap.py        # generated features, a minute
    python -m mmjax.main --config=configs/maccap.py:paper  # captions of COCO, OpenAI's ViT-B/32
    python -m mmjax.claims maccap                          # noise and regions, generated features

Left out: OPT-1.3B with 32 learned queries, in whose place a small decoder trains from the start;
regions of a real ViT by its attention; noise at inference, and choosing among noisy captions by
CLIP; visual question answering.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.region_captions import DIM, READINGS, SAID, WORDS

PAPER = "Qiu et al. 2024, MacCap, arXiv 2401.02347"
NOISE = 0.016**0.5  # of each coordinate
GREEDY, BEAM = ({"greedy": dict(type="greedy")}, {"beam": dict(type="beam", width=4)})


def decoder(vocab_size: int, length: int, dim: int, text: str, read: str, **options) -> dict:
    """The term: a decoder of its own that reads the unit embedding of `read`."""
    sizes = dict(vocab_size=vocab_size, length=length, inputs={read: dim})
    own = dict(type="captioning", text=text, conditions=(read,), lower="own", layer="unit")
    return {**own, "noise": NOISE, **sizes, **options}


def captions(name: str, source: object, text: str, read: str, **options: object) -> dict:
    """Captions from the embeddings of a view."""
    views = dict(term="caption", text=text, conditions=(read,))
    return c.evaluator("generation", name, source, **views, **{"decoders": GREEDY, **options})


def small(split: str = "test") -> dict:
    """Generated features of captions and images; only captions are trained on."""
    text = c.bag_text(WORDS, SAID + 2, embedding=1, width=None)
    seen, unseen = c.vector(DIM), {**c.vector(DIM), "train": False}
    words = {**text.view, "bos": True, "eos": True}
    features = ("text", *READINGS)
    size = text.encoder["vocab_size"]
    term = decoder(size, SAID + 2, DIM, "caption", "text", width=64, depth=2, heads=4)
    return c.recipe(
        PAPER,
        steps=600,
        data=c.data("region_captions", 128, text.tokenizer, text=seen, caption=words,
                    **dict.fromkeys(READINGS, unseen)),
        towers=c.towers({"type": "none"}, caption=text.encoder,
                        **dict.fromkeys(features, c.identity(DIM))),
        objectives={"caption": term},
        optimizer=c.adamw(2e-3, warmup_steps=50, freeze=("towers/.*",)),
        evaluators=[*(c.geometry(f, split, pair=("text", f)) for f in READINGS),
                    *(captions(f, split, "caption", f, examples=500, batch_size=500)
                      for f in features)],
        log_every=200,
    )  # fmt: skip


def paper() -> dict:
    """Captions of COCO, 8 epochs of 567,000 in batches of 32."""
    towers, text = c.openai_towers(), c.causal_text(**c.OPENAI)
    own = dict(width=512, depth=6, heads=8, copies=10, eos_id=49_407)  # assumed: OPT is left out
    return c.recipe(
        PAPER,
        steps=141_700,
        data=c.data(c.coco("train"), 32, text.tokenizer, text=text.view, workers=8,
                    image={**c.clip_image(), "train": False}),
        towers=towers,
        objectives={"caption": decoder(49_408, 77, 512, "text", "text", **own)},
        optimizer=c.adamw(1e-4, warmup_steps=200, freeze=("towers/.*",)),
        evaluators=[captions("coco", c.coco("val"), "text", "image", tokens=16,
                             decoders=BEAM),
                    c.geometry("coco", c.coco("val"))],
    )  # fmt: skip


get_config = c.variants("maccap", small, paper)
