"""Fine-tuning of pretrained weights on your own pairs.

    mmjax train finetune --config.weights=FOLDER --config.data.source.path=pictures
    mmjax train finetune:lora --config.weights=FOLDER --config.data.source.path=pictures

FOLDER has a CLIP, SigLIP or CLAP model in Hugging Face's layout, an open_clip model, or is a run or
an export of this package. Towers, image size, normalization, interpolation, tokenizer, text length,
loss and temperature are the folder's; `docs/finetune.md` says how to change them, how to train on
sounds, and how to export the result.

`full` trains everything at a small learning rate, `lora` low-rank updates of the attention,
`head` the projections alone, and `lit` the text tower alone (LiT, arXiv 2111.07991). The held-out
pairs are evaluated before the first step, too, so that the report shows what was gained.
"""

from mmjax.configs import common as c

PAPER = "Radford et al. 2021, CLIP, arXiv 2103.00020"


def full(**optimizer: object) -> dict:
    """All parameters, at a rate that keeps what the weights know."""
    options = dict(b2=0.98, eps=1e-6, weight_decay=0.1, warmup_steps=50, clip_norm=1.0)
    return {
        "paper": PAPER,
        "weights": "weights/clip-vit-base-patch32",
        "steps": 500,
        "data": {"source": dict(type="folder", path="pictures", split="train"), "batch_size": 64},
        "optimizer": c.adamw(**{"learning_rate": 1e-5, **options, **optimizer}),
        "evaluators": c.measured([c.retrieval("held_out", "val", alternatives="all")]),
        "evaluate_at_start": True,
        "evaluate_every": 100,
        "checkpoints": {"every": 100},
    }


def lora() -> dict:
    """Low-rank updates of queries and values; the weights themselves stay as they are."""
    update = dict(type="lora", modules=(r"towers/.*/(query|value)",), rank=8)
    return {
        **full(learning_rate=3e-4, weight_decay=0.0, freeze=("(towers|objectives)/.*",)),
        "model": {"adapters": {"update": update}},
    }


def head() -> dict:
    """The projections into the joint space; the encoders stay as they are."""
    return full(learning_rate=1e-4, freeze=(r"towers/.*/encoder/.*|objectives/.*",))


def lit() -> dict:
    """The text tower; the other one stays as it is."""
    return full(freeze=(r"towers/(?!text/).*",))


get_config = c.variants("finetune", full, lora, head, lit)
