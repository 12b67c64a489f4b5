"""Can representation gaps be the key to enhancing robustness in graph-text alignment? (LLM4GTA)

2025, arXiv 2510.12087. A graph tower that was trained against texts is adapted to a few classes of
a new domain; contrastive steps stop once the gap between graphs and texts has moved by a tenth, and
a classifier among graphs alone makes up for it. Useful where a dual encoder has to learn from a few
examples and keep what it can tell of other classes: `until` ends a stage by what an evaluator
measures, and `few_shot` with `text` tells classes by both. Here plain cross-entropy over the texts
of the classes, without a rule, keeps as much of the others, and is the simpler thing to try first.

    python -m mmjax.main --config=configs/llm4gta.py            # generated ego graphs, two minutes
    python -m mmjax.main --config=configs/llm4gta.py:molecules  # molecules and their names
    python -m mmjax.main --config=configs/llm4gta.py:paper      # node texts of GraphCLIP's graphs
    python -m mmjax.claims llm4gta                              # against what uses no rule
    python -m mmjax.claims llm4gta:claim_molecules              # the same on molecules

The paper's code is not public: the rule, the classifier and the weights of both predictions are
those of MG-CLIP (ICCV 2025), which has the same two parts. Its statistic is the mean logit of pairs
that do not belong together; here it is their mean cosine, `negative_cosine`. The classifier here is
made of class means and not trained on from these. `pretrain/...` is what was before. Left out:
summaries of subgraphs by a language model, which are read from a file.
"""

from mmjax.configs import common as c
from mmjax.configs.graph_text import graph_network
from mmjax.data.synthetic.ego_graphs import DIM, NODES

PAPER = "LLM4GTA 2025, Can Representation Gaps Be the Key ...?, arXiv 2510.12087"
PAIRS = (("graph", "text"),)


def objectives() -> dict:
    """InfoNCE with a learned temperature."""
    return {"clip": dict(type="info_nce", pairs=PAIRS, temperature=0.07, max_scale=None)}


def until(source: str = "train") -> dict:
    """The end of a stage: the mean cosine of what does not belong together moved by a tenth."""
    return {"metric": f"geometry/{source}/negative_cosine", "change": 0.1, "floor": 0.05}


def transferred(
    section: dict,
    towers: dict,
    shots: tuple[int, int],
    frozen: tuple[str, ...] = (),
    rows: int = 80,
) -> dict:
    """Pretraining on some classes; then a few graphs of others, until the gap has moved.

    Args:
      section: `data`, of a source with the splits 'train', 'adapted' and 'unseen'.
      towers: of graphs and texts.
      shots: texts that say what an unseen class is, and graphs and texts of an adapted one.
      frozen: what the stage that adapts leaves as it is.
      rows: of 'train'.
    """
    both = dict(modality="graph", labels="label", layer="unit", text="text")
    adapt = {
        "name": "adapt",
        "steps": 200,
        "until": until(),
        "evaluate_every": 10,
        "data": {"source": {"split": "train"}, "batch_size": rows},
        "optimizer": c.adamw(3e-4, schedule="constant", **({"freeze": frozen} if frozen else {})),
    }
    return c.recipe(
        PAPER,
        steps=500,
        data=section,
        towers=towers,
        objectives=objectives(),
        optimizer=c.adamw(1e-3, schedule="constant"),
        evaluators=[
            c.evaluator("few_shot", "unseen", "unseen", shots=shots[:1], **both),
            c.evaluator("few_shot", "adapted", "adapted", shots=shots[1:], **both),
            c.geometry("train", "train", pair=PAIRS[0]),
        ],
        stages=({"name": "pretrain"}, adapt),
    )


def small() -> dict:
    """Ego graphs of two domains; then 10 classes of a third, 8 graphs each; 20 unseen classes."""
    shape = dict(categories=(2,), features=DIM, edges=1)
    views = dict(graph=dict(type="graph", nodes=NODES, **shape), text=c.vector(DIM), label=c.LABEL)
    towers = c.towers(
        c.linear_head(DIM),
        graph=dict(type="graph_network", **shape, width=48, depth=2, heads=4),
        text={"encoder": c.identity(DIM), "head": {"type": "none"}},
    )
    return transferred(c.data(dict(type="ego_graphs", alike=0.3), 128, **views), towers, (20, 8))


def molecules() -> dict:
    """Molecules and their names; then 4 classes of 6 molecules each, and 4 unseen classes.

    No text tower knows such names: it is trained with the graphs, and frozen afterwards.
    """
    text = c.tiny_text("bytes", 48, lowercase=True)
    section = c.data(dict(type="molecule_classes"), 64, text.tokenizer, text=text.view,
                     graph=dict(type="graph", nodes=32), label=c.LABEL)  # fmt: skip
    graph = graph_network(64, 2, walk=8, pool="sum")
    towers = c.towers(c.linear_head(64), graph=graph, text=text.encoder)
    return transferred(section, towers, (5, 5), frozen=("towers/text/.*",), rows=24)


def paper() -> dict:
    """A graph transformer of 12 layers and frozen MiniLM, pretrained as GraphCLIP, on a few nodes.

    You need MiniLM's weights in Hugging Face's format, and tables of ego graphs (files of JSON with
    the vectors of node texts as features) and their summaries by a language model, of the source
    graphs and of the target one. Left out: adversarial noise of features, and dropped ones.
    """
    folder = "weights/all-MiniLM-L6-v2"
    words = c.bert_tokenizer(f"{folder}/tokenizer.json")
    text = c.bert_text(256, words, width=384, depth=6, heads=12)
    shape = dict(categories=(), features=384, edges=1)

    def rows(name: str) -> dict:
        columns = dict(graph="file", text="summary")
        return c.manifest(f"data/text_graphs/{name}.csv", None, {"label": "class"}, **columns)

    test = c.zero_shot("test", rows("target_test"), labels="label", modality="graph")
    adapt = {
        "name": "adapt",
        "steps": 1000,  # assumed: the most
        "until": until(),
        "evaluate_every": 10,  # assumed
        "data": {"source": rows("target_train")},
    }
    return c.recipe(
        PAPER,
        steps=11_700,  # assumed: 30 epochs of 100,000 graphs
        data=c.data(rows("sources"), 256, text.tokenizer, text=text.view, workers=8,
                    graph=dict(type="graph", nodes=64, **shape, drop_edges=0.2)),
        towers=c.towers(
            c.linear_head(384),
            graph=dict(type="graph_network", **shape, width=1024, depth=12, heads=8, walk=32),
            text=c.pretrained(folder, {**text.encoder, "pool": "mean"}, head={"type": "none"}),
        ),
        objectives=objectives(),
        optimizer=c.adamw(1e-5, weight_decay=1e-5, freeze=("towers/text/.*",)),
        evaluators=[test, c.geometry("train", rows("target_train"), pair=PAIRS[0])],
        stages=({"name": "pretrain"}, adapt),
    )  # fmt: skip


get_config = c.variants("llm4gta", small, molecules, paper)
