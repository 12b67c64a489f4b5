"""GAMA: a network that makes small changes of images, for models that it has never seen.

Aich et al. 2022, arXiv 2209.09502. A generator within a small bound of every pixel is fitted to one
frozen model, away from an image's own embedding and towards a text that is unlike it, and then
changes new images for other models in one pass. What a user can take from it: `attack` with
`by='generator'` or `'pgd'` and `transfer` says how much accuracy a change nobody sees costs a model
and, fitted to it, another one, beside noise of the same size; texts as attractors add nothing here.
Changes stay in memory and are never written anywhere.

    python -m mmjax.main --config=configs/gama.py          # emoji, minutes on two CPU cores
    python -m mmjax.main --config=configs/gama.py:glyphs   # generated, two models, two minutes
    python -m mmjax.main --config=configs/gama.py:paper    # OpenAI's two smaller ViTs, VOC
    python -m mmjax.evaluate --workdir=runs/clip-... --config=configs/gama.py   # any saved run
    python -m mmjax.claims gama                            # fitted changes against noise

Left out: surrogates that are classifiers and their intermediate features, a ResNet as generator,
prompts of pairs of classes (the texts of the batch take their place), detectors.
"""

from mmjax.configs import advclip
from mmjax.configs import common as c

PAPER = "Aich et al. 2022, GAMA, arXiv 2209.09502"
BOUND = 8 / 255
TERMS = {"image": dict(distance=1.0), "image_text": dict(distance=1.0, attract=1.0)}


def attacks(source: object, train: object, eps: float, fit: dict, **options: object) -> list[dict]:
    """The generator by the image term, and with the attraction of texts; and PGD by both."""
    made = {name: {"type": "generator", **terms, **fit} for name, terms in TERMS.items()}
    made["pgd"] = {"type": "pgd", **TERMS["image_text"], "rate": eps / 4}
    return [
        c.evaluator("attack", name, source, train=train, by={**by, "eps": eps}, **options)
        for name, by in made.items()
    ]


def small() -> dict:
    """Emoji: fitted to trained styles, measured in one that is not."""
    base = c.emoji(PAPER, {"clip": dict(type="info_nce", temperature=0.05)})
    new_style, train = (dict(type="emoji", split=split) for split in ("new_style", "train"))
    found = attacks(new_style, train, BOUND, {}, labels="group")
    return c.changed(base, evaluators=[*found, c.zero_shot("group", new_style)])


def glyphs(split: str = "validation") -> dict:
    """Two models on the same generated images; changes are fitted to the first of them."""
    where = dict(labels="pair", answers="pair", transfer=(("other", "text_other"),))
    found = attacks(split, "train", 16 / 255, {}, **where)
    return c.changed({**advclip.glyphs(), "paper": PAPER}, evaluators=found)


def paper() -> dict:
    """Fitted to OpenAI's ViT-B/16 on VOC, batches of 9, 10/255; measured on ViT-B/32, too.

    The paper fits to a classifier, VGG or ResNet, and measures others; VOC as a table of images and
    sentences such as "a photo depicts a dog and a sofa".
    """
    text, sides = c.causal_text(**c.OPENAI), {"": 16, "_other": 32}
    image, towers, views = c.clip_image(), {}, {}
    for end, patch in sides.items():
        parts = {f"image{end}": c.openai_image(patch), f"text{end}": text.encoder}
        folder = f"weights/clip-vit-base-patch{patch}"
        towers |= {
            n: c.pretrained(folder, e, n.split("_")[0], take_head=True) for n, e in parts.items()
        }
        views |= {f"image{end}": {**image, "field": "image"}}
        views |= {f"text{end}": {**text.view, "field": "text"}}
    columns = dict(labels={"name": "name"}, image="file", text="caption")
    train, test = (c.manifest(f"data/voc/{split}.csv", **columns) for split in ("train", "val"))
    fit = dict(widths=(64, 64), batch_size=9, steps=635, learning_rate=1e-4)  # assumed: widths
    return c.recipe(
        PAPER,
        steps=0,
        data=c.data(train, 64, text.tokenizer, workers=16, **views),
        towers=c.towers(c.linear_head(512), **towers),
        evaluators=attacks(test, train, 10 / 255, fit, labels="name", examples=5717,
                           templates=("a photo of a {}.",),
                           transfer=(("image_other", "text_other"),)),
    )  # fmt: skip


get_config = c.variants("gama", small, glyphs, paper)
