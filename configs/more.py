"""MoRE: multi-modal contrastive pre-training with transformers on X-rays, ECGs and reports.

Thapa et al. 2024, arXiv 2410.16239. X-ray and ECG of a patient are each contrasted with the joined
report, the anchor, and never with each other; both are transformers with DropKey, and the text
tower is adapted by LoRA. What a user can take from it: one text that names what several signals
show aligns these signals with each other, without a term for their pair; `drop_key` regularizes
any transformer here.

    python -m mmjax.main --config=configs/more.py          # generated signals, minutes
    python -m mmjax.main --config=configs/more.py:vectors  # the same by MLPs, seconds
    python -m mmjax.main --config=configs/more.py:paper    # MIMIC's X-rays, ECGs and reports
    python -m mmjax.claims more                            # the pair without a term

Half of it, with real records, is `ecg_text`. In `paper`, layer norm stands for the stem's batch
norm, histograms are not equalized, the schedule has no restarts, LoRA no dropout, and texts are
pooled over their own tokens. Left out: maps of relevance, which need no training.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.anchored_signals import LEADS, SAMPLES, SIDE, WORDS

PAPER = "Thapa et al. 2024, MoRE, arXiv 2410.16239"
BUT_BIASES = r"towers/text/encoder/(?!.*bias$).*"
ANCHORED, UNSEEN = (("text", "xray"), ("text", "ecg")), (("ecg", "xray"),)


def objectives(temperature: float) -> dict:
    """The report with each signal, summed; a fixed temperature."""
    fixed = dict(type="info_nce", temperature=temperature, learn_temperature=False)
    return {"_".join(pair): dict(**fixed, pairs=(pair,)) for pair in ANCHORED}


def measured(source: object = "test") -> list[dict]:
    """Retrieval of the pairs with a term and of the pair without one."""
    pairs = {"anchored": ANCHORED, "unseen_pair": UNSEEN}
    return [c.retrieval(name, source, pairs=own) for name, own in pairs.items()]


def small() -> dict:
    """Generated images and ECGs, with transformers of two layers."""
    sizes = dict(width=64, depth=2, heads=4, init="xavier", drop_key=0.3)
    text = c.tiny_text(WORDS, 5, depth=2)
    xray = dict(type="pixels", size=SIDE, channels=1, peak=1.0)
    ecg = dict(type="array", shape=(LEADS, SAMPLES))
    return c.recipe(
        PAPER,
        steps=600,
        data=c.data("anchored_signals", 128, text.tokenizer, xray=xray, ecg=ecg, text=text.view),
        towers=c.towers(
            c.mlp_head(64, 64),
            xray=dict(type="vit", image_size=(SIDE, SIDE), patch=4, channels=1, **sizes),
            ecg=dict(type="signal_transformer", channels=LEADS, channels_first=True,
                     length=SAMPLES, patch=10, **sizes),
            text=text.encoder,
        ),
        objectives=objectives(0.1),
        optimizer=c.adamw(1e-3, weight_decay=0.1, warmup_steps=50),
        evaluators=[
            *measured(),
            *(c.evaluator("multilabel", m, labels="shared", modality=m, k=3)
              for m in ("xray", "ecg")),
        ],
        checkpoints={"every": 300},
    )  # fmt: skip


def vectors() -> dict:
    """The same numbers as vectors, by MLPs without DropKey."""
    text = c.bag_text(WORDS, 5, embedding=32, width=32, pool="concat")
    signals, head = dict(xray=SIDE * SIDE, ecg=LEADS * SAMPLES), c.mlp_head(64, 256, layers=3)
    views = {name: c.vector(size) for name, size in signals.items()}
    towers = {name: c.mlp(size, (256, 256), 64) for name, size in signals.items()}
    source = dict(type="anchored_signals", flat=True)
    return c.recipe(
        PAPER,
        steps=700,
        data=c.data(source, 128, text.tokenizer, text=text.view, **views),
        towers=c.towers(text={"encoder": text.encoder, "head": head}, **towers),
        objectives=objectives(0.1),
        optimizer=c.adamw(1e-3),
        evaluators=measured(),
        log_every=100,
    )


def paper() -> dict:
    """Two ViT-B from scratch and a clinical RoBERTa with LoRA, as in the authors' code.

    A table names an image file, an ECG file and the joined report of each patient.
    """
    sizes = dict(width=768, depth=12, heads=12, pool="cls", drop_key=0.3)
    text = c.bert_text(
        512, c.roberta_tokenizer("data/roberta_pm_m3/tokenizer.json"), vocab_size=50_265,
        segments=0, pad_id=1, eps=1e-5, pool="mean",
    )  # fmt: skip
    source = c.manifest("data/mimic/triples.csv", "train", xray="image", ecg="ecg", text="report")
    xray = c.image(crop_scale=(0.2, 1.0), brightness=0.4, contrast=0.4, jitter=0.8, blur=0.5,
                   flip=0.5, mean=(0.499,) * 3, std=(0.293,) * 3)  # fmt: skip
    ecg = dict(type="ecg", length=1000, rate=100.0, remove_baseline=True, normalize="minmax")
    augment = dict(type="signal", rate=100.0, channels_first=True, warp=0.33, permute=0.33)
    of_ecg = dict(type="signal_transformer", channels=12, channels_first=True, length=1000, patch=5)
    lora = dict(type="lora", modules=(r"towers/text/.*/(query|value)",), rank=16, alpha=8.0)
    batch = 104  # assumed: 100, for eight devices
    recipe = c.recipe(
        PAPER,
        steps=50_000,  # assumed: the paper stops early
        data=c.data(source, batch, text.tokenizer, xray=xray, ecg=ecg, text=text.view, workers=16),
        towers=c.towers(
            c.mlp_head(128, 768, norm="batch"),
            xray=dict(type="vit", image_size=(224, 224), patch=16, **sizes),
            ecg={"encoder": {**of_ecg, "stem": "conv", **sizes}, "augment": augment},
            text=c.pretrained("weights/roberta_pm_m3", text.encoder, "text"),
        ),
        objectives=objectives(0.02),
        optimizer=c.adamw(3e-5, weight_decay=0.1, final_fraction=0.1, freeze=(BUT_BIASES,)),
        evaluators=measured("val"),
        checkpoints={"every": 1000},
    )
    return c.changed(recipe, model={"adapters": {"update": lora}})


get_config = c.variants("more", small, vectors, paper)
