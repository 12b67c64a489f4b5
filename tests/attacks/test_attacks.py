"""Attacks: their losses against formulas in float64, bounds of changes, and a plain loop."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax.attacks import ATTACKS, losses
from mmjax.attacks.base import batches
from mmjax.errors import ConfigError

ROWS, DIM = 6, 5


def unit(*shape, seed=0):
    x = np.random.default_rng(seed).normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def nce(x, y, temperature):
    logits = x @ y.T / temperature
    return np.mean([np.log(np.exp(row).sum()) - row[i] for i, row in enumerate(logits)])


def neighbours(x):
    p = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        nearest = max(x[i] @ x[k] for k in range(len(x)) if k != i)
        for j in range(len(x)):
            p[i, j] = 1 if i == j else 1 - (nearest - x[i] @ x[j]) / 2
    return p / p.sum(1, keepdims=True)


def topology(x, y):
    """The paper's sum, of 16 rows; of others in proportion."""
    p, q = neighbours(x), neighbours(y)
    tiny = 1e-7
    one = q * np.log((q + tiny) / (p + tiny))
    other = (1 - q) * np.log((1 - q + tiny) / (1 - p + tiny))
    return (one + other).sum() * 16**2 / len(x) ** 2


def attraction(changed, clean, texts, margin):
    total = 0.0
    for a, z in zip(changed, clean, strict=True):
        r = min(texts, key=lambda t: abs(t @ z))
        total += ((a - r) ** 2).sum() + max(0.0, margin - np.sqrt(((a - z) ** 2).sum())) ** 2
    return total / (4 * len(changed))


def expected(attack, changed, clean, texts):
    return (
        -attack.distance * ((changed - clean) ** 2).sum(1).mean()
        - attack.contrastive * (nce(clean, changed, attack.temperature)
                                + attack.text * nce(changed, texts, attack.temperature))
        - attack.topology * (topology(clean, changed) + attack.text * topology(changed, texts))
        + attack.attract * attraction(changed, clean, texts, attack.margin)
    )  # fmt: skip


WEIGHTS = (
    dict(distance=2.0),
    dict(distance=0.0, contrastive=10.0, text=5.0, temperature=0.1),
    dict(distance=0.0, topology=1.0, text=5.0),
    dict(distance=0.0, attract=3.0, margin=2.5),
    dict(distance=1.0, contrastive=0.5, topology=2.0, attract=1.0, text=0.3),
)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_loss_is_the_formula_with_its_gradient(weights):
    attack = ATTACKS.spec("patch", **weights).build()
    changed, clean, texts = (unit(ROWS, DIM, seed=seed) for seed in range(3))
    value, gradient = jax.jit(jax.value_and_grad(attack.loss))(
        *(np.float32(x) for x in (changed, clean, texts))
    )
    gradient = np.asarray(gradient)
    assert float(value) == pytest.approx(expected(attack, changed, clean, texts), rel=1e-4)
    for place in ((0, 0), (3, 2), (5, 4)):
        step = np.zeros_like(changed)
        step[place] = 1e-5
        ends = [expected(attack, changed + s * step, clean, texts) for s in (1, -1)]
        assert float(gradient[place]) == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=2e-3)


def test_of_16_rows_the_topology_is_the_papers_sum():
    x, y = unit(16, 8, seed=1), unit(16, 8, seed=2)
    p, q = neighbours(x), neighbours(y)
    total = (q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))).sum()
    found = jax.jit(losses.topology)(np.float32(x), np.float32(y))
    assert float(found) == pytest.approx(total, rel=1e-3)


def test_an_unchanged_input_has_a_gradient_of_the_attraction():
    x = np.float32(unit(ROWS, DIM))
    slope = jax.jit(jax.grad(losses.attraction))
    assert np.isfinite(slope(x, x, x[::-1], 0.2)).all()


def tower(seed=0, size=3 * 9 * 8):
    """A linear tower of images [9, 8, 3]."""
    kernel = jnp.asarray(np.random.default_rng(seed).normal(size=(size, DIM)), jnp.float32)

    def embed(kernel, x):
        y = x.reshape(len(x), -1) @ kernel
        return y / jnp.linalg.norm(y, axis=1, keepdims=True)

    return jax.tree_util.Partial(jax.jit(embed), kernel)


def images(count=20):
    return np.random.default_rng(3).uniform(size=(count, 9, 8, 3)).astype(np.float32)


SMALL = {
    "patch": dict(side=4, border=1, steps=30, batch_size=8),
    "pgd": dict(eps=0.1, rate=0.05, steps=5),
    "generator": dict(eps=0.1, widths=(4,), steps=30, learning_rate=0.03, batch_size=8),
}


@pytest.mark.parametrize("kind", SMALL)
def test_fitted_changes_move_embeddings_further_than_random_ones(kind):
    attack, x, f = ATTACKS.spec(kind, **SMALL[kind]).build(), images(), tower()
    texts = unit(20, DIM, seed=4).astype(np.float32)
    change = {"random": attack.random(x.shape[1:], 0), "fitted": attack.fitted(f, x, texts, 0)}
    moved = {}
    for name, own in change.items():
        y = np.asarray(own(x))
        assert y.shape == x.shape
        assert y.min() >= 0
        assert y.max() <= 1
        different = np.abs(y - x)
        if kind == "patch":
            square = y[:, 4:8, 3:7]  # a border of 1 at the right and below
            np.testing.assert_array_equal(square, np.broadcast_to(square[:1], square.shape))
            different[:, 4:8, 3:7] = 0
            assert not different.any()
        else:
            assert 0.01 < different.max() <= 0.1 + 1e-6
        moved[name] = float(1 - (np.asarray(f(y)) * np.asarray(f(x))).sum(1).mean())
        np.testing.assert_array_equal(y, np.asarray(own(x)))
    assert moved["fitted"] > 1.5 * moved["random"]


def test_a_patch_is_that_of_a_plain_loop():
    attack = ATTACKS.spec("patch", **SMALL["patch"], contrastive=1.0).build()
    x, f, captions = images(), tower(), unit(20, DIM, seed=4).astype(np.float32)
    found = np.asarray(attack.fitted(f, x, captions, 5)(x[:1]))[0, 4:8, 3:7]
    first = np.asarray(attack.random(x.shape[1:], 5)(x[:1]))[0, 4:8, 3:7]
    free = np.log(first / (1 - first))
    rule = optax.adam(0.1)
    state = jax.jit(rule.init)(free)

    def loss(free, rows):
        own, texts = jnp.asarray(x)[rows], jnp.asarray(captions)[rows]
        changed = f(own.at[:, 4:8, 3:7].set(jax.nn.sigmoid(free)))
        apart = nce_of(f(own), changed) + 5 * nce_of(changed, texts)
        return -((changed - f(own)) ** 2).sum(1).mean() - apart

    def nce_of(a, b):
        return -jnp.diag(jax.nn.log_softmax(a @ b.T / 0.1, axis=1)).mean()

    @jax.jit
    def step(free, state, rows):
        updates, state = rule.update(jax.grad(loss)(free, rows), state, free)
        return optax.apply_updates(free, updates), state

    for rows in batches(20, 8, 30, 5):
        free, state = step(free, state, rows)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-np.asarray(free))), atol=1e-3)


def test_every_row_is_in_a_batch_before_one_comes_again():
    found = np.concatenate(batches(10, 4, 5, 0))
    assert sorted(found[:10]) == sorted(found[10:]) == list(range(10))
    assert [len(rows) for rows in batches(3, 64, 2, 0)] == [3, 3]


def test_what_cannot_be_attacked_is_refused():
    with pytest.raises(ConfigError, match=r"shape \[7\]; it is for images"):
        ATTACKS.spec("patch").build().random((7,), 0)
    x = np.zeros((4, 7), np.float32)
    with pytest.raises(ConfigError, match=r"shape \[7\]; take 'pgd' for them"):
        ATTACKS.spec("generator").build().fitted(tower(), x, unit(4, DIM), 0)
    with pytest.raises(ConfigError, match="side=38 and border=14 does not fit"):
        ATTACKS.spec("patch").build().random((32, 32, 3), 0)
    with pytest.raises(ValueError, match="changes every one by itself"):
        ATTACKS.spec("pgd", contrastive=1.0).build()
    with pytest.raises(ValueError, match="all weights are 0"):
        ATTACKS.spec("patch", distance=0.0).build()
