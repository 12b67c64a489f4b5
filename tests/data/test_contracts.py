"""Sources, views and tokenizers of recipes inherit what the pipeline asks of them."""

import numpy as np
import pytest

from mmjax.data import SOURCES, TOKENIZERS, VIEWS, BadRows, Source, Tokenizer, TrainData, View
from mmjax.data.sources import MemorySource


@pytest.mark.parametrize(
    ("registry", "base"), [(SOURCES, Source), (VIEWS, View), (TOKENIZERS, Tokenizer)]
)
def test_every_word_is_of_its_base_class(registry, base):
    for word, made in registry.items():
        assert issubclass(made, base), word
        assert not made.__abstractmethods__, word


class Few(Source):
    """As little as a source of one's own needs."""

    modalities = ("x",)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"id": index, "key": f"few {index}", "x": float(index)}

    def describe(self):
        return "four numbers"


class Number(View):
    """As little as a view of one's own needs."""

    shape, dtype = (), np.dtype(np.float32)

    def __call__(self, value, rng, train):
        return np.float32(value)


def test_what_is_left_out_has_a_default():
    source, view = Few(), Number()
    assert (source.label_fields, source.may_lack, source.bad) == ((), (), ())
    assert (source.id_limit, source.id_of(2), source.labels("x")) == (4, 2, None)
    assert (view.embedded, view.tokenizer, view.eos) == (True, None, False)
    report = BadRows()
    batch = TrainData(source, {"x": view}, batch_size=4, seed=0, report=report)[0]
    np.testing.assert_array_equal(batch["x"], batch["id"])
    assert not len(report)


def test_what_has_no_default_has_to_be_there():
    with pytest.raises(TypeError, match=r"abstract .*describe"):
        type("Half", (Source,), {"__len__": len, "__getitem__": None})()
    with pytest.raises(TypeError, match=r"abstract .*__call__"):
        type("Blind", (View,), {})()


def test_a_limit_of_ids_that_is_set_stays():
    source = MemorySource(data={"x": [1, 2]})
    assert source.id_limit == 2
    source.id_limit = 10
    assert source.id_limit == 10
