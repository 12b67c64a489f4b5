"""MaPLe: multi-modal prompt learning.

Khattak et al. 2023, CVPR, arXiv 2210.03117. A frozen CLIP is adapted to a few labelled images by
prompts in the first blocks of both towers; those of the images are linear images of those of the
texts, so that the gradients of both towers meet in one parameter. Useful where a domain has shifted
and there are a few images of some of its classes: prompts of both towers mend new classes, too, and
a few thousand numbers are all that is trained and stored. In the claim prompts of the texts alone,
or of both towers without the coupling, do the same.

    python -m mmjax.main --config=configs/maple.py           # generated classes, two minutes
    python -m mmjax.main --config=configs/maple.py:digits    # handwritten digits before backgrounds
    python -m mmjax.main --config=configs/maple.py:paper     # CLIP ViT-B/16 on Oxford Pets
    python -m mmjax.claims maple                             # against prompts of one tower
    python -m mmjax.claims maple:claim_digits                # the same on digits

`zero_shot/test` tells base and novel classes each among themselves; `pretrain/zero_shot/test` is
the model before. Prompts stand before the words of a text here, and in the paper in the place of
its first ones. Left out: the paper's other data sets, and prompts in the place of a text's first
words.
"""

from mmjax.configs import common as c

PAPER = "Khattak et al. 2023, MaPLe: Multi-modal Prompt Learning, CVPR, arXiv 2210.03117"
COUPLED = dict(type="prompts", towers=("text", "image"), length=2, coupling="text")


def objectives(temperature: float = 0.01) -> dict:
    """Images against the names of the classes."""
    return {"classes": dict(type="gallery_nce", gallery="classes", temperature=temperature)}


def adapted(domains: c.Domains) -> dict:
    """A small CLIP of one domain, adapted to base classes of another, 8 images each."""
    return c.new_classes(
        PAPER,
        domains,
        [],
        objectives=objectives(c.TEMPERATURE),
        model={"adapters": {"prompts": {**COUPLED, "depth": 3}}},
        optimizer=c.sgd(0.1, weight_decay=5e-4, warmup_steps=20, freeze=("towers/.*",)),
    )


def small(turned: float = 0.65) -> dict:
    """20 classes of 8 images in a domain whose tokens are turned, and 20 novel ones."""
    return c.changed(adapted(c.GENERATED), data={"source": {"turned": turned, "own": 0.0}})


def digits() -> dict:
    """Five handwritten digits before backgrounds, and five novel ones."""
    return adapted(c.DIGITS)


def paper() -> dict:
    """CLIP ViT-B/16 on Oxford Pets, base to novel: 5 epochs, prompts in 9 blocks."""
    first_words = {"text": (320, 1125)}  # "a photo", by CLIP's tokenizer
    return c.pets(
        PAPER,
        5,
        {"prompts": {**COUPLED, "depth": 9, "words": first_words}},
        objectives=objectives(),
        optimizer=c.sgd(
            0.0035,
            weight_decay=5e-4,  # assumed: the default of the authors' library, like the momentum
            warmup_steps=76,  # in the authors' code an epoch at 1e-5
            freeze=("towers/.*",),
        ),
    )


get_config = c.variants("maple", small, digits, paper)
