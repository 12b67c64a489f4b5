"""SAGE: natural words, and one unnatural vector, that make a model take a text for another.

Liu et al. 2023, arXiv 2306.00974 (ICLR 2024). By the gradient of a classifier one searches prompts
of an image generator for natural ones that fail, and learns one token that turns every prompt into
a chosen object; here both are done to a text tower. What a user can take from it: `word_search`
says of a model, one's own, how few calls find a natural caption that it misplaces, by gradient, by
random swaps and by chance, so that one knows whether its training captions vary enough; and
`universal_token` says how far out of the words a vector has to lie to take over every caption.
Captions and vectors stay in memory and are never written anywhere.

    python -m mmjax.main --config=configs/sage.py          # emoji, minutes on two CPU cores
    python -m mmjax.main --config=configs/sage.py:slots    # generated, a minute
    python -m mmjax.main --config=configs/sage.py:paper    # OpenAI's ViT-B/32, VOC; no training
    python -m mmjax.evaluate --workdir=runs/clip-... --config=configs/sage.py   # any saved run
    python -m mmjax.claims sage                            # gradient against random swaps

Left out: image generators with their latents and the search in them, language models that propose
words, ensembles of classifiers, judgement by people.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.slot_captions import EMPTY, MODIFIERS, TEMPLATE, WORDS

IDEAL = TEMPLATE.replace("*", EMPTY)
KINDS = ("word_search", "universal_token")
PAPER = "Liu et al. 2023, SAGE, arXiv 2306.00974"


def searches(name: str, source: object, words: tuple, template: str, **options: object) -> list:
    """Both attacks on the same captions."""
    grammar = dict(words=words, template=template, **options)
    return [c.evaluator(kind, name, source, **grammar) for kind in KINDS]


def small() -> dict:
    """Emoji in a style that is not trained: names with two words about them, by group."""
    base = c.emoji(PAPER, {"clip": dict(type="info_nce", temperature=0.05)})
    new_style = dict(type="emoji", split="new_style")
    words = ("red", "blue", "green", "black", "white", "small", "new", "hot", "cold", "open")
    found = searches("names", new_style, words, "* {} *", labels="group", own_texts=True)
    return c.changed(base, evaluators=[*found, c.zero_shot("group", new_style)])


def slots(split: str = "validation") -> dict:
    """Generated captions that mostly have no modifier, or the one of their class."""
    text = c.bag_text(WORDS, length=6, embedding=32, width=None, pool="concat")
    found = searches("slots", split, (EMPTY, *MODIFIERS), TEMPLATE, filler=EMPTY, labels="name")
    return c.recipe(
        PAPER,
        steps=800,
        data=c.data("slot_captions", 128, text.tokenizer, image=c.vector(768), text=text.view),
        towers=c.towers(
            c.linear_head(48),
            image=c.mlp(768, (), 128, final_activation=True),
            text={"encoder": text.encoder, "head": c.mlp_head(48, 128)},
        ),
        objectives={"clip": dict(type="info_nce")},
        optimizer=c.adamw(1e-3, weight_decay=0.0),
        evaluators=[*found, c.zero_shot("name", split, templates=(IDEAL,))],
    )


def paper() -> dict:
    """OpenAI's ViT-B/32 as it is on VOC, a table of images and their class.

    The paper's generators are GLIDE, two of Stable Diffusion and DeepFloyd IF.
    """
    text, folder = c.causal_text(**c.OPENAI), "weights/clip-vit-base-patch32"
    encoders = {"image": c.openai_image(32), "text": text.encoder}
    columns = dict(labels={"name": "name"}, image="file", text="caption")
    train, test = (c.manifest(f"data/voc/{split}.csv", **columns) for split in ("train", "val"))
    words = ("big", "small", "old", "new", "red", "blue", "dark", "bright", "good", "bad")
    return c.recipe(
        PAPER,
        steps=0,
        data=c.data(train, 64, text.tokenizer, image=c.clip_image(), text=text.view, workers=16),
        towers=c.towers(
            c.linear_head(512),
            **{n: c.pretrained(folder, e, take_head=True) for n, e in encoders.items()},
        ),
        evaluators=searches("voc", test, words, "a * , * photo of a {}", labels="name"),
    )


get_config = c.variants("sage", small, slots, paper)
