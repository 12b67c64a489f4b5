"""Attention over the parts of a long audio, asked by the pieces of a text."""

import numpy as np
from objective_formulas import gelu, logsumexp, normalize
from term_harness import PLANS, SIZE, Case

from mmjax.encoders.base import Encoding
from mmjax.encoders.positions import sincos
from mmjax.model.embedding import Embedding, unit_norm

PARTS, DIM = 3, 4
SPEC = {
    "type": "late_interaction_nce",
    "pair": ("a", "b"),
    "dim": DIM,
    "tokens": ("a", "b"),
    "positions": True,
    "attention_scale": 2.0,
    "temperature": 0.3,
}


def padding(size):
    """Each has from 1 to all of its parts."""
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, PARTS + 1, size=(2, size))
    lengths[:, 0] = PARTS
    return {
        f"{n}_mask": np.arange(PARTS)[None] < k[:, None] for n, k in zip("ab", lengths, strict=True)
    }


def outputs(raws, batch):
    """Raw embeddings [B, T D] as T tokens, of which the first is the whole's vector, too."""
    made = {}
    for name, raw in raws.items():
        tokens = raw.reshape(len(raw), PARTS, DIM)
        mask, groups = batch.get(f"{name}_mask"), batch.get(f"{name}_groups")
        first = tokens[:, 0]
        encoding = Encoding(first, tokens, mask, groups=groups)
        made[name] = Embedding(first, unit_norm(first), encoding, unit_norm(tokens))
    return made


def share(name, x, there, params, spec):
    """Weights f[N, T] of tokens f[N, T, D] that add up to 1."""
    if spec.get("weights") != "learned":
        return there / there.sum(-1)[:, None]
    hidden = x @ params[f"share/{name}/hidden/kernel"] + params[f"share/{name}/hidden/bias"]
    logits = (gelu(hidden) @ params[f"share/{name}/logit/kernel"])[..., 0]
    weights = np.where(there, np.exp(logits), 0)
    return weights / weights.sum(-1)[:, None]


def scores(u, heard, w, said, params, spec):
    """s of parts f[N, T, D] with pieces f[N, L, D], of which some are padding: f[N, N]."""
    c = np.einsum("atd,bld->ablt", u, w)
    there = np.broadcast_to(heard[:, None, None, :], c.shape)
    fusion = spec.get("fusion", "attention")
    if fusion == "max":
        best = np.where(there, c.real, -np.inf).argmax(-1)
        of_pieces = np.take_along_axis(c, best[..., None], -1)[..., 0]
        if spec.get("symmetric"):
            asks = np.broadcast_to(said[None, :, :, None], c.shape)
            best = np.where(asks, c.real, -np.inf).argmax(-2)
            of_parts = np.take_along_axis(c, best[:, :, None], -2)[:, :, 0]
            other = (of_parts * share("a", u, heard, params, spec)[:, None]).sum(-1)
            return ((of_pieces * share("b", w, said, params, spec)).sum(-1) + other) / 2
    else:
        logits = np.zeros(c.shape)
        if fusion == "attention" and not spec.get("projection", True):
            logits = spec["attention_scale"] * c
        elif fusion == "attention":
            keys = u @ params["key/kernel"]
            if spec["positions"]:
                keys = keys + np.asarray(sincos((PARTS,), DIM), float)[: u.shape[1]]
            asked = normalize(w @ params["query/kernel"])
            logits = spec["attention_scale"] * np.einsum("atd,bld->ablt", normalize(keys), asked)
        a = np.where(there, np.exp(logits), 0)
        of_pieces = (a * c).sum(-1) / a.sum(-1)
        if spec.get("score") == "attended":
            v = np.einsum("ablt,atd->abld", a / a.sum(-1, keepdims=True), u)
            of_pieces = of_pieces / np.sqrt((v * v).sum(-1))
    return (of_pieces * share("b", w, said, params, spec)).sum(-1)


def by_groups(u, heard, w, said, extra, params, spec):
    """The largest score of a group that a row has, or the mean of them, pair by pair."""
    groups, rows = extra["a_groups"], len(u)
    s = np.zeros((rows, rows), np.result_type(u, w))
    for i, j in np.ndindex(rows, rows):
        own = {}
        for m in range(groups.shape[1]):
            there = heard[i] & groups[i, m]
            if there.any():
                pair = (u[i : i + 1, there], there[None, there], w[j : j + 1], said[j : j + 1])
                own[m] = scores(*pair, params, spec)[0, 0]
        if spec.get("hard_positive") and i == j and extra["group"][j] in own:
            s[i, j] = own[extra["group"][j]]
        elif spec["groups"] == "max":
            s[i, j] = max(own.values(), key=lambda value: value.real)
        else:
            s[i, j] = sum(own.values()) / len(own)
    return s


def grouped(size):
    """Padding; two groups of parts, of which a row may have one only; and which answers."""
    rng = np.random.default_rng(4)
    of = rng.integers(0, 2, size=(size, PARTS))
    groups = np.stack([of == 0, of == 1], axis=1)
    return {**padding(size), "a_groups": groups, "group": rng.integers(0, 2, size).astype(np.int32)}


def formula_of(spec):
    def formula(raws, extra, params):
        seen = []
        for name in "ab":
            tokens = raws[name].reshape(-1, PARTS, DIM)
            tokens = tokens if spec.get("layer") == "encoder" else normalize(tokens)
            mask = extra.get(f"{name}_mask", np.ones(tokens.shape[:2], bool))
            first = spec.get("skip", {}).get(name, 0)
            part = slice(first, None) if name in spec["tokens"] else slice(1)
            seen += [tokens[:, part], mask[:, part]]
        s = scores(*seen, params, spec)
        if "groups" in spec:
            s = by_groups(*seen, extra, params, spec)
        s = s * np.exp(params["temperature/log_scale"])
        every = np.ones(s.shape, bool)
        weights = spec.get("direction_weights", (0.5, 0.5))  # of rows, of columns
        return sum(
            w * (logsumexp(s, every, k) - np.diag(s)).mean()
            for k, w in zip((1, 0), weights, strict=True)
        )

    return formula


def whole(size):
    """Without padding."""
    return {f"{name}_mask": np.ones((size, PARTS), bool) for name in "ab"}


def case(extra=padding, **options):
    """A case in which some options of the term differ."""
    spec = {**SPEC, **options.pop("spec", {})}
    return Case(
        spec, ("a", "b"), formula_of(spec), extra, dim=PARTS * DIM, outputs=outputs, **options
    )


def pooled(metrics, extra):
    assert metrics["term/attention"] <= 1 + 1e-6


def asked(metrics, extra):
    assert 1 / PARTS < metrics["term/attention"] < 1
    np.testing.assert_allclose(metrics["term/chance"], np.log(SIZE), rtol=1e-6)


def answered(metrics, extra):
    assert 0.1 < metrics["term/group_accuracy"] < 0.9


CASES = {
    "late_interaction": case(),
    "late_interaction_max": case(spec={"fusion": "max"}, plans=PLANS[:1], metrics=pooled),
    "late_interaction_symmetric": case(
        spec={"fusion": "max", "symmetric": True}, plans=PLANS[:2], metrics=pooled
    ),
    "late_interaction_shares": case(
        spec={"fusion": "max", "symmetric": True, "weights": "learned"}, metrics=pooled
    ),
    "late_interaction_mean": case(spec={"fusion": "mean"}, plans=PLANS[:1], metrics=pooled),
    # Plain products, without heads.
    "late_interaction_encoder": case(
        spec={"fusion": "max", "layer": "encoder"}, plans=PLANS[:2], metrics=pooled
    ),
    # A piece against what it attends to, without maps; and both by themselves.
    "late_interaction_attended": case(
        spec={"projection": False, "positions": False, "score": "attended"}, metrics=asked
    ),
    "late_interaction_unprojected": case(
        spec={"projection": False, "positions": False, "temperature": 0.6},
        plans=PLANS[:1],
        metrics=asked,
    ),
    "late_interaction_attended_by_maps": case(
        spec={"score": "attended"}, plans=PLANS[:2], metrics=asked
    ),
    # As in the paper: the whole text asks.
    "late_interaction_one_text": case(
        spec={"tokens": ("a",), "positions": False}, plans=PLANS[:1], metrics=asked
    ),
    "late_interaction_groups": case(
        grouped,
        spec={"fusion": "max", "groups": "max", "direction_weights": (0.0, 1.0)},
        metrics=pooled,
    ),
    "late_interaction_groups_mean": case(
        grouped,
        spec={"fusion": "max", "groups": "mean", "group": "group"},
        plans=PLANS[:2],
        metrics=answered,
    ),
    "late_interaction_hard_positive": case(
        grouped,
        spec={"fusion": "max", "groups": "max", "group": "group", "hard_positive": True},
        metrics=answered,
    ),
    # Skipped tokens are no parts.
    "late_interaction_skip": case(whole, spec={"skip": {"b": 1}}, plans=PLANS[:1]),
}
