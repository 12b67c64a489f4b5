"""Graphs of molecules and their names in one space (MoleculeSTM).

Liu et al. 2023, "Multi-modal molecule structure-text model for text-based retrieval and editing",
Nature Machine Intelligence, arXiv 2212.10789: a graph network and a text transformer, trained with
InfoNCE on molecules and what is written about them.

    python -m mmjax.main --config=configs/graph_text.py          # 442 molecules, two minutes
    python -m mmjax.main --config=configs/graph_text.py:paper    # PubChem, GIN and SciBERT
    python -m mmjax.claims graph_text                            # three seeds

`small` reads the systematic names, letter by letter, of 442 small molecules, and is evaluated on
the 125 others: it has to read a name that it has never seen, and to find its graph. The graphs have
no stereochemistry, so 10 of the 125 have a twin (an (E) and a (Z) form, say) that no model of these
inputs can tell from them.

Expected of `small`, among 125 (three seeds; chance R@1 .008, R@10 .08): graph to name R@1 .499 ±
.033, R@10 .859 ± .017; name to graph R@1 .500 ± .034, R@10 .845 ± .026.
"""

from configs import base

PAPER = "Liu et al. 2023, MoleculeSTM, arXiv 2212.10789"
PAIRS = (("graph", "text"),)


def objectives() -> dict:
    """The paper's InfoNCE; two records with one name are not each other's negatives."""
    return {
        "pairs": {
            "type": "info_nce",
            "pairs": PAIRS,
            "temperature": 0.1,
            "learn_temperature": False,
            "duplicates": "mask",
        }
    }


def small() -> dict:
    """Molecules of at most 32 atoms and their names."""
    head = {"type": "linear", "dim": 64}
    graph = {
        "type": "graph_network",
        "categories": (119, 9, 9),
        "edges": 4,
        "width": 64,
        "depth": 4,
        "walk": 8,
        "pool": "sum",
    }
    text = {
        "type": "text_transformer",
        "vocab_size": 260,
        "length": 64,
        "width": 64,
        "depth": 2,
        "heads": 4,
        "causal": False,
        "pool": "mean",
        "init": "xavier",
    }
    test = base.held_out()
    return {
        "paper": PAPER,
        "steps": 800,
        "data": {
            "source": {"type": "molecules", "split": "train", "most_atoms": 32},
            "tokenizer": {"type": "bytes"},
            "views": {
                "graph": {"type": "graph", "nodes": 32},
                "text": {"type": "text", "length": 64, "lowercase": True},
            },
            "batch_size": 64,
        },
        "model": {
            "towers": {
                "graph": {"encoder": graph, "head": head},
                "text": {"encoder": text, "head": head},
            }
        },
        "objectives": objectives(),
        "optimizer": {
            "learning_rate": 1e-3,
            "weight_decay": 0.1,
            "warmup_steps": 50,
            "clip_norm": 1.0,
        },
        "evaluators": {"retrieval": {"new_molecules": {"source": test, "pairs": PAIRS}}},
    }


def paper() -> dict:
    """GIN of 5 layers and 300 numbers, SciBERT, on 281,000 pairs of PubChem.

    Bring SciBERT's weights in Hugging Face's layout, and a manifest of SDF files and descriptions,
    which need the extra `graphs`.
    The graph tower here starts from scratch; the paper's has been pretrained (GraphMVP). Its text
    vector is what SciBERT's pooler makes of [CLS], which here is read without it. Sizes, batch, 32
    epochs and the two learning rates are those of the authors' code and of the checkpoint that they
    name for retrieval (`SciBERT-Graph-3e-5-1-1e-4-1-InfoNCE-0.1-32-32`): Adam, constant, no decay.
    """
    text = base.bert(512, vocab_size=31_090)
    graph = {
        "type": "graph_network",
        "categories": (119, 9, 9),
        "edges": 4,
        "width": 300,
        "depth": 5,
        "pool": "mean",
        "dropout": 0.5,
    }
    head = {"type": "linear", "dim": 256, "bias": True}
    return {
        "paper": PAPER,
        "steps": 281_000,  # 32 epochs of 281,000 pairs
        "data": {
            "source": {
                "type": "manifest",
                "path": "data/pubchem_stm/train.csv",
                "split": "train",
                "columns": {"graph": "sdf", "text": "description"},
            },
            "tokenizer": base.bert_tokenizer("data/scibert/tokenizer.json"),
            "views": {
                "graph": {"type": "graph", "nodes": 128},
                "text": {"type": "text", "length": 512, "lowercase": True},
            },
            "batch_size": 32,
            "workers": 8,
        },
        "model": {
            "towers": {
                "graph": {"encoder": graph, "head": head},
                "text": {
                    "init_from": {"path": "weights/scibert", "part": "text"},
                    "encoder": text,
                    "head": head,
                },
            }
        },
        "objectives": objectives(),
        "optimizer": {
            "learning_rate": 1e-4,
            "learning_rate_rules": (("towers/text/.*", 0.3),),
            "schedule": "constant",
        },
        "evaluators": {"retrieval": {"val": {"source": base.held_out("val"), "pairs": PAIRS}}},
        "checkpoints": {"every": 5000},
    }


def claim() -> dict:
    """What `small` reaches over three seeds, next to chance."""
    first, five, ten = (
        tuple(f"retrieval/new_molecules/{d}/R@{k}" for d in ("graph_to_text", "text_to_graph"))
        for k in (1, 5, 10)
    )
    return {
        **small(),
        "claim": {
            "statement": "a name that was never read finds its graph, and a graph its name, among "
            "125 at least ten times as often as by chance (R@1, chance .008)",
            "arms": {"names": ()},
            "checks": tuple(
                {"metric": metric, "arm": "names", "compare": ">=", "offset": 0.08}
                for metric in first
            ),
            "metrics": (*first, *five, *ten),
            "paper_numbers": "zero-shot retrieval among 20, of drugs by their descriptions: about "
            ".95 and more (from memory)",
        },
    }


get_config = base.variants("graph_text", {"small": small, "paper": paper, "claim": claim})
