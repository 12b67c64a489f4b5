"""What is special to InfoNCE and its temperature."""

import cases
import jax
import numpy as np
import objective_formulas as formulas
import pytest
from flax import nnx
from term_harness import make, plan_of, run, vectors

from mmjax.errors import ConfigError
from mmjax.objectives import Context, Objectives, TermError, configs
from mmjax.objectives.temperature import Temperature
from mmjax.parallel.pairwise import Plan

CASE = cases.CASES["info_nce"]


@pytest.mark.parametrize(("order", "sign"), [(1, -1), (-1, 1)], ids=["inwards", "outwards"])
def test_a_scale_is_held_above_its_least(order, sign):
    """The value is that of the bound; only a gradient that leads back inside passes."""
    raws, batch = CASE.inputs(24)
    x, y = raws["a"], raws["b"][::order]  # pairs, which want a larger scale, or strangers
    want, (dx, _, d_scale) = formulas.value_and_grad(formulas.info_nce, x, y, np.log(2.0))
    assert np.sign(d_scale) == sign
    objectives = make({**CASE.spec, "temperature": 0.1, "min_scale": 2.0})
    objectives.terms["term"].temperature.log_scale[...] = np.log(1.5)  # where Adam may leave it
    graph, state = nnx.split(objectives)

    def loss(state, x):
        outputs = vectors({"a": x, "b": y}, batch)
        return nnx.merge(graph, state)(outputs, batch, Context(plan=Plan(), progress=0.5))

    (value, metrics), (d_state, d_first) = jax.value_and_grad(loss, (0, 1), has_aux=True)(state, x)
    assert formulas.error(value, want) < 1e-6
    np.testing.assert_allclose(metrics["term/scale"], 2.0, rtol=1e-6)
    assert formulas.error(d_first, dx) < 1e-6
    ((_, moved),) = nnx.to_flat_state(d_state)
    np.testing.assert_allclose(moved[...], d_scale if sign < 0 else 0.0, rtol=1e-5)


def test_chance_counts_the_rows_that_are_there():
    raws, batch = CASE.inputs(24)
    first, second = np.arange(24) % 5 != 3, np.arange(24) % 7 != 0
    batch |= {"a_present": first, "b_present": second}
    for schedule in ("dense", "gather", "ring"):
        *_, metrics = run(CASE.spec, plan_of(schedule, 2, 2), raws, batch)
        np.testing.assert_allclose(
            metrics["term/chance"], np.log((first & second).sum()), rtol=1e-6
        )


def test_pairs_of_one_concept_alone_have_no_loss():
    raws, batch = CASE.inputs(6)
    spec = {**CASE.spec, "duplicates": "mask", "duplicates_by": "concept"}
    batch |= {"concept": np.full(6, 3)}
    value, grads, _, _ = run(spec, plan_of("dense", 1, 1), raws, batch)
    np.testing.assert_allclose(value, 0, atol=1e-6)
    for grad in grads.values():
        np.testing.assert_allclose(grad, 0, atol=1e-6)
    with pytest.raises(ConfigError, match="has duplicates_by, but duplicates is not 'mask'"):
        make({**CASE.spec, "duplicates_by": "concept"})


def test_a_term_takes_the_temperature_of_another():
    """Its value and gradients are those of its own temperature; the other's scale gets both."""
    raws, batch = CASE.inputs(24)
    outputs, context = vectors(raws, batch), Context(plan=Plan(), progress=0.5)

    def losses(temperature):
        specs = {"one": {**CASE.spec, "temperature": 0.2}, "two": {**CASE.spec, **temperature}}
        graph, state = nnx.split(Objectives(configs(specs), rngs=nnx.Rngs(0)))
        (value, metrics), grad = jax.value_and_grad(
            lambda state: nnx.merge(graph, state)(outputs, batch, context), has_aux=True
        )(state)
        return value, metrics, [leaf[...] for _, leaf in nnx.to_flat_state(grad)]

    value, metrics, (moved,) = losses({"temperature": "one"})
    want, _, (first, second) = losses({"temperature": 0.2})
    np.testing.assert_allclose(value, want, rtol=1e-6)
    np.testing.assert_allclose(metrics["two/scale"], 5.0, rtol=1e-6)
    np.testing.assert_allclose(moved, first + second, rtol=1e-5)
    with pytest.raises(TermError, match=r"'two' takes the temperature of 'own'.*there are 'one'"):
        losses({"temperature": "own"})
    assert make({**CASE.spec, "temperature": "one"}).logit_scale() is None


def test_a_temperature_that_is_the_parameter_is_held_above_its_floor():
    temperature = Temperature(0.02, learned=True, max_scale=100.0, form="temperature")
    assert formulas.error(temperature(), 50.0) < 1e-6
    temperature.value[...] = -0.3  # as a step of Adam may leave it
    assert formulas.error(temperature(), 100.0) < 1e-6
    with pytest.raises(TermError, match="needs a max_scale"):
        Temperature(1.0, learned=True, form="temperature")


@pytest.mark.parametrize("spread", [0.014, 0.05])
def test_a_temperature_keeps_its_gradient_where_embeddings_collapse(spread):
    """It is a difference of two means of cosines, which are .9999 here."""
    rng = np.random.default_rng(1)
    directions = formulas.normalize(rng.normal(size=(4, 64, 64)))
    raws = {
        name: (directions[0, :1] + spread * (directions[1] + own)).astype(np.float32)
        for name, own in zip("ab", directions[2:], strict=True)
    }
    spec = {"type": "info_nce", "pairs": (("a", "b"),), "temperature": 1 / 99}
    _, _, grads, _ = run(spec, plan_of("gather", 1, 1), raws, {})
    x, y = (raw.astype(np.float64) for raw in raws.values())
    _, (exact,) = formulas.value_and_grad(
        lambda log_scale: formulas.info_nce(x, y, log_scale), np.float32(np.log(99))
    )
    np.testing.assert_allclose(grads["temperature/log_scale"], exact, rtol=1e-4)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"type": "info_nce", "negatives": {"audio": ("text@2",)}}, "in none of its pairs"),
        ({"type": "info_nce", "same_side": 0.8, "label_smoothing": 0.1}, "smooths labels over"),
        ({"type": "stacked_info_nce", "pairs": (("a", "b"),)}, "at least two pairs"),
        ({"type": "stacked_info_nce", "pairs": (("a", "b"), ("a", "c"))}, "no view twice"),
        ({"type": "stacked_info_nce", "row_weights": (1.0,)}, "a row weight for each pair"),
        ({"type": "stacked_info_nce", "ids": ("id", "other")}, "a label for each pair, and dupl"),
        ({"type": "stacked_info_nce", "direction_weights": (0.0, 0.0)}, "not all 0"),
    ],
)
def test_options_that_do_not_fit_together(spec, said):
    with pytest.raises(ConfigError, match=said):
        make(spec)


def test_rows_without_a_second_pair_keep_their_first():
    """Such as ordinary pairs beside those with an edited image: batches of several sources."""
    case = cases.CASES["stacked_info_nce"]
    raws, batch = case.inputs(12)
    has = np.arange(12) % 3 == 0
    raws["a@2"][~has] = np.nan
    value, d_raws, _, metrics = run(
        case.spec, plan_of("dense", 1, 1), raws, batch | {"a_present@2": has}
    )
    exact = [raw.astype(np.float64) for raw in raws.values()]

    def plain(a, b, a2, b2):
        x, y = np.concatenate([a, a2[has]]), np.concatenate([b, b2[has]])
        return formulas.info_nce(x, y, np.log(1 / 0.07))

    want, grads = formulas.value_and_grad(plain, *exact)
    assert formulas.error(value, want) < 1e-6
    np.testing.assert_allclose(metrics["term/chance"], np.log(16), rtol=1e-6)
    for name, expected in zip(raws, grads, strict=True):
        rows = has if name == "a@2" else slice(None)
        assert formulas.error(d_raws[name][rows], expected[rows]) < 1e-6, name


def test_a_negative_that_a_row_lacks_is_left_out():
    raws, batch = cases.CASES["info_nce"].inputs(12)
    raws["b@x"] = raws["b"][::-1].copy()
    has = np.arange(12) % 3 == 0
    spec = {**CASE.spec, "negatives": {"b": ("b@x",)}, "direction_weights": (1.0, 0.0)}
    value, *_, metrics = run(spec, plan_of("dense", 1, 1), raws, batch | {"b_present@x": has})
    a, b, wrong = (formulas.normalize(raw.astype(np.float64)) for raw in raws.values())
    s = a @ np.concatenate([b, wrong[has]]).T / 0.07
    want = (formulas.logsumexp(s, np.ones(s.shape, bool), 1) - np.diag(s)).mean()
    assert formulas.error(value, want) < 1e-6
    np.testing.assert_allclose(metrics["term/chance"], np.log(16), rtol=1e-6)


@pytest.mark.parametrize(("repeated", "floor"), [(False, 0.0), (True, np.log(2))])
def test_the_least_loss_of_a_repeated_positive_is_the_logarithm_of_two(repeated, floor):
    """Of equal sides, as the temperature goes to 0 (card 18)."""
    raws, batch = CASE.inputs(12)
    own = {"direction_weights": (1.0, 0.0), "max_scale": None, "repeat_positive": repeated}
    losses = []
    for temperature in (0.5, 0.1, 0.001):
        spec = {**CASE.spec, **own, "temperature": temperature}
        value, *_ = run(spec, plan_of("dense", 1, 1), {**raws, "b": raws["a"]}, batch)
        losses.append(float(value))
    assert losses[0] > losses[1] > losses[2] - 1e-6
    assert losses[2] == pytest.approx(floor, abs=1e-4)
