"""Retrieval by a closed-form map, against independent solutions and where the map is known."""

import itertools

import numpy as np
import pytest
from scipy import linalg
from sklearn.cross_decomposition import CCA
from sklearn.linear_model import Ridge

from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators import EVALUATORS, Task, run
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.input_statistics import Features
from mmjax.evaluators.linear_map import LinearMap, matched
from mmjax.evaluators.linear_solvers import ALPHAS, fit, standardizer, subspace
from mmjax.evaluators.local_cka import LocalCka, linear_cka
from mmjax.evaluators.retrieval import Retrieval

SOLVERS = ("none", "ols", "ridge", "procrustes", "cca")


class Vectors:
    """A model that embeds a vector as its direction, and encodes it as it is."""

    modalities = ("a", "b")

    def embed(self, modality, array, layer="unit"):
        return array if layer == "encoder" else array / np.linalg.norm(array, axis=1, keepdims=True)


class NoModel:
    """It must not be asked."""

    modalities = ()


def data(ids=None, **fields):
    def view(value, rng, train):
        return np.asarray(value, np.float32)

    modalities = tuple(fields)
    return EvalData(
        Columns("test", "test", fields, modalities, ids), dict.fromkeys(modalities, view), 16
    )


def measured(train, test, **options):
    return LinearMap(pairs=(("a", "b"),), **{"layer": "encoder", **options})(
        Vectors(), test, train=train
    )


def pairs(seed, train=200, test=60, noise=0.3, sizes=(6, 8)):
    """Rows of a latent z seen by two matrices, with noise: (train, test) of {a, b}."""
    rng = np.random.default_rng(seed)
    mixing = [rng.normal(size=(4, size)) for size in sizes]
    found = []
    for count in (train, test):
        z = rng.normal(size=(count, 4))
        a, b = (z @ m + noise * rng.normal(size=(count, m.shape[1])) + 3 for m in mixing)
        found.append({"a": a, "b": b})
    return found


def recall(query, answer):
    """R@1 of rows that belong to the row of their number, by cosine."""
    query, answer = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (query, answer))
    return float(((query @ answer.T).argmax(1) == np.arange(len(query))).mean())


def scaled(train, test):
    return tuple((x - train.mean(0)) / train.std(0) for x in (train, test))


@pytest.mark.parametrize("solver", ["ols", "ridge", "procrustes", "cca"])
def test_a_rotated_latent_without_noise_is_found(solver):
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    train, test = ({"a": z, "b": 2 * z @ turn + 1} for z in rng.normal(size=(2, 100, 8)))
    found = measured(data(**train), data(**test), solver=solver)
    assert found["a_to_b/R@1"] == found["b_to_a/R@1"] == 1
    assert found["a_to_b/queries"] == found["a_to_b/fitted"] == 100
    # Without a map, the same features say nothing.
    assert measured(data(**train), data(**test), solver="none")["a_to_b/R@1"] < 0.2


def test_least_squares_are_those_of_the_normal_equations_in_both_directions():
    train, test = pairs(1)
    found = measured(data(**train), data(**test), solver="ols")
    for query, answer in ("ab", "ba"):
        (x, x_test), (y, y_test) = (scaled(train[m], test[m]) for m in (query, answer))
        w = np.linalg.inv(x.T @ x) @ x.T @ y
        assert 0.2 < found[f"{query}_to_{answer}/R@1"] < 1
        assert found[f"{query}_to_{answer}/R@1"] == pytest.approx(recall(x_test @ w, y_test))


def test_the_penalty_of_ridge_has_the_least_leave_one_out_error():
    train, test = pairs(2, train=30, noise=2.0)
    found = measured(data(**train), data(**test))
    (x, x_test), (y, y_test) = (scaled(train[m], test[m]) for m in "ab")
    errors = {}
    for alpha in ALPHAS * len(x):
        parts = []
        for i in range(len(x)):
            rest = np.arange(len(x)) != i
            model = Ridge(alpha=alpha).fit(x[rest], y[rest])
            parts.append(((model.predict(x[i : i + 1]) - y[i]) ** 2).mean())
        errors[alpha] = np.mean(parts)
    best = min(errors, key=errors.get)
    assert ALPHAS[1] * len(x) < best < ALPHAS[-2] * len(x)
    assert found["a_to_b/alpha"] == pytest.approx(best)
    w = np.linalg.solve(x.T @ x + best * np.eye(x.shape[1]), x.T @ y)
    assert found["a_to_b/R@1"] == pytest.approx(recall(x_test @ w, y_test))
    assert "b_to_a/alpha" in found


def test_procrustes_is_that_of_scipy_on_centred_rows():
    train, test = pairs(3, sizes=(6, 6))
    found = measured(data(**train), data(**test), solver="procrustes")
    (x, x_test), (y, y_test) = (
        (train[m] - train[m].mean(0), test[m] - train[m].mean(0)) for m in "ab"
    )
    turn, _ = linalg.orthogonal_procrustes(x, y)
    assert found["a_to_b/R@1"] == pytest.approx(recall(x_test @ turn, y_test))
    assert found["b_to_a/R@1"] == pytest.approx(recall(y_test @ turn.T, x_test))


def test_canonical_correlations_are_those_of_scikit_learn():
    train, _ = pairs(4, train=400)
    x, y = (scaled(train[m], train[m])[0] for m in "ab")
    found = fit("cca", x, y, np.random.default_rng(0))
    u, v = x @ found.query, y @ found.answer
    reference = CCA(4, max_iter=5000, tol=1e-10).fit(x, y)
    s, t = reference.transform(x, y)
    expected = [np.corrcoef(s[:, i], t[:, i])[0, 1] for i in range(4)]
    own = [np.corrcoef(u[:, i], v[:, i])[0, 1] for i in range(4)]
    assert own == pytest.approx(expected, abs=2e-3)
    assert found.alpha < len(x)
    # The variates have the variance of their correlation.
    assert u.std(0)[:4] * np.sqrt(len(x)) == pytest.approx(own, rel=0.05)


def test_without_a_map_rows_are_compared_as_they_are_once_standardized():
    rng = np.random.default_rng(5)
    z = rng.normal(size=(2, 50, 5))
    a, b = z * [1, 2, 3, 4, 5] + 7, z * [5, 1, 9, 1, 2] - 3
    found = measured(data(a=a[0], b=b[0]), data(a=a[1], b=b[1]), solver="none")
    assert found["a_to_b/R@1"] == 1
    assert "a_to_b/alpha" not in found


def test_metrics_and_right_answers_are_those_of_retrieval():
    train, test = pairs(6)
    test = data(**test, ids=np.arange(60) // 3)
    found = measured(data(**train), test, solver="ols", ks=(1, 2))
    own = Retrieval(pairs=(("a", "b"),), ks=(1, 2))(
        Vectors(), data(a=np.ones((9, 3)), b=np.ones((9, 3)))
    )
    assert set(found) == {*own, "a_to_b/fitted", "b_to_a/fitted"}
    assert found["a_to_b/chance_R@1"] == pytest.approx(3 / 60)


def test_alternatives_are_fitted_and_ranked_each():
    rng = np.random.default_rng(7)
    a, noise = rng.normal(size=(40, 4)), rng.normal(size=(40, 2, 4)) * 0.01
    b = [[row + other for other in own] for row, own in zip(a, noise, strict=True)]
    found = measured(data(a=a, b=b), data(a=a, b=b), alternatives="all")
    assert found["a_to_b/fitted"] == found["b_to_a/queries"] == 80
    assert found["b_to_a/gallery"] == 40
    assert found["b_to_a/R@1"] == 1
    assert measured(data(a=a, b=b), data(a=a, b=b))["a_to_b/fitted"] == 40


def test_rows_that_lack_one_are_not_fitted_and_a_limit_is_drawn_by_the_seed():
    train, test = pairs(8)
    lacking = {"a": [None if i < 50 else v for i, v in enumerate(train["a"])], "b": train["b"]}
    whole = {m: v[50:] for m, v in train.items()}
    found, own = (measured(data(**each), data(**test)) for each in (lacking, whole))
    assert found["a_to_b/fitted"] == 150
    assert found == own
    few = [measured(data(**train), data(**test), limit=20, seed=s) for s in (0, 0, 1)]
    assert few[0] == few[1] != few[2]
    assert few[0]["a_to_b/fitted"] == 20


def test_inputs_are_read_without_a_model_and_beside_one():
    train, test = pairs(9)
    raw = LinearMap(pairs=(("a", "b"),), read="statistics")
    assert raw(NoModel(), data(**test), train=data(**train)) == measured(
        data(**train), data(**test)
    )
    both = LinearMap(pairs=(("a", "b"),), read={"b": "statistics"}, layer="encoder")
    assert both(Vectors(), data(**test), train=data(**train)) == measured(
        data(**train), data(**test)
    )
    # What evaluators share is read once: a second one finds the first one's.
    tested = data(**test)
    further = {"train": data(**train)}
    tasks = {}
    for solver in ("ols", "cca"):
        own = LinearMap(pairs=(("a", "b"),), read="statistics", solver=solver)
        tasks[f"linear_map/{solver}"] = Task(own, tested, further)
    assert run(NoModel(), tasks)["linear_map/cca/a_to_b/R@1"] > 0.3


@pytest.mark.parametrize("solver", SOLVERS)
def test_constant_and_missing_numbers_say_nothing(solver):
    rng = np.random.default_rng(10)
    a, b = rng.normal(size=(2, 30, 4))
    a[:, 1] = 0.1
    a[3, 2] = np.nan
    constant = np.full((30, 4), 0.1)
    read = {"layer": "unit", "read": "statistics", "solver": solver}
    found = measured(data(a=a, b=b), data(a=a, b=b), **read)
    assert np.isfinite(list(found.values())).all()
    found = measured(data(a=constant, b=b), data(a=constant, b=b), **read)
    assert found["a_to_b/R@1"] == pytest.approx(1 / 30)


def test_a_bag_has_one_scale_and_columns_their_own():
    rng = np.random.default_rng(11)
    values = rng.normal(size=(500, 4)) * [1, 3, 10, 0.1] + 5
    own = standardizer(Features(values, np.array([True, True, False, False])), "ridge")
    deviations = own(values).std(0)
    assert deviations[2:] == pytest.approx([1, 1])
    assert deviations[1] / deviations[0] == pytest.approx(values[:, 1].std() / values[:, 0].std())
    assert (deviations[:2] ** 2).mean() == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairs": ()}, "'pairs' is"),
        ({"pairs": (("a", "a"),)}, "two modalities"),
        ({"ks": (0,)}, "numbers from 1 up"),
        ({"limit": 3}, "limit=3 must be at least 5"),
        ({"read": {"c": "statistics"}}, "'read' names c, but 'pairs' only a, b"),
        ({"read": "statistics", "layer": "encoder"}, "layer='encoder' is of towers"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LinearMap(**{"pairs": (("a", "b"),), **options})


def test_data_that_do_not_fit_a_solver_are_refused():
    train, test = pairs(12)
    with pytest.raises(ValueError, match=r"'a' has 6 features and 'b' 8, but solver="):
        measured(data(**train), data(**test), solver="none")
    few = {m: v[:4] for m, v in train.items()}
    with pytest.raises(ValueError, match="'train' has 4 pairs of 'a' and 'b'"):
        measured(data(**few), data(**test))


def test_a_recipe_names_its_options():
    spec = EVALUATORS.spec("linear_map", pairs=(("a", "b"),), read={"a": "statistics"})
    assert sorted(name for _, name in spec.reads("view")) == ["a", "b"]
    assert spec.build().read == {"a": "statistics", "b": "tower"}
    with pytest.raises(ValueError, match="read"):
        EVALUATORS.spec("linear_map", read="pixels")


def test_procrustes_of_two_sizes_is_semi_orthogonal_and_robust_to_outliers():
    (train, _), rng = pairs(20, noise=0.1), np.random.default_rng(0)
    x, y = (train[m] - train[m].mean(0) for m in "ab")
    turn = fit("procrustes", x, y, rng).query
    np.testing.assert_allclose(turn @ turn.T, np.eye(6), atol=1e-10)
    best = np.trace(turn.T @ x.T @ y)
    for _ in range(20):  # of no other semi-orthogonal map is the error less
        other = np.linalg.qr(rng.normal(size=(8, 6)))[0].T
        assert np.trace(other.T @ x.T @ y) < best
    z, q = rng.normal(size=(60, 5)), np.linalg.qr(rng.normal(size=(5, 5)))[0]
    answers = z @ q
    answers[:6] = 30 * rng.normal(size=(6, 5))
    errors = [
        np.linalg.norm(fit(solver, z, answers, rng).query - q)
        for solver in ("procrustes", "robust_procrustes")
    ]
    assert errors[1] < errors[0] / 3


def test_a_fixed_penalty_is_that_of_the_normal_equations():
    train, test = pairs(21)
    found = measured(data(**train), data(**test), solver="ridge", alpha=7.0)
    (x, x_test), (y, y_test) = (scaled(train[m], test[m]) for m in "ab")
    w = np.linalg.solve(x.T @ x + 7 * np.eye(6), x.T @ y)
    assert found["a_to_b/R@1"] == pytest.approx(recall(x_test @ w, y_test))
    assert found["a_to_b/alpha"] == 7


def test_the_subspace_of_cca_has_the_canonical_variates_of_scikit_learn():
    train, test = pairs(22, train=400)
    x, y = (scaled(train[m], train[m])[0] for m in "ab")
    rng = np.random.default_rng(0)
    space = subspace("cca", x, y, 3, rng, alpha=0.0)
    s, t = CCA(3, max_iter=5000, tol=1e-10).fit(x, y).transform(x, y)
    expected = [np.corrcoef(s[:, i], t[:, i])[0, 1] for i in range(3)]
    assert space.correlations == pytest.approx(expected, abs=2e-3)
    u = x @ space.x
    np.testing.assert_allclose(u.T @ u, np.eye(3), atol=1e-8)  # white
    first = subspace("pca", x, y, 2, rng)
    values = np.linalg.svd(x, full_matrices=False)[2][:2]
    np.testing.assert_allclose(np.abs(first.x.T @ values.T), np.eye(2), atol=1e-8)
    found = measured(data(**train), data(**test), subspace="cca", components=4, matching=50)
    assert found["a_b/cka"] == pytest.approx(1, abs=0.2)
    assert 0 < found["a_to_b/matching"] <= 1
    assert found["a_to_b/fitted"] == 400


def test_held_out_features_may_be_standardized_by_themselves():
    train, test = pairs(23)
    moved = {m: 5 * v + 100 for m, v in test.items()}
    own, other = (
        measured(data(**train), data(**rows), solver="ridge", statistics="own")["a_to_b/mAP"]
        for rows in (test, moved)
    )
    assert own == pytest.approx(other, abs=1e-4)


def test_local_cka_is_that_of_the_anchors_with_one_more_pair():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 5)) + 2
    y = np.tanh(x @ rng.normal(size=(5, 7)))
    a, b = rng.normal(size=(4, 5)) + 2, rng.normal(size=(9, 7))
    expected = np.array([[linear_cka(np.vstack([x, p]), np.vstack([y, q])) for q in b] for p in a])
    local = LocalCka(x, y)
    np.testing.assert_allclose(local.scores(a, b), expected, rtol=1e-12)
    np.testing.assert_allclose(local.reversed().scores(b, a), expected.T, rtol=1e-12)
    queries, answers = local.vectors(a, b)
    np.testing.assert_array_equal(np.argsort(queries @ answers.T, 1), np.argsort(expected, 1))
    h = np.eye(30) - 1 / 30
    centred = [h @ v @ v.T @ h for v in (x, y)]
    norms = np.linalg.norm(centred[0]) * np.linalg.norm(centred[1])
    assert linear_cka(x, y) == pytest.approx((centred[0] * centred[1]).sum() / norms)


def test_the_best_assignment_is_that_of_all_permutations():
    rng = np.random.default_rng(0)
    for _ in range(5):
        scores = rng.normal(size=(5, 5))
        orders = list(itertools.permutations(range(5)))
        best = max(orders, key=lambda order: scores[range(5), order].sum())
        assert matched(scores) == np.mean(np.array(best) == np.arange(5))
