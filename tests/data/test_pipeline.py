"""Batches: the same for any number of processes and from any step; nothing replaced."""

import collections
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmjax.data import BadExample, BadRows, Source, TrainData
from mmjax.data.sources import MemorySource
from mmjax.data.tokenizers import BytesTokenizer
from mmjax.data.views import ImageView, TextView, VectorView

VIEWS = {
    "image": ImageView(size=8, crop_scale=(0.5, 1), flip=0.5, brightness=0.3, hue=0.1),
    "image@2": ImageView(size=6, crop_scale=(0.2, 1)),
    "text": TextView(tokenizer=BytesTokenizer(), length=12),
    "number": VectorView(dim=3, noise=0.5),
}


def memory(count=37, name="memory", **changes):
    rng = np.random.default_rng(count)
    data = {
        "image": [rng.integers(0, 256, (9, 11, 3), dtype=np.uint8) for _ in range(count)],
        "text": [[f"caption {i}", f"the same {i}"] for i in range(count)],
        "number": list(rng.normal(size=(count, 3))),
    }
    return MemorySource(data={**data, **changes}, name=name)


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == other[name].dtype, name
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def take(data, start, count):
    batches = data.iter_from(start)
    taken = [next(batches) for _ in range(count)]
    batches.close()
    return taken


@given(
    processes=st.sampled_from([1, 2, 4]),
    start=st.integers(0, 40),
    seed=st.integers(0, 2**40),
    mixed=st.booleans(),
)
def test_global_batches_are_the_same_for_any_processes_and_from_any_step(
    processes, start, seed, mixed
):
    source = {"a": memory(17), "b": memory(5, "other")} if mixed else memory()

    weights = {"a": 3, "b": 1} if mixed else None

    def data(index, count):
        return TrainData(
            source,
            VIEWS,
            batch_size=8,
            seed=seed,
            weights=weights,
            process_index=index,
            process_count=count,
        )

    whole = data(0, 1)
    parts = [take(data(p, processes), start, 2) for p in range(processes)]
    for k in range(2):
        joined = {name: np.concatenate([part[k][name] for part in parts]) for name in parts[0][k]}
        same(joined, whole[start + k])


@pytest.mark.smoke
def test_shapes_are_what_batches_have_and_parameters_of_views_stay_in_range():
    data = TrainData(memory(), VIEWS, batch_size=8, seed=0)
    batch = data[0]
    assert data.shapes == {name: (values.shape, values.dtype) for name, values in batch.items()}
    assert set(batch) == {*VIEWS, "id", "image_present", "text_present", "number_present"}
    assert batch["image"].min() >= -1
    assert batch["image"].max() <= 1
    for i, tokens in zip(batch["id"], batch["text"], strict=True):
        assert BytesTokenizer().decode(tokens) in (f"caption {i}"[:10], f"the same {i}"[:10])


def test_an_epoch_has_every_example_at_most_once_and_others_are_left_out_in_the_next():
    data = TrainData(memory(37), {"number": VIEWS["number"]}, batch_size=8, seed=3)
    assert data.steps_per_epoch == 4
    epochs = [np.concatenate([data[4 * e + k]["id"] for k in range(4)]).tolist() for e in range(30)]
    assert all(len(set(epoch)) == 32 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 30
    seen = collections.Counter(i for epoch in epochs for i in epoch)
    assert set(seen) == set(range(37))
    assert min(seen.values()) > 15  # 30 epochs with 32 / 37 of the examples each: 26 expected


def test_every_visit_augments_anew_and_seeds_differ():
    data = TrainData(memory(8), VIEWS, batch_size=8, seed=0)

    def by_id(batch):
        order = np.argsort(batch["id"])
        return batch["image"][order], batch["number"][order]

    (first, numbers), (second, others) = by_id(data[0]), by_id(data[1])
    assert (np.abs(first - second).max((1, 2, 3)) > 0).all()
    assert (numbers != others).all()
    neighbour = TrainData(memory(8), VIEWS, batch_size=8, seed=1)
    for k in range(4):  # neighbouring seeds are not shifted copies of each other
        assert neighbour[0]["id"].tolist() != data[k]["id"].tolist()


def test_a_mixture_follows_its_weights_and_keeps_ids_apart():
    sources = {"many": memory(100), "few": memory(7, "few")}
    view = {"number": VectorView(dim=3)}
    data = TrainData(sources, view, batch_size=10, seed=0, weights={"many": 3, "few": 1})
    ids = np.concatenate([data[k]["id"] for k in range(40)])
    numbers = np.concatenate([data[k]["number"] for k in range(40)])
    assert data.id_limit == 107
    assert data.steps_per_epoch == 10.7
    assert (ids >= 100).sum() == 100
    for i, number in zip(ids, numbers, strict=True):
        source, index = (sources["many"], i) if i < 100 else (sources["few"], i - 100)
        np.testing.assert_allclose(number, source[index]["number"], rtol=1e-6)
    # Each source goes through all its own examples before one comes again.
    assert set(collections.Counter(ids[ids < 100].tolist()).values()) == {3}
    assert data.describe() == (
        "many (75%): memory: 100 examples in memory; few (25%): few: 7 examples in memory"
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_a_mixture_of_batches_takes_one_source_after_the_other(processes):
    sources = {"a": memory(17), "b": memory(9, "other")}
    view = {"number": VectorView(dim=3, noise=0.5)}
    parts = [
        TrainData(
            sources,
            view,
            batch_size=8,
            seed=0,
            mix="batches",
            process_index=p,
            process_count=processes,
        )
        for p in range(processes)
    ]
    whole = TrainData(sources, view, batch_size=8, seed=0, mix="batches")
    for k in range(6):
        batch = {name: np.concatenate([part[k][name] for part in parts]) for name in whole[k]}
        same(batch, whole[k])
        assert ((batch["id"] >= 17) == (k % 2 == 1)).all()
        assert len(set(batch["id"].tolist())) == 8
    assert whole[0]["id"].tolist() != whole[2]["id"].tolist()
    with pytest.raises(ValueError, match="batch_size=12 is larger than the 9 examples"):
        TrainData(sources, view, batch_size=12, seed=0, mix="batches")


def test_one_source_may_lack_what_another_has():
    numbers = MemorySource(data={"number": list(np.ones((6, 3)))})
    data = TrainData(
        {"all": memory(6), "numbers": numbers}, VIEWS, batch_size=4, seed=0, on_error="fail"
    )
    assert data.maybe_absent == ("image", "text")
    for k in range(3):
        batch = data[k]
        with_text = batch["id"] < 6
        np.testing.assert_array_equal(batch["text_present"], with_text)
        np.testing.assert_array_equal(batch["image_present"], with_text)
        assert not batch["image"][~with_text].any()
        assert not batch["image@2"][~with_text].any()
        assert batch["image"][with_text].any((1, 2, 3)).all()
    assert len(data.report) == 0


def test_a_bad_picture_leaves_its_row_without_one_and_is_named(tmp_path):
    pictures = list(memory(8).data["image"])
    pictures[3] = b"no picture"
    captions = [f"caption {i}" for i in range(8)]
    captions[5] = " \t"
    source = memory(8, image=pictures, text=captions)
    report = BadRows(tmp_path / "bad_rows.jsonl")
    data = TrainData(source, VIEWS, batch_size=8, seed=0, report=report)
    batches = data.iter_from(0)
    for _ in range(3):
        batch = next(batches)
        assert sorted(batch["id"]) == list(range(8))  # nothing took its place
        row = batch["id"].tolist().index(3)
        assert batch["image_present"].tolist() == [i != 3 for i in batch["id"]]
        assert batch["text_present"].tolist() == [i != 5 for i in batch["id"]]
        assert not batch["image"][row].any()
        assert not batch["image@2"][row].any()
        assert batch["text"][row].any()
    batches.close()
    report.close()
    rows = [json.loads(line) for line in report.path.read_text().splitlines()]
    rows = {(row["key"], row["field"]): row for row in rows}
    assert set(rows) == {("memory row 3", "image"), ("memory row 5", "text")}
    assert all(row["count"] == 3 for row in rows.values())
    assert "no image" in rows["memory row 3", "image"]["reason"]
    assert "empty" in rows["memory row 5", "text"]["reason"]
    assert [e.key for e in map(_error, data.check().counts)] == ["memory row 3", "memory row 5"]

    strict = TrainData(source, VIEWS, batch_size=8, seed=0, on_error="fail")
    with pytest.raises(BadExample, match=r"memory row [35]: (image|text): "):
        take(strict, 0, 1)


def _error(row):
    return BadExample(*row)


class _Unreadable(Source):
    """Ids count down, so that a wrong id shows; odd records cannot be read."""

    modalities, id_limit = ("number",), 10

    def __len__(self):
        return 6

    def id_of(self, index):
        return 9 - index

    def __getitem__(self, index):
        if index % 2:
            raise BadExample(f"row {index}", "number", "the file is gone")
        return {"id": 9 - index, "key": f"row {index}", "number": np.ones(3)}

    def describe(self):
        return "six rows, three of which cannot be read"


def test_an_unreadable_record_keeps_its_own_id():
    data = TrainData(_Unreadable(), {"number": VIEWS["number"]}, batch_size=6, seed=0)
    batch = take(data, 0, 1)[0]
    assert sorted(batch["id"]) == [4, 5, 6, 7, 8, 9]
    np.testing.assert_array_equal(batch["number_present"], batch["id"] % 2 == 1)
    assert {key for key, _, _ in data.report.counts} == {"row 1", "row 3", "row 5"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 9}, "batch_size=9 is larger than the 8 examples"),
        ({"process_count": 3}, "cannot be divided among 3 processes"),
        ({"views": {"sound": VIEWS["number"]}}, "needs the field 'sound'"),
        ({"on_error": "replace"}, "on_error is 'replace'"),
        ({"prefetch": 0}, "prefetch=0 1"),
        ({"weights": {"": 0}}, "a number above 0"),
        ({"weights": {"other": 1}}, "a number above 0"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(changes, message):
    options = {"views": VIEWS, "batch_size": 8, "seed": 0, **changes}
    with pytest.raises(ValueError, match=message):
        TrainData(memory(8), options.pop("views"), **options)
