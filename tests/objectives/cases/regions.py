"""Parts of one view against parts of another: within examples, in the batch, and their means."""

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import FORMULA, PLANS, Case

from mmjax.encoders.base import Encoding
from mmjax.model.embedding import Embedding, unit_norm

DIM, GRID = 4, (2, 2)
COUNT = {"a": 4, "b": 3}  # parts
SPEC = {"type": "region_nce", "pair": ("a", "b"), "temperature": 0.3}


def outputs(raws, batch):
    """Raw embeddings [B, T D] as T tokens, of which the first is the whole's vector, too."""
    made = {}
    for name, raw in raws.items():
        tokens = raw.reshape(len(raw), -1, DIM)
        mask, first = batch.get(f"{name}_mask"), tokens[:, 0]
        encoding = Encoding(first, tokens, mask)
        made[name] = Embedding(first, unit_norm(first), encoding, unit_norm(tokens))
    return made


def padding(size):
    """From none to all of the parts of each view."""
    rng = np.random.default_rng(3)
    lengths = {name: rng.integers(0, count + 1, size=size) for name, count in COUNT.items()}
    for name, count in COUNT.items():
        lengths[name][:2] = count
    return {
        f"{name}_mask": np.arange(count)[None] < lengths[name][:, None]
        for name, count in COUNT.items()
    }


def labels(size):
    """Three kinds of parts, and some that are none, beside padding."""
    rng = np.random.default_rng(4)
    kinds = {f"{n}_kind": rng.integers(-1, 3, size=(size, k)) for n, k in COUNT.items()}
    kinds["a_kind"][0], kinds["b_kind"][0] = (0, 1, 1, 2), (0, 1, 2)
    return padding(size) | {name: own.astype(np.float32) for name, own in kinds.items()}


def phones(size):
    """Kinds of three parts of either view, of which every fifth or so is none."""
    rng = np.random.default_rng(7)
    kinds = rng.integers(-1, 4, size=(size, COUNT["b"]))
    kinds[0] = 0, 1, 1
    lengths = rng.integers(0, COUNT["b"] + 1, size=size)
    lengths[:2] = COUNT["b"]
    mask = np.arange(COUNT["b"])[None] < lengths[:, None]
    return {"a_mask": mask, "b_mask": mask, "a_kind": kinds, "b_kind": kinds}


def fits(size):
    """Which parts of `a` each of `b` names: any number of them."""
    rng = np.random.default_rng(5)
    found = rng.random((size, COUNT["b"], COUNT["a"])) < 0.4
    return padding(size) | {"fits": found.astype(np.float32)}


def fits_one(size):
    return {"fits": fits(size)["fits"][:, 0]}


def boxed(size):
    """Three boxes of an image: anywhere, over whole patches, and sometimes none."""
    rng = np.random.default_rng(6)
    corner, far = np.sort(rng.random((2, size, 3, 2)), axis=0)
    boxes = np.concatenate([corner, far - corner], axis=2)
    boxes[:, 1] = (0.5, 0, 0.5, 1)
    boxes[rng.random(size) < 0.4, 2] = 0
    return {"b_mask": padding(size)["b_mask"], "boxes": boxes.astype(np.float32)}


def _regions(tokens, boxes):
    """Means over the patches that a box meets in more than an edge, and which boxes are some."""
    found, real = np.zeros((*boxes.shape[:2], DIM), tokens.dtype), boxes[..., 2] > 0
    for i, m in zip(*np.nonzero(real), strict=True):
        left, top, width, height = boxes[i, m].astype(float)
        members = [
            tokens[i, row * GRID[1] + column]
            for row in range(GRID[0])
            for column in range(GRID[1])
            if left < (column + 1) / GRID[1] - 1e-6 and left + width > column / GRID[1] + 1e-6
            if top < (row + 1) / GRID[0] - 1e-6 and top + height > row / GRID[0] + 1e-6
        ]
        found[i, m] = normalize(np.mean(members, axis=0))
    return found, real


def _parts(spec, raws, extra):
    """Unit parts of both views, and which are there: [B, M, D], bool[B, M]."""
    found = []
    for name in "ab":
        tokens = normalize(raws[name].reshape(len(raws[name]), -1, DIM))
        real = extra.get(f"{name}_mask", np.ones(tokens.shape[:2], bool))
        if name not in spec.get("tokens", "ab"):
            tokens, real = tokens[:, :1], np.ones((len(tokens), 1), bool)
        if name == "a" and "boxes" in spec:
            tokens, real = _regions(tokens, extra["boxes"])
        if "labels" in spec:
            real = real & (extra[f"{name}_kind"] >= 0)
        found.append((tokens, real))
    return found


def _matches(spec, extra, i, m, j, n):
    if "labels" in spec and spec.get("alike") != "mask":
        return extra["a_kind"][i, m] == extra["b_kind"][j, n]
    if "matches" in spec:
        own = extra["fits"]
        return i == j and (own[j, n, m] if own.ndim == 3 else own[j, m]) > 0
    return (i, m) == (j, n)


def _masked(spec, extra, i, m, j, n):
    return spec.get("alike") == "mask" and extra["a_kind"][i, m] == extra["b_kind"][j, n]


def formula_of(spec):
    def formula(raws, extra, params):
        scale = np.exp(params["temperature/log_scale"])
        (u, u_real), (v, v_real) = _parts(spec, raws, extra)
        if spec.get("scope") == "means":
            sums = [(x * r[..., None]).sum(1) for x, r in ((u, u_real), (v, v_real))]
            u_real, v_real = (r.any(1)[:, None] for r in (u_real, v_real))
            lengths = [
                np.sqrt((s**2).sum(1, keepdims=True) + ~r)
                for s, r in zip(sums, (u_real, v_real), strict=True)
            ]
            u, v = ((s / n)[:, None] for s, n in zip(sums, lengths, strict=True))
        total, weights = 0, spec.get("direction_weights", (0.5, 0.5))
        for flipped, weight in enumerate(weights):
            asked, answers = ((v, v_real), (u, u_real)) if flipped else ((u, u_real), (v, v_real))
            of_examples = []
            for i in range(len(u)):
                losses = []
                for m in np.flatnonzero(asked[1][i]):
                    which, scores = [], []
                    for j in range(len(u)) if spec.get("scope") in ("batch", "means") else (i,):
                        for n in np.flatnonzero(answers[1][j]):
                            ends = (j, n, i, m) if flipped else (i, m, j, n)
                            fits = bool(_matches(spec, extra, *ends))
                            if _masked(spec, extra, *ends) and not fits:
                                continue
                            which.append(fits)
                            scores.append(scale * asked[0][i, m] @ answers[0][j, n])
                    which, scores = np.array(which, bool), np.array(scores)
                    if which.any() and not which.all():
                        lse = logsumexp(scores, np.ones(which.shape, bool))
                        losses.append(lse - scores[which].mean())
                if losses and spec.get("mean") == "parts":
                    of_examples += losses
                elif losses:
                    of_examples.append(np.mean(losses))
            total = total + weight * (np.mean(of_examples) if of_examples else 0)
        return total

    return formula


def case(extra, **options):
    """A case in which some options of the term differ."""
    spec = {**SPEC, **options.pop("spec")}
    dim = {name: count * DIM for name, count in options.pop("count", COUNT).items()}
    return Case(
        spec,
        ("a", "b"),
        formula_of(spec),
        extra,
        **{"dim": dim, "outputs": outputs, "one_row": FORMULA, "plans": PLANS[:1], **options},
    )


KINDS = {"labels": ("a_kind", "b_kind")}
EQUAL = {"a": 3, "b": 3}
BOXES = {"boxes": "boxes", "grid": GRID}
CASES = {
    "region_nce": case(labels, spec={"scope": "batch", **KINDS}, plans=PLANS, quick_memory=True),
    "region_one_way": case(labels, spec={"scope": "batch", "direction_weights": (0, 1), **KINDS}),
    "region_example": case(labels, spec=KINDS),
    # As frames of speech and of text: by place, and without others of the same kind.
    "region_frames": case(
        phones, spec={"scope": "batch", "mean": "parts", "temperature": 0.2}, count=EQUAL
    ),
    "region_alike": case(
        phones,
        spec={"scope": "batch", "mean": "parts", "alike": "mask", **KINDS},
        count=EQUAL,
        plans=PLANS,
    ),
    "region_alike_example": case(phones, spec={"alike": "mask", **KINDS}, count=EQUAL),
    "region_matches": case(fits, spec={"matches": "fits"}),
    "region_batch_matches": case(fits, spec={"matches": "fits", "scope": "batch"}, plans=PLANS[:2]),
    # As prompts: one vector that fits some regions of the scene, and the softmax is over these.
    "region_prompts": case(
        fits_one, spec={"matches": "fits", "tokens": ("a",), "direction_weights": (0, 1)}
    ),
    "region_boxes": case(boxed, spec=BOXES),
    "region_batch_boxes": case(boxed, spec={**BOXES, "scope": "batch"}),
    "region_means": case(
        boxed, spec={**BOXES, "scope": "means", "direction_weights": (1, 0.5)}, plans=PLANS[:2]
    ),
}
