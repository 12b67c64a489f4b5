"""Gramian Multimodal Representation Learning and Alignment (GRAM).

Cicchetti et al. 2025, arXiv 2412.11959. The score of a tuple of modalities is the volume spanned by
their embeddings, instead of cosines with an anchor, in training and in retrieval.

    python -m mmjax.main --config=configs/gram.py          # three modalities of one latent
    python -m mmjax.main --config=configs/gram.py:paper    # text, video and audio from a manifest
    python -m mmjax.claims gram                            # against pairs with an anchor

When trained from scratch, GRAM does not necessarily align the non-anchor modalities: the anchor
only has to lie in the plane of the others, with any signs, so do not evaluate it by cosines. The
paper starts from a model aligned by pairwise losses; `paper` and the claim's arm 'gram warm' do so
with anchor pairs for the first quarter of the training. Left out: weights of VAST, and matching by
the text tower run again, in whose place is a transformer of its own.
"""

from mmjax.configs import common as c

PAPER = "Cicchetti et al. 2025, Gramian Multimodal Representation Learning, arXiv 2412.11959"
MODALITIES = ("t", "v", "a")


def gram(modalities: tuple[str, ...] = MODALITIES, **options: object) -> dict:
    """The volume loss of the authors' code, without its second term, text-tuple matching."""
    return {"type": "gram_volume", "modalities": modalities, **options}


def anchored(modalities: tuple[str, ...] = MODALITIES) -> dict:
    """InfoNCE of the anchor, the first of these, with each of the others."""
    anchor, *others = modalities
    return dict(type="info_nce", label_smoothing=0.1, pairs=tuple((anchor, m) for m in others))


def warm_up(share: float) -> tuple[dict, dict]:
    """Two weight schedules: for what is trained before and after a share of the steps."""
    step = dict(type="step", begin=share)
    return dict(**step, start=1.0, end=0.0), dict(**step, start=0.0, end=1.0)


def small() -> dict:
    """Three modalities of one Gaussian latent, with different noise; a minute."""
    return c.latent_blocks(
        PAPER,
        {"gram": gram()},
        c.mlp(32, (128, 128), 32, activation="gelu"),
        256,
        steps=1200,
        evaluators=[
            *(
                c.tuple_retrieval(score, query=("t",), answer=("v", "a"), score=score)
                for score in ("volume", "cosine_sum")
            ),
            c.geometry("others", pair=("v", "a")),
        ],
    )


def paper() -> dict:
    """Text, video and audio features with the dimensions of the paper's towers.

    The paper trains EVA-CLIP ViT-g/14, BEATs and BERT from the VAST checkpoint, which was aligned
    by pairwise losses, on 150,000 clips. The manifest here has a caption and, for each clip, files
    with one frame's EVA-CLIP feature (1408 dimensions) and one BEATs feature (768): these towers
    are frozen, heads and text tower are trained. Instead of VAST, the text tower starts from BERT
    (you need its weights in Hugging Face's format), and only anchor pairs are trained for the first
    quarter of the steps, a share of our choice. Number of steps and learning rate are those of the
    released configs, which disagree with each other. For matching, the paper runs its text encoder
    again with attention to the other modalities; here the encoder's tokens go through a separate
    transformer.
    """
    names = ("text", "video", "audio")
    first, then = warm_up(0.25)  # assumed: the paper starts from a model aligned in pairs
    text = c.bert_text(40, lowercase=True)
    clips = c.manifest("data/vast_150k/clips.csv", "train", **{name: name for name in names})
    views = dict(text=text.view, video=c.vector(1408), audio=c.vector(768))
    matching = dict(
        type="matching",
        conditions=("video", "audio"),
        inputs=dict(text=768, video=1408, audio=768),
        width=768,
        depth=6,  # assumed: the paper runs its text encoder again
        heads=12,
        hidden=True,
        score="volume",
        temperature="gram",
        floor=1e-4,
    )
    return c.recipe(
        PAPER,
        steps=5860,  # 5 epochs of 150,000 clips
        data=c.data(clips, 128, text.tokenizer, workers=16, **views),
        towers=c.towers(
            c.linear_head(512),
            text=c.pretrained("weights/bert", text.encoder, "text"),
            video=c.identity(1408),
            audio=c.identity(768),
        ),
        objectives={
            "pairs": {**anchored(names), "weight": first},
            "gram": gram(names, weight=then),
            "matching": {**matching, "weight": {**then, "end": 0.1}},
        },
        optimizer=c.adamw(
            2e-5, b2=0.98, weight_decay=0.01, warmup_steps=586, schedule="linear", clip_norm=2.0
        ),
        evaluators=[
            c.tuple_retrieval("volume", "val", query=names[:1], answer=names[1:], score="volume")
        ],
        checkpoints={"every": 1000},
    )


get_config = c.variants("gram", small, paper)
