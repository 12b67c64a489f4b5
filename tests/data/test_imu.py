"""Inertial sets of packages: windows, persons, and files that are not what they should be."""

import numpy as np
import pytest
from third_party import needs
from tool_files import load_tool

from mmjax.data import SourceError
from mmjax.data.sets.imu import BasicMotions, ShoulderExercises
from mmjax.data.views import SignalView


@pytest.fixture(scope="module")
def watch(tmp_path_factory):
    """A file like that made of seglearn's: 10 persons, 7 exercises, both arms."""
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
    path = tmp_path_factory.mktemp("watch") / "watch_dataset.npz"
    load_tool("convert_watch").convert(data, path)
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


class Trap:
    sprung = False

    def __reduce__(self):
        return (_spring, ())


def _spring():
    Trap.sprung = True


def test_nothing_in_a_pickle_is_run(tmp_path, watch):
    path, arrays = tmp_path / "trap.npz", dict(np.load(watch[0]))
    arrays["exercise"] = np.array([Trap()] * len(arrays["exercise"]))
    np.savez(path, **arrays)
    with pytest.raises(SourceError, match=r"trap.npz is no file of tools/convert_watch.py"):
        ShoulderExercises(path=str(path))
    assert not Trap.sprung
    np.load(path, allow_pickle=True)["exercise"]
    assert Trap.sprung  # so it was a trap
    np.save(tmp_path / "no.npy", {"X": [1]}, allow_pickle=True)
    with pytest.raises(SourceError, match=r"no.npy is no file of tools/convert_watch.py"):
        ShoulderExercises(path=str(tmp_path / "no.npy"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lengths": np.array([5, 5])}, "differ in length"),
        ({"samples": np.zeros((9, 5), np.float32)}, "of other shapes"),
        ({"samples": np.zeros((9, 6), np.float32)}, "do not fill"),
        ({"person": np.zeros(140)}, "of other types"),
        ({"exercise": np.full(140, 7)}, "none of the seven"),
    ],
)
def test_a_file_of_something_else_is_an_error(tmp_path, watch, change, says):
    path = tmp_path / "other.npz"
    np.savez(path, **(dict(np.load(watch[0])) | change))
    with pytest.raises(SourceError, match=f"other.npz is no file .*{says}"):
        ShoulderExercises(path=str(path))


def test_damaged_files_are_errors(tmp_path):
    small, said = tmp_path / "small.npz", []
    np.savez(
        small,
        samples=np.zeros((300, 6), np.float32),
        lengths=np.array([300]),
        exercise=np.array([0]),
        person=np.array([1]),
        right=np.array([True]),
    )
    content, rng = small.read_bytes(), np.random.default_rng(0)
    for trial in range(200):
        damaged = bytearray(content)
        if trial % 2:
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        else:
            del damaged[rng.integers(len(damaged)) :]
        file = tmp_path / f"{trial}.npz"
        file.write_bytes(bytes(damaged))
        try:
            ShoulderExercises(path=str(file), split="all")
        except SourceError as error:
            said.append(str(error))
            assert file.name in said[-1]
    assert len(said) > 100


def test_the_real_sets_of_packages():
    needs("aeon")
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
