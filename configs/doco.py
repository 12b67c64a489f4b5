"""Document object contrastive learning (DoCo): page encoders that keep small objects.

Li et al. 2024, CVPR 2024, arXiv 2402.19014. The patches under an object's box are aligned with what
another encoder knows of the object, among the objects of the page, and pages among pages. What a
user can take from it: features of regions, of documents, maps or screenshots, from boxes that OCR
or a detector gives, by two terms `region_nce` that need no second encoder afterwards. On emoji and
few steps boxes tell more of a region than whole pages do, and hardly more of the page.

    python -m mmjax.main --config=configs/doco.py         # pages of emoji, minutes
    python -m mmjax.main --config=configs/doco.py:pages   # generated pages, half a minute
    python -m mmjax.main --config=configs/doco.py:paper   # scanned pages with OCR, ViT-L/14
    python -m mmjax.claims doco                           # against captions, and without boxes
    python -m mmjax.claims doco:claim_emoji               # the same on emoji

Left out: the language model, whose reading of pages is the third loss, for which captions stand,
and its tuning by instructions. Temperatures and sizes of heads are assumptions; patches are made
unit vectors before their mean, not after.
"""

from mmjax.configs import common as c
from mmjax.configs import lit
from mmjax.data.synthetic.object_pages import CAPTION, CODE, OBJECT, OBJECTS, PATCHES, SIDE

PAPER = "Li et al. 2024, DoCo, arXiv 2402.19014"


def objectives(text: str, grid: tuple[int, int], **options: object) -> dict:
    """Captions; objects of a page by their boxes; and pages by the means of their objects."""
    regions = dict(type="region_nce", pair=("image", "objects"), head="roi", boxes="boxes",
                   grid=grid, **options)  # fmt: skip
    return {
        "caption": dict(type="info_nce", pairs=(("image", text),)),
        "intra": {**regions, "scope": "example"},
        # One temperature for both.
        "inter": {**regions, "scope": "means", "temperature": "intra"},
    }


def towers(width: int, dim: int, **others: dict) -> dict:
    """Heads for captions, and `roi` of tokens for objects, which have no other.

    Args:
      width: of the object features' linear map.
      dim: of an object's features.
      **others: `image`, and the captions' tower.
    """
    head, roi = c.linear_head(width), {"roi": c.linear_head(width, tokens=True)}
    objects = dict(type="token_mlp", inputs=dim, hidden=(), width=width)
    found = c.towers(head, **others, objects={"encoder": objects, "head": {"type": "none"}})
    for name in ("image", "objects"):
        found[name]["heads"] = roi
    return found


def views(image: dict, objects: int, dim: int, **text: dict) -> dict:
    """Those of a page with so many objects of `dim` numbers."""
    seen = {"image": image, "objects": dict(type="sequence", length=objects, dim=dim)}
    return {**seen, **text, "boxes": dict(type="array", shape=(objects, 4), tower=False)}


def measured(test: object, fit: object, page: str, single: str) -> list[dict]:
    """What is on a page, what is in a box, and pages found by their objects.

    Args:
      test, fit: sources.
      page: label that lists the objects of a page.
      single: that of the object in its region.
    """
    common = dict(source=test, train=fit, c=0.1)
    return [
        c.probe("page", labels=page, several=True, k=5, **common),
        c.probe("object", labels=single, region="region", **common),
        c.retrieval("pages", test, pairs=(("image", "objects"),), layer="roi"),
    ]


def small(styles: tuple[str, ...] = ("fluent_flat", "noto_v1")) -> dict:
    """Five emoji on a page; objects are MiniLM's features of their names, captions one name.

    Args:
      styles: of the test, which are not trained.
    """

    def pages(rows: int, **options: object) -> dict:
        vectors = dict(type="features", files={"text": "emoji_pretrained:train"})
        return dict(type="collage", source=dict(type="emoji", **options), examples=rows, objects=5,
                    cells=3, vectors=vectors, cache_decoded=True)  # fmt: skip

    dim, tokenizer = lit.DIM + 4, dict(type="sentencepiece", path="emoji_8k")
    text = dict(type="bag_of_tokens", vocab_size=8000, length=16, embedding=64, width=64)
    seen = views(dict(type="pixels", size=64), 5, dim,
                 text=dict(type="text", length=16, field="phrase"))  # fmt: skip
    seen["objects"]["field"] = "vectors"
    image = {**c.tiny_resnet(64, "patch8", 96), "pool": "mean"}
    return c.recipe(
        PAPER,
        steps=800,
        data={**c.data(pages(50_000), 128, tokenizer), "views": seen},
        towers=towers(64, dim, image=image, text=text),
        objectives=objectives("text", (8, 8)),
        optimizer=c.adamw(2e-3, weight_decay=0.1, warmup_steps=50),
        evaluators=measured(pages(1000, styles=styles), pages(2000), "objects_group", "group"),
    )


def pages() -> dict:
    """Pages of 16 patches with five objects, of which the caption names one."""
    image = dict(type="signal_transformer", channels=CODE, length=PATCHES, patch=1, width=64,
                 depth=1, heads=4, pool="mean")  # fmt: skip
    sequence = dict(type="sequence", length=PATCHES, dim=CODE)
    return c.recipe(
        PAPER,
        steps=500,
        data={**c.data("object_pages", 128),
              "views": views(sequence, OBJECTS, OBJECT, caption=c.vector(CAPTION))},
        towers=towers(32, OBJECT, image=image, caption=c.identity(CAPTION)),
        objectives=objectives("caption", (SIDE, SIDE)),
        optimizer=c.adamw(1e-3),
        evaluators=measured(c.held_out(), c.held_out("fit"), "types", "type"),
        log_every=100,
    )  # fmt: skip


def paper() -> dict:
    """Pages with up to 64 OCR boxes, and features of LayoutLMv3 of each, stored before."""
    text, folder = c.causal_text(**c.OPENAI), "weights/clip-vit-large-patch14"
    labels = {"boxes": "boxes"}
    train, test = (
        c.manifest(f"data/pages/{split}.jsonl", None, labels, image="file", text="caption",
                   objects="layoutlmv3")
        for split in ("train", "val")
    )  # fmt: skip
    vit = c.vit(14, size="large", pool="cls", pre_norm=True, patch_bias=False, **c.OPENAI)
    image = c.pretrained(folder, vit, "image", take_head=False)
    seen = views(c.clip_image(fit="squash"), 64, 768, text=text.view)
    return c.recipe(
        PAPER,
        steps=4_000,  # assumed: an epoch of a million pages
        data={**c.data(train, 256, text.tokenizer, workers=32), "views": seen},  # assumed
        towers=towers(256, 768, image=image, text=text.encoder),  # assumed: the width
        objectives=objectives("text", (16, 16), skip={"image": 1}),
        optimizer=c.adamw(1e-4, weight_decay=0.05, warmup_steps=400),  # assumed
        evaluators=[c.retrieval("pages", test, pairs=(("image", "objects"),), layer="roi")],
        checkpoints={"every": 1000},
    )


get_config = c.variants("doco", small, pages, paper)
