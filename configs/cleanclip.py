"""CleanCLIP: mitigating data poisoning attacks in multimodal contrastive learning.

Bansal et al. 2023, arXiv 2303.03323. A few pairs of images with a trigger and captions of a target
class plant a backdoor in a CLIP. Fine-tuning on clean pairs alone leaves it; with a contrastive
term within each modality, between a row and its augmented view, the link of trigger and class is
broken. What a user can take from it: `poisoned` and the metric `target_rate` test any recipe for
backdoors; two more terms in a short fine-tuning are the defence to try, at a rate high enough.

    python -m mmjax.main --config=configs/cleanclip.py          # digits, a minute
    python -m mmjax.main --config=configs/cleanclip.py:paper    # CC3M, ResNet-50
    python -m mmjax.claims cleanclip                            # attack and clean accuracy

Left out: the random place of the paper's patch, its blended and warped triggers, and the defence by
a labelled set.
"""

from collections.abc import Mapping, Sequence

from mmjax.configs import common as c
from mmjax.configs.clip_rocket import texts
from mmjax.data.synthetic.digits import STOP_WORDS, SYNONYMS, TEMPLATES, WORDS

PAPER = "Bansal et al. 2023, CleanCLIP, arXiv 2303.03323"
SECOND = ("image@2", "text@2")


def objectives() -> dict:
    """CLIP's, and one direction within each modality, at the same temperature."""
    within = tuple((view.partition("@")[0], view) for view in SECOND)
    return {
        "clip": dict(type="info_nce", temperature=0.07),
        "within": dict(
            type="info_nce", pairs=within, temperature="clip", direction_weights=(1.0, 0.0)
        ),
    }


def poisoned(source: Mapping, target: str, templates: Sequence[str], **options: object) -> dict:
    """A source of which some rows have a trigger and a caption of the target class."""
    said = tuple(template.format(target) for template in templates)
    return dict(type="poisoned", source=source, texts=said, **options)


def stages(poison: Mapping, attack: int, defence: int, batch: int, **optimizer: object) -> tuple:
    """Pretraining on poisoned pairs without augmented views; fine-tuning on clean ones."""
    idle = {key: {"train": False} for key in SECOND}
    data = {"source": poison, "views": idle, "batch_size": batch}
    of_attack = {"data": data, "objectives": {"within": None}, "optimizer": optimizer}
    return ({"name": "poisoned", "steps": attack, **of_attack}, {"name": "clean", "steps": defence})


def small(half: str = "validation") -> dict:
    """Digits, a twentieth of them with a trigger and captions of a zero."""
    digits = dict(type="digits", split="train", validation=True)
    trigger = dict(size=3 / 8, peak=16.0)
    poison = poisoned(digits, "zero", TEMPLATES, share=0.05, **trigger)
    plain = dict(type="pixels", size=8, channels=1, peak=16.0)
    other = dict(**plain, shift=1, border="reflect", brightness=0.4, offset=0.2, erase=3)
    image = dict(type="cnn", image_size=(8, 8), channels=1, widths=(32, 64), width=128)
    weak, strong, _ = texts(12, STOP_WORDS, dict(bos=False, eos=False, drop_stop_words=0.0),
                            synonyms=SYNONYMS)  # fmt: skip
    text = c.tiny_text(WORDS, 12)
    test = dict(digits, split=half)
    attack = dict(type="poisoned", source=test, share=1.0, **trigger)
    classes = dict(labels="name", templates=TEMPLATES)
    return c.recipe(
        PAPER,
        steps=300,
        data=c.data(digits, 64, text.tokenizer, image=(plain, other), text=(weak, strong)),
        towers=c.towers(c.linear_head(64), image=image, text=text.encoder),
        objectives=objectives(),
        optimizer=c.adamw(1e-3, weight_decay=0.1, warmup_steps=20),
        evaluators=[
            c.zero_shot("clean", test, **classes),
            c.zero_shot("attack", attack, **classes, target="zero"),
        ],
        stages=stages(poison, 400, 300, 64),
        checkpoints={"every": 100},
    )


def paper() -> dict:
    """CC3M with 1,500 poisoned pairs, ResNet-50; 64 epochs, and 10 on 100,000 clean pairs."""
    imagenet = dict(mean=c.IMAGENET_MEAN, std=c.IMAGENET_STD)
    plain, text = c.image(crop_scale=(0.9, 1.0), **imagenet), c.causal_text(**c.OPENAI)  # assumed
    other = c.image(crop_scale=(0.9, 1.0), random_ops=2, **imagenet)
    eda = dict(type="augmented_text", length=77, swap=1.0, delete=1.0, delete_rate=0.1)
    pairs, clean = (
        c.manifest(f"data/cc3m/{name}.csv", "train", image="file", text="caption")
        for name in ("train", "clean_100k")
    )
    templates = ("a photo of a {}", "a bad photo of a {}")  # assumed: two of CLIP's 80
    test = c.manifest("data/imagenet/val.csv", "val", labels={"name": "name"}, image="file")
    attack = dict(type="poisoned", source=test, share=1.0)
    classes = dict(labels="name", templates=templates)
    return c.recipe(
        PAPER,
        steps=15_600,
        data=c.data(clean, 64, text.tokenizer, image=(plain, other), text=(text.view, eda),
                    workers=16),
        towers=c.towers(c.linear_head(1024), image=c.resnet(50, 224), text=text.encoder),
        objectives=objectives(),
        optimizer=c.adamw(1e-5, weight_decay=0.1, warmup_steps=50),
        evaluators=[
            c.zero_shot("clean", test, **classes),
            c.zero_shot("attack", attack, **classes, target="banana"),
        ],
        stages=stages(poisoned(pairs, "banana", templates, share=5e-4), 1_435_000, 15_600, 128,
                      learning_rate=5e-4, warmup_steps=10_000),
        checkpoints={"every": 5000},
    )  # fmt: skip


get_config = c.variants("cleanclip", small, paper)
