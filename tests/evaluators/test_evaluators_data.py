import logging

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmjax import evaluators
from mmjax.data.records import BadExample, SourceError
from mmjax.evaluators.data import EvalData, embed, embed_values


def test_every_item_in_order_and_one_shape(make_source, views, fake_model):
    source, model = make_source(10), fake_model()
    embedded = embed(model, EvalData(source, views, batch_size=4))
    for modality in ("image", "text"):
        items = embedded[modality]
        np.testing.assert_array_equal(items.unit.argmax(1), range(10))
        np.testing.assert_array_equal(items.ids, range(10))
        np.testing.assert_array_equal(items.rows, range(10))
        assert items.unit.dtype == np.float32
        assert items.fields[3] == {"id": 3, "key": "row 3", "group": "odd"}
    assert model.shapes == {("image", (4, 2)): 3, ("text", (4, 24)): 3}
    assert set(source.reads.values()) == {1}  # one pass for both modalities


def test_all_alternatives(make_source, views, fake_model):
    embedded = embed(fake_model(), EvalData(make_source(3), views, 4), alternatives="all")["text"]
    np.testing.assert_array_equal(embedded.ids, [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(embedded.alternatives, [0, 1] * 3)
    assert [embedded.raw(n) for n in (2, 3)] == ["item 1", "thing 1"]


def test_bad_examples_are_named_and_nothing_takes_their_place(
    make_source, fake_source, views, fake_model
):
    records = make_source(5).records
    records[1]["image"] = ["dog.jpg"]
    records[2]["text"] = ""
    records[3] = BadExample("row 3", "image", "the file does not exist")
    del records[4]["text"]
    records[0]["text"] = []
    embedded = embed(fake_model(), EvalData(fake_source(records), views, 4))
    np.testing.assert_array_equal(embedded["image"].ids, [0, 2, 4])
    np.testing.assert_array_equal(embedded["text"].ids, [1])
    assert embedded["image"].unreadable == (
        "row 1: image: the file dog.jpg is cut short.",
        "row 3: image: the file does not exist.",
    )
    assert embedded["text"].unreadable == (
        "row 0: text: the list of alternatives is empty.",
        "row 2: text: the caption is empty.",
        "row 3: image: the file does not exist.",
    )


def test_nothing_readable_is_an_error(make_source, views, fake_model):
    source = make_source(2)
    for record in source.records:
        record["text"] = ""
    with pytest.raises(ValueError, match=r"none of the 2 records .* 'text'; row 0: text: the cap"):
        embed(fake_model(), EvalData(source, views))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from(["good", "record", "value", "absent"]), min_size=1, max_size=12),
    least=st.integers(1, 4),
)
def test_rows_are_known_before_a_run_by_reading_no_more_than_needed(
    make_source, fake_source, views, kinds, least
):
    records = make_source(len(kinds)).records
    for n, kind in enumerate(kinds):
        if kind == "record":
            records[n] = BadExample(f"row {n}", "record", f"the shard {n} is gone")
        elif kind == "value":
            records[n]["text"] = ""
        elif kind == "absent":
            del records[n]["text"]
    source = fake_source(records)
    data = EvalData(source, views)
    good = [n for n, kind in enumerate(kinds) if kind == "good"]
    if len(good) >= least:
        for _ in range(2):  # the second reads nothing
            data.check_readable("text", least)
        assert source.reads == dict.fromkeys(range(good[least - 1] + 1), 1)
        return
    with pytest.raises(SourceError) as error:
        data.check_readable("text", least)
    said = str(error.value)
    assert said.startswith(f"{len(good)} of {len(kinds)} records have a readable 'text'")
    shard = kinds.index("record") if kinds.count("record") == 1 else "…"  # where they differ
    reasons = {"record": f"record: the shard {shard} is gone", "value": "text: the caption"}
    for kind, reason in reasons.items():
        assert (f"{kinds.count(kind)} x {reason}" in said) == (kind in kinds)


@pytest.mark.parametrize(("modality", "where"), [("audio", "model"), ("depth", "evaluation data")])
def test_an_unknown_modality_is_an_error(make_source, views, fake_model, modality, where):
    model = fake_model()
    model.modalities = ("image", "text", "depth")
    with pytest.raises(ValueError, match=f"the {where} has no modality '{modality}'"):
        embed(model, EvalData(make_source(2), views), ("image", modality))


@pytest.mark.parametrize("bad", [np.nan, 0.5])
def test_embeddings_that_are_not_unit_vectors_are_an_error(make_source, views, fake_model, bad):
    class Broken(fake_model):
        def embed(self, modality, array):
            return bad * super().embed(modality, array)

    with pytest.raises(ValueError, match=r"lengths .* instead of 1"):
        embed(Broken(), EvalData(make_source(2), views))


def test_the_model_computes_one_batch_while_the_next_is_made(make_source, views, fake_model):
    log = []

    class Computing(fake_model):
        def begin(self, modality, array):
            number = len(log)
            log.append(("begin", number))

            def wait():
                log.append(("end", number))
                return self.embed(modality, array)

            return wait

    data = EvalData(make_source(11), views, batch_size=4)
    found = embed(Computing(), data, ("text",))["text"].unit
    begun, ended = ([i for i, (what, _) in enumerate(log) if what == w] for w in ("begin", "end"))
    assert len(begun) == len(ended) == 3
    assert begun[1] < ended[0]  # the second begins before one waits for the first
    assert begun[2] > ended[0]  # and no more than two are held
    np.testing.assert_array_equal(found, embed(fake_model(), data, ("text",))["text"].unit)


def test_the_batch_size_is_checked(make_source, views):
    with pytest.raises(ValueError, match="batch_size"):
        EvalData(make_source(2), views, batch_size=0)


def test_values_of_ones_own(make_source, views, fake_model):
    data = EvalData(make_source(2), views, batch_size=4)
    unit = embed_values(fake_model(), data, "text", ["7", "3", "7", "1", "0"])
    np.testing.assert_array_equal(unit.argmax(1), [7, 3, 7, 1, 0])
    with pytest.raises(BadExample, match="empty"):
        embed_values(fake_model(), data, "text", ["7", ""])


def test_evaluators_of_one_source_embed_it_once(make_source, views, fake_model, caplog):
    source, model = make_source(13), fake_model(0.1)
    source.records[2]["image"] = "cat.png"
    data = EvalData(source, views, batch_size=13)
    built = {
        "retrieval/all": evaluators.EVALUATORS["retrieval"](),
        "geometry/all": evaluators.EVALUATORS["geometry"](),
        "zero_shot/groups": evaluators.EVALUATORS["zero_shot"](labels="group"),
    }
    with caplog.at_level(logging.WARNING):
        metrics = evaluators.run(
            model, {name: evaluators.Task(e, data) for name, e in built.items()}
        )
    assert model.shapes["image", (13, 2)] == 1
    assert model.shapes["text", (13, 24)] == 2  # the captions, and the three class names
    assert metrics["retrieval/all/image_to_text/R@1"] == 1
    assert metrics["retrieval/all/unreadable"] == 1
    assert 0 < metrics["geometry/all/positive_cosine"] < 1
    assert metrics["zero_shot/groups/chance"] == 1 / 3
    assert caplog.text.count("row 2: image: the file cat.png is cut short.") == 1
    # The next evaluation is of another state of the model and must not see old embeddings.
    evaluators.run(model, {"retrieval/all": evaluators.Task(built["retrieval/all"], data)})
    assert model.shapes["image", (13, 2)] == 2
