"""Ranks of one item in several languages, against ranks by sorting."""

import numpy as np
import pytest

from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators.consistency import Consistency
from mmjax.evaluators.data import EvalData

NAMES = ("image", "en", "de", "cs")


class Vectors:
    """A model that embeds a vector as its direction."""

    modalities = NAMES

    def embed(self, modality, array, layer="unit"):
        return array / np.linalg.norm(array, axis=1, keepdims=True)


def data(fields):
    def view(value, rng, train):
        return np.asarray(value, np.float32)

    return EvalData(Columns("test", "test", fields, NAMES), dict.fromkeys(NAMES, view), 16)


def test_equals_ranks_by_sorting_over_the_records_that_have_all():
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(40, 6))
    fields = {n: latent + 0.5 * k * rng.normal(size=(40, 6)) for k, n in enumerate(NAMES)}
    lacking = {n: list(v.astype(np.float32)) for n, v in fields.items()}
    lacking["de"][3] = lacking["image"][7] = None
    found = Consistency(others=NAMES[1:])(Vectors(), data(lacking))

    keep = np.delete(np.arange(40), [3, 7])
    unit = {n: v[keep] / np.linalg.norm(v[keep], axis=1, keepdims=True) for n, v in fields.items()}
    assert found["records"] == len(keep)
    for direction in ("to_anchor", "from_anchor"):
        ranks = []
        for name in NAMES[1:]:
            s = unit[name] @ unit["image"].T
            s = s.T if direction == "from_anchor" else s
            ranks.append(1 + (s > np.diag(s)[:, None]).sum(1))
        r = np.array(ranks, float)
        expected = {
            "variance": r.var(0).mean(),
            "deviation": r.std(0).mean(),
            "log_variance": np.log(r).var(0).mean(),
            "R@1/first": (r[0] == 1).mean(),
            "R@1/rest": (r[1:] == 1).mean(),
            "R@1/cs": (r[2] == 1).mean(),
        }
        for name, value in expected.items():
            assert found[f"{direction}/{name}"] == pytest.approx(value, abs=1e-6), name
    assert found["to_anchor/variance"] > 0


def test_languages_that_agree_have_no_variance():
    x = np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32)
    found = Consistency(others=NAMES[1:])(Vectors(), data(dict.fromkeys(NAMES, x)))
    assert found["to_anchor/variance"] == found["from_anchor/deviation"] == 0
    assert found["to_anchor/R@1/rest"] == 1


def test_needs_two_others():
    with pytest.raises(ValueError, match="at least two other modalities"):
        Consistency(others=("en",))
