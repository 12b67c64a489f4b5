"""Arrays of .npz and .npy files as a source."""

import io
import pickle

import numpy as np
import pytest

from mmjax.data import BadExample, SourceError, TrainData
from mmjax.data.formats.numbers import numbers
from mmjax.data.formats.shapes import read_shape
from mmjax.data.formats.signal import SignalError
from mmjax.data.formats.signal_files import read_signal
from mmjax.data.formats.volumes import read_volume
from mmjax.data.sources import ArraysSource
from mmjax.data.tokenizers import BytesTokenizer
from mmjax.data.views import TextView, VectorView

N = 20
ARRAYS = {
    "x": np.arange(3.0 * N).reshape(N, 3),
    "text": np.array([f"word {i}" for i in range(N)]),
    "x_present": np.arange(N) % 4 != 1,
    "kind": np.arange(N) % 3,
    "name": np.array([f"n{i}" for i in range(N)]),
}


@pytest.fixture(params=["npz", "folder"])
def path(request, tmp_path):
    if request.param == "npz":
        np.savez(tmp_path / "a.npz", **ARRAYS)
        return str(tmp_path / "a.npz")
    for name, array in ARRAYS.items():
        np.save(tmp_path / f"{name}.npy", array)
    return str(tmp_path)


def test_rows_are_examples(path):
    source = ArraysSource(path=path, columns={"x": "x", "text": "text"}, labels={"group": "kind"})
    source = pickle.loads(pickle.dumps(source))
    assert source.modalities == ("x", "text")
    assert source.may_lack == ("x",)
    assert source.label_fields == ("group",)
    for i in range(N):
        record = source[i]
        assert record["text"] == f"word {i}"
        assert record["group"] == str(i % 3)
        assert ("x" in record) == (i % 4 != 1)
        if "x" in record:
            np.testing.assert_array_equal(record["x"], ARRAYS["x"][i])
    views = {"x": VectorView(dim=3), "text": TextView(tokenizer=BytesTokenizer(), length=9)}
    batch = TrainData(source, views, batch_size=N, seed=1, on_error="fail")[0]
    np.testing.assert_array_equal(batch["x_present"], batch["id"] % 4 != 1)
    np.testing.assert_array_equal(batch["x"][batch["id"] == 4][0], ARRAYS["x"][4])
    assert not batch["x"][~batch["x_present"]].any()


def test_splits_by_id_do_not_meet(path):
    options = {"path": path, "columns": {"x": "x"}, "id_array": "name", "val_fraction": 0.4}
    parts = {s: {r["id"] for r in ArraysSource(**options, split=s)} for s in ("train", "val")}
    assert parts["train"] | parts["val"] == set(range(N))
    assert not parts["train"] & parts["val"]
    assert 2 < len(parts["val"]) < 15
    every = ArraysSource(path=path)
    assert set(every.modalities) == {"x", "text", "kind", "name"}


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"x": np.ones(3), "y": np.ones(4)}, {}, r"differ in length: \{'x': 3, 'y': 4\}"),
        ({"x": np.ones(3)}, {"columns": {"image": "y"}}, r"no array 'y' for 'image'; it has x \[3"),
        ({"x": np.array(["a", None])}, {}, "cannot be read as arrays"),
        ({"x": np.ones(())}, {}, "'none'"),
        ({"x": np.ones((0, 2))}, {}, "holds no examples"),
        ({"x": np.ones(2, np.complex64)}, {}, "neither numbers nor text"),
        ({"x": np.ones(2), "n": np.array(["a", "a"])}, {"id_array": "n"}, "the id 'a' of row 1 is"),
        ({"x": np.ones(2), "x_present": np.ones(2)}, {}, r"x_present should be bool\[N\]"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, arrays, options, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(SourceError, match=message):
        ArraysSource(path=str(tmp_path / "a.npz"), **options)


def test_files_that_are_none(tmp_path):
    file = tmp_path / "a.npz"
    for content in (b"", b"PK\x03\x04", b"text"):
        file.write_bytes(content)
        with pytest.raises(SourceError, match=r"a.npz is damaged: it cannot be read as arrays"):
            ArraysSource(path=str(file))
    np.save(tmp_path / "b.npy", np.ones(3))
    with pytest.raises(SourceError, match=r"one .npy file; give the folder"):
        ArraysSource(path=str(tmp_path / "b.npy"))
    with pytest.raises(SourceError, match=r"there is no .npz"):
        ArraysSource(path=str(tmp_path / "none"))


@pytest.mark.parametrize("read", [numbers, read_signal, read_volume, read_shape])
@pytest.mark.parametrize("dtype", [np.complex64, "U3", "S3", "M8[s]", [("a", "f4")]])
def test_arrays_that_are_no_real_numbers_are_refused(read, dtype):
    """NumPy would drop the imaginary part, and read texts as numbers, without an error."""
    out = io.BytesIO()
    np.save(out, np.zeros((4, 4, 4), dtype))
    with pytest.raises((BadExample, SignalError), match=r"it holds|npy"):
        read(out.getvalue())
