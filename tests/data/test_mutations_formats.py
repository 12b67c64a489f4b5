"""Hundreds of damaged manifests, Parquet, .npz, tokenizers: whole values or named errors."""

import io
import json
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_mutations import damage
from third_party import needs

from mmjax.commands.train_tokenizer import sentencepiece_model
from mmjax.data import BadExample, SourceError
from mmjax.data.sources import ArrayRecordSource, ArraysSource, ManifestSource, MemorySource
from mmjax.data.tokenizers import CharacterTokenizer, HuggingFaceTokenizer, SentencePieceTokenizer
from mmjax.data.views import TextView

many = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
TABLE = [
    {"x": [0.5 * i, 1.0, 2.0], "a": i, "b": 2.5 * i, "text": f"row {i} of é ש"} for i in range(5)
]


def attempt(make, *kinds):
    """(what `make` gives, None), or (None, the error of these kinds that it raises)."""
    try:
        return make(), None
    except kinds as error:
        return None, error


def read(folder, name, content, make):
    """What a damaged file gives, or None if it is refused in one line that names it."""
    path = folder / name
    path.write_bytes(content)
    begin = time.monotonic()
    source, error = attempt(lambda: make(str(path)), ValueError)
    assert time.monotonic() - begin < 5
    if error is not None:
        assert name in str(error)
        assert "\n" not in str(error)
    return source


def records(source):
    """The records that can be read; the others have to say who they are."""
    found = []
    for i in range(len(source)):
        record, error = attempt(lambda i=i: source[i], BadExample)
        if error is None:
            found.append(record)
        else:
            assert error.key
            assert error.reason
            assert "\n" not in error.reason
    return found


def numbers(path):
    return ManifestSource(path=path, columns=COLUMNS, arrays=("x", "pair"))


JSONL = "".join(json.dumps(row) + "\n" for row in TABLE).encode()
CSV = (
    "x,a,b,text\n"
    + "".join(f'"{json.dumps(r["x"])}",{r["a"]},{r["b"]},{r["text"]}\n' for r in TABLE)
).encode()
COLUMNS = {"x": "x", "pair": ["a", "b"], "text": "text"}


@many
@given(st.data(), st.sampled_from(["jsonl", "csv"]))
def test_manifests_of_numbers(tmp_path, data, kind):
    content = damage(data.draw, {"jsonl": JSONL, "csv": CSV}[kind])
    source = read(tmp_path, f"t.{kind}", content, numbers)
    for record in [] if source is None else records(source):
        assert record["x"].dtype.kind in "if"
        assert record["x"].size
        assert record["pair"].shape == (2,)
        assert isinstance(record["text"], str | list)
    for error in [] if source is None else source.bad:
        assert error.key.startswith(f"t.{kind} row ")


# A value of any JSON type in any cell: it is what was written, or the row is named.
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers() | st.floats() | st.text(max_size=3) | st.none(), max_size=4),
    st.lists(st.lists(st.integers(), max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


@many
@given(
    st.lists(
        st.fixed_dictionaries({}, optional=dict.fromkeys(("x", "a", "b", "text"), CELLS)),
        min_size=1,
        max_size=6,
    )
)
def test_rows_of_mixed_types(tmp_path, rows):
    content = "".join(json.dumps(row) + "\n" for row in rows + TABLE[:1]).encode()
    source = read(tmp_path, "t.jsonl", content, numbers)
    assert source is not None
    good = records(source)
    assert len(good) + len(source.bad) == len(rows) + 1
    axes = {record["x"].ndim for record in good}
    assert len(axes) == 1
    for record in good:
        row = (rows + TABLE[:1])[record["id"]]
        cell = row["x"][0] if isinstance(row["x"], list) and len(row["x"]) == 1 else row["x"]
        cell = json.loads(cell) if isinstance(cell, str) else cell
        wanted = np.atleast_1d(np.array(cell, object)).astype(float)
        np.testing.assert_array_equal(record["x"].astype(float), wanted)
        for value, cell in zip(record["pair"], (row.get("a"), row.get("b")), strict=True):
            cell = cell[0] if isinstance(cell, list) else cell
            if cell is None or (isinstance(cell, str) and not cell.strip()):
                assert np.isnan(value)
            else:
                np.testing.assert_equal(value, float(cell))
        texts = record["text"] if isinstance(record["text"], list) else [record["text"]]
        own = row["text"] if isinstance(row["text"], list) else [row["text"]]
        assert texts == [text.strip() for text in own if text is not None and text.strip()]


def parquet():
    pa = needs("pyarrow")
    content = io.BytesIO()
    table = [{**row, "raw": b"bytes %d" % i} for i, row in enumerate(TABLE)]
    needs("pyarrow.parquet").write_table(
        pa.Table.from_pylist(table), content, row_group_size=2, write_page_checksum=True
    )
    return content.getvalue()


@many
@given(st.data())
def test_parquet(tmp_path, data):
    content = damage(data.draw, parquet())
    source = read(
        tmp_path,
        f"t{abs(hash(content))}.parquet",
        content,
        lambda p: ManifestSource(path=p, columns={**COLUMNS, "raw": "raw"}, arrays=("pair",)),
    )
    for record in [] if source is None else records(source):
        # Pages carry checksums: what is read is what was written.
        assert record["raw"].startswith(b"bytes ")
        assert record["x"].shape == (3,)
        assert record["pair"].shape == (2,)


def npz():
    content = io.BytesIO()
    np.savez(content, x=np.arange(12.0).reshape(4, 3), text=np.array(["a", "é", "ש", "d"]))
    return content.getvalue()


@many
@given(st.data())
def test_npz(tmp_path, data):
    source = read(tmp_path, "a.npz", damage(data.draw, npz()), lambda p: ArraysSource(path=p))
    for record in [] if source is None else records(source):
        # The members of a zip carry checksums.
        if "x" in record:
            i = record["id"]
            np.testing.assert_array_equal(record["x"], [3 * i, 3 * i + 1, 3 * i + 2])


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    from mmjax.commands.convert import convert

    out = tmp_path_factory.mktemp("shards")
    source = MemorySource(
        data={"text": [f"row {i}" for i in range(30)], "raw": [b"%d" % i * 20 for i in range(30)]}
    )
    convert(source, out, say=lambda line: None)
    return out


@settings(many, max_examples=80)
@given(st.data())
def test_shards(shards, tmp_path, data):
    index = json.loads((shards / "index.json").read_text())
    (shard,) = index["shards"]
    content = damage(data.draw, (shards / shard["file"]).read_bytes())
    (tmp_path / "index.json").write_text(
        json.dumps({**index, "shards": [{**shard, "bytes": len(content)}]})
    )
    (tmp_path / shard["file"]).write_bytes(content)
    source, error = attempt(lambda: ArrayRecordSource(path=str(tmp_path)), SourceError)
    if error is not None:
        assert str(tmp_path) in str(error)
        return
    for record in records(source):
        i = record["id"]
        assert record == {
            "id": i,
            "key": f"memory row {i}",
            "text": f"row {i}",
            "raw": b"%d" % i * 20,
        }


def word_pieces():
    vocab = {p: i for i, p in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##b", "cat"])}
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": {"type": "Lowercase"},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": None,
            "decoder": None,
            "model": {
                "type": "WordPiece",
                "unk_token": "[UNK]",
                "vocab": vocab,
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
            },
        }
    ).encode()


TOKENIZERS = {
    "t.model": (
        sentencepiece_model(["a cat sat", "a dog ran"] * 3, 300),
        lambda p: SentencePieceTokenizer(path=p),
    ),
    "t.json": (
        word_pieces(),
        lambda p: HuggingFaceTokenizer(path=p, bos="[CLS]", eos="[SEP]", pad="[PAD]", unk="[UNK]"),
    ),
    "t.txt": ("abcdé ש 🎨".encode(), lambda p: CharacterTokenizer(path=p)),
}


@settings(many, max_examples=200)
@given(st.data(), st.sampled_from(sorted(TOKENIZERS)))
def test_tokenizers(tmp_path, data, name):
    needs("tokenizers")
    content, make = TOKENIZERS[name]
    tokenizer = read(tmp_path, name, damage(data.draw, content), make)
    if tokenizer is None:
        return
    view = TextView(tokenizer=tokenizer, length=12)
    ids, error = attempt(lambda: view("a cat, שלום 🎨", None, False), BadExample)
    if error is not None:
        assert error.reason
        return
    assert ids.shape == (12,)
    assert ids.max() < tokenizer.vocab_size
