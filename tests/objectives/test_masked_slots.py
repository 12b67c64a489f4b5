"""What masked slots tell of a vector, and their mistakes."""

import jax
import numpy as np
import pytest
from cases.masked_slots import PLAIN, TOLD, hidden, outputs, told
from cases.matching import DIMS, parts
from flax import nnx
from jitted import made
from term_harness import embeddings, make

from mmjax.errors import ConfigError
from mmjax.objectives import Context, TermError, configs
from mmjax.objectives.objectives import Objectives
from mmjax.parallel.pairwise import Plan

SIZE = 12


def test_the_score_is_the_cosine_with_the_expected_parts():
    objectives = made(lambda: make(TOLD))
    term = objectives.terms["term"]
    table = np.random.default_rng(0).normal(size=(3, 4, 1))
    term.table[...] = np.float32(table)
    raws, batch = embeddings(("t", "v"), SIZE, DIMS), hidden(SIZE)

    @jax.jit
    def scores(objectives, raws):
        given = outputs(raws, batch)
        features = [objectives.compared("term", view, given[view]) for view in ("t", "v")]
        return objectives.terms["term"].pair_score()(*features)

    found = scores(objectives, raws)
    params = {
        "/".join(map(str, path)): np.asarray(v[...], np.float64)
        for path, v in nnx.to_flat_state(nnx.state(term))
    }
    logits = told(params, parts("t", np.float64(raws["t"]))[0], batch["t_mask"], 1)[:, 2:5, 3:7]
    share = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    x = np.einsum("bsc,scd->bsd", share, table).reshape(SIZE, 3)
    y = parts("v", np.float64(raws["v"]))[1]
    x, y = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (x, y))
    np.testing.assert_allclose(found, x @ y.T, atol=1e-5)


def test_the_table_becomes_the_means_of_the_parts():
    """At its minimum, since nothing else of the loss depends on it."""
    raws, batch = embeddings(("t", "v"), SIZE, DIMS), hidden(SIZE)
    batch |= {"id": np.arange(SIZE)}
    graph, state = nnx.split(made(lambda: make(TOLD)))

    @jax.jit
    @jax.value_and_grad
    def misfit(state):
        given = outputs(raws, batch)
        return nnx.merge(graph, state)(given, batch, Context(Plan()))[1]["term/misfit"]

    def at(table):
        terms = nnx.merge(graph, state)
        terms.terms["term"].table[...] = np.asarray(table)
        return nnx.split(terms)[1]

    table, v = np.zeros((3, 4, 1), np.float32), parts("v", raws["v"])[1]
    for part in range(3):
        for code in range(4):
            own = batch["targets"][:, 2 + part] == code
            table[part, code] = v[own, part].mean() if own.any() else 0
    least, gradient = misfit(at(table))
    assert least < 0.9 * misfit(at(0 * table))[0]
    assert max(np.abs(each).max() for each in jax.tree.leaves(gradient)) < 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": {"v": 5}}, r"needs the width of the tokens of 't', but has inputs="),
        ({"slots": {}}, r"has slots=\{\}: name a modality"),
        ({"vector": "v"}, r"vector='v', decodes=None and size=None: it needs all three, or none"),
        ({"vector": "v", "decodes": "x", "size": 3}, r"decodes='x', which is none of slots="),
        ({"vector": "v", "decodes": "q", "size": 4}, r"size=4, which the 3 tokens of 'q' do not"),
    ],
)
def test_options_that_are_none(options, message):
    with pytest.raises(ConfigError, match=message):
        Objectives(configs({"term": {**PLAIN, **options}}), rngs=nnx.Rngs(0))


def test_what_is_lacking_is_said():
    raws, batch = embeddings(("t", "v"), SIZE, DIMS), {**hidden(SIZE), "id": np.arange(SIZE)}
    given = outputs(raws, batch)
    shown = {**given, "t": given["t"]._replace(targets=None)}

    def asked(spec, given):  # what is said is said before anything is computed
        jax.eval_shape(lambda: make(spec)(given, batch, Context(Plan())))

    with pytest.raises(TermError, match=r"hidden ones of 6 tokens of 't': give its tower augment"):
        asked(PLAIN, shown)
    with pytest.raises(TermError, match=r"needs 'v' with size=6 numbers: add a view and a tower"):
        asked({**TOLD, "size": 6}, given)
    with pytest.raises(TermError, match=r"tells no vector: set 'vector', 'decodes' and 'size'"):
        jax.eval_shape(lambda: make(PLAIN).compared("term", "t", given["t"]))
