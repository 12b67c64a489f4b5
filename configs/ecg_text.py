"""Contrastive pretraining of 12-lead ECGs and their reports.

Two towers and symmetric InfoNCE, as in MoRE (2024, arXiv 2410.16239) for an ECG and its report. The
small variant is trained on synthetic ECGs (`mmjax.data.synthetic.ecg`), whose reports are correct
by construction, because there are too few openly accessible real ones.

    python -m mmjax.main --config=configs/ecg_text.py          # synthetic ECGs, minutes, two cores
    python -m mmjax.main --config=configs/ecg_text.py:paper    # the ECG half of MoRE, PTB-XL

Real records are another source, `{"type": "wfdb", "path": FOLDER}`; see docs/modalities.md, which
also has the results of `small`. Left out: chest X-rays, which `more` has.
"""

from mmjax.configs import common as c

PAPER = "Thapa et al. 2024, MoRE, arXiv 2410.16239 (its ECG and report)"
PAIR = (("ecg", "text"),)


def small() -> dict:
    """4,000 synthetic ECGs of 10 s; 500 others are held out."""
    ecg = dict(type="signal_resnet", channels=12, channels_first=True, stem="patch", patch=4)
    ecg |= dict(blocks=(1, 1, 1), widths=(48, 64, 96))
    text = c.tiny_text("emoji_8k", 112, width=96)
    augment = dict(scale=(0.9, 1.1), wander=0.1, drop_channels=0.05)
    view = dict(type="ecg", length=1000, rate=100.0, augment=augment)
    return c.recipe(
        PAPER,
        steps=500,
        data=c.data("ecg_reports", 64, text.tokenizer, ecg=view, text=text.view),
        towers=c.towers(c.linear_head(128), ecg=ecg, text=text.encoder),
        objectives={"clip": dict(type="info_nce", pairs=PAIR, temperature=0.07)},
        optimizer=c.adamw(1e-3, weight_decay=0.05, warmup_steps=50, clip_norm=1.0),
        evaluators=[
            c.retrieval(pairs=PAIR),
            *(c.zero_shot(name, modality="ecg") for name in ("rhythm", "conduction", "axis")),
        ],
        checkpoints={"every": 250},
    )


def paper() -> dict:
    """MoRE's ECG tower, heads and optimizer, on PTB-XL's 10 s at 500 Hz (Wagner et al. 2020).

    MoRE uses MIMIC-IV-ECG, appends the radiology report to the text, and also contrasts with chest
    X-rays. Its ECG tower is a ViT-B behind two convolutions, with batch norm where ours has layer
    norm, and its text tower a clinical RoBERTa-base with LoRA. PTB-XL is open:
    https://physionet.org/content/ptb-xl, 21,799 records in version 1.0.3, whose own folds 1 to 8
    are for training; here a tenth of the records is held out by a hash. Learning rate, weight
    decay, temperature and augmentation are those of MoRE's code, which stops early by validation
    loss; the 50 epochs are our choice.
    """
    ecg = dict(type="signal_transformer", channels=12, channels_first=True, length=1000)
    ecg |= dict(patch=5, stem="conv", pool="cls", width=768, depth=12, heads=12)
    # Augmentation on the device: the host is busy filtering the records.
    augment = dict(type="signal", rate=100.0, channels_first=True, warp=0.33, permute=0.33)
    text = c.bert_text(128, pool="mean")
    records = dict(type="wfdb", path="data/ptb-xl/ptbxl_database.csv", split="train")
    view = dict(type="ecg", length=1000, rate=100.0, remove_baseline=True, max_missing=3)
    return c.recipe(
        PAPER,
        steps=9400,  # assumed: 50 epochs of 19,600 records
        data=c.data(
            {**records, "columns": {"ecg": "filename_hr", "text": "report"}},
            104,  # 100 in the paper; a multiple of eight devices
            text.tokenizer,
            ecg={**view, "normalize": "minmax"},
            text=text.view,
            workers=16,
        ),
        towers=c.towers(
            c.mlp_head(128, 768, norm="batch"),
            ecg={"encoder": ecg, "augment": augment},
            text=text.encoder,
        ),
        objectives={
            "clip": dict(type="info_nce", pairs=PAIR, temperature=0.02, learn_temperature=False)
        },
        optimizer=c.adamw(
            3e-5,
            weight_decay=0.1,
            warmup_steps=200,  # assumed
        ),
        evaluators=[c.retrieval("ptb_xl", "val", pairs=PAIR)],
        checkpoints={"every": 1000},
    )


get_config = c.variants("ecg_text", small, paper)
