"""One anchor and K positives."""

import jax
import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import FORMULA, PLANS, Case, term_key

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


def many(**options):
    return {"type": "one_to_k", "anchor": "a", "others": OTHERS, **options}


NAMES = ("a", *OTHERS)
OPTION = {"plans": PLANS[1:2], "one_row": FORMULA}
CASES = {
    "one_to_k": Case(many(), NAMES, one_to_k(1.0), one_row=FORMULA),
    "one_to_k_equal": Case(
        many(t2i_weight=3.0, other_positives=False), NAMES, one_to_k(3.0, False), **OPTION
    ),
    "one_of_k_row": Case(many(sample="row"), NAMES, one_to_k(1.0, chosen="row"), which, **OPTION),
    "one_of_k_batch": Case(
        many(sample="batch"), NAMES, one_to_k(1.0, chosen="batch"), which_of_all, **OPTION
    ),
}
