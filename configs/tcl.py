"""Vision-Language Pre-Training with Triple Contrastive Learning (TCL).

Yang et al. 2022, arXiv 2202.10401. Cross-modal alignment alone discards what captions do not
mention. TCL adds, with keys of a momentum teacher and a queue, a contrastive loss within each
modality (two views of one example) and one between global and local embeddings.

    python -m mmjax.main --config=configs/tcl.py          # synthetic scenes, a minute on two cores
    python -m mmjax.main --config=configs/tcl.py:paper    # COCO, VG, CC3M and SBU
    python -m mmjax.claims tcl                            # what each contrast keeps, same scenes

The scenes have a coloured shape, which the caption mentions, and a grey glyph, which it does not.
The paper's matching and masked-word losses are only in `paper`, not in the contrastive part that
`small` and the claim are about. The temperature is learned as its logarithm. Left out: soft targets
of the teacher for hidden words, and one fusion encoder for both of the losses that need one.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.glyphs import SIDE, WORDS

PAPER = (
    "Yang et al. 2022, Vision-Language Pre-Training with Triple Contrastive Learning, "
    "arXiv 2202.10401"
)
CROSS = (("image", "text"), ("text", "image@2"))
WITHIN = (("image", "image@2"), ("text", "text"))
TAUGHT = ("image@2", "text")


def momentum(pairs: tuple, warmup: float) -> dict:
    """Contrastive loss with the teacher's keys; cross-modal targets become soft during `warmup`."""
    soft = dict(type="linear", start=0.0, end=0.4, end_at=warmup)
    bounds = dict(temperature=0.07, min_scale=2.0, max_scale=1000.0)  # in [0.001, 0.5]
    return dict(type="momentum_nce", pairs=pairs, soft=soft, **bounds)


def objectives(warmup: float, kernel: int, skip: dict | None = None) -> dict:
    """The mean of six losses: two cross-modal, two within a modality, two local-global."""
    parts = dict(pairs=WITHIN, grids={"image@2": kernel}, skip=skip, temperature="contrast")
    return {
        "contrast": {**momentum(CROSS + WITHIN, warmup), "weight": 4 / 6},
        "local": {"type": "local_global_nce", **parts, "weight": 2 / 6},
    }


def small() -> dict:
    """Scenes of 16 x 16 pixels, a network of two convolutions, a transformer of one layer."""
    pixels, text = dict(type="pixels", size=SIDE), c.tiny_text(WORDS, length=5)
    image = dict(type="cnn", image_size=(SIDE, SIDE), widths=(16, 32), width=128, tokens=True)
    fitted = dict(train="train", layer="unit")  # of the eight images of a record, the first
    return c.recipe(
        PAPER,
        steps=600,
        data=c.data("glyph_scenes", 128, text.tokenizer, image=(pixels, pixels), text=text.view),
        towers=c.towers(c.linear_head(64, tokens=True), image=image, text=text.encoder),
        objectives=objectives(warmup=1 / 3, kernel=2),
        teacher=c.ema(TAUGHT, 0.99),
        queue=c.queue(TAUGHT, 512, delay=100),
        optimizer=c.adamw(1e-3, weight_decay=0.05, warmup_steps=20),
        evaluators=[
            c.zero_shot("name"),
            *(c.evaluator("knn", name, labels=name, **fitted) for name in ("shape", "glyph")),
            c.probe("glyph", labels="glyph", **fitted),
        ],
        log_every=100,
    )


def paper() -> dict:
    """4 million images at 256 pixels, 5 million pairs, 30 epochs; BERT's first six layers.

    The image tower starts from DeiT. The paper's text tower starts from BERT's first six layers,
    and its fusion encoder from the last six: set the tower's `init_from` if you have a folder with
    such a truncated BERT. Here `matching` and `words` have a fusion encoder each, and hidden words
    have no soft targets of the teacher.
    """
    tokenizer = c.bert_tokenizer("weights/bert-base-uncased/tokenizer.json", unk="[UNK]")
    text = c.bert_text(25, tokenizer, lowercase=True, depth=6, dropout=0.1, eos_id=102)
    image = c.vit(16, image_size=256, pool="cls", eps=1e-6)
    clip = dict(mean=c.CLIP_MEAN, std=c.CLIP_STD)
    view = c.simclr_view(256, (0.2, 1.0), blur=0.5, random_ops=2, magnitude=7.0, **clip)
    matching = dict(
        type="matching",
        inputs=dict(text=768, image=768),
        width=768,
        depth=6,
        heads=12,
        keys="teacher",
        temperature="contrast",
    )
    masked, widths = "text@masked", {"text@masked": 768, "image": 768}
    hidden = c.hides(masked, 30_522, 103, special=(0, 101, 102))
    return c.recipe(
        PAPER,
        steps=293_000,
        data=c.data(
            c.webdataset("data/coco_vg_cc3m_sbu/*.tar"),
            512,
            text.tokenizer,
            image=(view, view),
            text=text.view,
            **{masked: text.view},
            workers=64,
        ),
        towers=c.towers(
            c.linear_head(256, tokens=True),
            image=c.pretrained("weights/deit-base-patch16-224", image, take_head=False),
            text={"encoder": text.encoder, **hidden},
        ),
        # The targets are soft after the first epoch; 16 x 16 patches give 4 x 4 local embeddings.
        objectives={
            **objectives(1 / 30, kernel=4, skip={"text": 1, "image@2": 1}),
            "matching": matching,
            "words": c.masked_words(widths, 30_522, width=768, depth=6, heads=12),
        },
        teacher=c.ema(TAUGHT, 0.995),
        queue=c.queue(TAUGHT, 65_536),
        optimizer=c.adamw(1e-4, weight_decay=0.02, warmup_steps=2000, final_fraction=0.1),
        evaluators=c.coco_evaluators(),
        evaluate_every=9766,
        checkpoints={"every": 5000},
    )


get_config = c.variants("tcl", small, paper)
