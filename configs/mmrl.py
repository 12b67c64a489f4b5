"""MMRL: multi-modal representation learning for vision-language models.

Guo and Gu 2025, CVPR, arXiv 2503.08497. A frozen CLIP is adapted to a few labelled images by tokens
of one learned space that are put into the upper blocks of both towers. What becomes of the image's
tokens is a second embedding, which is free to adapt; the first one and those of the class names are
tied to CLIP's. Useful where a model has to learn some classes from a few images each and must not
forget the others: the classes that were trained on are told by both embeddings, and others by the
first alone. On the classes here the tie keeps more of the others than training without it does, but
it is not shown to keep them within 5 points of what CLIP told (docs/claims/mmrl.md).

    python -m mmjax.main --config=configs/mmrl.py           # generated classes, two minutes
    python -m mmjax.main --config=configs/mmrl.py:digits    # handwritten digits before backgrounds
    python -m mmjax.main --config=configs/mmrl.py:paper     # CLIP ViT-B/16 on Oxford Pets
    python -m mmjax.claims mmrl                             # does the tie keep new classes?
    python -m mmjax.claims mmrl:claim_digits                # the same on digits

`zero_shot/test` tells classes by the first embedding, `tokens` by the second, `mixed` by both, and
`decoupled` as the paper does; `pretrain/zero_shot/test` is CLIP before. Its extension is `mmrl_pp`.
Left out: the paper's other data sets, and few-shot learning of all classes.
"""

from mmjax.configs import common as c

PAPER = (
    "Guo and Gu 2025, MMRL: Multi-Modal Representation Learning for Vision-Language Models, CVPR, "
    "arXiv 2503.08497"
)
ALPHA = 0.7  # the share of the first embedding, in the loss and in the mixture


def objectives(tie: float, temperature: float = 0.01) -> dict:
    """Both embeddings against the names of the classes, and the tie of weight λ to CLIP's."""
    names = dict(type="gallery_nce", gallery="classes", temperature=temperature)
    tied = dict(pairs=(("image", "image"),), galleries=("classes",))
    return {
        "classes": dict(**names, weight=ALPHA),
        "tokens": dict(**names, weight=1 - ALPHA, head={"image": "tokens"}),
        "tie": dict(type="alignment", to="teacher", **tied, weight=tie),
    }


def before() -> dict:
    """What CLIP was, of the images and of the names of the classes."""
    return dict(type="frozen", views=("image",), galleries=("classes",), adapters=False)


def mixture() -> dict:
    """Both embeddings of the image against the one of the name."""
    return {
        modality: f"{ALPHA}*unit+{1 - ALPHA:.2g}*{second}"
        for modality, second in (("image", "tokens"), ("text", "unit"))
    }


def told(groups: dict) -> list[dict]:
    """Accuracy by the second embedding, by both, and by both or the first as the paper does."""
    layers = {
        "tokens": dict(layer={"image": "tokens"}),
        "mixed": dict(layer=mixture()),
        "decoupled": dict(layer=mixture(), group_layers={"novel": "unit"}),
    }
    return [c.zero_shot(name, labels="text", groups=groups, **own) for name, own in layers.items()]


def prompts(length: int, first: int, latent: int, **options: object) -> dict:
    """Tokens of one space in the blocks of both towers, from `first` on."""
    shared = dict(coupling="shared", latent=latent, first=first, depth=None)
    return dict(type="prompts", towers=("image", "text"), length=length, **shared, **options)


def adapted(domains: c.Domains) -> dict:
    """A small CLIP of one domain, adapted to base classes of another, 8 images each."""
    model = {
        "adapters": {"prompts": prompts(4, 2, 32)},
        "towers": {"image": {"heads": {"tokens": dict(type="prompts", dim=48)}}},
    }
    return c.new_classes(
        PAPER,
        domains,
        told(domains.groups),
        objectives=objectives(1.0, c.TEMPERATURE),
        model=model,
        teacher=before(),
        optimizer=c.adamw(1.5e-2, warmup_steps=10, freeze=c.FROZEN),
    )


def small() -> dict:
    """20 classes of 8 images in a domain where they look a little different, and 20 novel ones."""
    return adapted(c.GENERATED)


def digits() -> dict:
    """Five handwritten digits before backgrounds, and five novel ones."""
    return adapted(c.DIGITS)


def paper() -> dict:
    """CLIP ViT-B/16 on Oxford Pets, base to novel: 10 epochs, and the λ of this data set."""
    return c.pets(
        PAPER,
        10,
        {"prompts": prompts(5, 5, 512)},
        heads={"tokens": dict(type="prompts", dim=512)},
        layer=mixture(),
        objectives=objectives(0.2),
        teacher=before(),
        optimizer=c.adamw(
            1e-3,
            weight_decay=5e-4,  # assumed: the default of the authors' library
            warmup_steps=76,  # in the authors' code an epoch at 1e-5
            freeze=c.FROZEN,
        ),
    )


get_config = c.variants("mmrl", small, digits, paper)
