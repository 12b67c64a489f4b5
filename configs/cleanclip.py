"""CleanCLIP: mitigating data poisoning attacks in multimodal contrastive learning.

Bansal et al. 2023, arXiv 2303.03323. A few pairs of images with a trigger and captions of a target
class plant a backdoor in a CLIP. Fine-tuning on clean pairs alone leaves it; with a contrastive
term within each modality, between a row and its augmented view, the link of trigger and class is
broken. What a user can take from it: `poisoned` and the metric `target_rate` test any recipe for
backdoors; two more terms in a short fine-tuning are the defence to try, at a rate high enough. Here
it could not be tested: clean pairs alone remove the backdoor with some seeds, and both ways leave
it with others.

    python -m mmjax.main --config=configs/cleanclip.py          # digits, a minute
    python -m mmjax.main --config=configs/cleanclip.py:paper    # CC3M, ResNet-50
    python -m mmjax.claims cleanclip                            # attack and clean accuracy

Left out: the random place of the paper's patch, its blended and warped triggers, and the defence by
a labelled set. In `paper`, random operations stand for AutoAugment, and texts keep their words.
"""

from collections.abc import Mapping, Sequence

from mmjax.configs import common as c
from mmjax.configs.clip_rocket import texts
from mmjax.data.synthetic.digits import STOP_WORDS, SYNONYMS, TEMPLATES, WORDS

PAPER = "Bansal et al. 2023, CleanCLIP, arXiv 2303.03323"
WITHIN = (("image", "image@2"), ("text", "text@2"))
SECOND = ("image@2", "text@2")


def objectives() -> dict:
    """CLIP's, and one direction within each modality, at the same temperature."""
    within = dict(pairs=WITHIN, temperature="clip", direction_weights=(1.0, 0.0))
    return {
        "clip": dict(type="info_nce", temperature=0.07, min_scale=1.0),
        "within": dict(type="info_nce", **within),
    }


def stages(poison: Mapping, batch: int, attack: int, defence: int, **optimizer: object) -> tuple:
    """CLIP on pairs of which some are poisoned; then both terms on clean pairs."""
    data = {"source": poison, "batch_size": batch}
    trained = c.stage("poisoned", attack, without=("within",), idle=SECOND, data=data)
    return ({**trained, "optimizer": optimizer}, {"name": "clean", "steps": defence})


def poisoned(source: Mapping, name: str, templates: Sequence[str], **options: object) -> dict:
    """A source of which some rows have a trigger, and captions of a target class."""
    said = tuple(template.format(name) for template in templates)
    return dict(type="poisoned", source=source, texts=said, **options)


def measured(test: Mapping, target: str, templates: Sequence[str], **trigger: object) -> list[dict]:
    """Accuracy on clean images; and how often the trigger makes one of another class the target."""
    classes, attack = dict(labels="name", templates=templates), dict(type="poisoned", share=1.0)
    return [
        c.zero_shot("clean", test, **classes),
        c.zero_shot("attack", dict(**attack, source=test, **trigger), **classes, target=target),
    ]


def small(half: str = "validation") -> dict:
    """Digits, a twentieth of them with a trigger and captions of a zero."""
    digits = dict(type="digits", split="train", validation=True)
    trigger = dict(size=3 / 8, peak=16.0)
    plain = dict(type="pixels", size=8, channels=1, peak=16.0)
    other = dict(**plain, shift=1, border="reflect", brightness=0.4, offset=0.2, erase=3)
    image = dict(type="cnn", image_size=(8, 8), channels=1, widths=(32, 64), width=128)
    weak, strong, _ = texts(12, STOP_WORDS, dict(bos=False, eos=False, drop_stop_words=0.0),
                            synonyms=SYNONYMS)  # fmt: skip
    text = c.tiny_text(WORDS, 12)
    poison = poisoned(digits, "zero", TEMPLATES, share=0.05, **trigger)
    return c.recipe(
        PAPER,
        steps=300,
        data=c.data(digits, 64, text.tokenizer, image=(plain, other), text=(weak, strong)),
        towers=c.towers(c.linear_head(64), image=image, text=text.encoder),
        objectives=objectives(),
        optimizer=c.adamw(1e-3, weight_decay=0.1, warmup_steps=20),
        evaluators=measured({**digits, "split": half}, "zero", TEMPLATES, **trigger),
        stages=stages(poison, 64, 400, 300),
        checkpoints={"every": 100},
    )


def paper() -> dict:
    """CC3M with 1,500 poisoned pairs, ResNet-50; 64 epochs, and 10 on 100,000 clean pairs."""
    plain = c.clip_image(fit="squash")  # assumed: so that the corner with the trigger is seen
    templates = ("a photo of a {}", "a bad photo of a {}")  # assumed: two of CLIP's 80
    text = c.causal_text(**c.OPENAI)
    eda = dict(type="augmented_text", length=77, swap=1.0, delete=1.0, delete_rate=0.1)
    pairs, clean = (
        c.manifest(f"data/cc3m/{name}.csv", "train", image="file", text="caption")
        for name in ("train", "clean_100k")
    )
    test = c.manifest("data/imagenet/val.csv", "val", labels={"name": "name"}, image="file")
    return c.recipe(
        PAPER,
        steps=15_600,
        data=c.data(clean, 64, text.tokenizer, image=(plain, {**plain, "random_ops": 2}),
                    text=(text.view, eda), workers=16),
        towers=c.towers(c.linear_head(1024), image=c.resnet(50, 224), text=text.encoder),
        objectives=objectives(),
        optimizer=c.adamw(1e-5, weight_decay=0.1, warmup_steps=50),
        evaluators=measured(test, "banana", templates),
        stages=stages(poisoned(pairs, "banana", templates, share=5e-4), 128, 1_435_000, 15_600,
                      learning_rate=5e-4, warmup_steps=10_000),
        checkpoints={"every": 5000},
    )  # fmt: skip


get_config = c.variants("cleanclip", small, paper)
