"""CCRK: Improving the Consistency in Cross-Lingual Cross-Modal Retrieval with 1-to-K Contrast.

Nie et al. 2024, arXiv 2406.18254. Training with one language at a time, or through a pivot
language, makes languages inconsistent. Here an image is contrasted with all K translations of its
caption in every step. In the claim's experiment K separate losses, each with a denominator of its
own, are better than the joint one.

    python -m mmjax.main --config=configs/ccrk_1_to_k.py          # six synthetic languages, seconds
    python -m mmjax.main --config=configs/ccrk_1_to_k.py:paper    # CC2M with six languages
    python -m mmjax.claims ccrk_1_to_k                            # against pivots, one at a time

Left out: the matching loss, and Swin-B, in whose place `paper` has a ViT-B/16.
"""

from mmjax.configs import common as c

PAPER = (
    "Nie et al. 2024, Improving the Consistency with 1-to-K Contrastive Learning, arXiv 2406.18254"
)
TEXTS = tuple(f"text_{k}" for k in range(1, 7))


def one_to_k(others: tuple[str, ...] = TEXTS, **options: object) -> dict:
    """Both directions as means: w = K."""
    return {"type": "one_to_k", "others": others, "t2i_weight": float(len(others)), **options}


def small() -> dict:
    """An image and six languages, the first of which represents English, each with an MLP."""
    views = {"image": c.vector(64), **dict.fromkeys(TEXTS, c.vector(48))}
    encoders = {"image": c.mlp(64, (128,), 32), **dict.fromkeys(TEXTS, c.mlp(48, (128,), 32))}
    return c.recipe(
        PAPER,
        steps=1500,
        data=c.data("translations", 64, on_error="fail", **views),
        towers=c.towers(**encoders),
        objectives={"one_to_k": one_to_k()},
        optimizer=c.adamw(1e-3, weight_decay=1e-4, warmup_steps=50),
        evaluators=[c.evaluator("consistency", "test", others=TEXTS)],
        log_every=250,
        checkpoints={"every": 0},
    )


def paper() -> dict:
    """Six languages of CC2M, with masked words of one of them, without the matching term.

    Both towers are trained from scratch: a ViT-B/16 instead of the paper's Swin-B, and a text tower
    of the size of the paper's, half of the first 12 layers of XLM-R-large. The table has a column
    per language; all share the text tower. Augmentation and b2 are those of the released code. The
    evaluator `consistency` needs one tower per language, so the rank variance is not measured.
    """
    names = ("en", "zh", "ja", "de", "fr", "cs")
    views = tuple("text" if k == 1 else f"text@{k}" for k in range(1, len(names) + 1))
    sizes = dict(vocab_size=250_002, width=1024, depth=6, heads=16, pad_id=1)
    tokenizer = c.roberta_tokenizer("data/xlmr/tokenizer.json")
    text = c.bert_text(40, tokenizer, **sizes, segments=0, eps=1e-6)
    captions = {name: f"caption_{name}" for name in names}
    source = c.manifest("data/cc2m_6_languages/train.csv", "train", image="file", text=captions)
    source["val_fraction"] = 0.003  # assumed: 5,580 images
    texts = [{**text.view, "languages": (name,)} for name in names]
    masked = "text@masked"  # of a language that is drawn
    hidden = c.hides(masked, 250_002, 250_001, special=(0, 1, 2, 3), rate=0.4, spans=(1, 3))
    hides, tower = {masked: text.view}, {"encoder": text.encoder, **hidden}
    image = c.clip_image(crop_scale=(0.2, 1.0), flip=0.5, random_ops=2, magnitude=7.0)
    return c.recipe(
        PAPER,
        steps=440_000,  # 30 epochs of 1.86 million images
        data=c.data(source, 128, text.tokenizer, image=image, text=texts, **hides, workers=16),
        towers=c.towers(c.linear_head(256), image=c.vit(16, pool="cls"), text=tower),
        # As in the code: sums over positives, divided by 2K, in both directions.
        objectives={
            "one_to_k": one_to_k(views, t2i_weight=1.0),
            "words": c.masked_words({masked: 1024, "image": 768}, 250_002, 1024, depth=6, heads=16),
        },
        optimizer=c.adamw(1e-4, b2=0.98, weight_decay=0.01, schedule="linear", clip_norm=1.0,
                          learning_rate_rules=((".*/head/.*", 2.0), ("objectives/.*", 2.0)),
                          warmup_steps=13_200),
        # Six gradients of an embedding of 250,000 tokens, one for each language, do not fit a v5e
        # next to the state, unless they are sharded.
        mesh=dict(data=1, fsdp=-1),
        evaluators=[
            c.retrieval(name, c.held_out("val", columns={"image": "file", "text": captions[name]}))
            for name in names
        ],
        checkpoints={"every": 5000},
    )  # fmt: skip


get_config = c.variants("ccrk_1_to_k", small, paper)
