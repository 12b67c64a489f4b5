"""Bundle construction from the modalities of items and the feedback of users (CLHE).

Ma et al. 2024, arXiv 2310.18770. Attention over the image, the text, the users' feedback and the
number of each item, and attention over the items of a set, rank a catalogue by what a set lacks;
beside the likelihood of its items there are InfoNCE of items under dropped parts, and of a set and
a part of it. What a user can take from it: the encoder `item_set` is one vector of any set of
things with several modalities, some of them missing (bundles, baskets, albums), and `gallery_nce`
with several right entries trains it to name what else belongs to one.

    python -m mmjax.main --config=configs/clhe.py          # generated bundles, a minute
    python -m mmjax.main --config=configs/clhe.py:paper    # POG, features of BLIP, own files
    python -m mmjax.claims clhe                            # what each of the two contrasts adds

The number to look at is `retrieval/test/bundle_to_catalogue/recall@20`. As in the paper's code the
catalogue has a tower of its own. Here the attention over items trains; the code leaves it as it is
at the start. Left out: noise and dropout on the vectors of items in the place of dropped parts.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.bundles import DIM, ITEMS, PARTS

PAPER = "Ma et al. 2024, CLHE, arXiv 2310.18770"
SEARCH = dict(pairs=(("bundle", "catalogue"),), layer="raw", gallery_labels="item", ks=(20,),
              exclude="members", more=("recall@k", "nDCG@k"))  # fmt: skip


def objectives(parts: tuple[float, float] = (0.5, 0.1), sets: tuple[float, float] = (0.2, 0.5)):
    """The likelihood of a set's items, and (temperature, weight) of the two contrasts."""
    dropped, part = ("bundle@2", "bundle@3"), ("bundle", "bundle@part")
    one_way = dict(direction_weights=(1.0, 0.0), learn_temperature=False)
    main = dict(query="bundle", gallery="items", label="members", layer="raw", temperature=1.0)
    region = dict(pair=dropped, scope="batch", labels=("members", "members"), **one_way)
    return {
        "main": dict(type="gallery_nce", **main),
        "parts": dict(type="region_nce", **region, temperature=parts[0], weight=parts[1]),
        "sets": dict(
            type="info_nce", pairs=(part,), **one_way, temperature=sets[0], weight=sets[1]
        ),
    }


def towers(parts: dict, media: tuple[str, str], items: int, hidden: tuple[int, ...]) -> dict:
    """Sets, and the items of the catalogue; parts are dropped in two views of the sets alone."""
    encoder = dict(type="item_set", parts=parts, media=media, items=items, hidden=hidden)
    head = dict(type="none", tokens=True)
    bundle = {"encoder": {**encoder, "drop_parts": 0.2}, "head": head,
              "deterministic": ("bundle", "bundle@part")}  # fmt: skip
    return c.towers(bundle=bundle, catalogue={**encoder, "attend": False})


def views(length: int, dim: int, keep: float) -> dict:
    """A set, a part of it, the set twice for dropped parts, an item, and the numbers of a set."""
    whole = dict(type="sequence", length=length, dim=dim, field="items")
    return {
        **dict.fromkeys(("bundle", "bundle@2", "bundle@3"), whole),
        "bundle@part": {**whole, "keep": keep},
        "catalogue": {**whole, "length": 1, "train": False},
        "members": dict(type="label_set", length=length),
    }


def small(split: str = "test") -> dict:
    """600 items in bundles of two styles; `dropped` is without half of what is known of items."""
    data = c.data("bundles", 128, **views(11, DIM, 0.5))
    gallery = dict(source=c.held_out("catalogue"), view="catalogue", size=ITEMS)
    lacking = {"dropped": 0.5}
    catalogue = c.held_out("catalogue", **lacking)
    return c.recipe(
        PAPER,
        steps=300,
        data={**data, "galleries": {"items": gallery}},
        towers=towers(PARTS, ("image", "text"), ITEMS, (64,)),
        objectives=objectives(),
        optimizer=c.adamw(1e-3, weight_decay=1e-5, schedule="constant"),
        evaluators=[
            c.retrieval("test", split, gallery="catalogue", labels="wanted", **SEARCH),
            c.retrieval("cold", split, gallery="catalogue", labels="wanted_cold", **SEARCH),
            c.retrieval("dropped", c.held_out(split, **lacking), gallery=catalogue,
                        labels="wanted", **SEARCH),
        ],
    )  # fmt: skip


def paper() -> dict:
    """POG dense: BLIP's features of images and titles, and vectors of items of LightGCN.

    Features are made by `python -m mmjax.embed`; `feedback.npz` has the arrays `embedding`, `id`
    and `key`; the sets are the files of pairs that the authors publish.
    """
    folder, size = "data/pog_dense", 31_217  # assumed: items, likewise bundles in `steps`
    parts = {"image": 256, "text": 256, "feedback": 64}  # assumed: BLIP's joint space
    files = {name: f"{folder}/{name}.npz" for name in parts}
    items = dict(type="features", files=files)

    def sets(**files: str) -> dict:
        paths = {key: f"{folder}/{name}.txt" for key, name in files.items()}
        return dict(type="item_sets", source=items, parts=tuple(parts), **paths)

    gallery = dict(source=sets(), view="catalogue", size=size)
    data = c.data(
        sets(sets="bi_train"), 256, **views(16, sum(parts.values()) + 1, 0.5)
    )  # assumed: 16
    return c.recipe(
        PAPER,
        steps=50 * 29_686 // 256,
        data={**data, "galleries": {"items": gallery}},
        towers=towers(parts, ("image", "text"), size, (256, 256)),
        objectives=objectives(parts=(0.5, 0.1), sets=(0.05, 2.0)),
        optimizer=c.adamw(1e-3, weight_decay=1e-5, schedule="constant"),
        evaluators=[
            c.retrieval(name, sets(sets=f"bi_{name}_input", wanted=f"bi_{name}_gt"),
                        gallery=sets(), labels="wanted", **SEARCH)
            for name in ("valid", "test")
        ],
        evaluate_every=232,  # 2 epochs
    )  # fmt: skip


get_config = c.variants("clhe", small, paper)
