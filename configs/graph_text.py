"""MoleculeSTM: contrastive pretraining of molecular graphs and their names.

Liu et al. 2023, "Multi-modal molecule structure-text model for text-based retrieval and editing",
Nature Machine Intelligence, arXiv 2212.10789: a graph network and a text transformer, trained with
InfoNCE on molecules and their descriptions.

**On the molecules here a simple method is better**: ridge regression between counts of letters of
the name and counts of atoms, bonds and neighbours. The towers learn from 377 molecules only.

    python -m mmjax.main --config=configs/graph_text.py          # 377 molecules, two minutes
    python -m mmjax.main --config=configs/graph_text.py:paper    # PubChem, GIN and SciBERT
    python -m mmjax.claims graph_text                            # against ridge regression

`small` reads the systematic names of 377 molecules by character, and finds the graphs of 117 unseen
names. The graphs have no stereochemistry: 18 of the 117 have a twin in their split, say an (E) and
a (Z) form, that no model of these inputs can distinguish. Settings are chosen on `validation` (73).
Left out: weights of GraphMVP for the graph tower, and editing of molecules by texts.
"""

from mmjax.configs import common as c

PAPER = "Liu et al. 2023, MoleculeSTM, arXiv 2212.10789"
PAIRS = (("graph", "text"),)


def objectives() -> dict:
    """The paper's InfoNCE; records with the same name are not negatives."""
    fixed = dict(temperature=0.1, learn_temperature=False)
    return {"pairs": dict(type="info_nce", pairs=PAIRS, **fixed, duplicates="mask")}


def graph_network(width: int, depth: int, **options: object) -> dict:
    """Atoms of 119 elements with charge and number of hydrogens; four bond types."""
    given = dict(type="graph_network", categories=(119, 9, 9), edges=4)
    return {**given, "width": width, "depth": depth, **options}


def small() -> dict:
    """Molecules of at most 32 atoms and their names."""
    text = c.tiny_text("bytes", 64, depth=2, lowercase=True)
    molecules = dict(type="molecules", split="train", most_atoms=32)
    view = dict(type="graph", nodes=32)
    return c.recipe(
        PAPER,
        steps=800,
        data=c.data(molecules, 64, text.tokenizer, graph=view, text=text.view),
        towers=c.towers(
            c.linear_head(64), graph=graph_network(64, 4, walk=8, pool="sum"), text=text.encoder
        ),
        objectives=objectives(),
        optimizer=c.adamw(1e-3, weight_decay=0.1, warmup_steps=50, clip_norm=1.0),
        evaluators=[
            c.retrieval("new_molecules", pairs=PAIRS),
            c.retrieval("validation", "validation", pairs=PAIRS),
        ],
    )


def paper() -> dict:
    """GIN with 5 layers of width 300, and SciBERT, on 281,000 pairs of PubChem.

    You need SciBERT's weights in Hugging Face's format, and a manifest of SDF files and
    descriptions, which needs the extra `graphs`. The graph tower here is trained from scratch; the
    paper's is pretrained (GraphMVP). Its text embedding is SciBERT's pooler applied to [CLS]; here
    the pooler is not used. Sizes, batch size, 32 epochs and the two learning rates are those of the
    authors' code and of the checkpoint that they recommend for retrieval
    (`SciBERT-Graph-3e-5-1-1e-4-1-InfoNCE-0.1-32-32`): Adam, constant, no weight decay.
    """
    tokenizer = c.bert_tokenizer("data/scibert/tokenizer.json")
    text = c.bert_text(512, tokenizer, lowercase=True, vocab_size=31_090)
    pairs = c.manifest("data/pubchem_stm/train.csv", "train", graph="sdf", text="description")
    view = dict(type="graph", nodes=128)
    return c.recipe(
        PAPER,
        steps=281_000,  # 32 epochs of 281,000 pairs
        data=c.data(pairs, 32, text.tokenizer, graph=view, text=text.view, workers=8),
        towers=c.towers(
            c.linear_head(256, bias=True),
            graph=graph_network(300, 5, pool="mean", dropout=0.5),
            text=c.pretrained("weights/scibert", text.encoder, "text"),
        ),
        objectives=objectives(),
        optimizer=c.adamw(
            1e-4, learning_rate_rules=(("towers/text/.*", 0.3),), schedule="constant"
        ),
        evaluators=[c.retrieval("val", "val", pairs=PAIRS)],
        checkpoints={"every": 5000},
    )


get_config = c.variants("graph_text", small, paper)
