"""Improved baselines for vision-language pre-training (CLIP rocket).

Fini et al. 2023, arXiv 2305.08675. Adding non-contrastive losses improves a plain CLIP. But a CLIP
with weak and strong augmentations, label smoothing and separate projection heads for strong views
is better, and with it they no longer help. **On the digits here** weak augmentation alone is most
of it, smoothing and separate heads add nothing (docs/claims/clip_rocket.md); and neither of the
added losses that were tried, BarLIP and BYOLIP, clearly improves a plain CLIP.

    python -m mmjax.main --config=configs/clip_rocket.py          # digits, a minute on two cores
    python -m mmjax.main --config=configs/clip_rocket.py:paper    # CC3M, ResNet-50
    python -m mmjax.claims clip_rocket                            # what each part adds, on digits
    python -m mmjax.claims clip_rocket:claim_additions            # BYOLIP and SwALIP

Gradients flow through all embeddings; the authors' code treats those gathered from other devices as
constants. Left out: synonyms, for which no file is included, and zero-shot ImageNet, for which TFDS
has no names.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.digits import STOP_WORDS, SYNONYMS, WORDS

PAPER = "Fini et al. 2023, Improved Baselines for Vision-language Pre-training, arXiv 2305.08675"
WEAK = ("image", "text")
STRONG = tuple((f"image@{a}", f"text@{b}") for a in (2, 3) for b in (2, 3))


def clip(weight: float = 1.0) -> dict:
    """InfoNCE of the weak views, with the linear heads."""
    return dict(type="info_nce", pairs=(WEAK,), temperature=0.07, weight=weight)


def rocket() -> dict:
    """(global + 2 local) / 3; local: all pairs of strong views, with label smoothing."""
    local = dict(type="info_nce", pairs=STRONG, head="local", weight=2 / 3)
    return {"clip": clip(1 / 3), "local": dict(**local, temperature=0.1, label_smoothing=0.1)}


def texts(length: int, stop_words: tuple, weak: dict, **strong: object) -> list[dict]:
    """A weak view, which may drop stop words, and two strong ones with one more operation."""
    view = dict(type="augmented_text", length=length, stop_words=stop_words, drop_stop_words=0.8)
    view |= weak
    strong = {**view, "replace": 0.4, "swap": 0.4, "delete": 0.2, **strong}
    return [view, strong, strong]


def projector(**changes: object) -> dict:
    """A small projection head for one loss."""
    return c.mlp_head(**{"dim": 256, "hidden": 256, "layers": 2, "norm": "batch", **changes})


def small() -> dict:
    """300 handwritten digits with captions, a network of two convolutions; 300 steps."""
    weak = dict(type="pixels", size=8, channels=1, peak=16.0, shift=1)
    strong = {**weak, "noise": 0.15, "erase": 3, "brightness": 0.3}
    image = dict(type="cnn", image_size=(8, 8), channels=1, widths=(16, 32), width=128)
    text = c.tiny_text(WORDS, 12)
    own = {"head": c.linear_head(256), "heads": {"local": projector(layers=3)}}
    test = c.held_out("test", examples=None)
    classes = dict(labels="name", templates=("a photo of a {}", "the digit {}"))
    return c.recipe(
        PAPER,
        steps=300,
        data=c.data(
            dict(type="digits", examples=300),
            128,
            text.tokenizer,
            image=[weak, strong, strong],
            text=texts(12, STOP_WORDS, dict(bos=False, eos=False), synonyms=SYNONYMS),
        ),
        towers=c.towers(image={"encoder": image, **own}, text={"encoder": text.encoder, **own}),
        objectives=rocket(),
        optimizer=c.adamw(2e-3, weight_decay=0.05, warmup_steps=20),
        evaluators=[
            c.zero_shot("linear", test, **classes),
            c.zero_shot("local", test, **classes, layer="local"),
            c.zero_shot("both", test, **classes, layer="unit+local"),
        ],
        log_every=100,
    )


def paper() -> dict:
    """CC3M: ResNet-50 and a text transformer of six layers, batch size 4,096, 32 epochs.

    Stop words of a caption are dropped all together. Synonyms come from a file that is not
    included, so synonym replacement is skipped (`augmented_text` takes a table of `synonyms`). The
    strengths of the operations are the defaults of their library, because the authors do not state
    theirs: one swap, and word deletion with probability 0.2. The authors' dropout, which as here
    applies to strong texts only, is on the residual stream. Their metric is zero-shot ImageNet, for
    which TFDS has class numbers but no names; here it is retrieval on COCO.
    """
    text = c.causal_text(depth=6, **c.OPENAI, dropout=0.2)
    stop_words = "a an the of in on at to and or is are was were with by for from this that it its"
    imagenet = dict(mean=c.IMAGENET_MEAN, std=c.IMAGENET_STD)
    weak = c.image(crop_scale=(0.5, 1.0), **imagenet)
    strong = c.simclr_view(224, (0.08, 1.0), blur=0.5, **imagenet)
    own = {
        "head": c.linear_head(256),
        "heads": {"local": c.mlp_head(256, 4096, layers=3, norm="batch")},
    }
    return c.recipe(
        PAPER,
        steps=22_400,  # 32 epochs of 2.87 million pairs
        data=c.data(
            c.webdataset("data/cc3m/*.tar"),
            4096,
            text.tokenizer,
            image=[weak, strong, strong],
            text=texts(
                77,
                tuple(stop_words.split()),  # assumed: a short list
                {},
                delete_rate=0.2,  # assumed: about the default of the library of these operations
            ),
            workers=64,
        ),
        towers=c.towers(
            image={"encoder": c.resnet(50, 224), **own},
            text={"encoder": text.encoder, "deterministic": ("text",), **own},
        ),
        objectives={name: {**term, "min_scale": 1.0} for name, term in rocket().items()},
        optimizer=c.adamw(
            3e-3, b2=0.98, weight_decay=0.5, warmup_steps=700, final_fraction=1e-5 / 3e-3
        ),
        evaluators=c.coco_evaluators(),
        checkpoints={"every": 1000},
    )


get_config = c.variants("clip_rocket", small, paper)
