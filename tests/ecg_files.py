"""Electrocardiograms in WFDB files, written byte by byte, and PTB-XL's folder of them."""

import csv
import struct

import numpy as np

from mmjax.data.formats.signal import LEADS


def write_record(
    folder, name, *, matlab=False, dx="164889003", samples=600, gain=1000, rate=500, seed=0
):
    """A record of 12 leads in format 16, in mV; with `matlab` behind a MAT-file's 24 bytes."""
    rng = np.random.default_rng((len(name) + samples, seed))
    digital = rng.integers(-900, 900, (samples, 12)).astype("<i2")
    start = struct.pack("<5l4s", 0, 12, samples, 0, 4, b"val\0") if matlab else b""
    file, form = (f"{name}.mat", "16+24") if matlab else (f"{name}.dat", "16")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(start + digital.tobytes())
    lines = [f"{name} 12 {rate} {samples}"]
    for i, lead in enumerate(LEADS):
        checksum = int(digital[:, i].astype(int).sum()) & 0xFFFF
        checksum -= 0x10000 * (checksum >= 0x8000)
        lines.append(f"{file} {form} {gain}/mV 16 0 {digital[0, i]} {checksum} 0 {lead}")
    lines += ["# Age: 74", *([f"# Dx: {dx}"] if dx else [])]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    return digital / gain


# As PTB-XL 1.0.3 has them, with the first columns of its tables.
STATEMENTS = """\
,description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass
NORM,normal ECG,1.0,,,NORM,NORM
IMI,inferior myocardial infarction,1.0,,,MI,IMI
ASMI,anteroseptal myocardial infarction,1.0,,,MI,AMI
NDT,non-diagnostic T abnormalities,1.0,1.0,,STTC,STTC
CLBBB,complete left bundle branch block,1.0,,,CD,CLBBB
LVH,left ventricular hypertrophy,1.0,,,HYP,LVH
ABQRS,abnormal QRS,,1.0,,,
SR,sinus rhythm,,,1.0,,
"""
CODES = (
    "{'NORM': 100.0, 'SR': 0.0}",
    "{'IMI': 15.0, 'ASMI': 0.0, 'SR': 0.0}",
    "{'NDT': 100.0, 'LVH': 50.0, 'ABQRS': 0.0}",
    "{'CLBBB': 100.0, 'SR': 0.0}",
    "{'LVH': 100.0}",
    "{'SR': 0.0}",
)


def ptb_xl(folder, rows=60, rate=500):
    """PTB-XL's folder with six kinds of records, whose folds go from 1 to 10 and again."""
    short, column = ("hr", "filename_hr") if rate == 500 else ("lr", "filename_lr")
    table = []
    for number in range(1, rows + 1):
        name = f"{number:05}_{short}"
        write_record(
            folder / f"records{rate}/00000", name, dx=None, samples=2 * rate, rate=rate, seed=number
        )
        both = {f"filename_{s}": f"records{r}/00000/{number:05}_{s}" for s, r in
                (("lr", 100), ("hr", 500))}  # fmt: skip
        report = "" if number == 2 else f'sinusrhythmus, "nr" {number}'
        table.append(
            {"ecg_id": number, "patient_id": float(number), "report": report,
             "scp_codes": CODES[number % len(CODES)], "strat_fold": (number - 1) // 6 % 10 + 1,
             **both}
        )  # fmt: skip
        assert both[column].endswith(name)
    with (folder / "ptbxl_database.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    (folder / "scp_statements.csv").write_text(STATEMENTS)
