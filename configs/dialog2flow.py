"""Dialog2Flow: Pre-training Soft-Contrastive Action-Driven Sentence Embeddings.

Burdisso et al. 2024, arXiv 2410.18481. Utterances of one action lie together, and because actions
have names, those of similar names lie closer: the targets are a softmax over the similarities of
the embedded names.

    python -m mmjax.main --config=configs/dialog2flow.py          # 60 names of 20 actions
    python -m mmjax.main --config=configs/dialog2flow.py:paper    # BERT-base, dialog corpora
    python -m mmjax.main --config=configs/dialog2flow.py:joint    # acts and slots apart
    python -m mmjax.claims dialog2flow                            # the claim

The claim is shown, in a minute; few-shot accuracy and F1 of the action, over 3 seeds:

                              1-shot       its F1       5-shot       its F1       a new corpus
    hard labels               .255 ± .042  .259 ± .044  .440 ± .091  .443 ± .087  .405 ± .043
    soft, reference at .1     .329 ± .070  .324 ± .065  .557 ± .089  .551 ± .086  .408 ± .047
    soft, .35                 .437 ± .065  .418 ± .061  .651 ± .073  .642 ± .073  .457 ± .046
    hard, of the true action  .436 ± .061  .416 ± .055  .649 ± .067  .640 ± .065  .408 ± .038

The last column is the 1-shot accuracy in a corpus that was not trained on. What soft targets gain
is that synonyms are recovered: hard labels that know them do as well, but in a new corpus; where
names share nothing, there is nothing to recover. The paper, F1: 64.5 and 71.3 (D2F-single), 58.2
and 68.5 (D2F-Hard single).
"""

from configs import base

PAPER = "Burdisso et al. 2024, Dialog2Flow, arXiv 2410.18481"
PAIR = ("x", "x@2")


def objective(pair: tuple[str, str], **options: object) -> dict:
    """Soft targets of the names' embeddings, the same for both directions."""
    return {
        "type": "soft_info_nce",
        "pairs": (pair,),
        "reference": "name",
        "weights": "softmax",
        "reference_temperature": 0.35,
        "temperature": 0.05,
        "learn_temperature": False,
        **options,
    }


def small() -> dict:
    """Three corpora name the same 20 actions with words of their own; seconds.

    A record holds all utterances of its label, so that the two views of it are a pair.
    """
    view = {"type": "vector", "dim": 128}
    tower = base.mlp(128, (256,), 64)
    tower["head"] = {"type": "mlp", "dim": 32, "hidden": 64, "bias": False}
    few = {"modality": "x", "labels": "action"}
    return {
        "paper": PAPER,
        "steps": 800,
        "data": {
            "source": {"type": "named_actions"},
            "views": {
                "x": view,
                "x@2": view,
                "name": {"type": "vector", "dim": 16},
                "label": {"type": "label"},
                "action": {"type": "label"},
            },
            "batch_size": 64,
        },
        "model": {"towers": {"x": tower, "name": {"encoder": {"type": "identity", "inputs": 16}}}},
        "objectives": {"d2f": objective(PAIR)},
        "optimizer": {"learning_rate": 1e-3, "schedule": "constant"},
        "evaluators": {
            "few_shot": {
                "mixed": {"source": base.held_out(), **few},
                "unseen": {"source": base.held_out("unseen"), **few},
            }
        },
        "log_every": 200,
    }


def paper() -> dict:
    """D2F-single: BERT-base with mean pooling on utterances of 20 corpora, 15 epochs.

    The table has one row for each pair of utterances of one label, as alternatives of `text`, and a
    file with the label's name as embedded by multi-qa-mpnet-base-dot-v1, 768 numbers; that of the
    test has utterances and their labels. BERT's weights are a folder on this disk. The head learns
    100 times as fast. Unconfirmed: 3.4 million pairs, from which the steps follow, and the number
    of processes, each of which had a batch of 64.
    """
    head = {"type": "mlp", "dim": 128, "hidden": 768, "bias": False}
    view = {"type": "text", "length": 64, "caption": "random"}
    test = {
        "type": "manifest",
        "path": "data/dialog2flow/test.csv",
        "columns": {"text": "utterance"},
        "labels": {"label": "label"},
    }
    return {
        "paper": PAPER,
        "steps": 797_000,
        "data": {
            "source": {
                "type": "manifest",
                "path": "data/dialog2flow/pairs.csv",
                "columns": {"text": ["utterance_1", "utterance_2"], "name": "name"},
                "group_rows": False,  # many rows name one file
            },
            "tokenizer": base.bert_tokenizer(),
            "views": {"text": view, "text@2": view, "name": {"type": "vector", "dim": 768}},
            "batch_size": 64,
            "workers": 8,
        },
        "model": {
            "towers": {
                "text": {
                    "init_from": {"path": "weights/bert", "part": "text"},
                    "encoder": base.bert(64, pool="mean"),
                    "head": head,
                },
                "name": {"encoder": {"type": "identity", "inputs": 768}},
            }
        },
        "objectives": {"d2f": objective(("text", "text@2"))},
        "optimizer": {
            "learning_rate": 3e-4,
            "weight_decay": 0.01,
            "warmup_steps": 100,
            "schedule": "linear",
            "clip_norm": 1.0,
            "learning_rate_rules": (("towers/text/encoder/.*", 0.01),),
        },
        "evaluators": {"few_shot": {"test": {"source": test, "modality": "text"}}},
        "checkpoints": {"every": 5000},
    }


def joint() -> dict:
    """D2F-joint: one loss on dialog acts and one on slots, each with a head of its own.

    As the authors have it, an update for acts and one for slots in turn, with an optimizer for
    each: every other batch is of one table, whose names the other lacks, so that one loss is 0, and
    the head of that loss waits. The tables are as those of `paper`; small labels of acts may be
    repeated in theirs, as the authors do. To sum both losses instead: `data.mix=rows`,
    `data.batch_size=128`, `optimizer.turns=()` and half of the steps. The paper's epochs are as
    long as the smaller table, whose size is not known: the steps are those of `paper`.
    """
    config = paper()
    names = ("act", "slot")
    table = config["data"]["source"]
    config["data"]["source"] = {
        name: {
            **table,
            "path": f"data/dialog2flow/{name}_pairs.csv",
            "columns": {"text": ["utterance_1", "utterance_2"], name: "name"},
        }
        for name in names
    }
    config["data"]["mix"] = "batches"
    name_tower, name_view = (
        config["model"]["towers"].pop("name"),
        config["data"]["views"].pop("name"),
    )
    config["data"]["views"].update(dict.fromkeys(names, name_view))
    towers = config["model"]["towers"]
    towers.update(dict.fromkeys(names, name_tower))
    towers["text"]["head"] = {"type": "none"}
    config["objectives"] = {
        name: objective(("text", "text@2"), reference=name, projection=(768, 768, 128))
        for name in names
    }
    config["optimizer"]["turns"] = tuple((f"objectives/terms/{name}/.*",) for name in names)
    return config


def claim() -> dict:
    """Card 68's experiment: few-shot accuracy of the action, with utterances of all corpora."""

    def arm(**options: object) -> tuple[str, ...]:
        return (f"objectives.d2f={objective(PAIR, **options)!r}",)

    one, five = "few_shot/mixed/1_shot", "few_shot/mixed/5_shot"
    f1 = tuple(f"{metric}_f1" for metric in (one, five))
    return {
        **small(),
        "claim": {
            "statement": "soft targets of the names are better than hard labels by 10 points of "
            "1-shot and 15 of 5-shot accuracy, where corpora name the same actions differently",
            "arms": {
                "hard": arm(weights="labels", reference="label"),
                "soft": arm(),
                "soft sharp": arm(reference_temperature=0.1),
                # Controls: hard labels that know the synonyms, the most that soft ones recover
                # here.
                "oracle": arm(weights="labels", reference="action"),
            },
            "checks": (
                {"metric": one, "arm": "soft", "compare": ">=", "baseline": "hard", "offset": 0.10},
                {
                    "metric": five,
                    "arm": "soft",
                    "compare": ">=",
                    "baseline": "hard",
                    "offset": 0.15,
                },
            ),
            "metrics": (one, five, *f1, "few_shot/unseen/1_shot", "few_shot/mixed/delta"),
            "seed_keys": base.WORLD_SEED,
            "paper_numbers": "1-shot and 5-shot F1: D2F-single 64.5 and 71.3, D2F-Hard single 58.2 "
            "and 68.5",
        },
    }


get_config = base.variants(
    "dialog2flow", {"small": small, "paper": paper, "joint": joint, "claim": claim}
)
