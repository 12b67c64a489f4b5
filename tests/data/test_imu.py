"""Inertial sets of packages: windows, persons, and files of objects read as data."""

import numpy as np
import pytest

from mmjax.data import SourceError
from mmjax.data.sets.imu import BasicMotions, ShoulderExercises
from mmjax.data.sets.object_arrays import read_objects
from mmjax.data.views import SignalView


@pytest.fixture(scope="module")
def watch(tmp_path_factory):
    """A file like seglearn's: 10 persons, 7 exercises, both arms."""
    rng = np.random.default_rng(0)
    rows = [(p, e, s) for p in range(1, 11) for e in range(7) for s in (0.0, 1.0)]
    person, exercise, side = map(np.array, zip(*rows, strict=True))
    data = {
        "X": [rng.normal(size=(rng.integers(700, 900), 6)) for _ in rows],
        "y": exercise,
        "subject": person,
        "side": side,
        "X_labels": list("abcdef"),
    }
    path = tmp_path_factory.mktemp("watch") / "watch_dataset.npy"
    np.save(path, data, allow_pickle=True)
    return str(path), data


def test_nobody_is_in_both_splits(watch):
    path, _ = watch
    for fold in range(5):
        people = {}
        for split in ("train", "test"):
            source = ShoulderExercises(split=split, fold=fold, path=path)
            people[split] = {source[i]["person"] for i in range(len(source))}
        assert people["test"] == {2 * fold + 1, 2 * fold + 2}
        assert people["train"] == set(range(1, 11)) - people["test"]


def test_windows_are_parts_of_their_recording(watch):
    path, data = watch
    source = ShoulderExercises(split="all", seconds=4.0, path=path)
    assert len(source) == sum(len(x) // 200 for x in data["X"])
    record = source[len(source) - 1]
    number, second = record["key"].split("recording ")[1].split(", second ")
    start = round(float(second) * 50)
    np.testing.assert_allclose(
        record["imu"].samples, data["X"][int(number)][start : start + 200], rtol=1e-6
    )
    assert record["text"] == ["upright row of the right arm", "upright row"]
    ids = {source[i]["id"]: source[i]["text"][0] for i in range(len(source))}
    assert len(ids) == len(set(ids.values())) == source.id_limit == 14
    x = SignalView(channels=6, length=100, rate=25.0)(record["imu"], None, False)
    assert x.shape == (100, 6)
    assert np.isfinite(x).all()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"split": "val"}, "split='val'"),
        ({"fold": 5}, "fold=5 in 0..4"),
        ({"seconds": 60.0}, "no recording has a window of 60.0 seconds"),
        ({"seconds": 0.0}, "is no window"),
        ({"path": "nowhere.npy"}, "there is no file nowhere.npy"),
    ],
)
def test_options_of_the_watch(watch, options, says):
    with pytest.raises(SourceError, match=says):
        ShoulderExercises(**{"path": watch[0], **options})


def test_objects_are_read_as_data(watch):
    path, data = watch
    read = read_objects(path)
    assert read.keys() == data.keys()
    for mine, theirs in zip(read["X"], data["X"], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(read["side"], data["side"])
    assert read["X_labels"] == list("abcdef")


class Trap:
    sprung = False

    def __reduce__(self):
        return (_spring, ())


def _spring():
    Trap.sprung = True


def test_nothing_in_a_file_of_objects_is_run(tmp_path):
    path = tmp_path / "trap.npy"
    np.save(path, {"X": [1, Trap()]}, allow_pickle=True)
    with pytest.raises(ValueError, match="holds more than lists, texts and numbers: a call of"):
        read_objects(path)
    assert not Trap.sprung
    np.load(path, allow_pickle=True)
    assert Trap.sprung  # so it was a trap


def test_damaged_files_of_objects_are_errors(tmp_path, watch):
    small = tmp_path / "small.npy"
    np.save(small, {"X": [np.arange(6.0)], "y": np.array([1])}, allow_pickle=True)
    content = small.read_bytes()
    rng, said = np.random.default_rng(0), []
    for trial in range(200):
        damaged = bytearray(content)
        if trial % 2:
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        else:
            del damaged[rng.integers(len(damaged)) :]
        small.write_bytes(bytes(damaged))
        try:
            read_objects(small)
        except ValueError as error:
            said.append(str(error))
    assert len(said) > 100
    assert all(str(small) in each for each in said)
    small.write_bytes(b"no")
    with pytest.raises(SourceError, match="is not seglearn's watch_dataset"):
        ShoulderExercises(path=str(small))


def test_the_real_sets_of_packages():
    pytest.importorskip("aeon")
    source = BasicMotions(split="test")
    assert len(source) == 40
    assert {source[i]["activity"] for i in range(40)} == {
        "standing",
        "walking",
        "running",
        "badminton",
    }
    assert source[0]["imu"].samples.shape == (100, 6)
    with pytest.raises(SourceError, match="split='dev'"):
        BasicMotions(split="dev")
