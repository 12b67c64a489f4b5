"""Sigmoid Loss for Language Image Pre-Training (SigLIP).

Zhai et al. 2023, arXiv 2303.15343. Every pair in the batch is an independent binary classification,
with a learned temperature and bias; there is no softmax over the batch.

    python -m mmjax.main --config=configs/siglip.py          # emoji, minutes on two CPU cores
    python -m mmjax.main --config=configs/siglip.py:paper    # ViT-B/16, batch 32,768, on a pod

In the paper a locked image tower and four TPUv4 chips reach 84.5 zero-shot on ImageNet in two days,
and batch sizes above 32,768 bring little. Left out: a modified Adafactor, in whose place is AdamW,
and the paper's pairs, which are not public.
"""

from mmjax.configs import common as c

PAPER = "Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training, arXiv 2303.15343"


def objectives() -> dict:
    """t starts at 10 and b at -10, so that at first nearly all pairs count as negative."""
    return {"siglip": dict(type="sigmoid", temperature=0.1, bias=-10.0)}


def small() -> dict:
    """Emoji and their names."""
    return c.emoji(PAPER, objectives())


def paper() -> dict:
    """ViT-B/16 for 9 billion pairs, batch size 32,768.

    The paper's pairs (WebLI) are not public, and its optimizer is a modified Adafactor with b2 =
    0.95; here it is AdamW with the same learning rates. You need shards of your own and a
    SentencePiece model of 32,000 tokens with pad, bos and eos.
    """
    # Without remat the step does not fit on 256 chips of v5e; with it, see docs/scale.md.
    options = dict(activation="gelu_tanh", init="xavier", remat="dots_no_batch")
    text = dict(
        type="text_transformer",
        vocab_size=32_000,
        length=64,
        width=768,
        depth=12,
        heads=12,
        causal=False,
        pool="last",
        mask_padding=False,
        **options,
    )
    return c.recipe(
        PAPER,
        steps=274_658,
        data=c.data(
            c.webdataset("data/shards/*.tar"),
            32_768,
            dict(type="sentencepiece", path="data/c4_en_32k.model"),
            image=c.image(fit="squash", flip=0.5),
            text=dict(type="text", length=64, bos=False, lowercase=True),
            workers=64,
        ),
        towers=c.towers(
            image={"encoder": c.vit(16, pool="map", **options), "head": {"type": "none"}},
            text={"encoder": text, "head": c.linear_head(768, bias=True)},
        ),
        objectives=objectives(),
        optimizer=c.adamw(
            1e-3,
            b2=0.95,
            # 1e-4 in the authors' code, which does not multiply it by the peak learning rate.
            weight_decay=0.1,
            warmup_steps=20_000,
            clip_norm=1.0,
        ),
        evaluators=c.coco_evaluators(),
        evaluate_every=10_000,
        checkpoints={"every": 1000},
    )


get_config = c.variants("siglip", small, paper)
