"""Checks that the parts of a recipe fit each other, before any data is read.

`mmjax.recipe` knows every key by itself; here shapes are worked out (nothing is computed), so that
a view that its encoder refuses, or towers whose embeddings cannot be compared, end a run at once
and with the keys to change.
"""

import math
import os
from collections.abc import Mapping
from typing import Any, cast

import jax
from flax import nnx

from mmjax.data import inputs, mixing
from mmjax.data.views import View
from mmjax.encoders import EncoderError
from mmjax.errors import ConfigError, unknown
from mmjax.evaluators import EvalData, EvaluatorConfig
from mmjax.model.embedding import Embedding
from mmjax.model.outputs import by_output, of_model
from mmjax.objectives import Context, ObjectiveConfig, Term
from mmjax.parallel import mesh as mesh_lib
from mmjax.parallel import microbatch
from mmjax.recipe import Recipe
from mmjax.schema.names import modality_of
from mmjax.schema.registry import Spec
from mmjax.system import galleries as gallery_lib
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib
from mmjax.train.state import TrainPlan

Arrays = Mapping[str, jax.Array]


def check_model(recipe: Recipe, plan: TrainPlan, mesh: jax.sharding.Mesh) -> None:
    """Checks that the batch fits the mesh, views their encoders, and towers the objective terms.

    Args:
      recipe: whole.
      plan: of the same recipe.
      mesh: of devices.

    Raises:
      ConfigError: with the keys that do not fit.
      TermError: for what a term itself finds wrong.
    """
    size, count = recipe.data.batch_size, recipe.microbatches
    mesh_lib.batch_size_fits(size, mesh)
    if count > 1:
        microbatch.Slices(size, count, mesh)
        of_batches = [path for path in plan.definition.kinds(nnx.BatchStat) if "towers/" in path]
        if of_batches:
            raise ConfigError(
                f"microbatches={count} cannot be exact: {of_batches[0]!r} is computed from the "
                "whole batch; set microbatches=1, or a norm other than 'batch' in that tower"
            )
    batch = jax.eval_shape(
        lambda given: of_model(recipe.outputs, given, recipe.fused),
        inputs.batch_shapes(recipe.data),
    )
    arrays = plan.definition.kinds(nnx.Variable)
    outputs = {
        name: _embedding(recipe, plan, arrays, name, batch[name])
        for name, output in recipe.outputs.items()
        if output.tower is not None and output.train
    }
    outputs |= _fused(recipe, plan, arrays, outputs, batch)
    if not recipe.steps:
        return  # no loss is computed
    for name, objective in recipe.objectives.items():
        least = cast("type[Term]", objective.term.word).least_rows
        if size < least:
            raise ConfigError(
                f"'data.batch_size' is {size}, but 'objectives.{name}' ({objective.term.type}) "
                f"compares the rows of a batch: at least {least} are needed"
            )
        _check_dim(name, objective, outputs)
        if objective.head is None:
            for pair in objective.term.options.get("pairs") or ():
                _check_pair(f"objectives.{name}.pairs", tuple(pair), outputs, recipe)

    def loss(
        arrays: Arrays,
        outputs: Mapping[str, Embedding],
        batch: Arrays,
        key: jax.Array,
        queue: Arrays,
        galleries: Arrays,
    ) -> Any:
        system = plan.definition.merge(arrays)
        batch = mixing.mixed(recipe.data.mix_inputs, batch, key)
        known = gallery_lib.embed(system, recipe.data.galleries, galleries, mesh)
        context = Context(
            plan=step_lib.loss_plan(recipe, mesh),
            progress=0.0,
            rng=key,
            teacher=None if plan.teacher is None else plan.teacher.like(outputs, known),
            queue=None if plan.queue is None else plan.queue.read(queue),
            galleries=known,
        )
        return system.objectives(outputs, batch, context)[0]

    key, queue = jax.eval_shape(lambda: jax.random.key(0)), state_lib.queue_shapes(recipe, plan)
    galleries = inputs.gallery_shapes(recipe.data)
    jax.eval_shape(loss, arrays, outputs, batch, key, queue, galleries)


def check_memory(recipe: Recipe, plan: TrainPlan, mesh: jax.sharding.Mesh) -> None:
    """Refuses sizes for which the memory is too small by parameters or batches alone.

    Args:
      recipe: whole.
      plan: of the same recipe.
      mesh: of the devices here.

    Raises:
      ConfigError: with what is needed and what there is.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    part = sum(map(_size, inputs.batch_shapes(recipe.data).values())) // jax.process_count()
    ahead = part * (1 + recipe.data.prefetch)
    if ahead > machine:
        raise ConfigError(
            f"'data.batch_size' ({recipe.data.batch_size}) x (1 + 'data.prefetch') x the sizes in "
            f"'data.views' are {_gib(ahead)}, and this machine has {_gib(machine)} of memory"
        )
    device = mesh.local_devices[0]
    stats = device.memory_stats()  # None of a CPU, whose devices share the machine's
    there = stats["bytes_limit"] if stats else machine / len(mesh.local_devices)
    layouts = {**plan.shardings.constants, **plan.shardings.params}
    needed = sum(
        _size(jax.ShapeDtypeStruct(layouts[path].shard_shape(leaf.shape), leaf.dtype))
        for path, leaf in plan.definition.kinds(nnx.Variable).items()
    )
    if needed > there:
        raise ConfigError(
            f"the parameters alone need {_gib(needed)} of each device, which has {_gib(there)}: "
            "see the sizes in 'model' and 'objectives', or split them by 'mesh.fsdp'"
        )


def _size(leaf: jax.ShapeDtypeStruct) -> int:
    """Bytes of an array of this shape."""
    return int(math.prod(leaf.shape) * leaf.dtype.itemsize)


def _gib(count: float) -> str:
    return f"{count / 2**30:.3g} GiB"


def _embedding(
    recipe: Recipe,
    plan: TrainPlan,
    arrays: Mapping[str, jax.ShapeDtypeStruct],
    name: str,
    values: jax.ShapeDtypeStruct,
) -> Embedding:
    """Shapes of what the tower of a view makes of it."""
    output = recipe.outputs[name]

    def embed(arrays: Mapping[str, jax.Array], x: jax.Array, key: jax.Array) -> Embedding:
        # As in training, where there is any: what is hidden then is what terms ask for.
        model = plan.definition.merge(arrays)
        return model.embed({name: x}, train=recipe.steps > 0, key=key)[name]

    try:
        key = jax.eval_shape(lambda: jax.random.key(0))
        shapes: Embedding = jax.eval_shape(embed, arrays, values, key)
    except EncoderError as error:
        options = recipe.model.towers[modality_of(name)].encoder.options
        keys = [key for key in ("image_size", "length", "inputs", "channels") if key in options]
        said = ", ".join(f"{key}={options[key]}" for key in keys)
        raise ConfigError(
            f"'data.views.{output.view}' makes {values.dtype}{list(values.shape)}, which "
            f"'model.towers.{output.tower}.encoder' ({said}) does not take: {error}"
        ) from error
    return shapes


def _fused(
    recipe: Recipe,
    plan: TrainPlan,
    arrays: Mapping[str, jax.ShapeDtypeStruct],
    outputs: Mapping[str, Embedding],
    batch: Arrays,
) -> dict[str, Embedding]:
    """Shapes of what fusions make of the towers' embeddings."""

    def fuse(
        arrays: Arrays, outputs: Mapping[str, Embedding], batch: Arrays, key: jax.Array
    ) -> dict[str, Embedding]:
        model = plan.definition.merge(arrays)
        return model.fuse(outputs, batch, train=recipe.steps > 0, key=key)

    key = jax.eval_shape(lambda: jax.random.key(0))
    shapes: dict[str, Embedding] = jax.eval_shape(fuse, arrays, outputs, batch, key)
    return shapes


def _check_dim(name: str, objective: ObjectiveConfig, outputs: Mapping[str, Embedding]) -> None:
    """A term with the option `dim` is told the size of the embeddings that it reads."""
    told, head = objective.term.options.get("dim"), objective.head
    for _, view in objective.term.reads():
        seen: Embedding | None = outputs[view]
        own = head.get(view) if isinstance(head, dict) else head
        if own is not None:
            seen = (outputs[view].heads or {}).get(own)
        if told is not None and seen is not None and seen.unit.shape[-1] != told:
            raise ConfigError(
                f"'objectives.{name}.dim' is {told}, but the embeddings of {view!r} have "
                f"{seen.unit.shape[-1]} numbers: set it to {seen.unit.shape[-1]}"
            )


def _check_pair(
    where: str, pair: tuple[str, ...], outputs: Mapping[str, Embedding], recipe: Recipe
) -> None:
    sizes = {name: outputs[name].unit.shape[-1] for name in pair if name in outputs}
    if len(set(sizes.values())) > 1:

        def place(name: str) -> str:
            part = modality_of(name)
            return f"model.fusions.{part}" if name in recipe.fused else f"model.towers.{part}.head"

        said = " and ".join(
            f"{size} numbers for {name!r} ('{place(name)}')" for name, size in sizes.items()
        )
        raise ConfigError(
            f"{where!r} compares {said}: give both towers heads of one size, such as "
            "{'type': 'linear', 'dim': 256}"
        )


def check_tokenizer(recipe: Recipe, views: Mapping[str, View]) -> None:
    """Checks that tokenizer and text encoders agree on vocabulary size and special token ids.

    Args:
      recipe: whole.
      views: name -> View, with the tokenizer that has been read.

    Raises:
      ConfigError: for a vocabulary that is too small, and for other ids of padding and end.
    """
    spec = recipe.data.tokenizer
    for name, view in by_output(recipe.outputs, views).items():
        tokenizer, tower = view.tokenizer, recipe.model.towers.get(modality_of(name))
        if tokenizer is None or tower is None or spec is None:
            continue
        encoder, where = tower.encoder.options, f"model.towers.{modality_of(name)}.encoder"
        if isinstance(stem := encoder.get("stem"), Spec):  # of a tower of a shared trunk
            encoder, where = stem.options, f"{where}.stem"
        if "vocab_size" not in encoder:
            continue
        file = f"'data.tokenizer' ({spec.options.get('path', spec.type)})"
        cure = None
        if tower.init_from is not None:  # what weights were trained on is no option to be set
            path = tower.init_from.path
            cure = f"take the tokenizer of {path}; weights={path!r} without data.tokenizer does"
        if tokenizer.vocab_size > encoder["vocab_size"]:
            raise ConfigError(
                f"{file} has {tokenizer.vocab_size:,} ids, but '{where}.vocab_size' is "
                f"{encoder['vocab_size']:,}, and an id beyond it has no embedding: "
                f"{cure or f'set it to {tokenizer.vocab_size}'}"
            )
        roles = [("pad_id", "pads with")]
        if encoder.get("pool") == "eot" and view.eos:
            roles.append(("eos_id", "ends a text with"))
        for role, does in roles:
            told, used = encoder.get(role), getattr(tokenizer, role)
            if told is not None and told != used:
                raise ConfigError(
                    f"{file} {does} the id {used}, but '{where}.{role}' is {told}: "
                    f"{cure if cure and role == 'eos_id' else f'set it to {used}'}"
                )


def check_evaluator(where: str, config: EvaluatorConfig, source: str, data: EvalData) -> None:
    """Checks that a source of an evaluator has the modalities and labels that it asks for.

    Args:
      where: path of the evaluator in the recipe.
      config: of the evaluator.
      source: its name, such as `source` or `train`.
      data: the source, opened.

    Raises:
      ConfigError: for a modality or a label that the source lacks.
    """
    where = f"{where}.{source}"
    for path, name in config.reads("view", source):
        if name not in data.names:
            raise ConfigError(
                f"'{path}' asks for {name!r}, which '{where}' does not have: it "
                f"has {', '.join(map(repr, data.source.modalities))}"
            )
    known = ("id", *data.source.label_fields, *data.names)
    for path, name in config.reads("label", source):
        if name not in known:
            raise unknown(name, known, path, where, "label")
