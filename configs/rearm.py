"""Recommendation by images and texts whose contrast leaves what only one of them shows (REARM).

Shouxing Ma et al. 2025, arXiv 2508.13745: a contrast of an item's image with its text keeps what
they share and deletes what is one's own, which users may care for. Here items and users are ranked
by BPR over [image | text | number], and InfoNCE compares only the first half of image and text; the
term `cross_covariance` can hold the other halves apart. What a user can take from it: a further
head of type `slice` gives a contrast a part of an embedding, and the rest keeps what a downstream
task needs; `item_pairs`, `bpr` and `exclude` of `retrieval` make a recommender of any towers.

    python -m mmjax.main --config=configs/rearm.py          # generated users and items, a minute
    python -m mmjax.main --config=configs/rearm.py:paper    # Amazon Baby, features of MMRec
    python -m mmjax.claims rearm                            # contrast on all, on half, and none

The numbers to look at are `retrieval/test/user_to_goods/recall@20` and, of what only the image
shows, `regression/image_only/R2`. Left out: propagation over graphs of users and items (features
may be made with it before), attention over the numbers of a vector, and the meta-network.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.user_items import DIM, ITEMS, USERS

PAPER = "Shouxing Ma et al. 2025, REARM, arXiv 2508.13745"
PARTS = ("image", "text", "item")
NUMBER = dict(type="array", shape=())


def objectives(temperature: float = 0.2, contrast: float = 1.0, **orthogonal: object) -> dict:
    """BPR, InfoNCE of the first halves, and the orthogonality of others where it has a weight."""
    pairs = dict(pairs=(("image", "text"),))
    shared = dict(direction_weights=(1.0, 0.0), duplicates="mask", duplicates_by="number")
    terms = {
        "rank": dict(type="bpr", query="user", positive="goods", negative="goods@other"),
        "shared": dict(type="info_nce", **pairs, **shared, head="shared", weight=contrast,
                       temperature=temperature, learn_temperature=False),
    }  # fmt: skip
    own = dict(type="cross_covariance", **pairs, head="own", **orthogonal)
    return {**terms, **({"own": own} if orthogonal else {})}


def parts(sizes: dict[str, int], users: int, items: int, half: int, number: int) -> dict:
    """Linear maps of both modalities to two halves, and vectors of users and of items."""
    halves = {"shared": dict(type="slice", stop=half), "own": dict(type="slice", start=half)}
    towers = c.towers(
        **{m: {"encoder": c.mlp(size, (), 2 * half), "heads": halves} for m, size in sizes.items()},
        item=dict(type="lookup", size=items, width=number),
        user=dict(type="lookup", size=users, width=4 * half + number),
    )
    other = tuple(f"{name}@other" for name in PARTS)
    goods = dict(type="concat", inputs=PARTS, also={"other": other})
    return dict(towers=towers, fusions={"goods": goods})


def views(sizes: dict[str, int], user: str = "user") -> dict:
    """A user, an item, another item, and the item's number as a label."""
    own = {**{m: c.vector(size) for m, size in sizes.items()}, "item": NUMBER}
    other = {f"{m}@other": {**view, "field": f"{m}_other"} for m, view in own.items()}
    return {"user": {**NUMBER, "field": user}, **own, **other, "number": c.LABEL}


def recommended(name: str, source: dict | str, catalogue: dict | str, **labels: str) -> dict:
    """What users want among what they do not have."""
    search = dict(pairs=(("user", "goods"),), layer="raw", labels="wanted", gallery_labels="number")
    more = ("recall@k", "nDCG@k")
    return c.retrieval(name, source, gallery=catalogue, ks=(10, 20), more=more, **search, **labels)


def small() -> dict:
    """800 users and 500 items; image and text have 4 numbers each that the other lacks."""
    sizes = {"image": DIM, "text": DIM}
    return c.recipe(
        PAPER,
        steps=800,
        data=c.data("user_items", 256, **views(sizes)),
        **parts(sizes, USERS, ITEMS, 16, 16),
        objectives=objectives(),
        optimizer=c.adamw(5e-3, weight_decay=1e-3, schedule="constant"),
        evaluators=[
            recommended("test", "test", "catalogue", exclude="known"),
            c.retrieval("items", "catalogue", pairs=(("image", "text"),), ks=(1,)),
            c.retrieval("halves", "catalogue", pairs=(("image", "text"),), ks=(1,), layer="shared"),
            *(
                c.evaluator("regression", f"{m}_only", "catalogue", target=f"{m}_only", modality=m,
                            layer="encoder")
                for m in sizes
            ),
        ],
        log_every=200,
    )  # fmt: skip


def paper() -> dict:
    """Amazon Baby, with its 4,096 numbers of an image and 384 of a text.

    `features/baby` has them as the arrays `embedding`, `id` (0, 1, ... as in the files of pairs)
    and `key`; `train.txt`, `val.txt` and `test.txt` are pairs of the numbers of user and item.
    """
    sizes, folder = {"image": 4096, "text": 384}, "features/baby"
    items = dict(type="features", files={m: f"{folder}/{m}.npz" for m in sizes})
    train = f"{folder}/train.txt"

    def wanted(name: str) -> dict:
        return dict(type="item_sets", source=items, parts=("text",), sets=train,
                    wanted=f"{folder}/{name}.txt")  # fmt: skip

    return c.recipe(
        PAPER,
        steps=58 * 2000,  # assumed: 118,551 pairs for training
        data=c.data(dict(type="item_pairs", source=items, sets=train), 2048,
                    **views(sizes, user="set")),
        **parts(sizes, 19_445, 7_050, 32, 64),
        objectives=objectives(0.6, 5e-6, weight=5e-5, through_length=False, reduction="sum"),
        optimizer=c.adamw(5e-5, weight_decay=5e-4, schedule="constant"),
        evaluators=[
            recommended(name, wanted(name), dict(type="item_pairs", source=items),
                        exclude="members")
            for name in ("val", "test")
        ],
        evaluate_every=580,  # assumed
    )  # fmt: skip


get_config = c.variants("rearm", small, paper)
