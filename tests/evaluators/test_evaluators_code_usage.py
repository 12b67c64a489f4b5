"""Supports of a codebook's weights, by sets, and by the model that has the codebook."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jitted import jitted, made

from mmjax import recipe as recipe_lib
from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators.code_usage import CodeUsage
from mmjax.evaluators.data import EvalData
from mmjax.model.definition import Definition
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.embedder import Embedder
from mmjax.system.system import System

NAMES = ("image", "text")


def test_equals_overlaps_of_sets():
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 30, 12)) < 0.3
    ids = np.arange(30) // 2  # records in twos with one id
    found = CodeUsage().measure(x, y, ids)
    sets = [[set(np.flatnonzero(row)) for row in each] for each in (x, y)]

    def overlap(i, j):
        a, b = sets[0][i], sets[1][j]
        return len(a & b) / max(len(a | b), 1)

    own = np.mean([overlap(i, i) for i in range(30)])
    others = np.mean([overlap(i, (i + 1) % 30) for i in range(1, 30, 2)])
    expected = {
        "support/image": np.mean([len(a) for a in sets[0]]),
        "support/text": np.mean([len(a) for a in sets[1]]),
        "used/image": 12.0,
        "used/text": 12.0,
        "overlap": own,
        "overlap_others": others,
        "overlap_ratio": own / others,
        "pairs": 30.0,
    }
    assert found == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ValueError, match="all records have one id"):
        CodeUsage().measure(x, y, np.zeros(30))


def test_whole_codes_are_counted():
    x = np.eye(4, dtype=np.float32)[[0, 0, 1, 3]]
    y = np.eye(4, dtype=np.float32)[[0, 1, 1, 2]]
    found = CodeUsage(whole=True).counted(x, y)
    assert found == pytest.approx(
        {
            "perplexity/image": np.exp(-0.5 * np.log(0.5) - 2 * 0.25 * np.log(0.25)),
            "used/image": 3.0,
            "perplexity/text": np.exp(-0.5 * np.log(0.5) - 2 * 0.25 * np.log(0.25)),
            "used/text": 3.0,
            "agree": 0.5,
            "pairs": 4.0,
        }
    )


def test_the_codes_of_a_model_are_those_of_its_heads():
    encoder = {"type": "token_mlp", "inputs": 5, "hidden": (), "width": 6}
    head = {"type": "codebook", "codes": 9, "dim": 4, "temperature": 2.0}
    towers = {m: {"encoder": encoder, "head": head} for m in NAMES}
    towers["other"] = {"encoder": {"type": "identity", "inputs": 3}}
    config = recipe_lib.complete(
        {
            "recipe": "codes",
            "variant": "small",
            "paper": "-",
            "steps": 1,
            "data": {
                "source": {"type": "concept_sets"},
                "batch_size": 4,
                "views": {
                    **{m: {"type": "sequence", "length": 3, "dim": 5} for m in NAMES},
                    "other": {"type": "vector", "dim": 3},
                },
            },
            "model": {"towers": towers},
            "objectives": {"clip": {"type": "info_nce"}},
            "optimizer": {"learning_rate": 0.1},
        },
        "codes.py",
    )

    def make():
        return System(config.model, config.objectives, dtype=jnp.float32, rngs=nnx.Rngs(0))

    system, mesh = made(make), mesh_lib.make_mesh(devices=jax.devices()[:1])
    model = Embedder(Definition.of(make), Definition.arrays(system), mesh)
    rng = np.random.default_rng(0)
    values = {m: list(rng.normal(size=(20, 3, 5)).astype(np.float32)) for m in NAMES}

    def view(value, rng, train):
        return value

    data = EvalData(Columns("test", "test", values, NAMES), dict.fromkeys(NAMES, view), 8)
    found = CodeUsage()(model, data)
    supports, weights = [], []
    for m in NAMES:
        batch = np.stack(values[m])
        encoding = jitted(system.towers[m].encoder)(batch)
        table = system.codebooks["codebook"].table[...]
        own = jitted(system.towers[m].head, "weights")(encoding, table)
        np.testing.assert_allclose(model.embed(m, batch, "codes"), own, atol=1e-6)
        weights.append(np.asarray(own, np.float64))
        supports.append(weights[-1] > 0)
    for m, each in zip(NAMES, weights, strict=True):
        shares = each.mean(0)  # of softmax or sparsemax, whose sum is 1
        assert found.pop(f"peak/{m}") == pytest.approx(9 * shares.max())
        assert found.pop(f"concentration/{m}") == pytest.approx(9 * (shares**2).sum())
        own = shares[shares > 0]
        assert found.pop(f"bits/{m}") == pytest.approx(-(own * np.log2(own)).sum(), abs=1e-6)
    alone = CodeUsage(pair=("image",))(model, data)
    both = CodeUsage()(model, data)
    assert alone == {key: both[key] for key in alone if key != "examples"} | {"examples": 20.0}
    assert alone.keys() == {f"{key}/image" for key in (
        "peak", "concentration", "bits", "support", "used")} | {"examples"}  # fmt: skip
    assert found == pytest.approx(CodeUsage().measure(*supports, np.arange(20)))
    assert 1 <= found["support/image"] < 9
    with pytest.raises(ValueError, match="has no 'codes', only 'encoder', 'raw', 'unit'"):
        model.embed("other", np.zeros((2, 3), np.float32), "codes")
