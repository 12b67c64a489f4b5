"""Schedules, rule tables and the update rule against formulas written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.errors import ConfigError
from mmjax.parallel import mesh as mesh_lib
from mmjax.recipe import OptimizerConfig
from mmjax.train import learning_rate, optimizer


def section(**values):
    return OptimizerConfig(**{"learning_rate": 0.1, **values})


def test_schedule_warms_up_and_decays():
    rate = learning_rate.schedule(
        section(warmup_steps=10, schedule="cosine", final_fraction=0.1), 110
    )
    values = np.array([rate(k) for k in range(110)])
    np.testing.assert_allclose(values[:10], 0.1 * np.arange(1, 11) / 10, rtol=1e-6)
    t = np.arange(100) / 100
    expected = 0.1 * (0.1 + 0.9 * 0.5 * (1 + np.cos(np.pi * t)))
    np.testing.assert_allclose(values[10:], expected, rtol=1e-5)


def test_linear_and_constant():
    linear = learning_rate.schedule(section(schedule="linear", final_fraction=0.5), 100)
    assert float(linear(0)) == pytest.approx(0.1)
    assert float(linear(50)) == pytest.approx(0.075)
    assert float(learning_rate.schedule(section(schedule="constant"), 100)(99)) == pytest.approx(
        0.1
    )


@pytest.mark.parametrize("kind", ["constant", "cosine", "linear"])
@pytest.mark.parametrize("steps", [1, 2, 9, 10, 21, 50])
def test_a_warmup_that_would_fill_the_run_is_a_tenth_of_it(steps, kind):
    asked, tenth = (
        learning_rate.schedule(section(warmup_steps=warmup, schedule=kind), steps)
        for warmup in (50, steps // 10)
    )
    rates = [float(asked(k)) for k in range(steps)]
    assert rates == [float(tenth(k)) for k in range(steps)]
    assert max(rates) == pytest.approx(0.1)
    assert learning_rate.warmup_steps(section(warmup_steps=50), 51) == 50


def test_adamw_with_rules_matches_the_formula():
    values = section(
        type="adamw",
        weight_decay=0.2,
        schedule="constant",
        clip_norm=1.0,
        b1=0.8,
        b2=0.9,
        learning_rate_rules=(("slow/.*", 0.5),),
        weight_decay_rules=((".*bias", 0.0),),
    )
    rng = np.random.default_rng(0)
    params = {path: rng.normal(size=3) for path in ("slow/w", "fast/w", "fast/bias")}
    grads = [{path: rng.normal(size=3) for path in params} for _ in range(3)]
    transformation = optimizer.make(values, 10, params)
    ours = {path: jnp.asarray(value, jnp.float32) for path, value in params.items()}
    state = transformation.init(ours)
    m = {path: np.zeros(3) for path in params}
    v = {path: np.zeros(3) for path in params}
    for k, grad in enumerate(grads, 1):
        updates, state = transformation.update(
            {path: jnp.asarray(g, jnp.float32) for path, g in grad.items()}, state, ours
        )
        ours = {path: ours[path] + updates[path] for path in ours}
        norm = np.sqrt(sum((g**2).sum() for g in grad.values()))
        for path in params:
            g = grad[path] / max(norm, 1.0)
            m[path] = 0.8 * m[path] + 0.2 * g
            v[path] = 0.9 * v[path] + 0.1 * g**2
            step = m[path] / (1 - 0.8**k) / (np.sqrt(v[path] / (1 - 0.9**k)) + 1e-8)
            decay = 0.0 if path == "fast/bias" else 0.2
            rate = 0.05 if path == "slow/w" else 0.1
            params[path] = params[path] - rate * (step + decay * params[path])
    for path in params:
        np.testing.assert_allclose(ours[path], params[path], rtol=2e-5)


def test_lamb_makes_updates_as_long_as_their_parameters():
    """You et al. 2020, algorithm 2: Adam's direction and decay, scaled by |θ| / |update|.

    A norm, which does not decay, is not scaled either, and every layer of a stack is by itself.
    """
    stack = "text/blocks/mlp/kernel"
    values = section(
        type="lamb",
        weight_decay=0.2,
        schedule="constant",
        weight_decay_rules=(("norm", 0.0), (".*", 1.0)),
    )
    rng = np.random.default_rng(0)
    paths = ("image/blocks/0/kernel", "bias", "norm", stack)
    params = {path: rng.normal(size=(2, 5)) * [[1], [9]] for path in paths}
    transformation = optimizer.make(values, 10, params)
    ours = {path: jnp.asarray(value, jnp.float32) for path, value in params.items()}
    state, m, v = transformation.init(ours), dict.fromkeys(params, 0.0), dict.fromkeys(params, 0.0)
    for k in range(1, 4):
        grad = {path: rng.normal(size=(2, 5)) for path in params}
        updates, state = transformation.update(
            {path: jnp.asarray(g, jnp.float32) for path, g in grad.items()}, state, ours
        )
        ours = {path: ours[path] + updates[path] for path in ours}
        for path, g in grad.items():
            m[path], v[path] = 0.9 * m[path] + 0.1 * g, 0.999 * v[path] + 0.001 * g**2
            step = m[path] / (1 - 0.9**k) / (np.sqrt(v[path] / (1 - 0.999**k)) + 1e-8)
            ratio = 1.0
            if path != "norm":
                step = step + 0.2 * params[path]
                axis = {"axis": 1, "keepdims": True} if path == stack else {}
                ratio = np.linalg.norm(params[path], **axis) / np.linalg.norm(step, **axis)
            params[path] = params[path] - 0.1 * ratio * step
    for path in params:
        np.testing.assert_allclose(ours[path], params[path], rtol=5e-5)


@pytest.mark.parametrize("kind", ["sgd", "lars"])
def test_momentum_accumulates_the_decay(kind):
    """As torch.optim.SGD and Barlow Twins' LARS: d = g + wd θ; LARS scales d by .001 |θ| / |d|;

    m = .8 m + d; θ = θ - lr m. A bias neither decays nor is scaled, and a parameter of zeros is not
    scaled.
    """
    values = section(
        type=kind,
        weight_decay=0.2,
        schedule="linear",
        b1=0.8,
        clip_norm=1.0,
        weight_decay_rules=((".*bias", 0.0),),
        learning_rate_rules=((".*bias", 0.5),),
    )
    rng = np.random.default_rng(0)
    params = {path: rng.normal(size=(3, 2)) for path in ("kernel", "bias")}
    params["zeros/kernel"] = np.zeros((3, 2))
    transformation = optimizer.make(values, 5, params)
    ours = {path: jnp.asarray(value, jnp.float32) for path, value in params.items()}
    state, momentum = transformation.init(ours), dict.fromkeys(params, 0.0)
    for k in range(5):
        grad = {path: rng.normal(size=(3, 2)) for path in params}
        updates, state = transformation.update(
            {path: jnp.asarray(g, jnp.float32) for path, g in grad.items()}, state, ours
        )
        ours = {path: ours[path] + updates[path] for path in ours}
        norm = np.sqrt(sum((g**2).sum() for g in grad.values()))
        for path, g in grad.items():
            d, bias = g / norm, path == "bias"
            if not bias:
                d = d + 0.2 * params[path]
                length = np.linalg.norm(params[path])
                if kind == "lars" and length:
                    d = d * 1e-3 * length / np.linalg.norm(d)
            momentum[path] = 0.8 * momentum[path] + d
            rate = 0.1 * (1 - k / 5) * (0.5 if bias else 1.0)
            params[path] = params[path] - rate * momentum[path]
    for path in params:
        np.testing.assert_allclose(ours[path], params[path], rtol=2e-5, atol=1e-7)


def test_freezing():
    paths = ["towers/image/w", "towers/text/w"]
    assert optimizer.frozen(("towers/image/.*",), paths) == {"towers/image/w"}
    with pytest.raises(ConfigError, match="no parameter matches 'tower/image/"):
        optimizer.frozen(("tower/image/.*",), paths)
    with pytest.raises(ConfigError, match="nothing is left to train"):
        optimizer.frozen((".*",), paths)


def test_a_rate_for_nothing_is_refused():
    with pytest.raises(ConfigError, match="no trained parameter matches 'x'"):
        optimizer.make(section(learning_rate_rules=(("x", 0.1),)), 10, {"towers/image/w": None})


def test_each_layer_of_a_stack_has_a_rate_of_its_own():
    """Those of factor 0 stay as they are, to the bit, though their weights decay."""
    params = {
        path: jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 2)), jnp.float32)
        for path in ("text/blocks/mlp/kernel", "text/blocks/norm/scale", "text/head/kernel")
    }
    gradient = {path: jnp.cos(7 * x) for path, x in params.items()}
    moved = []
    for rules in (((".*/blocks/.*", (0.0, 1.0, 0.5)),), ()):
        values = section(learning_rate_rules=rules, weight_decay=0.3, schedule="constant")
        transformation = optimizer.make(values, 10, params)
        moved.append(transformation.update(gradient, transformation.init(params), params)[0])
    ruled, plain = moved
    for path, update in ruled.items():
        factors = (1, 1, 1) if "head" in path else (0, 1, 0.5)
        np.testing.assert_array_equal(update, np.array(factors)[:, None, None] * plain[path])


@pytest.mark.parametrize(
    ("path", "said"),
    [("text/blocks/kernel", "which stacks 3 layers"), ("text/kernel", "no stack of layers")],
)
def test_factors_of_layers_that_are_not_there_are_refused(path, said):
    with pytest.raises(ConfigError, match=said):
        optimizer.make(
            section(learning_rate_rules=((".*", (0.0, 1.0)),)), 10, {path: np.zeros((3, 2))}
        )


def test_moments_lie_as_their_parameters():
    mesh = mesh_lib.make_mesh(data=1, fsdp=8)
    shard = jax.sharding.NamedSharding(mesh, jax.P("fsdp"))
    whole = mesh_lib.replicated(mesh)
    params = {"w": jax.ShapeDtypeStruct((16, 4), jnp.float32)}
    transformation = optimizer.make(section(clip_norm=1.0, weight_decay=0.1), 10, params)
    layout = optimizer.state_shardings(transformation, params, {"w": shard}, whole)
    state = jax.jit(transformation.init, out_shardings=layout)({"w": jnp.ones((16, 4))})
    leaves = [leaf for leaf in jax.tree.leaves(state) if leaf.shape == (16, 4)]
    assert len(leaves) == 2
    assert {leaf.addressable_shards[0].data.shape for leaf in leaves} == {(2, 4)}


def test_updates_in_turn_are_those_of_several_optimizers():
    """Each with moments and a schedule of its own, and without the others' parameters."""
    values = section(
        type="adamw",
        weight_decay=0.2,
        clip_norm=1.0,
        schedule="linear",
        b1=0.8,
        b2=0.9,
        weight_decay_rules=(),
        turns=(("a/.*",), ("b/.*",)),
    )
    rng, paths = np.random.default_rng(0), ("shared", "a/head", "b/head")
    params = {path: rng.normal(size=3) for path in paths}
    transformation = optimizer.make(values, 7, paths)
    rate = learning_rate.by_step(values, 7)
    ours = {path: jnp.asarray(value, jnp.float32) for path, value in params.items()}
    state, update = transformation.init(ours), jax.jit(transformation.update)
    trained = (("shared", "a/head"), ("shared", "b/head"))
    m, v = ([{path: np.zeros(3) for path in own} for own in trained] for _ in range(2))
    for k in range(7):
        grad = {path: rng.normal(size=3) for path in paths}
        updates, state = update(
            {p: jnp.asarray(g, jnp.float32) for p, g in grad.items()}, state, ours
        )
        ours = {path: ours[path] + updates[path] for path in paths}
        turn, count = k % 2, k // 2 + 1
        norm = np.sqrt(sum((grad[path] ** 2).sum() for path in trained[turn]))
        now = 0.1 * (1 - (count - 1) / 4)  # 4 updates of the first turn, 3 of the second
        assert float(rate(k)) == pytest.approx(now)
        for path in trained[turn]:
            first, second, g = m[turn], v[turn], grad[path] / max(norm, 1.0)
            first[path] = 0.8 * first[path] + 0.2 * g
            second[path] = 0.9 * second[path] + 0.1 * g**2
            step = first[path] / (1 - 0.8**count)
            step = step / (np.sqrt(second[path] / (1 - 0.9**count)) + 1e-8)
            params[path] = params[path] - now * (step + 0.2 * params[path])
    for path in paths:
        np.testing.assert_allclose(ours[path], params[path], rtol=2e-5)


def test_turns_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match=r"turns\[1\]: no trained parameter matches 'c'"):
        optimizer.make(section(turns=(("a",), ("c",))), 10, ["a", "b"])
    with pytest.raises(ConfigError, match="at least two groups"):
        optimizer.make(section(turns=(("a",),)), 10, ["a", "b"])


def adam(gradients, start, rate, decay, b1=0.9, b2=0.999, eps=1e-8):
    """AdamW in float64 by the formula, with the gradients that there are."""
    x, m, v = start.astype(np.float64), 0.0, 0.0
    for count, g in enumerate(gradients, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        step = (m / (1 - b1**count)) / (np.sqrt(v / (1 - b2**count)) + eps)
        x = x - rate * (step + decay * x)
    return x


@pytest.mark.parametrize("kind", ["adamw", "lamb", "lion", "sgd", "lars"])
def test_a_parameter_without_a_gradient_stays_as_it_is(kind):
    rng = np.random.default_rng(0)
    params = {path: jnp.asarray(rng.normal(size=(2, 3)), jnp.float32) for path in ("a/w", "b/w")}
    rows = rng.normal(size=(6, 2, 2, 3)).astype(np.float32)
    rows[:3, 1] = 0  # `b` starts late
    rows[4, 0] = 0
    own = section(
        type=kind, schedule="constant", weight_decay=0.1, keep_idle=True, clip_norm=None,
        weight_decay_rules=(),
    )  # fmt: skip
    rule = optimizer.make(own, 6, params)
    state, update = rule.init(params), jax.jit(rule.update)
    for a, b in rows:
        updates, state = update({"a/w": jnp.asarray(a), "b/w": jnp.asarray(b)}, state, params)
        new = {path: x + updates[path] for path, x in params.items()}
        for path, gradient in (("a/w", a), ("b/w", b)):
            same = np.array_equal(new[path], params[path])
            assert same == (not gradient.any()), path
        params = new
    if kind == "adamw":
        rng = np.random.default_rng(0)
        start = [rng.normal(size=(2, 3)).astype(np.float32) for _ in range(2)]
        for i, path in enumerate(("a/w", "b/w")):
            there = [row[i].astype(np.float64) for row in rows if row[i].any()]
            np.testing.assert_allclose(params[path], adam(there, start[i], 0.1, 0.1), atol=1e-5)


def test_with_gradients_everywhere_nothing_is_idle():
    rng = np.random.default_rng(0)
    params = {path: jnp.asarray(rng.normal(size=5), jnp.float32) for path in "ab"}
    found = []
    for keep in (False, True):
        own = section(schedule="constant", weight_decay=0.1, keep_idle=keep, weight_decay_rules=())
        rule = optimizer.make(own, 4, params)
        state, x = rule.init(params), params
        for seed in range(4):
            own_rng = np.random.default_rng(seed)
            gradient = {path: jnp.asarray(own_rng.normal(size=5), jnp.float32) for path in "ab"}
            updates, state = rule.update(gradient, state, x)
            x = {path: x[path] + updates[path] for path in x}
        found.append(x)
    for path in "ab":
        np.testing.assert_allclose(*(each[path] for each in found), atol=1e-6)
