"""mRAG: which modalities of queries and items to search by, and whether to rerank.

Hu et al. 2025, arXiv 2505.24073. A query is an image and a question, an item an image and a text;
which of them are compared decides the recall, a question that does not name what it is about may
hurt, and the first items are put in order by a model that sees query and item together. What a user
can take from it: the evaluator `retrieval_grid` tries every configuration and tunes the weights of
a fused score on other queries; the term `relevance` with `loss='listwise'` trains a reranker of the
nearest, whose gain is to be held against those weights.

    python -m mmjax.main --config=configs/mrag.py              # generated pages, half a minute
    python -m mmjax.main --config=configs/mrag.py:reranked     # blurred queries, and a reranker
    python -m mmjax.main --config=configs/mrag.py:emoji        # emoji: a word and another style
    python -m mmjax.main --config=configs/mrag.py:paper        # your tables, CLIP ViT-L/14
    python -m mmjax.evaluate --workdir=runs/... --config=configs/mrag.py:paper
    python -m mmjax.claims mrag                                # what each side should hold
    python -m mmjax.claims mrag:claim_reranked                 # a reranker against tuned weights

Nothing trains in the paper. Left out: rerankers and readers that are language models, their loop of
questions to themselves, how many items they read.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.entity_questions import IMAGE, WORDS

PAPER = "Hu et al. 2025, mRAG, arXiv 2505.24073"
QUERY, ITEM = ("image@query", "text@question"), ("image", "text")
QUERIES = dict(zip(QUERY, ("query_image", "question"), strict=True))


def grid(source: object, train: object, gallery: object, **options: object) -> dict:
    """Every configuration of a query's image and question with an item's image and text."""
    views = dict(query=QUERY, items=ITEM, train=train, gallery=gallery)
    return c.evaluator("retrieval_grid", "test", source, **views, **options)


def small(split: str = "test", train: bool = False, **source: object) -> dict:
    """Towers on pages of other entities; 500 pages are searched.

    Args:
      split: of the queries.
      train: whether queries are embedded in training, too.
      **source: options of the generated data.
    """
    sizes, more = {"image": IMAGE, "text": WORDS}, {} if train else {"train": False}
    views = {name: c.vector(size) for name, size in sizes.items()}
    views |= {n: {**views[n.partition("@")[0]], "field": f, **more} for n, f in QUERIES.items()}
    return c.recipe(
        PAPER,
        steps=800,
        data=c.data(dict(type="entity_questions", **source), 256, **views),
        towers=c.towers(**{name: c.mlp(size, (128,), 32) for name, size in sizes.items()}),
        objectives={"clip": dict(type="info_nce")},
        optimizer=c.adamw(1e-3),
        evaluators=[grid(split, "tuning", "gallery")],
    )


def reranked(split: str = "test") -> dict:
    """Blurred queries that ask for two attributes; a reranker of the ten nearest by the image."""
    base = small(split, train=True, noise=1.3, attributes=2, categories=0.5)
    # Nearly the cosine of images alone; the reranker sees all four cosines.
    fusion = dict(type="concat", weights=(1.0, 0.01))
    sizes = dict.fromkeys(("query", "item"), 64)
    reranker = dict(
        type="relevance",
        pair=("query", "item"),
        inputs=sizes,
        read="cosines",
        parts=dict.fromkeys(sizes, 2),
        hidden=(32,),
        loss="listwise",
        candidates=10,
    )
    found = c.evaluator(
        "rerank",
        "test",
        split,
        pairs=(("query", "item"),),
        term="reranker",
        gallery=c.held_out("gallery"),
        candidates=10,
    )
    sides = {"query": {**fusion, "inputs": QUERY}, "item": {**fusion, "inputs": ITEM}}
    return c.changed(
        base,
        model={"fusions": sides},
        objectives={"reranker": reranker},
        evaluators=c.measured([base["evaluators"], found]),
        stages=(
            c.stage("towers", 800, without=("reranker",), evaluators={"rerank": None},
                    data={"source": {"split": "train"}}),
            c.stage("reranker", 2500, without=("clip",),
                    data={"source": {"split": "rerank"}, "batch_size": 512},
                    optimizer={"freeze": ("towers/.*",), "learning_rate": 2e-3}),
        ),
    )  # fmt: skip


def emoji() -> dict:
    """Emoji: queries are a style that is not trained and the word of its group."""
    base = c.emoji(PAPER, {"clip": dict(type="info_nce", temperature=0.05)})
    own = base["data"]["views"]
    views = {
        "image@query": {**own["image"], "train": False},
        "text@question": {**own["text"], "field": "group", "train": False},
    }
    sources = {s: dict(type="emoji", split=s) for s in ("new_style", "new_style_train_concepts")}
    found = grid(*sources.values(), dict(type="emoji", split="train"))
    return c.changed(base, data={"views": views}, evaluators=[found])


def paper() -> dict:
    """CLIP ViT-L/14 as it is; tables of queries and of pages, whose ids say what belongs together.

    The paper's sets are E-VQA and InfoSeek with pages of Wikipedia, by EVA-CLIP among others.
    """
    text, folder = c.causal_text(768, 12, **c.OPENAI), "weights/clip-vit-large-patch14"
    image = c.vit(14, size="large", pool="cls", pre_norm=True, patch_bias=False, **c.OPENAI)
    pages = c.manifest("data/pages.csv", image="image", text="text")
    own = {"image": c.clip_image(), "text": text.view}
    views = own | {n: {**own[n.partition("@")[0]], "field": f} for n, f in QUERIES.items()}

    def queries(split: str) -> dict:
        return c.manifest(f"data/queries-{split}.csv", query_image="image", question="question")

    return c.recipe(
        PAPER,
        steps=0,
        data=c.data(pages, 64, text.tokenizer, workers=16, **views),
        towers=c.towers(
            c.linear_head(768), image=c.pretrained(folder, image, take_head=True),
            text=c.pretrained(folder, text.encoder, take_head=True),
        ),
        evaluators=[grid(queries("test"), queries("validation"), pages)],
    )  # fmt: skip


get_config = c.variants("mrag", small, reranked, emoji, paper)
