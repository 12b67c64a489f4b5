"""COSMO: contrastive streamlined multimodal model with interleaved pre-training.

Wang et al. 2024, arXiv 2401.00849. A causal language model is split: its lower half embeds a text,
which is contrasted with the image, and its upper half, which also sees the image, writes captions.
What a user can take from it: `captioning` with `lower='tower'` beside any contrastive loss of the
same text tower, for retrieval and captions by one model at little more than the price of one.

    python -m mmjax.main --config=configs/cosmo.py         # generated scenes, minutes
    python -m mmjax.main --config=configs/cosmo.py:emoji   # images of emoji and their names
    python -m mmjax.main --config=configs/cosmo.py:paper   # CC12M, OpenAI's ViT-L/14, frozen
    python -m mmjax.claims cosmo                           # both losses against either

Left out: a frozen language model of billions with gated cross-attention in its upper half, so that
all of the text side trains here; the resampler of many images, interleaved documents, video and
prompts of few examples. In `small` the image tower trains, too.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.scenes import COLOURS, RELATIONS, SHAPES

PAPER = "Wang et al. 2024, COSMO, arXiv 2401.00849"
DECODERS = {"greedy": dict(type="greedy"), "beam": dict(type="beam", width=4)}
WORDS = ("a", *COLOURS, *SHAPES, *dict.fromkeys(" ".join(RELATIONS).split()))


def objectives(vocab_size: int, text: int, image: int, width: int, **decoder: object) -> dict:
    """Both losses, weighted alike; a scale as CLIP's, where the paper's code begins at e^0.2."""
    sizes = dict(inputs={"text": text, "image": image}, vocab_size=vocab_size, width=width)
    return {
        "clip": dict(type="info_nce", temperature=0.07, max_scale=100.0, duplicates="mask"),
        "caption": dict(type="captioning", conditions=("image",), **sizes, **decoder),
    }


def captions(name: str, source: object, **options: object) -> dict:
    """Captions of the images of a source."""
    views = dict(term="caption", conditions=("image",), decoders=DECODERS)
    return c.evaluator("generation", name, source, **views, **options)


def small(split: str = "test") -> dict:
    """Scenes of two coloured shapes, and captions of their relation."""
    text = c.tiny_text(WORDS, 12, depth=2, bos=True, eos=True)
    encoder = {**text.encoder, "causal": True, "pool": "map"}
    image = dict(type="cnn", image_size=(32, 32), widths=(24, 48, 64), width=64, tokens=True)
    size = encoder["vocab_size"]
    return c.recipe(
        PAPER,
        steps=800,
        data=c.data("compositional_scenes", 64, text.tokenizer, text=text.view,
                    image=dict(type="pixels", size=32)),
        towers=c.towers(c.linear_head(32), image=image, text=encoder),
        objectives=objectives(size, 64, 64, 64, depth=2, heads=4),
        optimizer=c.adamw(2e-3, weight_decay=0.05, warmup_steps=50),
        evaluators=[c.retrieval("test", split), captions("test", split),
                    c.linear_map("test", split, layer="encoder")],
        log_every=200,
    )  # fmt: skip


def emoji() -> dict:
    """Emoji: an image is captioned by its name, also in a style that training has not seen."""
    base = c.emoji(PAPER, objectives(8000, 128, 64, 64, depth=2, heads=4))
    encoder = dict(causal=True, pool="map", depth=2)
    found = c.measured([captions(n, dict(type="emoji", split=n)) for n in ("new_style",)])
    return c.changed(base, steps=1500, model={"towers": {"text": {"encoder": encoder}}},
                     evaluators=found)  # fmt: skip


def paper() -> dict:
    """CC12M; the batch of contrast is one device's in the paper, and the whole one here."""
    text = c.causal_text(1024, 16, 12, length=64, pool="map", init="clip")
    vit = c.vit(14, size="large", pool="cls", pre_norm=True, patch_bias=False, **c.OPENAI)
    image = c.pretrained("weights/clip-vit-large-patch14", vit, "image", take_head=False)
    return c.recipe(
        PAPER,
        steps=50_000,  # assumed
        data=c.data(c.webdataset("data/cc12m/*.tar"), 12_288, text.tokenizer, workers=16,
                    image=c.clip_image(), text=text.view),
        towers=c.towers(c.linear_head(512), image=image, text=text.encoder),
        objectives=objectives(49_408, 1024, 1024, 1024, depth=12, heads=16, eos_id=49_407),
        optimizer=c.adamw(5e-4, warmup_steps=500, clip_norm=1.0,
                          freeze=("towers/image/encoder/.*",)),
        evaluators=[*c.coco_evaluators(), captions("coco", c.coco("val"), tokens=30)],
        checkpoints={"every": 1000},
    )  # fmt: skip


get_config = c.variants("cosmo", small, emoji, paper)
