"""Tree-structured semi-supervised contrastive pretraining for dialogs (SPACE-2).

He et al. 2022, arXiv 2209.06638. Turns of a dialog are annotated as trees of domain, intent, slots
and values. Two turns are positives as far as the nodes and paths of their trees overlap, each of
ten kinds of them in a subspace of its own; turns without a tree are contrasted with themselves
under another dropout. Useful wherever labels are sets, such as keywords, tags or diagnoses:
`sup_con` with `sets` takes any; one space for all kinds does better here than ten.

    python -m mmjax.main --config=configs/space2.py        # generated dialogs, some minutes
    python -m mmjax.main --config=configs/space2.py:bags   # bags of words, one space, seconds
    python -m mmjax.main --config=configs/space2.py:paper  # BERT-base on corpora of dialogs
    python -m mmjax.claims space2                          # sets, trees and intents as labels

Left out: fine-tuning for slots and for the states of dialogs, and embeddings of roles and turns.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.dialog_trees import SIZES, VIEWS, WORDS

PAPER = "He et al. 2022, SPACE-2, arXiv 2209.06638"
TEXTS, MASKED = ("text", "text@2"), "text@masked"
EVERY = "+".join(VIEWS)  # the layer whose cosine is the mean over subspaces


def heads(dim: int) -> dict:
    """A subspace for each kind of nodes and paths."""
    return {view: c.linear_head(dim, bias=True, activation="tanh") for view in VIEWS}


def subspaces(**options: object) -> dict:
    """The mean over subspaces of the contrastive loss, each with sets of its own."""
    shared = dict(type="sup_con", views=TEXTS, temperature=0.07, weight=0.1, **options)
    return {view: {**shared, "sets": (view,), "head": view} for view in VIEWS}


def alone() -> dict:
    """The same for turns without a tree, whose only positive is their second view."""
    shared = dict(type="nt_xent", views=TEXTS, temperature=0.07, weight=0.1)
    where = {"labelled": 0}
    return {f"{view}_alone": {**shared, "head": view, "where": where} for view in VIEWS}


def measured(layer: str, like: str = "data.source") -> list[dict]:
    """How cosines follow trees, and a probe of intents on ten turns each."""
    source, shots = (dict(like=like, split=split) for split in ("test", "shots"))
    alike = dict(modality="text", sets=VIEWS, measures=("correlation", "nearest"), examples=1000)
    return [
        c.structure("test", source, **alike, layer=layer),
        c.probe("test", source, shots, labels="intent", modalities=("text",)),
    ]


def data(source: dict, batch_size: int, text: c.Text, sizes: dict, **views: dict) -> dict:
    """Two views of a turn that differ by dropout, and the sets of its tree."""
    sets = {view: dict(type="array", shape=(size,), tower=False) for view, size in sizes.items()}
    texts = (text.view, text.view)
    return c.data(source, batch_size, text.tokenizer, text=texts, **sets, **views)


def small() -> dict:
    """Generated turns, half of them without a tree; ten subspaces, and masked words."""
    text = c.tiny_text(WORDS, 20, width=128, depth=2)
    size = len(WORDS) + 4
    tower = {
        "encoder": {**text.encoder, "vocab_size": size + 1, "dropout": 0.2},
        "head": c.linear_head(64),
        "heads": heads(64),
    }
    dialogs = {
        split: dict(type="dialog_trees", split=split, weight=1.0)
        for split in ("train", "unlabelled")
    }
    words = c.masked_words({MASKED: 128}, size, 128, depth=0, weight=0.1)
    return c.recipe(
        PAPER,
        steps=600,
        data=data(dialogs, 128, text, SIZES, **{MASKED: text.view}, labelled=c.LABEL),
        towers={"text": {**tower, **c.hides(MASKED, size, spans=(1, 3))}},
        objectives={**subspaces(where={"labelled": 1}), **alone(), "words": words},
        optimizer=c.adamw(1e-3, warmup_steps=50),
        evaluators=measured(EVERY, "data.source.train"),
        log_every=100,
    )


def bags() -> dict:
    """Bags of the words of annotated turns, and one space for the mean of the ten overlaps."""
    text = c.bag_text(WORDS, 20, embedding=128, hidden=(256,), width=128, dropout=0.2)
    head = c.linear_head(128, bias=True, activation="tanh")
    return c.recipe(
        PAPER,
        steps=600,
        data=data(dict(type="dialog_trees"), 64, text, SIZES, intent=c.LABEL, tree=c.LABEL),
        towers=c.towers(head, text=text.encoder),
        objectives={"trees": dict(type="sup_con", views=TEXTS, sets=VIEWS, temperature=0.07)},
        optimizer=c.adamw(1e-3),
        evaluators=measured("unit"),
        log_every=200,
    )


def paper() -> dict:
    """BERT-base: 128 turns with trees and 128 without, 60 epochs.

    Tables of turns say whether they are `labelled`; those that are have a file of 0 and 1 for each
    kind of nodes and paths.
    """
    text = c.bert_text(256, lowercase=True, dropout=0.2)
    size = text.encoder["vocab_size"]
    hides = c.hides(MASKED, size, 103, special=(0, 101, 102), spans=(1, 3))  # assumed: spans
    tower = dict(head=c.linear_head(768), heads=heads(768), **hides)
    labels = {"labelled": "labelled"}
    trees = c.manifest("data/space2/labelled.csv", None, labels, text="turn",
                       **{view: view for view in VIEWS})  # fmt: skip
    turns = c.manifest("data/space2/unlabelled.csv", None, labels, text="turn")
    train, test = (
        c.manifest(f"data/banking77/{split}.csv", None, {"intent": "intent"}, text="turn")
        for split in ("train", "test")
    )
    sizes = dict.fromkeys(VIEWS, 4096)  # assumed: as many nodes or paths at most
    sources = {"trees": {**trees, "weight": 1.0}, "turns": {**turns, "weight": 1.0}}
    words = c.masked_words({MASKED: 768}, size, 768, depth=0, weight=0.1)
    return c.recipe(
        PAPER,
        steps=150_000,  # assumed: the size of the corpora is not known
        data={**data(sources, 256, text, sizes, **{MASKED: text.view}, labelled=c.LABEL),
              "workers": 16},
        towers={"text": c.pretrained("weights/bert-base-uncased", text.encoder, "text", **tower)},
        objectives={**subspaces(where={"labelled": 1}), **alone(), "words": words},
        optimizer=c.adamw(1e-5, clip_norm=5.0, warmup_steps=1000),  # assumed: warmup_steps
        evaluators=[c.probe("banking77", test, train, labels="intent", modalities=("text",))],
        checkpoints={"every": 5000},
    )  # fmt: skip


get_config = c.variants("space2", small, bags, paper)
