"""Making the most of text semantics to improve biomedical vision-language processing (BioViL).

Boecking et al. 2022, arXiv 2204.09817. Reports without images train the text tower first: by masked
words, then also by matching the two sections of a report, which say the same in other words. Images
then need few reports, and the patches most like a phrase show what it says, without a local loss.
Useful where texts are many and have two versions: title and abstract, question and answer; on the
generated reports here, with every arm at its own learning rate, it gains hardly anything.

    python -m mmjax.main --config=configs/biovil.py        # generated studies, a minute
    python -m mmjax.main --config=configs/biovil.py:paper  # MIMIC-CXR, ResNet-50 and BERT
    python -m mmjax.claims biovil                          # section matching against augmentation

Left out: the vocabulary of its own, and SimCLR of images before. Heads of `small` are one linear
layer, and its temperatures are lower.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.studies import DIM, LONGEST, TOKENS, WORDS

PAPER = "Boecking et al. 2022, BioViL, arXiv 2204.09817"
SECTIONS, MASKED = ("text@findings", "text@impression"), "text@masked"


def objectives(words: dict, sections: float, align: float) -> dict:
    """Masked words, sections of a report, and images with texts."""
    fixed = dict(type="info_nce", learn_temperature=False)
    return {
        "words": words,
        "sections": dict(**fixed, pairs=(SECTIONS,), temperature=sections),
        "align": dict(**fixed, temperature=align),
    }


def views(image: dict, text: dict) -> dict:
    """`text` is either section; `text@phrase` is only evaluated."""
    fields = {"findings": "findings", "impression": "impression", "masked": "findings"}
    texts = {f"text@{name}": {**text, "field": field} for name, field in fields.items()}
    phrase = {**text, "field": "phrase", "train": False}
    return {"image": image, "text": {**text, "field": "report"}, **texts, "text@phrase": phrase}


def stages(words: int, sections: int, joint: int, reports: dict, pairs: dict) -> tuple[dict, ...]:
    """Texts alone, by one term and by two, and then images with them."""
    unseen, alone = ("image", "text"), {"weight": 1.0}
    none = {"retrieval": {"test": None}, "grounding": None}
    one = c.stage("words", words, without=("sections", "align"), idle=(*unseen, *SECTIONS),
                  data=reports, evaluators=none)  # fmt: skip
    two = c.stage("sections", sections, without=("align",), idle=unseen, data=reports,
                  evaluators=none)  # fmt: skip
    for stage in (one, two):
        stage["objectives"]["words"] = alone
    return one, two, c.stage("joint", joint, without=("sections",), idle=SECTIONS, data=pairs)


def measured(test: object, phrases: object, **grounding: object) -> list[dict]:
    """Retrieval by impressions, and where phrases are found."""
    found = c.evaluator("grounding", "phrases", phrases, text="text@phrase", **grounding)
    return [c.retrieval("test", test, pairs=(("text@impression", "image"),)), found]


def small() -> dict:
    """Generated studies: 5,000 reports, 300 of them with an image."""
    text = c.bag_text(WORDS, LONGEST, embedding=32, hidden=(64,), width=32)
    size = len(WORDS) + 4
    tower = {"encoder": {**text.encoder, "vocab_size": size + 1}, **c.hides(MASKED, size)}
    image = dict(type="token_mlp", inputs=DIM, hidden=(64,), width=32)
    words = c.masked_words({MASKED: 32}, size, 32, heads=2, weight=0.1)
    synonyms = dict(pairs=(("text@phrase", "text@phrase"),), labels="finding", ks=(1, 2))
    section = c.data("studies", 64, text.tokenizer)
    section["views"] = views(dict(type="sequence", length=TOKENS, dim=DIM), text.view)
    reports = {"source": {"split": "reports"}, "batch_size": 128}
    return c.recipe(
        PAPER,
        steps=400,
        data=section,
        towers={
            name: {**each, "head": c.linear_head(32, tokens=True)}
            for name, each in {"image": {"encoder": image}, "text": tower}.items()
        },
        objectives=objectives(words, sections=0.1, align=0.5),
        optimizer=c.adamw(3e-3, warmup_steps=20),
        evaluators=[*measured("test", "phrases"), c.retrieval("synonyms", "words", **synonyms)],
        stages=stages(200, 600, 400, reports, {}),
        log_every=100,
    )


def paper() -> dict:
    """MIMIC-CXR: findings and impressions of 377,000 reports, and 146,700 frontal images."""
    text = c.bert_text(128, lowercase=True, dropout=0.25)
    size, each_patch = text.encoder["vocab_size"], c.mlp_head(128, 128, norm="batch", tokens=True)
    head = c.mlp_head(128, 128, norm="layer", norm_last=True, activation="gelu")
    hides = c.hides(MASKED, size, 103, special=(0, 101, 102))
    bert = c.pretrained("weights/bert-base-uncased", text.encoder, "text", head=head, **hides)
    columns = dict(findings="findings", impression="impression", report=("findings", "impression"))
    image = c.image(480, crop_scale=(0.8, 1.0), brightness=0.2, contrast=0.2)  # assumed
    reports = c.manifest("data/mimic_cxr/reports.csv", None, **columns)
    train, test = (
        c.manifest(f"data/mimic_cxr/{s}.csv", None, image="file", **columns)
        for s in ("train", "val")
    )
    phrases = c.manifest("data/ms_cxr/phrases.csv", None, {"region": "patches"}, image="file",
                         phrase="phrase")  # fmt: skip
    section = c.data(train, 240, text.tokenizer, workers=32)  # assumed
    return c.recipe(
        PAPER,
        steps=30_000,  # assumed: 50 epochs
        data={**section, "views": views(image, text.view)},
        towers=c.towers(each_patch, image=c.resnet(50, 480), text=bert),
        objectives=objectives(c.masked_words({MASKED: 768}, size, 768, depth=0, weight=0.1),
                              sections=0.5, align=0.5),
        optimizer=c.adamw(2e-5, warmup_steps=1000),  # assumed
        evaluators=measured(test, phrases, grid=(15, 15), smooth=1.5),
        stages=stages(100_000, 50_000, 30_000, {"source": reports}, {}),  # assumed
        checkpoints={"every": 5000},
    )  # fmt: skip


get_config = c.variants("biovil", small, paper)
