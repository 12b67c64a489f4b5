"""The pieces of a training step, each compiled alone at the shapes that it has there.

The sum of their times is what a step would take if nothing were fused and nothing overlapped; what
the step takes beyond it is data that moves between the pieces.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from mmjax.bench.step_models import Sizes
from mmjax.data import inputs
from mmjax.encoders.layers import ACTIVATIONS, layer_norm
from mmjax.preflight import flops as flops_lib
from mmjax.recipe import Recipe
from mmjax.train import optimizer as optimizer_lib
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib

Arrays = dict[str, jax.Array]

CEILING = 2048  # side of the square product that says how fast products can be


def parts(
    settings: Recipe, sizes: Sizes, plan: state_lib.TrainPlan, mesh: jax.sharding.Mesh
) -> tuple[dict[str, float], dict[str, Callable[[], None]]]:
    """(name -> how often in a step, name -> function that does it once).

    `ceiling` is no part of a step: a square product of side `CEILING`.
    """
    batch = settings.data.batch_size
    key = jax.random.key(0)

    def noise(*shape: int) -> jax.Array:
        return jax.random.normal(key, shape, jnp.float32)

    found: dict[str, tuple[float, Callable[[], None]]] = {
        "ceiling": (0, _call(jnp.dot, noise(CEILING, CEILING), noise(CEILING, CEILING)))
    }
    for shape, times, run in _linear(settings, plan, mesh):
        found[f"linear {shape}"] = (times, run)
    rows = (sizes.image // sizes.patch) ** 2 + 1
    towers = (
        ("image", rows, sizes.image_width, sizes.image_depth, sizes.image_heads, False),
        ("text", sizes.length, sizes.text_width, sizes.text_depth, sizes.text_heads, True),
    )
    for tower, length, width, depth, heads, causal in towers:
        x = noise(batch, length, width)
        activation = settings.model.towers[tower].encoder.options["activation"]
        found[f"gelu {tower}"] = (
            depth,
            _forward_backward(ACTIVATIONS[activation], noise(batch, length, 4 * width)),
        )
        found[f"attention {tower}"] = (
            depth,
            _forward_backward(
                partial(jax.nn.dot_product_attention, is_causal=causal),
                *(x.reshape(batch, length, heads, -1),) * 3,
            ),
        )
        graph, norm = nnx.split(layer_norm(width, eps=1e-5, dtype=jnp.float32, rngs=nnx.Rngs(0)))
        found[f"layer norm {tower}"] = (
            2 * depth + (2 if tower == "image" else 1),
            _forward_backward(lambda norm, x, graph=graph: nnx.merge(graph, norm)(x), norm, x),
        )
    ids = jax.random.randint(key, (batch, sizes.length), 1, sizes.vocabulary)
    found["embedding"] = (
        1,
        _forward_backward(
            lambda table: jnp.take(table, ids, axis=0), noise(sizes.vocabulary, sizes.text_width)
        ),
    )
    found["optimizer"] = (1, _optimizer(plan))
    return {name: times for name, (times, _) in found.items()}, {
        name: run for name, (_, run) in found.items()
    }


def _call(f: Callable[..., Any], *args: Any) -> Callable[[], None]:
    compiled = jax.jit(f).lower(*args).compile()
    return lambda: jax.block_until_ready(compiled(*args))


def _forward_backward(f: Callable[..., Any], *args: Any) -> Callable[[], None]:
    """f and its gradient by every argument, for a cotangent that is an input."""

    def both(cotangent: Any, *args: Any) -> tuple[Any, Any]:
        value, pull = jax.vjp(f, *args)
        return value, pull(cotangent)

    cotangent = jnp.ones_like(jax.eval_shape(f, *args))
    return _call(both, cotangent, *args)


def _linear(
    settings: Recipe, plan: state_lib.TrainPlan, mesh: jax.sharding.Mesh
) -> Iterator[tuple[str, int, Callable[[], None]]]:
    """(shapes, how often, function) of every product of a step without batch axes.

    Those with batch axes are attention's scores and sums.
    """
    state, batch = state_lib.abstract(settings, plan), inputs.batch_shapes(settings.data)
    jaxpr = jax.make_jaxpr(step_lib.make(settings, plan, mesh))(state, batch).jaxpr
    counts: dict[tuple[Any, ...], int] = {}
    equations: dict[tuple[Any, ...], Any] = {}
    for equation, times in flops_lib.products(jaxpr):
        if equation.primitive.name != "dot_general":
            continue
        contracted, batched = equation.params["dimension_numbers"]
        if batched[0]:
            continue
        operands: list[Any] = list(equation.invars)
        shapes = tuple(v.aval.shape for v in operands)
        kind = (*shapes, contracted)
        counts[kind] = counts.get(kind, 0) + times
        equations[kind] = equation
    for (left, right, contracted), times in counts.items():
        found = equations[left, right, contracted]
        product = partial(jax.lax.dot_general, dimension_numbers=found.params["dimension_numbers"])
        ones = (jnp.ones(v.aval.shape, v.aval.dtype) for v in found.invars)
        name = f"{list(left)}x{list(right)}:{contracted[0]}{contracted[1]}".replace(" ", "")
        yield name, times, _call(product, *ones)


def _optimizer(plan: state_lib.TrainPlan) -> Callable[[], None]:
    """Clipping, AdamW and the norms that a step reports, in place."""
    shapes = plan.definition.kinds(nnx.Param)
    zeros = {path: jnp.zeros(shapes[path].shape, jnp.float32) for path in plan.trained}
    gradient = {path: jnp.full(x.shape, 1e-3) for path, x in zeros.items()}

    def update(
        params: Arrays, moments: optax.OptState, gradient: Arrays
    ) -> tuple[Arrays, optax.OptState, jax.Array, jax.Array]:
        updates, moments = plan.transformation.update(gradient, moments, params)
        params = optax.apply_updates(params, updates)
        return params, moments, optimizer_lib.norm(gradient), optimizer_lib.norm(params)

    moments = plan.transformation.init(zeros)
    compiled = jax.jit(update, donate_argnums=(0, 1)).lower(zeros, moments, gradient).compile()
    held = {"params": zeros, "moments": moments}

    def run() -> None:
        held["params"], held["moments"], *norms = compiled(
            held["params"], held["moments"], gradient
        )
        jax.block_until_ready((held["params"], norms))

    return run
