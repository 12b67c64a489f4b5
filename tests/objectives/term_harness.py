"""What a term is tried with: its case, and how value and gradients of one are computed.

A case is a config of a term, inputs for it, and its formula in float64. `cases/` has a file for
each family of terms, as `mmjax/objectives/` has; every file of that folder is found by itself, and
its `CASES`, name -> `Case`, go through every general test:

- `test_cases.py`: every word of `TERMS` has a case; a term keeps nothing between steps;
- `test_formula.py`: value and gradients equal the formula, for each schedule and mesh;
- `test_absent.py`: rows that lack a modality enter nothing, whatever stands in for it;
- `test_one_row.py`: a batch of one row, which has nothing to be compared with;
- `test_term_microbatches.py`: microbatches give the gradient of the whole batch;
- `test_term_memory.py`: memory grows with the batch and not with its square.

What is special to a term is a test of its own beside them.
"""

import dataclasses
import functools
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import objective_formulas as formulas
from flax import nnx
from jax.sharding import AxisType
from jitted import made

from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import Context, Objectives, configs
from mmjax.parallel.pairwise import Plan
from mmjax.schema.names import presence_name

# Every schedule, on 1, 4 and 8 devices: (schedule, data, fsdp). `slow` tests have all of both.
PLANS = (("dense", 1, 1), ("ring", 4, 1), ("gather", 2, 4))
SCHEDULES = ("dense", "gather", "ring")
MESHES = ((1, 1), (2, 1), (4, 1), (8, 1), (2, 4), (4, 2))
SIZE = 16
KEY = 7  # of what terms draw
TILE = 3  # what is drawn depends on it, too
# What a case may say does not hold for it: the general tests that can be left out.
PROPERTIES = ("absent", "partners", "one_row", "microbatches", "memory", "stateless")
FORMULA = "formula"


def plan_of(schedule, data, fsdp, tile=TILE):
    mesh = jax.make_mesh(
        (data, fsdp, 1),
        ("data", "fsdp", "tensor"),
        axis_types=(AxisType.Auto,) * 3,
        devices=jax.devices()[: data * fsdp],
    )
    return Plan(mesh, schedule=schedule, tile=tile)


def embeddings(names, size=SIZE, dim=4, seed=0):
    """Raw embeddings of some modalities that follow one latent; their sizes are `dim`.

    Args:
      names: of the modalities.
      size: rows.
      dim: numbers of each embedding, or name -> numbers.
      seed: of all.
    """
    dims = dim if isinstance(dim, Mapping) else dict.fromkeys(names, dim)
    widest = max(dims.values())
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(size, widest))
    return {
        name: (latent + 0.8 * rng.normal(size=(size, widest))).astype(np.float32)[:, : dims[name]]
        for name in names
    }


def make(spec):
    return Objectives(configs({"term": spec}), rngs=nnx.Rngs(0))


_SPLIT = {}


def split(spec):
    """Structure and start values of a term, computed once for all of its tests."""
    key = repr(spec)
    if key not in _SPLIT:
        _SPLIT[key] = nnx.split(made(lambda: make(spec)))
    return _SPLIT[key]


def parameters(spec):
    """path -> start value of a term's parameters."""
    flat = nnx.to_flat_state(split(spec)[1])
    return {"/".join(map(str, path[2:])): np.asarray(v[...]) for path, v in flat}


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
    graph, state = split(spec)

    @functools.partial(jax.value_and_grad, argnums=(0, 1), has_aux=True)
    def loss(state, raws):
        context = Context(plan=plan, progress=0.5, rng=jax.random.key(KEY), **(known or {}))
        return nnx.merge(graph, state)(outputs(raws, batch), batch, context)

    (value, metrics), (d_state, d_raws) = jax.jit(loss)(state, raws)
    flat = {"/".join(map(str, path[2:])): v[...] for path, v in nnx.to_flat_state(d_state)}
    return value, d_raws, flat, metrics


def nothing(size):
    return {}


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A term's config, inputs for it, and its formula.

    The formula gets the embeddings of the rows that count, what else it needs of those rows, and
    the term's parameters, all as float64, and its derivative is exact (see `objective_formulas`).

    Attributes:
      spec: config of the term.
      names: the views whose embeddings it is given.
      formula: `(raws: dict, extra: dict, params: dict) -> loss`.
      extra: `size -> {name: array [size, ...]}`, further entries of the batch, such as labels, or
        what the formula or the context needs of each row.
      dim: numbers of a raw embedding, or name -> numbers.
      size: rows of the batch that is held against the formula.
      known: `(extra) -> fields of the context`, made of the whole batch's extra arrays. Those of a
        teacher's rows have names that begin with 'teacher'.
      outputs: `(raws, batch) -> outputs of the towers`.
      tolerance: of the value, relative.
      gradients: of gradients, relative to their length; three times `tolerance` unless given.
      parameters: of gradients of parameters; ten times `tolerance` unless given.
      plans: where the formula is held in the default suite; all of them are in the slow one.
      absent_plans: where absent rows are tried.
      one_row: the loss of a single row: a number; FORMULA for that of the formula; None for any
        finite one.
      metrics: `(metrics, extra) -> None`, asserts what has to hold of them.
      microbatches: options that differ in the test of microbatches, where those of `spec` magnify
        rounding.
      microbatch_tolerance: of gradients there.
      quick_memory: whether the test of memory is in the default suite.
      without: general test (of PROPERTIES) -> why it does not apply.
    """

    spec: Mapping[str, Any]
    names: tuple[str, ...]
    formula: Callable
    extra: Callable[[int], dict] = nothing
    _: dataclasses.KW_ONLY
    dim: int | Mapping[str, int] = 4
    size: int = SIZE
    known: Callable[[dict], dict] = lambda extra: {}
    outputs: Callable = vectors
    tolerance: float = 2e-6
    gradients: float | None = None
    parameters: float | None = None
    plans: tuple = PLANS
    absent_plans: tuple = (("dense", 2, 1),)
    one_row: float | str | None = 0.0
    metrics: Callable[[dict, dict], None] = lambda metrics, extra: None
    microbatches: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    microbatch_tolerance: float = 1e-6
    quick_memory: bool = False
    without: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if unknown := set(self.without) - set(PROPERTIES):
            raise ValueError(f"no general tests are {sorted(unknown)}; there are {PROPERTIES}")
        if not all(self.without.values()):
            raise ValueError("a general test that does not apply needs a reason")

    @property
    def word(self):
        """The type of the term."""
        return self.spec["type"]

    def inputs(self, size):
        """Raw embeddings, and the batch beside them."""
        raws = embeddings(self.names, size, self.dim)
        return raws, {"id": np.arange(size), **self.extra(size)}

    def expected(self, size, keep=None):
        """The formula's value, and its gradients by modality and by parameter.

        Args:
          size: rows.
          keep: bool[size], the rows that it is computed of; the gradient of others is 0.
        """
        keep = np.ones(size, bool) if keep is None else keep
        return _expected(self, size, tuple(keep.tolist()))

    def value(self):
        """The formula's value alone, at the case's own size."""
        raws = embeddings(self.names, self.size, self.dim)
        inputs = [raws, parameters(self.spec)]
        exact = [{k: np.asarray(v, np.float64) for k, v in part.items()} for part in inputs]
        return float(np.real(self.formula(exact[0], self.extra(self.size), exact[1])))

    def check(self, plan, size=None):
        """The term equals its formula: value, and the gradient of every input."""
        size = size or self.size
        raws, batch = self.inputs(size)
        found = run(self.spec, plan_of(*plan), raws, batch, self.known(batch), self.outputs)
        self._close(found, self.expected(size), raws)
        self.metrics(found[3], batch)
        return found[3]

    def check_absent(self, plan):
        """Rows without a modality enter nothing, whatever stands in for it."""
        raws, batch = self.inputs(self.size)
        keep = np.ones(self.size, bool)
        for k, name in enumerate(self.names[:2]):
            present = np.arange(self.size) % (5 + 2 * k) != 3
            batch[presence_name(name)] = present
            raws[name][~present] = (np.nan, np.inf)[k]
            keep &= present
        known = self.known(batch)
        found = run(self.spec, plan_of(*plan), raws, batch, known, self.outputs)
        self._close(found, self.expected(self.size, keep), raws)

    def check_absent_field(self, option):
        """Rows without a field, such as a label, enter nothing, also of its view `<field>@2`."""
        raws, batch = self.inputs(self.size)
        spec = configs({"term": self.spec})["term"].term.plain()
        field, keep = spec[option], np.arange(self.size) % 5 != 3
        known = self.known(batch)
        batch |= {f"{field}@2": batch.pop(field), f"{field}_present": keep}
        spec[option] = f"{field}@2"
        found = run(spec, plan_of("dense", 1, 1), raws, batch, known, self.outputs)
        self._close(found, self.expected(self.size, keep), raws)

    def _close(self, found, expected, raws):
        """Rows that are not finite have no gradient to speak of."""
        (value, d_raws, d_params, _), (want, want_raws, want_params) = found, expected
        assert formulas.error(value, want) < self.tolerance
        for name in self.names:
            finite = np.isfinite(raws[name]).all(1)
            tolerance = self.gradients or 3 * self.tolerance
            assert close(d_raws[name][finite], want_raws[name][finite], tolerance), name
        assert d_params.keys() == want_params.keys()
        for name in d_params:
            tolerance = self.parameters or 10 * self.tolerance
            assert close(d_params[name], want_params[name], tolerance), name

    def check_one_row(self):
        """One row has nothing to be compared with: a known loss and finite gradients."""
        raws, batch = self.inputs(1)
        plan = Plan(schedule="gather", tile=4)
        loss, d_raws, d_params, _ = run(
            self.spec, plan, raws, batch, self.known(batch), self.outputs
        )
        if self.one_row is None:
            assert np.isfinite(loss)
        else:
            want = self.expected(1)[0] if self.one_row == FORMULA else self.one_row
            np.testing.assert_allclose(loss, want, atol=1e-5)
        assert all(np.isfinite(d).all() for d in (*d_raws.values(), *d_params.values()))


@functools.cache
def _expected(case, size, keep):
    keep = np.array(keep)
    raws, params = embeddings(case.names, size, case.dim), parameters(case.spec)
    kept = {name: value[keep] for name, value in case.extra(size).items()}

    def flat(*args):
        rows, rest = args[: len(raws)], args[len(raws) :]
        return case.formula(
            dict(zip(raws, rows, strict=True)), kept, dict(zip(params, rest, strict=True))
        )

    args = [raw[keep] for raw in raws.values()]
    value, grads = formulas.value_and_grad(flat, *args, *params.values())
    d_raws = {}
    for name, grad in zip(raws, grads, strict=False):
        d_raws[name] = np.zeros(raws[name].shape)
        d_raws[name][keep] = grad
    return value, d_raws, dict(zip(params, grads[len(raws) :], strict=True))


def close(actual, expected, tolerance):
    """Relative to the size of the gradient; a gradient that should be 0 is small."""
    if np.linalg.norm(expected) < 1e-9:
        return np.abs(actual).max() < 1e-5
    return formulas.error(actual, expected) < tolerance
