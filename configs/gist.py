"""Image-specific texts from descriptions of classes, for fine-grained classification (GIST).

Lewis et al. 2023, arXiv 2307.11315. Images have classes but no captions: a language model describes
each class in many ways, a pretrained model picks for each image those descriptions of its own class
that fit it best, and fine-tuning on these pairs keeps what tells images of one class apart. What a
user can take from it: `data.match` of a stage turns a list of descriptions a class into captions of
single images, by any two towers that the stage before has trained or loaded, with no other tool.

    python -m mmjax.main --config=configs/gist.py          # generated classes, half a minute
    python -m mmjax.main --config=configs/gist.py:paper    # Flowers102, own descriptions
    python -m mmjax.claims gist                            # matched, random and wrong captions

The numbers to look at are `probe/test/accuracy`, of a linear probe on the few images that
there are, and `choice/within/all`: an image finds its own caption among those of its class. Left
out: the language model's calls, whose texts are a column of the table; the pickers of the paper are
another model than the one that is fine-tuned.
"""

from collections.abc import Mapping
from typing import Any

from mmjax.configs import common as c
from mmjax.data.synthetic.class_captions import IMAGE, TEXT, WITHIN

PAPER = "Lewis et al. 2023, GIST, arXiv 2307.11315"


def objectives(**clip: object) -> dict:
    """CLIP's."""
    return {"clip": dict(type="info_nce", **clip)}


def tune(steps: int, top: int = 4, **changes: Any) -> dict:
    """The stage on images and the descriptions of their class that fit each best."""
    data: Mapping[str, Any] = changes.pop("data", {})
    match = {"text": {"by": "image", "top": top}}
    return {"name": "tune", "steps": steps, "data": {"match": match, **data}, **changes}


def small() -> dict:
    """CLIP of 100 generated classes; five images of each of 30 others, with 40 captions a class."""
    wrong = {
        f"text@{i}": {**c.vector(TEXT), "field": f"text_{i}", "train": False}
        for i in range(1, WITHIN + 1)
    }
    # What training is told, which an arm may change, beside what is measured and matched.
    told = {
        "text": {**c.vector(TEXT), "train": False},
        "text@told": {**c.vector(TEXT), "field": "text"},
    }
    views = dict(image=c.vector(IMAGE, noise=0.2), **told, **wrong)
    few = c.held_out("train")
    return c.recipe(
        PAPER,
        steps=1200,
        data=c.data("class_captions", 128, **views),
        towers=c.towers(
            c.linear_head(48),
            image=c.mlp(IMAGE, (), 256, final_activation=True),
            text=c.mlp(TEXT, (), 256, final_activation=True),
        ),
        objectives=objectives(pairs=(("image", "text@told"),), temperature=0.07),
        optimizer=c.adamw(1e-3, schedule="constant"),
        evaluators=[
            c.probe(train=few, modalities=("image",), labels="label", layer="unit", c=30.0),
            c.evaluator("choice", "within", wrong=tuple(wrong)),
        ],
        stages=(
            c.stage("pretrain", 800, data={"views": {"image": {"noise": 0.0}}}),
            tune(400, data={"source": {"split": "train"}, "batch_size": 40},
                 optimizer={"learning_rate": 1e-4}),
        ),
    )  # fmt: skip


def paper() -> dict:
    """OpenAI's ViT-L/14 at 336 pixels on Flowers102, batches of 20, 200 epochs of 4 captions.

    `data/flowers102/train.csv` has a row for each image and description of its class, as "<name>:
    <description>", with its class number; `test.csv` a row for each image, with the name. A stage
    of one step stands for the model that matches.
    """
    text = c.causal_text(768, 12, **c.OPENAI)
    image = c.vit(14, 336, "large", pool="cls", pre_norm=True, patch_bias=False, **c.OPENAI)
    weights = "weights/clip-vit-large-patch14-336"
    named, images = {"label": "number"}, 1020

    def rows(name: str) -> dict:
        columns = dict(image="file", text="description")
        return c.manifest(f"data/flowers102/{name}.csv", None, named, **columns)

    view = c.clip_image(336, crop_scale=(0.08, 1.0), flip=0.5)
    steps = 200 * 4 * images // 20
    return c.recipe(
        PAPER,
        steps=1 + steps,
        data=c.data(rows("train"), 20, text.tokenizer, image=view, text=text.view, workers=8),
        towers=c.towers(
            c.linear_head(768),
            image=c.pretrained(weights, image, "image"),
            text=c.pretrained(weights, text.encoder, "text"),
        ),
        objectives=objectives(temperature=0.01),
        optimizer=c.adamw(1e-6, b2=0.98, eps=1e-6, weight_decay=1e-3, schedule="constant"),
        evaluators=[
            c.probe(
                "test", rows("test"), train=rows("train"), labels="label", modalities=("image",)
            )
        ],
        stages=(c.stage("matcher", 1) | {"optimizer": {"learning_rate": 0.0}}, tune(steps)),
        evaluate_every=10 * 4 * images // 20,
        mesh=dict(data=1, tensor=-1),  # more devices than rows of a batch split the towers
    )


get_config = c.variants("gist", small, paper)
