"""Dialog2Flow: Pre-training Soft-Contrastive Action-Driven Sentence Embeddings.

Burdisso et al. 2024, arXiv 2410.18481. Utterances of one action are embedded together. Because
actions have names, those with similar names are closer: the targets are a softmax over the
similarities of the embedded names.

In the experiment of the claim this is better than hard labels, and so is plain regression of the
embedded names, without any contrast.

    python -m mmjax.main --config=configs/dialog2flow.py          # 60 names of 20 actions
    python -m mmjax.main --config=configs/dialog2flow.py:paper    # BERT-base, dialog corpora
    python -m mmjax.main --config=configs/dialog2flow.py:joint    # a loss each for acts, slots
    python -m mmjax.claims dialog2flow                            # against hard labels, regression

Left out: D2F-joint, with a head, pairs and an optimizer for each kind of label.
"""

from mmjax.configs import common as c

PAPER = "Burdisso et al. 2024, Dialog2Flow, arXiv 2410.18481"


def soft(pair: tuple[str, str], **options: object) -> dict:
    """Soft targets from the names' embeddings, the same for both directions."""
    names = dict(reference="name", weights="softmax", reference_temperature=0.35)
    fixed = dict(temperature=0.05, learn_temperature=False)
    return {"type": "soft_info_nce", "pairs": (pair,), **names, **fixed, **options}


def small() -> dict:
    """Three corpora name the same 20 actions with different words; seconds.

    A record has all utterances of its label, so its two views are a positive pair.
    """
    x, few = c.vector(128), dict(modality="x", labels="action")
    views = dict(x=(x, x), name=c.vector(16), label=c.LABEL, action=c.LABEL)
    tower = {"encoder": c.mlp(128, (256,), 64), "head": c.mlp_head(32, 64, bias=False)}
    return c.recipe(
        PAPER,
        steps=800,
        data=c.data("named_actions", 64, **views),
        towers=c.towers(x=tower, name=c.identity(16)),
        objectives={"d2f": soft(("x", "x@2"))},
        optimizer=c.adamw(1e-3, schedule="constant"),
        evaluators=[
            c.evaluator("few_shot", "mixed", **few),
            c.evaluator("few_shot", "unseen", "unseen", **few),
        ],
        log_every=200,
    )


def paper() -> dict:
    """D2F-single: BERT-base with mean pooling on utterances of 20 corpora, 15 epochs.

    The table has one row for each pair of utterances with the same label, as alternatives of
    `text`, and a file with the embedding of the label's name by multi-qa-mpnet-base-dot-v1, 768
    dimensions. The test table has utterances and their labels. BERT's weights are a local folder.
    The head's learning rate is 100 times higher. Unconfirmed: 3.4 million pairs, which determine
    the number of steps, and the number of processes, each of which had a batch of 64.
    """
    text = c.bert_text(64, pool="mean")
    utterances, view = ("utterance_1", "utterance_2"), {**text.view, "caption": "random"}
    pairs = c.manifest("data/dialog2flow/pairs.csv", text=utterances, name="name")
    pairs["group_rows"] = False  # many rows refer to one file
    test = c.manifest("data/dialog2flow/test.csv", labels={"label": "label"}, text="utterance")
    head = c.mlp_head(128, 768, bias=False)
    return c.recipe(
        PAPER,
        steps=797_000,  # assumed: 15 epochs of 3.4 million pairs
        data=c.data(
            pairs,
            batch_size=64,  # assumed: one process
            tokenizer=text.tokenizer,
            text=(view, view),
            name=c.vector(768),
            workers=8,
        ),
        towers=c.towers(
            text=c.pretrained("weights/bert", text.encoder, "text", head=head), name=c.identity(768)
        ),
        objectives={"d2f": soft(("text", "text@2"))},
        optimizer=c.adamw(
            3e-4,
            weight_decay=0.01,
            warmup_steps=100,
            schedule="linear",
            clip_norm=1.0,
            learning_rate_rules=(("towers/text/encoder/.*", 0.01),),
        ),
        evaluators=[c.evaluator("few_shot", "test", test, modality="text")],
        checkpoints={"every": 5000},
    )


def joint() -> dict:
    """D2F-joint: one loss on dialog acts and one on slots, each with its own head.

    As in the authors' code, updates for acts and slots alternate, each with its own optimizer:
    batches alternate between the tables, whose names the other lacks, so that one loss is 0 and its
    head is not updated. The tables are like those of `paper`; rare act labels may be repeated in
    theirs, as the authors do. To sum both losses instead: `data.mix=rows`, `data.batch_size=128`,
    `optimizer.turns=()` and half the steps. The paper's epochs have the length of the smaller
    table, whose size is not known: the steps are those of `paper`.
    """
    names, utterances = ("act", "slot"), ("utterance_1", "utterance_2")
    tables = {
        name: c.manifest(f"data/dialog2flow/{name}_pairs.csv", text=utterances, **{name: "name"})
        | {"group_rows": False}
        for name in names
    }
    head = dict(projection=(768, 768, 128))
    terms = {name: soft(("text", "text@2"), reference=name, **head) for name in names}
    return c.changed(
        paper(),
        data={
            "source": tables,
            "mix": "batches",
            "views": {"name": None, **dict.fromkeys(names, c.vector(768))},
        },
        model={
            "towers": {
                "name": None,
                "text": {"head": {"type": "none"}},
                **c.towers(**dict.fromkeys(names, c.identity(768))),
            }
        },
        objectives={"d2f": None, **terms},
        optimizer={"turns": tuple((f"objectives/terms/{name}/.*",) for name in names)},
    )


get_config = c.variants("dialog2flow", small, paper, joint)
