"""Electrocardiograms of 12 leads and their reports, in one space.

Two towers and symmetric InfoNCE, as MoRE (2024, arXiv 2410.16239) has them for an ECG and its
report. The small variant learns from made-up ECGs (`mmjax.data.synthetic.ecg`), whose reports are
right by construction, since the real ones that are free of access conditions are too few for it.

    python -m mmjax.main --config=configs/ecg_text.py          # made-up ECGs, minutes on two cores
    python -m mmjax.main --config=configs/ecg_text.py:paper    # the ECG half of MoRE, PTB-XL

Two minutes on two cores. Three seeds, 500 made-up ECGs held out: the report of an ECG R@1 .569 ±
.014, R@10 .997, the ECG of a report .535 ± .011 and .996 (chance .002 and .02); zero-shot
conduction .935 ± .014 and axis .777 ± .014 of three (chance .333), rhythm .741 ± .022 of four
(.25).

Real records are another source, `{"type": "wfdb", "path": FOLDER}`, see docs/modalities.md.
"""

from configs import base

PAPER = "Thapa et al. 2024, MoRE, arXiv 2410.16239 (its ECG and report)"
PAIR = (("ecg", "text"),)


def small() -> dict:
    """4,000 made-up ECGs of 10 s; 500 others are held out."""
    ecg = {
        "type": "signal_resnet",
        "channels": 12,
        "channels_first": True,
        "blocks": (1, 1, 1),
        "widths": (48, 64, 96),
        "stem": "patch",
        "patch": 4,
    }
    text = {
        "type": "text_transformer",
        "vocab_size": 8000,
        "length": 112,
        "width": 96,
        "depth": 1,
        "heads": 4,
        "causal": False,
        "pool": "mean",
        "init": "xavier",
    }
    head = {"type": "linear", "dim": 128}
    test = base.held_out()
    named = {"source": test, "modality": "ecg"}
    return {
        "paper": PAPER,
        "steps": 500,
        "data": {
            "source": {"type": "ecg_reports"},
            "tokenizer": {"type": "sentencepiece", "path": "emoji_8k"},
            "views": {
                "ecg": {
                    "type": "ecg",
                    "length": 1000,
                    "rate": 100.0,
                    "augment": {"scale": (0.9, 1.1), "wander": 0.1, "drop_channels": 0.05},
                },
                "text": {"type": "text", "length": 112},
            },
            "batch_size": 64,
        },
        "model": {
            "towers": {
                "ecg": {"encoder": ecg, "head": head},
                "text": {"encoder": text, "head": head},
            }
        },
        "objectives": {"clip": {"type": "info_nce", "pairs": PAIR, "temperature": 0.07}},
        "optimizer": {
            "learning_rate": 1e-3,
            "weight_decay": 0.05,
            "warmup_steps": 50,
            "clip_norm": 1.0,
        },
        "evaluators": {
            "retrieval": {"test": {"source": test, "pairs": PAIR}},
            "zero_shot": {
                "rhythm": {**named, "labels": "rhythm"},
                "conduction": {**named, "labels": "conduction"},
                "axis": {**named, "labels": "axis"},
            },
        },
        "checkpoints": {"every": 250},
    }


def paper() -> dict:
    """MoRE's ECG tower, heads and optimizer, on PTB-XL's 10 s at 500 Hz (Wagner et al. 2020).

    MoRE has MIMIC-IV-ECG, joins the radiology report to the text, and contrasts chest X-rays with
    it, too; its ECG tower is a ViT-B behind two convolutions, with batch norm where ours has layer
    norm, and its text tower a clinical RoBERTa-base with LoRA. PTB-XL is open:
    https://physionet.org/content/ptb-xl, 21,799 records in version 1.0.3, whose own folds 1 to 8
    are for training; here a tenth of the records is held out by a hash. Learning rate, decay,
    temperature and augmentation are those of MoRE's code, which ends training by its validation
    loss; 50 epochs are ours.
    """
    ecg = {
        "type": "signal_transformer",
        "channels": 12,
        "channels_first": True,
        "length": 1000,
        "patch": 5,
        "stem": "conv",
        "pool": "cls",
        "width": 768,
        "depth": 12,
        "heads": 12,
    }
    # On the device: a host that feeds a pod has filters to run for every record.
    augment = {
        "type": "signal",
        "rate": 100.0,
        "channels_first": True,
        "warp": 0.33,
        "permute": 0.33,
    }
    text = base.bert(128, pool="mean")
    head = {"type": "mlp", "dim": 128, "hidden": 768, "norm": "batch"}
    test = base.held_out("val")
    return {
        "paper": PAPER,
        "steps": 9400,  # 50 epochs of 19,600 records
        "data": {
            "source": {
                "type": "wfdb",
                "path": "data/ptb-xl/ptbxl_database.csv",
                "columns": {"ecg": "filename_hr", "text": "report"},
                "split": "train",
            },
            "tokenizer": base.bert_tokenizer(),
            "views": {
                "ecg": {
                    "type": "ecg",
                    "length": 1000,
                    "rate": 100.0,
                    "remove_baseline": True,
                    "normalize": "minmax",
                    "max_missing": 3,
                },
                "text": {"type": "text", "length": 128},
            },
            "batch_size": 104,  # 100 in the paper; a multiple of eight devices
            "workers": 16,
        },
        "model": {
            "towers": {
                "ecg": {"encoder": ecg, "head": head, "augment": augment},
                "text": {"encoder": text, "head": head},
            }
        },
        "objectives": {
            "clip": {
                "type": "info_nce",
                "pairs": PAIR,
                "temperature": 0.02,
                "learn_temperature": False,
            }
        },
        "optimizer": {"learning_rate": 3e-5, "weight_decay": 0.1, "warmup_steps": 200},
        "evaluators": {"retrieval": {"ptb_xl": {"source": test, "pairs": PAIR}}},
        "checkpoints": {"every": 1000},
    }


get_config = base.variants("ecg_text", {"small": small, "paper": paper})
