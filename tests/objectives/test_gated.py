"""What gates draw, whose keys they see, and which options cannot be."""

import functools

import jax
import numpy as np
import pytest
from cases.gated import CLASSES, GATE, PAIR, labels
from jitted import jitted
from objective_formulas import normalize
from term_harness import SIZE, embeddings, make

from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context, TermError
from mmjax.parallel.pairwise import Plan


def test_second_classes_are_what_the_pairing_says():
    y = np.arange(1000) % CLASSES
    key = jax.random.key(0)

    def draw(pairing):
        term = make({**GATE, "pairing": pairing}).terms["term"]
        return np.asarray(jitted(term, "second_labels")(key, y))

    np.testing.assert_array_equal(draw("identical"), y)
    distinct = draw("distinct")
    assert (distinct != y).all()
    assert set(distinct) == set(range(CLASSES))
    arbitrary = draw("arbitrary")
    np.testing.assert_array_equal(np.bincount(arbitrary), np.bincount(y))
    assert 0.1 < (arbitrary == y).mean() < 0.3


def test_partners_are_a_permutation_of_the_valid_rows():
    term = make({**GATE, "negatives": "all"}).terms["term"]
    valid = np.arange(1000) % 3 != 1
    drawn = jax.jit(lambda key: term.partners(key, 1000, valid))(jax.random.key(0))
    drawn = np.asarray(drawn)
    np.testing.assert_array_equal(np.sort(drawn), np.arange(1000))
    assert valid[drawn[valid]].all()
    moved = drawn[valid] - np.flatnonzero(valid)
    assert (moved == 0).sum() < 10  # one is expected
    assert abs(moved.mean()) < 1e-9
    assert np.abs(moved).mean() > 250  # a third of 1000 is expected


def test_keys_of_a_teacher_are_constants_and_have_to_be_there():
    spec = {**GATE, "negatives": "all", "pairing": "identical", "gated": False, "anchors": "both"}
    term = make({**spec, "keys": "teacher"}).terms["term"]
    raws, other = embeddings(PAIR), embeddings(PAIR, seed=1)

    def outputs(raws):
        return {name: Embedding(raw, unit_norm(raw)) for name, raw in raws.items()}

    batch = labels(SIZE)

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def loss(raws, teacher):
        value, _ = term(outputs(raws), batch, Context(plan=Plan(), teacher=teacher))
        return value, value

    teacher = jax.jit(outputs)(other)
    grads, value = loss(raws, teacher)
    want = 0
    for anchor, key in (PAIR, PAIR[::-1]):
        s = normalize(raws[anchor].astype(float)) @ normalize(other[key].astype(float)).T / 0.3
        want += (np.log(np.exp(s).sum(1)) - np.diag(s)).mean() / 2
    np.testing.assert_allclose(value, want, rtol=2e-6)
    assert all(np.abs(grads[name]).max() > 1e-3 for name in PAIR)
    with pytest.raises(TermError, match=r"no teacher embeds 'b': add it to teacher\.views"):
        loss(raws, {"a": teacher["a"]})
    with pytest.raises(TermError, match="no teacher embeds 'b'"):
        loss(raws, None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"negatives": "all", "pairing": "distinct"}, "pairs rows, not classes"),
        ({"gated": False, "gate_entropy": 1.0}, "needs gated=True"),
        ({"gate_entropy": -1.0}, "gate_entropy' should be at least 0"),
    ],
)
def test_options_of_gates_that_cannot_be(options, said):
    with pytest.raises(ConfigError, match=said):
        make({**GATE, **options})
