"""PTB-XL's released folder: folds, superclasses by its statements, reports, and what is damaged."""

import pickle

import pytest
from ecg_files import ptb_xl
from third_party import needs

from mmjax.data import SourceError
from mmjax.data.sources import PtbXlSource


@pytest.fixture
def folder(tmp_path):
    needs("wfdb")
    ptb_xl(tmp_path / "ptb-xl")
    return tmp_path / "ptb-xl"


def test_records_have_the_classes_of_their_statements(folder):
    source = pickle.loads(pickle.dumps(PtbXlSource(path=str(folder), reports=False)))
    assert len(source) == 60
    assert source.modalities == ("ecg",)
    assert set(source.label_fields) == {"fold", "superclass", "subclass"}
    found = [source[i] for i in range(6)]  # of codes 1 to 5, and 0
    assert [record["superclass"] for record in found] == [
        ["MI"], ["HYP", "STTC"], ["CD"], ["HYP"], [], ["NORM"],
    ]  # fmt: skip
    assert found[0]["subclass"] == ["AMI", "IMI"]  # a likelihood of 0 is no less
    assert found[0]["ecg"].rate == 500.0
    assert [source[i]["fold"] for i in (0, 5, 6, 59)] == ["1", "1", "2", "10"]


def test_folds_are_apart_and_those_without_a_class_left_out(folder):
    parts = [PtbXlSource(path=str(folder), folds=some, reports=False, diagnosed=True)
             for some in (tuple(range(1, 9)), (9,), (10,))]  # fmt: skip
    assert [len(part) for part in parts] == [40, 5, 5]
    ids = [{part.id_of(i) for i in range(len(part))} for part in parts]
    assert not ids[0] & ids[1] and not ids[0] & ids[2] and not ids[1] & ids[2]  # noqa: PT018
    assert all(part[i]["superclass"] for part in parts for i in range(len(part)))


def test_reports_are_texts_and_a_record_without_one_is_left_out(folder):
    source = PtbXlSource(path=str(folder))
    assert source[0]["text"] == 'sinusrhythmus, "nr" 1'
    assert len(source) == 59
    assert "text" in str(source.bad[0])


def test_other_files_are_read_at_another_rate(tmp_path):
    needs("wfdb")
    ptb_xl(tmp_path, rows=6, rate=100)
    assert PtbXlSource(path=str(tmp_path), rate=100, reports=False)[0]["ecg"].rate == 100.0
    with pytest.raises(SourceError, match=r"00001_hr.hea does not exist"):
        PtbXlSource(path=str(tmp_path), rate=500, reports=False)


def test_what_is_damaged_is_named(folder):
    table = folder / "ptbxl_database.csv"
    text = table.read_text()
    table.write_text(text.replace("{'IMI': 15.0, 'ASMI': 0.0, 'SR': 0.0}", "{'IMI': open}", 1))
    source = PtbXlSource(path=str(folder), reports=False)
    assert len(source) == 59
    assert "scp_codes: \"{'IMI': open}\" are no codes" in str(source.bad[0])
    with pytest.raises(SourceError, match=r"ptbxl_database.csv row 2"):
        PtbXlSource(path=str(folder), reports=False, on_error="fail")
    with pytest.raises(SourceError, match="folds names 11; PTB-XL has the folds 1 to 10"):
        PtbXlSource(path=str(folder), folds=(10, 11))
    table.write_text("\n".join(text.splitlines()[:4]))
    with pytest.raises(SourceError, match="no record is of the folds 7"):
        PtbXlSource(path=str(folder), folds=(7,), reports=False)
    (folder / "scp_statements.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"scp_statements.csv should be PTB-XL's table"):
        PtbXlSource(path=str(folder))
    (folder / "scp_statements.csv").unlink()
    with pytest.raises(SourceError, match=r"scp_statements.csv should be .*FileNotFoundError"):
        PtbXlSource(path=str(folder))
