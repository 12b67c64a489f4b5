"""PTB-XL: five superclasses of 12-lead ECGs, zero-shot and by a linear probe, as downloaded.

    mmjax evaluate --model=weights/ecg --suite=configs/suites/ptb_xl.py --sets=sets

    sets/ptb-xl/ptbxl_database.csv, scp_statements.csv  physionet.org/content/ptb-xl
    sets/ptb-xl/records500/00000/00001_hr.hea, ...      or records100, where that is all there is

Both are told by the mean area under the ROC curve over the classes, on fold 10, of the records that
have one (Strodthoff et al. 2020, arXiv 2004.13701). The probe of the encoder's features is fitted
on folds 1 to 8, and its penalty is chosen on fold 9. The model needs towers `ecg` and `text`, and
its own view decides on leads, rate and length.
"""

from pathlib import Path

METRICS = {"ptb-xl-zero-shot": "AUROC", "ptb-xl-probe": "AUROC"}
PROMPTS = {
    "NORM": ("normal ECG",),
    "MI": ("myocardial infarction",),
    "STTC": ("ST/T change",),
    "CD": ("conduction disturbance",),
    "HYP": ("hypertrophy",),
}
PENALTIES = (0.001, 0.01, 0.1, 1.0)


def get_suite(root: str) -> dict:
    """The evaluators of the set, where its folder is there."""
    folder = Path(root, "ptb-xl")
    if not (folder / "ptbxl_database.csv").is_file():
        return {}
    rate = 500 if (folder / "records500").is_dir() else 100
    source = dict(type="ptb_xl", path=str(folder), rate=rate, reports=False, diagnosed=True)
    train, val, test = ({**source, "folds": folds} for folds in (tuple(range(1, 9)), (9,), (10,)))
    named = dict(labels="superclass", modality="ecg", classes=tuple(PROMPTS), prompts=PROMPTS)
    probe = dict(labels="superclass", modalities=("ecg",), several=True, c=PENALTIES)
    return {
        "multilabel": {"ptb-xl-zero-shot": dict(source=test, **named)},
        "probe": {"ptb-xl-probe": dict(source=test, train=train, val=val, **probe)},
    }
