"""K microbatches give every term the gradient of one, with towers that drop at random."""

import functools

import cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from term_harness import embeddings, parameters, vectors
from tiers import long_but

from mmjax.model.config import ModelConfig
from mmjax.model.definition import Definition
from mmjax.objectives import Context, configs
from mmjax.parallel import layout, microbatch
from mmjax.parallel import mesh as mesh_lib
from mmjax.parallel.pairwise import Plan
from mmjax.parallel.start_keys import start_key
from mmjax.system.system import System

SIZE, WIDTH = 32, 6
# Whatever views a case has, these of two towers stand for them, in this order.
VIEWS = ("a", "b", "a@2", "b@2")
ENCODER = {"type": "mlp", "inputs": WIDTH, "hidden": (64, 64), "width": 16, "dropout": 0.2}
# Programs run once here: compiling them fast matters more than their speed.
QUICK = {"xla_backend_optimization_level": 0}
FIRST = cases.first("microbatches")
# Those of pairs, tokens, galleries, draws, statistics of the batch, and of more than two views.
SOME = (
    *("info_nce", "late_interaction_nce", "region_nce", "gallery_nce", "gated_nce", "mixup_nce"),
    *("masked_tokens", "captioning", "matching", "momentum_nce", "code_regularizer", "vicreg"),
    *("predictive", "symile"),
)
NOTHING = "nothing"  # a weight that the compiler does not know to be 0


def dims_of(case):
    """view -> numbers of its embedding: 16, in which little is magnified, if the case is free."""
    raws, batch = case.inputs(1)
    scalars = all(not value.ndim for value in parameters(case.spec).values())
    free = scalars and case.outputs is vectors and not case.known(batch)
    return {name: 16 if free else raw.shape[1] for name, raw in raws.items()}


def program(terms, microbatches, mesh):
    """The gradient of a weighted sum of terms by towers, compiled.

    Args:
      terms: term -> case.
      microbatches: how many.
      mesh: of devices.

    Returns:
      A function (weights: term -> f32, and 0 of `NOTHING`, seed) -> (loss, metrics, gradient by
      path).
    """
    # Of all terms, whichever are computed: what one starts with depends on those before it.
    every = {term: case for term, (_, case) in FIRST.items()}
    dims = {term: dims_of(case) for term, case in every.items()}
    widest = max(dim for each in dims.values() for dim in each.values())
    tower = {"encoder": ENCODER, "head": {"type": "linear", "dim": widest}}
    model = ModelConfig.of({"towers": {"a": tower, "b": tower}})
    objectives = configs({t: {**case.spec, **case.microbatches} for t, case in every.items()})

    def make():
        return System(model, objectives, dtype=jnp.float32, rngs=nnx.Rngs(start_key(0)))

    definition, arrays = Definition.of(make), Definition.arrays(jax.jit(make)())
    params = definition.kinds(nnx.Param)
    where = layout.shardings(layout.specs(params, mesh, fsdp_min_size=64), mesh)
    params = {path: jax.device_put(arrays[path], where[path]) for path in params}
    constants = {path: value for path, value in arrays.items() if path not in params}
    batch = {"id": np.arange(SIZE, dtype=np.int32), **embeddings(VIEWS, SIZE, WIDTH)}
    extras = {term: case.extra(SIZE) for term, case in terms.items()}

    def embed(params, constants, batch, keys):
        system = definition.merge({**params, **constants})
        return system.embed(batch, train=True, key=keys), constants

    def loss_of(system, term, case, outputs, batch):
        """The term's, of as many of the towers' numbers as its case has."""
        # The last modality is not always there.
        batch = {**batch, f"{case.names[-1]}_present": np.arange(SIZE) % 5 != 2, **extras[term]}
        raws = {
            name: outputs[view].raw[:, : dims[term][name]]
            for name, view in zip(case.names, VIEWS, strict=False)
        }
        context = Context(
            Plan(mesh, schedule="dense", tile=3),
            progress=0.5,
            rng=jax.random.key(3),
            **case.known(batch),
        )
        return system.objectives.terms[term](case.outputs(raws, batch), batch, context)

    @functools.partial(jax.jit, compiler_options=QUICK)
    def run(params, constants, batch, weights, seed):
        def reduce(params, constants, outputs):
            system = definition.merge({**params, **constants})
            total, metrics = jnp.float32(0), {}
            for term, case in terms.items():
                loss, metrics[term] = loss_of(system, term, case, outputs, batch)
                total = total + weights[term] * loss
                # One term after the other, forward and backward: devices that began with
                # collectives of two of them in different orders would wait for each other for ever.
                after = weights[NOTHING] * total
                outputs = {name: out._replace(raw=out.raw + after) for name, out in outputs.items()}
            return total, (metrics, constants)

        return microbatch.value_and_grad(
            embed,
            reduce,
            params,
            constants,
            batch,
            microbatch.row_keys(jax.random.key(seed), SIZE),
            microbatches=microbatches,
            mesh=mesh,
        )

    def call(weights, seed):
        (loss, (metrics, _)), gradient = run(params, constants, batch, weights, seed)
        return loss, metrics, gradient

    return call


def assert_same(actual, expected, tolerance):
    """Every gradient to 1e-6 of its norm, or a hundredth of that of the whole's if it is tiny."""
    assert actual.keys() == expected.keys()
    whole = np.sqrt(sum(np.sum(np.square(g)) for g in expected.values()))
    assert whole > 0
    for path, g in expected.items():
        error = np.linalg.norm(actual[path] - g)
        bound = max(np.linalg.norm(g), 1e-2 * whole)
        assert error <= tolerance * bound, f"{path}: {error / bound:.2g}"


@functools.cache
def programs(*only):
    """Those of 1 and of 8 microbatches, on a mesh of 2 x 2, for these terms."""
    terms = {term: case for term, (_, case) in FIRST.items() if term in only}
    mesh = mesh_lib.make_mesh(2, 2, 1, jax.devices()[:4])
    made = {k: program(terms, k, mesh) for k in (1, 8)}
    weights = dict.fromkeys((*terms, NOTHING), np.float32(0))
    for run in made.values():
        run(weights, 0)
    return made, weights


@pytest.fixture(scope="module")
def together(request):
    """One program for all terms asked for; None if one ends it, so that the others go on."""
    asked = [item for item in request.session.items if item.module is request.module]
    terms = {item.callspec.params["term"] for item in asked if hasattr(item, "callspec")}
    try:
        return programs(*sorted(terms))
    except Exception:
        return None


@pytest.mark.parametrize("term", long_but(lambda term: term in SOME, FIRST))
def test_every_term_is_exact_with_dropout(together, term):
    made, weights = together or programs(term)
    weights = {**weights, term: np.float32(1)}
    loss, metrics, expected = made[1](weights, 0)
    other, _, _ = made[1](weights, 1)
    assert abs(loss - other) > 1e-3 * abs(loss), "dropout does nothing"
    value, others, gradient = made[8](weights, 0)
    np.testing.assert_allclose(value, loss, rtol=1e-6)
    assert others[term].keys() == metrics[term].keys()
    assert_same(gradient, expected, FIRST[term][1].microbatch_tolerance)
