"""Composed image retrieval: an image and an instruction find the image that it asks for.

Zhong et al. 2024, InstructCIR, arXiv 2412.05756. One model embeds images, captions and images with
an instruction; after contrast of images and captions it is tuned on triplets of an image, an
instruction and the changed caption, with the captions as they were among the negatives. What a user
can take from it: the fusion `transformer`, whose outputs `also` embed its parts alone, makes a
composed query of any towers with tokens; and `negatives` of `info_nce` that stop a query from being
answered by what it started from.

    python -m mmjax.main --config=configs/instructcir.py          # emoji, minutes on two CPU cores
    python -m mmjax.main --config=configs/instructcir.py:objects  # generated objects, a minute
    python -m mmjax.main --config=configs/instructcir.py:paper    # tables of triplets, ViT-B/16
    python -m mmjax.claims instructcir                            # triplets, and their negatives

The numbers to look at are `R@1` and `decoy@1`, the share that the unchanged image answers. Left
out: a multimodal language model as the encoder, and the instructions that it writes.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.edited_objects import WORDS
from mmjax.recipe.changes import Replace

PAPER = "Zhong et al. 2024, Compositional Image Retrieval via Instruction-Aware, arXiv 2412.05756"
# What has a text of its own; of `other` captions only a control makes negatives.
TEXTS = {"text": "text", "text@edit": "edit", "text@target": "target", "text@other": "other"}
ALONE = {"image": "image", "item": "image"} | {name.split("@")[-1]: name for name in TEXTS}
FIXED = dict(temperature=0.05, learn_temperature=False)


def joint(texts: dict[str, str], dim: int, **options: object) -> dict:
    """One transformer over image and instruction, over the image alone, and over each text."""
    also = {label: (view,) for label, view in ALONE.items() if view == "image" or view in texts}
    sizes = dict(dim=dim, inputs=("image", "text@edit"), also=also)
    return {"joint": {"type": "transformer", **sizes, **options}}


def contrast(negatives: tuple[str, ...] = ("joint@text",)) -> dict:
    """One way: query to the changed caption, with captions as they were as further negatives."""
    pair, one_way = ("joint", "joint@target"), (1.0, 0.0)
    further = {"negatives": {pair[1]: negatives}} if negatives else {}
    return dict(type="info_nce", pairs=(pair,), direction_weights=one_way, **FIXED, **further)


def stages(steps: int) -> tuple[dict, ...]:
    """Images with their captions, then triplets, for so many steps each."""
    return (c.stage("captions", steps, without=("edits",)),
            c.stage("edits", steps, without=("captions",)))  # fmt: skip


def objectives() -> dict:
    """Those of both stages."""
    captions = dict(type="info_nce", pairs=(("joint@image", "joint@text"),), **FIXED)
    return {"captions": captions, "edits": contrast()}


def edits(source: dict | str, gallery: dict | str, **labels: str) -> dict:
    """Queries with an instruction, among images; the one to be changed is the decoy."""
    pairs = (("joint", "joint@image"),)
    return c.retrieval("edits", source, gallery=gallery, pairs=pairs, **labels)


def texts(view: dict, fields: dict[str, str]) -> dict:
    """A view of each text; those of `other` are in no batch."""
    return {name: {**view, "field": field, "train": field != "other"}
            for name, field in fields.items()}  # fmt: skip


def objects() -> dict:
    """Objects of four attributes, of which an instruction changes one."""
    text = c.bag_text(WORDS, 4, embedding=64, width=None)
    image = {"type": "token_mlp", "inputs": 32, "hidden": (), "width": 64}
    views = {"image": dict(type="sequence", length=8, dim=32), **texts(text.view, TEXTS)}
    search = dict(query=("joint@image", "joint@edit"), answer=("joint@item",), labels="answer")
    return c.recipe(
        PAPER,
        steps=1400,
        data={**c.data("edited_objects", 64, text.tokenizer), "views": views},
        towers=c.towers(image=image, text=text.encoder),
        fusions=joint(TEXTS, 64, width=64, depth=2, heads=4),
        objectives=objectives(),
        optimizer=c.adamw(1e-3, weight_decay=0.0),
        evaluators=[
            edits("test", "gallery", labels="answer", gallery_labels="object", decoy="object"),
            c.tuple_retrieval("added", "test", gallery="gallery", **search),
        ],
        stages=stages(700),
    )


def small() -> dict:
    """Emoji of people, and words ("woman") that make another of them; tested in another style."""

    def families(split: str, **options: object) -> dict:
        source = dict(type="emoji", split=split, families=True)
        return dict(type="sibling_pairs", source=source, by="family", edit="text", **options)

    fields = {"text": "text", "text@edit": "edit", "text@target": "text_sibling"}
    base, new = c.emoji(PAPER, objectives()), "new_style_train_concepts"
    text = {**base["data"]["views"]["text"], "length": 16}
    image = {**base["data"]["views"]["image"], "size": 32}
    labels = dict(labels="sibling", gallery_labels="id", decoy="id")
    return c.changed(
        base,
        steps=1200,
        data={
            "source": Replace(families("train")),
            "views": Replace({"image": image, **texts(text, fields)}),
            "batch_size": 96,
        },
        model={
            "towers": {"image": {"encoder": Replace(c.tiny_resnet(32, "patch8", 64))}},
            "fusions": joint(fields, 64, width=64, depth=2, heads=4),
        },
        stages=stages(600),
        evaluators=[edits(families(new, alone=False), dict(type="emoji", split=new), **labels)],
    )


def paper() -> dict:
    """Tables of CC3M with an instruction and a changed caption; CIRR's queries and gallery."""
    folder, text = "weights/clip-vit-base-patch16", c.causal_text(**c.OPENAI)
    fields = {"text": "text", "text@edit": "edit", "text@target": "target"}
    train = c.manifest(
        "data/cc3m/triplets.csv", image="file", text="caption", edit="instruction", target="changed"
    )
    labels = {"answer": "target_id", "object": "image_id"}
    test = c.manifest("data/cirr/val.csv", labels=labels, image="file", edit="instruction")
    gallery = c.manifest("data/cirr/images.csv", labels={"object": "image_id"}, image="file")
    views = {"image": c.clip_image(), **texts(text.view, fields)}
    towers = {"image": c.openai_image(16), "text": text.encoder}
    return c.recipe(
        PAPER,
        steps=26_000,  # assumed: an epoch of CC3M in each stage
        data={**c.data(train, 256, text.tokenizer, workers=32), "views": views},
        towers=c.towers({"type": "none"}, **{
            name: c.pretrained(folder, e, name, take_head=False) for name, e in towers.items()
        }),
        fusions=joint(fields, 512, width=512, depth=6, heads=8, init="clip"),
        objectives=objectives(),
        optimizer=c.adamw(1e-4, weight_decay=0.1, warmup_steps=500,
                          freeze=("towers/image/.*",)),
        evaluators=[edits(test, gallery, labels="answer", gallery_labels="object",
                          decoy="object", ks=(1, 5, 10, 50))],
        stages=stages(13_000),
    )  # fmt: skip


get_config = c.variants("instructcir", small, objects, paper)
