"""Unified lexical representation for interpretable visual-language alignment (LexVLA).

Li et al. 2024, arXiv 2407.17827. An image and a text are weights of words: a similarity is a sum of
what each word contributes. The codebook of the texts is the text tower's own token vectors, frozen;
that of the images starts as they are and trains. An overuse penalty keeps a few words from standing
for everything; in the claim it does so, by less than was asked, where FLOPS does the contrary.
Useful where a match has to be explained, or images looked up by words: the head `codebook` with
`output='codes'` makes any towers say which words they see, and `retrieval` with `top` says what the
largest few are worth.

    python -m mmjax.main --config=configs/lexvla.py          # emoji, minutes
    python -m mmjax.main --config=configs/lexvla.py:scenes   # generated patches and words, seconds
    python -m mmjax.main --config=configs/lexvla.py:paper    # CC12M, DINOv2 and BERT
    python -m mmjax.claims lexvla                            # the penalty, FLOPS and none

Left out: Llama 2 with its prompt, in whose place `paper` has BERT, the adapter of the patches, and
PatchDis. Both towers of `small` train from scratch, on random vectors of words.
"""

from collections import Counter

from mmjax.configs import common as c
from mmjax.data.sets.emoji import texts
from mmjax.data.synthetic.word_scenes import WORDS
from mmjax.recipe.changes import Replace

PAPER = "Li et al. 2024, LexVLA, arXiv 2407.17827"
FREEZE = ("towers/text/encoder/.*", "codebooks/text/.*")


def objectives(measure: str = "overuse", weight: float = 0.1, **clip: object) -> dict:
    """InfoNCE of codes, and a penalty that grows over the first fifth of the training."""
    growing = dict(type="linear", start=0.0, end=weight, end_at=0.2)
    return {
        "clip": dict(type="info_nce", temperature=0.05, **clip),
        "codes": dict(type="code_regularizer", measure=measure, weight=growing),
    }


def lexical(codebook: str, codes: int, dim: int, **options: object) -> dict:
    """A head whose embedding is the weights of words."""
    head = dict(type="codebook", codebook=codebook, codes=codes, dim=dim, tokens_of="text")
    return {**head, "output": "codes", "activation": "log1p", "temperature": 3.0, **options}


def of_text(text: c.Text, dim: int, **encoder: object) -> dict:
    """Vectors of words, each moved by a residual map; their mean is compared with all words."""
    head = lexical("text", text.encoder["vocab_size"], dim, query="residual", pool="mean")
    return {"encoder": {**text.encoder, **encoder}, "head": head}


def measured(*names: str) -> list[dict]:
    """Retrieval by all words and by the largest few, and how evenly words are used."""
    sources = {name: dict(type="emoji", split=name) if name != "test" else name for name in names}
    return [
        each
        for name, source in sources.items()
        for each in (
            c.retrieval(name, source),
            *(c.retrieval(f"{name}_top{k}", source, top=k) for k in (8, 32)),
            c.evaluator("code_usage", name, source, words="text"),
        )
    ]


def small() -> dict:
    """Emoji and their names, by the words that three of the names have."""
    counts = Counter(word for name in texts("en")["names"] for word in name.split())
    text, dim = c.bag_text(tuple(sorted(w for w in counts if counts[w] >= 3)), 16), 64
    own = of_text(text, dim, embedding=dim, width=None)
    head = lexical("image", text.encoder["vocab_size"], dim)
    image = {"head": head, "encoder": dict(pool="mean", pool_width=None)}
    return c.changed(
        c.emoji(PAPER, objectives()),
        steps=1600,
        data={"tokenizer": Replace(text.tokenizer), "views": {"text": Replace(text.view)}},
        model={"towers": {"image": image, "text": Replace(own)}},
        optimizer=dict(freeze=FREEZE, learning_rate_rules=()),
        evaluators=measured("new_style", "new_style_new_concepts"),
    )


def scenes() -> dict:
    """Four of 200 words in eight patches, and three of them in the caption."""
    text, dim = c.bag_text(WORDS, 3), 32
    encoder = dict(type="token_mlp", inputs=64, hidden=(128,), width=dim)
    head = lexical("image", text.encoder["vocab_size"], dim, query="none")
    image = dict(type="sequence", length=8, dim=64)
    named = c.evaluator("multilabel", "words", labels="words", k=4)
    return c.recipe(
        PAPER,
        steps=600,
        data=c.data("word_scenes", 96, text.tokenizer, image=image, text=text.view),
        towers=c.towers(
            image={"encoder": encoder, "head": head},
            text=of_text(text, dim, embedding=dim, width=None),
        ),
        objectives=objectives(learn_temperature=False),
        optimizer=c.adamw(1e-3, weight_decay=0.01, freeze=FREEZE),
        evaluators=[*measured("test"), named],
        log_every=100,
    )


def paper() -> dict:
    """CC12M, batches of 6,144: frozen DINOv2-B/14, and BERT with LoRA."""
    text = c.bert_text(64, lowercase=True)
    image = c.vit(14, pool="cls", eps=1e-6, layer_scale=1.0)
    head = lexical("image", text.encoder["vocab_size"], 768, skip=1)
    own, weights = of_text(text, 768), ("weights/dinov2-base", "weights/bert-base-uncased")
    towers = c.towers(
        image=c.pretrained(weights[0], image, "image", head=head),
        text=c.pretrained(weights[1], own["encoder"], "text", head=own["head"]),
    )
    view = c.image(crop_scale=(0.5, 1.0), mean=c.IMAGENET_MEAN, std=c.IMAGENET_STD)  # assumed
    lora = dict(type="lora", modules=(r"towers/text/.*/(query|value)",), rank=16)  # assumed
    recipe = c.recipe(
        PAPER,
        steps=18_000,  # assumed: 12 epochs
        data=c.data(c.webdataset("data/cc12m/*.tar"), 6144, text.tokenizer, image=view,
                    text=text.view, workers=32),
        towers=towers,
        objectives=objectives(max_scale=100.0),
        optimizer=c.adamw(5e-4, warmup_steps=1000, freeze=("towers/.*/encoder/.*", FREEZE[1])),
        evaluators=c.coco_evaluators(),
        checkpoints={"every": 1000},
    )  # fmt: skip
    return c.changed(recipe, model={"adapters": {"update": lora}})


get_config = c.variants("lexvla", small, scenes, paper)
