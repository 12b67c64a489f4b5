"""Terms of later stages: a teacher's opinion of pairs, references of a prior, K positives."""

import jax
import numpy as np
import pytest
from objective_formulas import error, logsumexp, normalize
from term_harness import PLANS, SIZE, Case, embeddings, make, plan_of, run, term_key

from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import TERMS, TermError
from mmjax.objectives.temperature import Temperature

PAIR = ("a", "b")
ALL = np.array(True)


def taught(size, dim=4):
    """A teacher that is right on about half of the rows; one pair is there twice."""
    raws = embeddings(PAIR, size, dim)
    found = {f"teacher/{n}": raws[n] + 0.8 * raws[m] for n, m in (PAIR, PAIR[::-1])}
    if size > 6:
        for raw in found.values():
            raw[5] = raw[2]
    return found


def teacher(extra):
    """The field of the context that the terms read."""
    raws = {name: extra[f"teacher/{name}"].astype(np.float32) for name in PAIR}
    return {"teacher": {name: Embedding(raw, unit_norm(raw)) for name, raw in raws.items()}}


def log_softmax(s, axis):
    return s - np.expand_dims(logsumexp(s, np.broadcast_to(ALL, s.shape), axis), axis)


def hybrid(alpha, temperature, scale, layer):
    """The card's formula: whole matrices of targets and of logarithms."""

    def formula(raws, extra, params):
        make = normalize if layer == "unit" else lambda raw: raw
        s = scale * make(raws["a"]) @ make(raws["b"]).T / temperature
        g = (
            scale
            * make(extra["teacher/a"].astype(float))
            @ make(extra["teacher/b"].astype(float)).T
        )
        total = 0
        for logits, taught in ((s, g / temperature), (s.T, g.T / temperature)):
            q = alpha * np.eye(len(s)) + (1 - alpha) * np.exp(log_softmax(taught, 1).real)
            entropy = np.where(q > 0, q * np.log(np.where(q > 0, q, 1)), 0).sum(1)
            total = total + (entropy - (q * log_softmax(logits, 1)).sum(1)).mean()
        return temperature**2 / 2 * total

    return formula


def offdiag(screen, reduction):
    def formula(raws, extra, params):
        m = normalize(raws["a"]) @ normalize(raws["b"]).T
        old = (
            normalize(extra["teacher/a"].astype(float))
            @ normalize(extra["teacher/b"].astype(float)).T
        )
        total = 0
        for new, before in ((m, old), (m.T, old.T)):
            p = np.exp(log_softmax(before, 1))
            divergence = (p * (log_softmax(before, 1) - log_softmax(new, 1))).sum(1)
            # Equal scores are equal but for rounding; the first of them is the maximum.
            found = np.round(before, 9).argmax(1)
            keep = (found == np.arange(len(m))) | (not screen)
            total = total + np.where(keep, divergence, 0).sum()
        return 0.5 * total / (len(m) if reduction == "mean" else 1)

    return formula


def reference(size, dim=4):
    return {"z": np.asarray(jax.random.normal(term_key(), (size, dim)))}


def uniform_references(size, dim=4):
    keys = [jax.random.fold_in(term_key(), k) for k in (0, 1)]
    draws = [jax.random.uniform(key, (size, dim)) for key in keys]
    return {"z0": np.asarray(draws[0]), "z1": np.asarray(draws[1])}


def rafa(raws, extra, params):
    return sum(((raws[name] - extra["z"]) ** 2).mean() for name in PAIR)


def rafa_unshared(raws, extra, params):
    return sum(
        0.5 * ((raws[name] - extra[f"z{k}"]) ** 2).sum(1).mean() for k, name in enumerate(PAIR)
    )


OTHERS = ("b", "c", "d")


def one_to_k(w, other_positives=True, chosen=None):
    """The card's code form: one matrix of images by all texts, ordered (i, k) -> iK + k."""

    def formula(raws, extra, params):
        scale = np.exp(params["temperature/log_scale"])
        x = normalize(raws["a"])
        texts = np.stack([normalize(raws[name]) for name in OTHERS], 1)
        if chosen is not None:
            texts = texts[np.arange(len(x)), extra["which"]][:, None]
        b, k, d = texts.shape
        s = scale * x @ texts.reshape(b * k, d).T
        own = np.arange(b)[:, None] == np.arange(b * k)[None, :] // k
        to_texts = 0
        for j in range(k):
            positive = np.arange(b * k)[None, :] == np.arange(b)[:, None] * k + j
            counted = ~own | positive if not other_positives else np.ones(s.shape, bool)
            to_texts = to_texts + (logsumexp(s, counted, 1) - s[positive]).sum() / b
        columns = logsumexp(s, np.ones(s.shape, bool), 0)
        to_image = (columns - s[np.arange(b * k) // k, np.arange(b * k)]).mean()
        return (to_texts + w * to_image) / (2 * k)

    return formula


def which(size):
    return {"which": np.asarray(jax.random.randint(term_key(), (size,), 0, 3))}


def which_of_all(size):
    return {"which": np.broadcast_to(jax.random.randint(term_key(), (1,), 0, 3), (size,))}


def distill(**options):
    return {"type": "hybrid_distill", "pairs": (PAIR,), **options}


def kept(**options):
    return {"type": "offdiag_distill", "pairs": (PAIR,), **options}


def many(**options):
    return {"type": "one_to_k", "anchor": "a", "others": OTHERS, **options}


def align(raws, extra, params):
    """Card 56: label smoothing over N, the sum of both directions, divided by σ itself."""
    s = normalize(raws["a"]) @ normalize(raws["b"]).T / params["temperature/value"]
    n = len(s)
    target = 0.9 * np.eye(n) + 0.1 / n
    return -(target * log_softmax(s, 1)).sum() / n - (target * log_softmax(s.T, 1)).sum() / n


# Divergences of nearly flat rows are small differences of cosines, whose rounding is 1e-7.
FLAT = {"known": teacher, "tolerance": 5e-6}
CASES = {
    "hybrid": Case(distill(), PAIR, hybrid(0.5, 1.0, 1.0, "raw"), taught, known=teacher),
    "hybrid_unit": Case(
        distill(alpha=0.3, temperature=2.0, layer="unit", scale=20.0),
        PAIR,
        hybrid(0.3, 2.0, 20.0, "unit"),
        taught,
        known=teacher,
    ),
    "self_distillation": Case(
        distill(alpha=0.0), PAIR, hybrid(0.0, 1.0, 1.0, "raw"), taught, known=teacher
    ),
    "only_pairs": Case(
        distill(alpha=1.0), PAIR, hybrid(1.0, 1.0, 1.0, "raw"), taught, known=teacher
    ),
    "offdiag": Case(kept(), PAIR, offdiag(True, "sum"), taught, **FLAT),
    "offdiag_all": Case(
        kept(screen=False, reduction="mean"), PAIR, offdiag(False, "mean"), taught, **FLAT
    ),
    "rafa": Case({"type": "rafa", "modalities": PAIR}, PAIR, rafa, reference),
    "rafa_unshared": Case(
        {
            "type": "rafa",
            "modalities": PAIR,
            "prior": "uniform",
            "shared": False,
            "reduction": "half_sum",
        },
        PAIR,
        rafa_unshared,
        uniform_references,
    ),
    "one_to_k": Case(many(), ("a", *OTHERS), one_to_k(1.0)),
    "one_to_k_equal": Case(
        many(t2i_weight=3.0, other_positives=False), ("a", *OTHERS), one_to_k(3.0, False)
    ),
    "one_of_k_row": Case(many(sample="row"), ("a", *OTHERS), one_to_k(1.0, chosen="row"), which),
    "one_of_k_batch": Case(
        many(sample="batch"), ("a", *OTHERS), one_to_k(1.0, chosen="batch"), which_of_all
    ),
    "align": Case(
        {
            "type": "info_nce",
            "pairs": (PAIR,),
            "direction_weights": (1.0, 1.0),
            "temperature": 0.2,
            "label_smoothing": 0.1,
            "temperature_form": "temperature",
        },
        PAIR,
        align,
    ),
}


# Every term on every plan, their options on one; test_terms_everywhere has all of both.
MAIN = ("hybrid", "offdiag", "rafa", "one_to_k")
RUNS = [(name, plan) for name in CASES for plan in (PLANS if name in MAIN else PLANS[1:2])]


@pytest.mark.parametrize(("name", "plan"), RUNS, ids=lambda v: str(v).replace("'", ""))
def test_equals_the_formula(name, plan):
    CASES[name].check(plan)


@pytest.mark.parametrize("name", CASES)
def test_absent_rows_enter_nothing(name):
    CASES[name].check_absent()


@pytest.mark.parametrize("name", ["hybrid", "only_pairs", "offdiag", "one_to_k", "one_to_k_equal"])
def test_one_row(name):
    CASES[name].check_one_row(CASES[name].expected(1)[0])


@pytest.mark.smoke
def test_rows_that_the_teacher_has_wrong_are_free_to_move():
    """Without its gradient, and the second of two equal pairs, whose maximum is the first."""
    batch = {"id": np.arange(SIZE), **taught(SIZE)}
    *_, metrics = run(kept(), plan_of("ring", 2, 1), embeddings(PAIR), batch, teacher(batch))
    old = (
        normalize(batch["teacher/a"].astype(float)) @ normalize(batch["teacher/b"].astype(float)).T
    )
    right = np.round(old, 9).argmax(1) == np.arange(SIZE)
    assert not right[5]
    assert 0.2 < right.mean() < 1
    np.testing.assert_allclose(metrics["term/kept/rows"], right.mean(), rtol=1e-6)
    # A student that is its own teacher has nothing to keep, and no gradient.
    same = {**batch, **{f"teacher/{n}": raw for n, raw in embeddings(PAIR).items()}}
    value, grads, *_ = run(kept(), plan_of("ring", 2, 1), embeddings(PAIR), same, teacher(same))
    assert abs(value) < 1e-6
    assert max(np.abs(g).max() for g in grads.values()) < 1e-6


def test_the_k_positives_share_what_a_row_has():
    *_, metrics = run(
        many(), plan_of("dense", 1, 1), embeddings(("a", *OTHERS)), {"id": np.arange(16)}
    )
    perfect = {n: 30 * np.eye(16, dtype=np.float32) for n in ("a", *OTHERS)}
    value, *_, best = run(
        many(temperature=0.01), plan_of("dense", 1, 1), perfect, {"id": np.arange(16)}
    )
    np.testing.assert_allclose(value, (np.log(3)) / 2, rtol=1e-5)
    assert abs(best["term/above_floor"]) < 1e-5 < metrics["term/above_floor"]


def test_references_may_be_distributed_as_features_are(tmp_path):
    mean, std = np.array([1.0, -2.0, 0.0, 5.0]), np.array([0.1, 3.0, 1.0, 0.0])
    np.savez(tmp_path / "stats.npz", mean=mean, std=std)
    spec = {
        "type": "rafa",
        "modalities": PAIR,
        "prior": "stats",
        "stats": str(tmp_path / "stats.npz"),
    }

    def references(size):
        return {"z": mean + std * reference(size)["z"]}

    Case(spec, PAIR, rafa, references).check(("dense", 1, 1))


def test_a_temperature_that_is_the_parameter_is_held_above_its_floor():
    temperature = Temperature(0.02, learned=True, max_scale=100.0, form="temperature")
    assert error(temperature(), 50.0) < 1e-6
    temperature.value[...] = -0.3  # as a step of Adam may leave it
    assert error(temperature(), 100.0) < 1e-6
    with pytest.raises(TermError, match="needs a max_scale"):
        Temperature(1.0, learned=True, form="temperature")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (distill(alpha=1.5), r"alpha has to be in \[0, 1\]"),
        (distill(temperature=0.0), r"have to be positive"),
        ({"type": "rafa", "modalities": ()}, r"should name modalities"),
        ({"type": "rafa", "prior": "stats"}, r"'stats' needs a file"),
        ({"type": "rafa", "stats": "stats.npz"}, r"'stats' needs a file"),
        (many(others=("a", "b")), r"an anchor and other modalities, each once"),
        (many(t2i_weight=-1.0), r"t2i_weight has to be >= 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(spec, said):
    with pytest.raises((TermError, ConfigError), match=said):
        make(spec)


def test_a_term_without_its_teacher_says_what_to_set():
    for spec in (distill(), kept()):
        with pytest.raises(
            TermError, match=r"set teacher=\{'type': 'frozen', 'views': \('a', 'b'\)"
        ):
            run(spec, plan_of("dense", 1, 1), embeddings(PAIR), {"id": np.arange(SIZE)})
        assert spec["type"] in TERMS
