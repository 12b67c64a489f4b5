"""Explainable semantic space by grounding language to vision (VG-BERT).

Zhang et al. 2021, NeurIPS 2021, arXiv 2111.07180. Words of captions are matched with the places of
images that look most like them, and the text tower is then used without images. What a user can
take from it: words come to group by what things look like, which `clusters` and `regression`
measure. In the claim's scenes it is the mean of an image that does this, and places, which find
images as well, do little of it; on emoji and few steps neither does, and a sentence encoder does.

    python -m mmjax.main --config=configs/vg_bert.py         # emoji and their names, minutes
    python -m mmjax.main --config=configs/vg_bert.py:grid    # generated scenes, half a minute
    python -m mmjax.main --config=configs/vg_bert.py:paper   # COCO, ViT-B/16 and BERT
    python -m mmjax.claims vg_bert                           # grounding against texts alone
    python -m mmjax.claims vg_bert:claim_emoji               # on emoji, beside MiniLM

Left out: the linear heads, classification of images before, and the stage on relations of objects.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.grid_objects import CELLS, DIM, LENGTH, WORDS
from mmjax.recipe.changes import Replace

PAPER = "Zhang et al. 2021, VG-BERT, arXiv 2111.07180"
PAIR = ("image", "text")


def matchmap(dim: int, temperature: float, **options: object) -> dict:
    """Each word's best place, and both directions added: InfoNCE of sums of plain products."""
    late = dict(type="late_interaction_nce", pair=PAIR, tokens=PAIR, fusion="max", layer="encoder")
    fixed = dict(dim=dim, temperature=temperature, learn_temperature=False, weight=2.0)
    return {"match": {**late, **fixed, **options}}


def pooled(temperature: float) -> dict:
    """InfoNCE of the means of places and of words."""
    fixed = dict(temperature=temperature, learn_temperature=False)
    return {"match": dict(type="info_nce", pairs=(PAIR,), **fixed)}


def small() -> dict:
    """Emoji: 8 x 8 places of an image and its name; do names group by what they show?"""
    base = c.emoji(PAPER, matchmap(64, 0.07, layer="unit"))
    text = dict(vocab_size=8000, length=16, embedding=64, window=2, hidden=(128,), width=64)
    image = {**c.tiny_resnet(64, "patch8", 64), "pool": "mean"}
    names, head = dict(type="emoji", split="train"), c.linear_head(64, tokens=True)
    encoders = {"image": image, "text": Replace({"type": "bag_of_tokens", **text})}
    towers = {name: {"encoder": encoder, "head": head} for name, encoder in encoders.items()}
    return c.changed(base, steps=800, model={"towers": towers}, evaluators=[
        c.evaluator("clusters", "names", names, labels="subgroup", modality="text"),
        c.retrieval("new_style", {**names, "split": "new_style"}, term="match"),
    ])  # fmt: skip


def grid() -> dict:
    """Three objects of 40 on a grid; nouns have attributes that only images show."""
    text = c.bag_text(WORDS, LENGTH, embedding=32, hidden=(64,), width=32)
    views = {"image": dict(type="sequence", length=CELLS, dim=DIM), "text": text.view}
    views["text@phrase"] = {**text.view, "field": "phrase", "train": False}
    image = dict(type="token_mlp", inputs=DIM, hidden=(), width=32)
    return c.recipe(
        PAPER, steps=1000, log_every=200,
        data={**c.data("grid_objects", 64, text.tokenizer), "views": views},
        towers=c.towers({"type": "none"}, image=image, text=text.encoder),
        objectives=matchmap(32, 1.0), optimizer=c.adamw(1e-3),
        evaluators=[
            c.evaluator("regression", "attributes", "words", target="attributes", layer="encoder"),
            c.evaluator("clusters", "words", "words", labels="category", modality="text"),
            c.retrieval(term="match"),
            c.evaluator("grounding", "nouns", text="text@phrase", heads={"text@phrase": "encoder"}),
        ],
    )  # fmt: skip


def paper() -> dict:
    """COCO 2017, the stage of contrast, 192 rows for 180; the last 8 layers of each tower learn."""
    text, image = c.bert_text(32, lowercase=True, dropout=0.3), c.vit(16)
    none, still = {"type": "none"}, (0.0,) * 4 + (1.0,) * 8
    blocks = tuple((f"towers/{name}/encoder/transformer/blocks/.*", still) for name in PAIR)
    stems = (("towers/.*/encoder/(stem|token|position).*", 0.0),)
    return c.recipe(
        PAPER, steps=61_600,  # 100 epochs
        data=c.data(c.coco("train"), 192, text.tokenizer, image=c.image(), text=text.view),
        towers={"image": c.pretrained("weights/vit-base-patch16-224", image, "image", head=none),
                "text": c.pretrained("weights/bert-base-uncased", text.encoder, "text", head=none)},
        objectives=matchmap(768, 0.1, skip={"image": 1}),
        optimizer=c.adamw(5e-5, weight_decay=5e-7, b1=0.95, learning_rate_rules=(*blocks, *stems)),
        evaluators=[c.retrieval("coco", c.coco("val"), pairs=(PAIR,), term="match")],
        pairwise={"tile": 16}, checkpoints={"every": 5000},
    )  # fmt: skip


get_config = c.variants("vg_bert", small, grid, paper)
