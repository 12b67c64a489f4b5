"""Groups side by side: the order is one integer, for any processes, and leaves no group out."""

import collections

import numpy as np
import pytest

from mmjax.data import TrainData
from mmjax.data.groups import GroupsConfig
from mmjax.data.sources import MemorySource
from mmjax.data.synthetic.generated import Columns
from mmjax.data.views import VectorView
from mmjax.errors import ConfigError
from mmjax.train import trainer

VIEWS = {"x": VectorView(dim=2)}
SIZES = {"a": 7, "b": 3, "c": 2, "d": 9, "e": 1, None: 4}  # label -> rows
LABELS = [label for label, count in SIZES.items() for _ in range(count)]


def memory(labels=LABELS):
    shuffled = [labels[i] for i in np.random.default_rng(0).permutation(len(labels))]
    numbers = list(np.arange(2 * len(labels), dtype=np.float32).reshape(-1, 2))
    return MemorySource(data={"x": numbers}, labels={"kind": shuffled})


def data(source=None, per=3, batch=6, **more):
    source = memory() if source is None else source
    groups = GroupsConfig("kind", per)
    return TrainData(source, VIEWS, batch_size=batch, seed=5, groups=groups, **more)


def test_every_batch_has_whole_groups_and_every_epoch_other_ones():
    source, made = memory(), data()
    assert made.steps_per_epoch == 3  # 2 + 1 + 3 pieces of three rows
    kinds = {i: source[i].get("kind") for i in range(len(source))}
    seen, orders = collections.Counter(), set()
    for epoch in range(40):
        rows = np.concatenate([made[3 * epoch + k]["id"] for k in range(3)]).tolist()
        assert len(set(rows)) == len(rows) == 18
        pieces = np.reshape([kinds[row] for row in rows], (-1, 3))
        assert (pieces == pieces[:, :1]).all()
        assert collections.Counter(pieces[:, 0]) == {"a": 2, "b": 1, "d": 3}
        seen.update(rows)
        orders.add(tuple(rows))
    assert len(orders) == 40
    assert set(seen) == {row for row, kind in kinds.items() if kind in ("a", "b", "d")}
    of_a = [count for row, count in seen.items() if kinds[row] == "a"]
    assert 25 < min(of_a) <= max(of_a) <= 40  # 6 of 7 rows in each of 40 epochs: 34 expected


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_have_blocks_of_the_same_batches_from_any_step_on(processes):
    whole = data()
    parts = [data(process_index=p, process_count=processes) for p in range(processes)]
    for k in (0, 5, 1000):
        joined = np.concatenate([part[k]["id"] for part in parts])
        np.testing.assert_array_equal(joined, whole[k]["id"])
    batches = whole.iter_from(5)
    np.testing.assert_array_equal(next(batches)["id"], whole[5]["id"])
    batches.close()


def test_a_mixture_takes_groups_of_one_source_after_the_other():
    sources = {"one": memory(), "two": memory(["z"] * 6)}
    made = data(sources, mix="batches")
    first, second = made[0]["id"], made[1]["id"]
    assert {*(first < 26), *(second >= 26)} == {True}
    with pytest.raises(ValueError, match="mix='batches'"):
        data(sources)


def test_groups_of_records_with_one_id():
    source = Columns("c", "all", {"x": np.zeros((6, 2))}, ("x",), np.array([4, 1, 4, 1, 0, 1]))
    made = TrainData(source, VIEWS, batch_size=2, seed=0, groups=GroupsConfig("id", 2))
    assert all(len({*made[k]["id"]}) == 1 for k in range(6))
    assert "2 rows of one 'id' side by side, of 2 groups (1 rows of smaller" in made.describe()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"per": 4}, "batch_size=6 is no multiple of groups.per=4"),
        ({"batch": 21}, "the source has 6 such groups, and a batch of 21 needs 7"),
        ({"source": memory([(1, 2)] * 6)}, None),
        ({"source": memory([[1, 2]] * 6)}, "a label of a group should be a number or a text"),
    ],
)
def test_what_cannot_be_grouped_is_said(options, said):
    if said is None:
        assert data(**options).steps_per_epoch == 1
        return
    with pytest.raises(ValueError, match=said):
        data(**options)


@pytest.mark.long
def test_a_run_with_groups_is_resumed_exactly(tiny, saved, identical, resumed_at, tmp_path):
    overrides = (
        "data.source={'type': 'latent_views', 'latent': 8, 'clusters': 24, 'examples': 512, "
        "'views': {'a': {'dim': 32}, 'b': {'dim': 32}}}",
        "data.groups={'by': 'label', 'per': 4}",
        "steps=20",
        "checkpoints.every=10",
    )
    config = tiny(*overrides)
    resumed_at(config, tmp_path, 10)
    assert identical(*(saved(config, tmp_path / name) for name in ("rest", "whole"))) == []
    with pytest.raises(ConfigError, match=r"groups.by='lable': the source has no such label"):
        trainer.train(tiny(*overrides, "data.groups.by=lable"), tmp_path / "wrong", quiet=True)
    with pytest.raises(ConfigError, match=r"'data\.groups\.per' should be"):
        tiny(*overrides, "data.groups.per=1")
