"""Runs one term under a plan and compares value and gradients with a float64 formula.

A case is a config of a term and a formula of raw embeddings. The formula gets the embeddings of the
rows that count, what else it needs of those rows, and the term's parameters, all as float64, and
its derivative is exact (see `objective_formulas`).
"""

import functools
import zlib

import jax
import numpy as np
import objective_formulas as formulas
from flax import nnx
from jax.sharding import AxisType

from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context, Objectives, configs
from mmjax.parallel.pairwise import Plan

# Every schedule, on 1, 4 and 8 devices; rows that are absent are tried on 2.
PLANS = (("dense", 1, 1), ("ring", 4, 1), ("gather", 2, 4))
SIZE = 16
KEY = 7  # of what terms draw


def plan_of(schedule, data, fsdp, tile=3):
    mesh = jax.make_mesh(
        (data, fsdp, 1),
        ("data", "fsdp", "tensor"),
        axis_types=(AxisType.Auto,) * 3,
        devices=jax.devices()[: data * fsdp],
    )
    return Plan(mesh, schedule=schedule, tile=tile)


def embeddings(names, size=SIZE, dim=4, seed=0):
    """Raw embeddings of some modalities that follow one latent; their sizes are `dim`."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(size, dim))
    return {
        name: (latent + 0.8 * rng.normal(size=(size, dim))).astype(np.float32) for name in names
    }


def make(spec):
    return Objectives(configs({"term": spec}), rngs=nnx.Rngs(0))


def term_key():
    """The key that the term 'term' draws from, which Objectives makes of the context's."""
    return jax.random.fold_in(jax.random.key(KEY), zlib.crc32(b"term"))


def vectors(raws, batch):
    """The outputs of towers without tokens."""
    return {name: Embedding(raw, unit_norm(raw)) for name, raw in raws.items()}


def run(spec, plan, raws, batch, known=None, outputs=vectors):
    """Value, gradients by modality, gradients by parameter, metrics; under jit.

    `known` are further fields of the context: a teacher, a queue; `outputs` makes the towers' of
    raw embeddings and the batch.
    """
    graph, state = nnx.split(make(spec))

    @functools.partial(jax.value_and_grad, argnums=(0, 1), has_aux=True)
    def loss(state, raws):
        context = Context(plan=plan, progress=0.5, rng=jax.random.key(KEY), **(known or {}))
        return nnx.merge(graph, state)(outputs(raws, batch), batch, context)

    (value, metrics), (d_state, d_raws) = jax.jit(loss)(state, raws)
    flat = {"/".join(map(str, path[2:])): v[...] for path, v in nnx.to_flat_state(d_state)}
    return value, d_raws, flat, metrics


@functools.cache
def _expected(case, size):
    return case.expected(size)


class Case:
    """A term's config and its formula.

    Args:
      spec: config of the term.
      names: the modalities it reads.
      formula: `(raws: dict, extra: dict, params: dict) -> loss`.
      extra: name -> array [size] of the batch, or a function of size.
      dim: size of the embeddings.
      tolerance: of the value; gradients are held to three times as much, relative to their length,
        and those of parameters to ten times.
      known: `(extra) -> fields of the context`, made of the whole batch's extra arrays.
      outputs: `(raws, batch) -> outputs of the towers`.
    """

    def __init__(
        self, spec, names, formula, extra=None, dim=4, tolerance=2e-6, known=None, outputs=vectors
    ):
        self.spec, self.names, self.formula, self.dim = spec, names, formula, dim
        self.tolerance = tolerance
        self.extra = extra or (lambda size: {})
        self.known = known or (lambda extra: {})
        self.outputs = outputs

    def expected(self, size, keep=None):
        raws, extra = embeddings(self.names, size, self.dim), self.extra(size)
        keep = np.ones(size, bool) if keep is None else keep
        _, state = nnx.split(make(self.spec).terms["term"])
        params = {
            "/".join(map(str, path)): np.asarray(v[...]) for path, v in nnx.to_flat_state(state)
        }
        kept = {name: value[keep] for name, value in extra.items()}

        def flat(*args):
            rows, rest = args[: len(raws)], args[len(raws) :]
            return self.formula(
                dict(zip(raws, rows, strict=True)), kept, dict(zip(params, rest, strict=True))
            )

        args = [raw[keep] for raw in raws.values()]
        value, grads = formulas.value_and_grad(flat, *args, *params.values())
        d_raws = {}
        for name, grad in zip(raws, grads, strict=False):
            d_raws[name] = np.zeros(raws[name].shape)
            d_raws[name][keep] = grad
        return value, d_raws, dict(zip(params, grads[len(raws) :], strict=True))

    def check(self, plan, size=SIZE):
        """The term equals its formula: value, and the gradient of every input."""
        schedule, data, fsdp = plan
        value, d_raws, d_params, metrics = run(
            self.spec,
            plan_of(schedule, data, fsdp),
            embeddings(self.names, size, self.dim),
            {"id": np.arange(size), **self.extra(size)},
            self.known(self.extra(size)),
            self.outputs,
        )
        want, want_raws, want_params = _expected(self, size)
        assert formulas.error(value, want) < self.tolerance
        for name in self.names:
            assert close(d_raws[name], want_raws[name], 3 * self.tolerance), name
        assert d_params.keys() == want_params.keys()
        for name in d_params:
            assert close(d_params[name], want_params[name], 10 * self.tolerance), name
        return metrics

    def check_absent(self, size=SIZE):
        """Rows without a modality enter nothing, whatever stands in for it."""
        raws, batch = embeddings(self.names, size, self.dim), {"id": np.arange(size)}
        batch.update(self.extra(size))
        keep = np.ones(size, bool)
        for k, name in enumerate(self.names[:2]):
            present = np.arange(size) % (5 + 2 * k) != 3
            batch[f"{name}_present"] = present
            raws[name][~present] = (np.nan, np.inf)[k]
            keep &= present
        known = self.known(self.extra(size))
        value, d_raws, _, _ = run(
            self.spec, plan_of("dense", 2, 1), raws, batch, known, self.outputs
        )
        want, want_raws, _ = self.expected(size, keep)
        assert formulas.error(value, want) < self.tolerance
        for name in self.names:
            finite = np.isfinite(raws[name]).all(1)
            assert close(d_raws[name][finite], want_raws[name][finite], 3 * self.tolerance), name

    def check_one_row(self, value=0.0):
        """One row has nothing to be compared with: a finite loss and finite gradients."""
        loss, d_raws, _, _ = run(
            self.spec,
            Plan(schedule="gather", tile=4),
            embeddings(self.names, 1, self.dim),
            {"id": np.arange(1), **self.extra(1)},
            self.known(self.extra(1)),
            self.outputs,
        )
        np.testing.assert_allclose(loss, value, atol=1e-5)
        assert all(np.isfinite(d).all() for d in d_raws.values())


def close(actual, expected, tolerance):
    """Relative to the size of the gradient; a gradient that should be 0 is small."""
    if np.linalg.norm(expected) < 1e-9:
        return np.abs(actual).max() < 1e-5
    return formulas.error(actual, expected) < tolerance
