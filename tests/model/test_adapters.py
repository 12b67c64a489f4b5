"""Adapters: what they compute, that nothing else trains, and what the optimizer holds."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jitted import jitted
from jitted import made as module

from mmjax import recipe as recipe_lib
from mmjax.encoders import ENCODERS, EncoderError
from mmjax.encoders.prompts import Prompts, parted
from mmjax.encoders.transformer import Transformer
from mmjax.errors import ConfigError
from mmjax.model import adapters
from mmjax.model.heads import HEADS
from mmjax.parallel import mesh as mesh_lib
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib

TEXT = {"type": "text_transformer", "vocab_size": 260, "length": 6, "depth": 3, "heads": 2}
VIT = {"type": "vit", "image_size": (8, 8), "patch": 4, "width": 12, "depth": 3, "heads": 2}
LORA = {
    "type": "lora",
    "modules": (r"towers/.*/(query|value)", r"towers/text/.*/mlp/up"),
    "rank": 2,
    "alpha": 6.0,
}
MAPLE = {
    "type": "prompts",
    "towers": ("text", "image"),
    "length": 2,
    "depth": 2,
    "coupling": "text",
}
FREEZE = ("towers/.*", "objectives/.*")


def config(adapters=None, freeze=FREEZE, head=None, **changes):
    head = head or {"type": "linear", "dim": 8}
    tree = {
        "recipe": "tiny",
        "variant": "small",
        "paper": "none",
        "steps": 3,
        "data": {
            "source": {"type": "emoji", "split": "new_concepts"},
            "tokenizer": {"type": "bytes"},
            "views": {"image": {"type": "image", "size": 8}, "text": {"type": "text", "length": 6}},
            "batch_size": 8,
        },
        "model": {
            "towers": {
                "image": {"encoder": VIT, "head": head},
                "text": {"encoder": {**TEXT, "width": 8}, "head": head},
            },
            "adapters": adapters or {},
        },
        "objectives": {"loss": {"type": "info_nce"}},
        "optimizer": {"learning_rate": 1e-2, "schedule": "constant", "freeze": freeze},
        **changes,
    }
    return recipe_lib.complete(tree, "test")


def batch(size=8):
    rng = np.random.default_rng(0)
    text = rng.integers(4, 260, (size, 6), dtype=np.int32)
    text[:, 0], text[:, 4], text[:, 5] = 2, 3, 0
    return {
        "image": rng.normal(size=(size, 8, 8, 3)).astype(np.float32),
        "text": text,
        "id": np.arange(size, dtype=np.int32),
    }


def trained(config, mesh=(1, 1), steps=2):
    """The states before and after some steps, and the losses."""
    count = mesh[0] * mesh[1]
    mesh = mesh_lib.make_mesh(*mesh, 1, devices=jax.devices()[:count])
    plan = state_lib.plan(config, mesh)
    state = state_lib.initial(config, plan)
    before = jax.device_get(state)
    step, losses = step_lib.make(config, plan, mesh), []
    for _ in range(steps):
        state, metrics = step(state, mesh_lib.to_device(batch(), mesh))
        losses.append(float(metrics["loss"]))
    return before, jax.device_get(state), losses, plan


CASES = {
    "linear projectors": ({}, ("towers/.*/encoder/.*", "objectives/.*"), None, 12 * 8 + 8 * 8),
    "MLP projectors": (
        {},
        ("towers/.*/encoder/.*", "objectives/.*"),
        {"type": "mlp", "dim": 8, "hidden": 10},
        (12 * 10 + 10 + 10 * 8 + 8) + (8 * 10 + 10 + 10 * 8 + 8),
    ),
    # Query and value of 3 blocks of both towers, and the first layer of the texts' MLPs.
    "LoRA": (
        {"a": LORA},
        FREEZE,
        None,
        3 * 2 * (12 + 12) * 2 + 3 * 2 * (8 + 8) * 2 + 3 * 2 * (8 + 32),
    ),
    "shallow prompts": (
        {"p": {"type": "prompts", "towers": ("text",), "length": 4}},
        FREEZE,
        None,
        4 * 8,
    ),
    # Card 52: J (n d_t + d_t d_v + d_v).
    "coupled": ({"p": MAPLE}, FREEZE, None, 2 * (2 * 8 + 8 * 12 + 12)),
    # Card 70: K d_r and, for each block and tower, a linear layer.
    "shared": (
        {"p": {**MAPLE, "coupling": "shared", "latent": 5, "first": 1, "depth": None}},
        FREEZE,
        None,
        2 * 5 + 2 * (5 * 12 + 12 + 5 * 8 + 8),
    ),
    # Card 41: K d_r, a linear layer for each tower, and for each block updates and a bias.
    "shared, of low rank": (
        {"p": {**MAPLE, "coupling": "shared", "latent": 5, "first": 1, "depth": None, "rank": 3}},
        FREEZE,
        None,
        2 * 5 + 5 * (12 + 8) + 2 * (3 * (5 + 12) + 12 + 3 * (5 + 8) + 8),
    ),
    "both": (
        {"a": LORA, "p": {**MAPLE, "coupling": "none"}},
        FREEZE,
        None,
        3 * 2 * (12 + 12) * 2 + 3 * 2 * (8 + 8) * 2 + 3 * 2 * (8 + 32) + 2 * 2 * (8 + 12),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_optimizer_holds_the_bytes_of_what_trains_and_no_more(case):
    specs, freeze, head, count = CASES[case]
    own = config(specs, freeze, head)
    plan = state_lib.plan(own, mesh_lib.make_mesh(devices=jax.devices()[:1]))
    state = jax.eval_shape(lambda: state_lib.initial(own, plan))
    size = lambda tree: sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))  # noqa: E731
    assert size(state.params) == 4 * count
    counters = sum(
        x.size * x.dtype.itemsize for x in jax.tree.leaves(state.optimizer) if not x.ndim
    )
    assert size(state.optimizer) - counters == 2 * 4 * count
    assert counters <= 16
    whole = sum(s.size * s.dtype.itemsize for s in plan.definition.kinds(nnx.Variable).values())
    assert size(state.constants) == whole - 4 * count > 0


@pytest.mark.smoke
def test_only_adapters_move():
    before, after, _, plan = trained(config({"a": LORA, "p": MAPLE}))
    for path, array in after.constants.items():
        np.testing.assert_array_equal(array, before.constants[path])
    assert {path for path in after.params if not path.startswith("adapters/p/")} == {
        path for path in plan.definition.variables if path.endswith(("lora_a", "lora_b"))
    }
    for path in after.params:
        assert np.any(after.params[path] != before.params[path]), path


def test_a_teacher_without_adapters_is_the_model_before_them():
    taught = {"type": "frozen", "views": ("image", "text"), "adapters": False}
    objectives = {"loss": {"type": "info_nce"}, "same": {"type": "offdiag_distill"}}
    own = config({"a": LORA, "p": MAPLE}, teacher=taught, objectives=objectives)
    before, after, losses, plan = trained(own)
    assert after.teacher == {}  # what it embeds with is frozen, and nothing is copied
    teacher, values = plan.teacher, {k: v for k, v in batch().items() if k != "id"}
    keys = jax.random.split(jax.random.key(0), 8)

    @jax.jit
    def embedded(constants, params, own):
        arrays = teacher.arrays({**constants, **params}, own)
        found = teacher.embed(plan.definition.merge(arrays), teacher.entries(values), keys)
        return {name: e.unit for name, e in found.items()}

    start, end = (embedded(s.constants, s.params, s.teacher) for s in (before, after))
    plain = state_lib.plan(config({}, freeze=()), mesh_lib.make_mesh(devices=jax.devices()[:1]))
    arrays = {p: a for p, a in before.constants.items() if p in plain.definition.variables}
    for name, e in jitted(plain.definition.merge(arrays), "embed")(values).items():
        np.testing.assert_allclose(start[f"teacher/{name}"], e.unit, atol=1e-6)
        np.testing.assert_array_equal(end[f"teacher/{name}"], start[f"teacher/{name}"])
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("rank", [None, 2])
def test_a_head_reads_what_became_of_the_prompts(rank):
    """Their mean, after the last norm; with a rank it starts as the first head."""
    own = config({"p": MAPLE}, freeze=("towers/.*/(encoder|head)/.*", "objectives/.*"))
    tower = own.model.towers["image"]
    heads = {"prompts": HEADS.spec("prompts", dim=8, rank=rank)}
    towers = {**own.model.towers, "image": dataclasses.replace(tower, heads=heads)}
    own = dataclasses.replace(own, model=dataclasses.replace(own.model, towers=towers))
    plan = state_lib.plan(own, mesh_lib.make_mesh(devices=jax.devices()[:1]))
    head = {path for path in plan.trained if not path.startswith("adapters/")}
    assert head == {path for path in plan.definition.variables if "/heads/prompts/" in path}
    state = state_lib.initial(own, plan)
    system = plan.definition.merge({**state.constants, **state.params})
    values = {k: v for k, v in batch().items() if k != "id"}
    image = jitted(system, "embed")(values)["image"]
    mean = np.asarray(image.encoding.prompts, np.float64).mean(1)
    first = np.asarray(system.towers["image"].head.project.kernel[...])
    if rank is None:
        kernel = system.towers["image"].heads["prompts"].project.kernel[...]
        assert 0.5 < np.std(kernel) * 12**0.5 < 1.5
    else:
        down, up = system.towers["image"].heads["prompts"].update
        low = np.asarray(down.kernel[...], np.float64)
        assert np.abs(low).max() <= 2**-0.5
        np.testing.assert_allclose(image.heads["prompts"].raw, mean @ first, atol=1e-5)
        up.kernel[...] = np.ones(up.kernel.shape, np.float32)
        image = jitted(system, "embed")(values)["image"]
        kernel = first + low @ np.ones(up.kernel.shape)
    np.testing.assert_allclose(image.heads["prompts"].raw, mean @ kernel, atol=1e-5)
    plainly = jax.eval_shape(lambda: system.embed(values, prompted=False))
    assert not plainly["image"].heads  # as a teacher without adapters


def test_a_head_on_prompts_needs_some_and_a_first_head_of_its_size():
    with pytest.raises(EncoderError, match="no adapter of type 'prompts' gives any"):
        trained(config({}, (), {"type": "prompts", "dim": 8}), steps=1)
    own = config({"p": MAPLE}, freeze=("towers/text/.*",))
    tower = own.model.towers["image"]
    heads = {"prompts": HEADS.spec("prompts", dim=6, rank=2)}
    towers = {"image": dataclasses.replace(tower, heads=heads), "text": own.model.towers["text"]}
    own = dataclasses.replace(own, model=dataclasses.replace(own.model, towers=towers))
    with pytest.raises(EncoderError, match="beside a 'head' of dim=6"):
        trained(own, steps=1)


@pytest.mark.slow
def test_fsdp_changes_nothing():
    _, after, losses, _ = trained(config({"a": LORA, "p": MAPLE}))
    sharded = config({"a": LORA, "p": MAPLE}, mesh={"data": 2, "fsdp": 4, "fsdp_min_size": 8})
    _, other, again, plan = trained(sharded, (2, 4))
    np.testing.assert_allclose(again, losses, rtol=1e-5)
    assert any("fsdp" in str(plan.partition[path]) for path in plan.trained)
    for path in after.params:
        np.testing.assert_allclose(other.params[path], after.params[path], atol=2e-5)


def test_a_lora_is_its_merged_layers():
    own = config({"a": LORA})
    plan = state_lib.plan(own, mesh_lib.make_mesh(devices=jax.devices()[:1]))
    rng = np.random.default_rng(0)
    arrays = {
        path: (0.3 * rng.normal(size=s.shape)).astype(s.dtype)
        for path, s in plan.definition.kinds(nnx.Variable).items()
    }
    left, merged = adapters.merge_updates(own.model.adapters, arrays)
    assert left == {}
    plain = config({}, freeze=())
    there = state_lib.plan(plain, mesh_lib.make_mesh(devices=jax.devices()[:1]))
    assert set(merged) == set(there.definition.variables)

    def embed(plan, arrays):
        values = {k: v for k, v in batch().items() if k != "id"}
        found = jitted(plan.definition.merge(arrays), "embed")(values)
        return {k: e.unit for k, e in found.items()}

    a, b = embed(plan, arrays), embed(there, merged)
    for name in ("image", "text"):
        np.testing.assert_allclose(a[name], b[name], atol=1e-5)
    path = "towers/text/encoder/transformer/blocks/attention/query"
    wanted = arrays[f"{path}/kernel"] + 3 * arrays[f"{path}/lora_a"] @ arrays[f"{path}/lora_b"]
    np.testing.assert_allclose(merged[f"{path}/kernel"], wanted, atol=1e-6)
    # At the start B is 0, and the model is what it was.
    start = {**arrays, **{p: 0 * a for p, a in arrays.items() if p.endswith("lora_b")}}
    without = {p: a for p, a in arrays.items() if "lora" not in p}
    for name, unit in embed(plan, start).items():
        np.testing.assert_allclose(unit, embed(there, without)[name], atol=1e-6)


@pytest.mark.parametrize(
    ("first", "depth", "causal", "scan", "blend"),
    [
        (0, 1, True, True, 1.0),
        (1, 2, False, True, 0.7),
        (2, 2, True, True, 1.0),
        (0, 4, True, False, 0.4),
    ],
)
def test_prompts_block_by_block(first, depth, causal, scan, blend):
    """As the cards say it: put in behind the first position, replaced, taken out at the end."""
    sizes = dict(width=8, depth=4, heads=2, scan=scan)
    stack = module(lambda: Transformer(**sizes, dtype=jnp.float32, rngs=nnx.Rngs(0)))
    rng = np.random.default_rng(first)
    x = rng.normal(size=(3, 5, 8)).astype(np.float32)
    mask = np.asarray([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]], bool)
    values = rng.normal(size=(depth, 2, 8)).astype(np.float32)

    @jax.jit
    def whole(stack, x, values):
        prompts = Prompts(values, first, blend)
        return parted(stack(x, mask=mask, causal=causal, prompts=prompts), prompts)

    @jax.jit
    def by_blocks(stack, x, values):
        graphdef, parameters = nnx.split(stack.blocks)
        there = np.concatenate([mask[:, :1], np.ones((3, 2), bool), mask[:, 1:]], axis=1)
        for i in range(4):
            block = nnx.merge(graphdef, jax.tree.map(lambda leaf, i=i: leaf[i], parameters))
            if first <= i < first + depth:
                rest = x[:, 1:] if i == first else x[:, 3:]
                own = jnp.broadcast_to(values[i - first], (3, 2, 8))
                own = own if i == first else blend * own + (1 - blend) * x[:, 1:3]
                x = jnp.concatenate([x[:, :1], own, rest], axis=1)
            x = block(x, mask=there if i >= first else mask, causal=causal)
        return stack.norm(jnp.concatenate([x[:, :1], x[:, 3:]], axis=1)), stack.norm(x[:, 1:3])

    got, ends = whole(stack, x, values)
    want, prompted = by_blocks(stack, x, values)
    np.testing.assert_allclose(ends, prompted, atol=1e-5)
    np.testing.assert_allclose(np.asarray(got)[mask], np.asarray(want)[mask], atol=1e-5)
    assert got.shape == (3, 5, 8)


def test_coupled_prompts_are_images_of_the_leaders():
    encoders = {
        name: nnx.eval_shape(
            lambda spec=spec: ENCODERS.spec(**spec).build(dtype=jnp.float32, rngs=nnx.Rngs(0))
        )
        for name, spec in (("text", {**TEXT, "width": 8}), ("image", VIT))
    }
    options = dict(towers=("text", "image"), depth=3, coupling="text", encoders=encoders)
    made = module(lambda: adapters.PromptTokens(**options, rngs=nnx.Rngs(1)))
    prompts = jax.jit(lambda made: made(encoders))
    found = prompts(made)
    assert found["text"].values.shape == (3, 2, 8)
    p, f, b = (
        np.asarray(v[...], np.float64)
        for v in (made.vectors["text"], made.kernels["image"], made.biases["image"])
    )
    np.testing.assert_allclose(found["image"].values, p @ f + b[:, None], atol=1e-6)
    np.testing.assert_array_equal(f[0], f[2])  # one start for all blocks, as published
    assert 0.005 < p.std() < 0.05
    assert np.abs(f).max() <= 8**-0.5
    # A gradient of the images alone reaches the leader's vectors.
    graphdef, params = nnx.split(made)
    loss = lambda q: (nnx.merge(graphdef, q)(encoders)["image"].values ** 2).sum()  # noqa: E731
    grads = jax.jit(jax.grad(loss))(params)
    flat = {"/".join(map(str, k)): v[...] for k, v in nnx.to_flat_state(grads)}
    assert np.any(flat["vectors/text"])


def test_updates_of_low_rank_are_of_one_shared_map():
    encoders = {
        name: nnx.eval_shape(
            lambda spec=spec: ENCODERS.spec(**spec).build(dtype=jnp.float32, rngs=nnx.Rngs(0))
        )
        for name, spec in (("text", {**TEXT, "width": 8}), ("image", VIT))
    }
    options = dict(
        towers=("text", "image"), depth=3, coupling="shared", latent=5, encoders=encoders
    )
    made = module(lambda: adapters.PromptTokens(**options, rank=2, blend=0.9, rngs=nnx.Rngs(1)))
    prompts = jax.jit(lambda made: made(encoders))
    r, f, b = (
        np.asarray(v[...], np.float64)
        for v in (made.shared, made.kernels["image"], made.biases["image"])
    )
    assert f.shape == (1, 5, 12)
    start = prompts(made)["image"]
    assert start.blend == 0.9
    np.testing.assert_allclose(start.values, r @ f + b[:, None], atol=1e-6)
    rng = np.random.default_rng(0)
    low = rng.normal(size=(3, 5, 2))
    made.updates_b["image"][...] = jnp.asarray(low, jnp.float32)
    a = np.asarray(made.updates_a["image"][...], np.float64)
    assert 0.3 < np.abs(a).max() <= 2**-0.5
    found = prompts(made)["image"].values
    np.testing.assert_allclose(found, r @ (f + low @ a) + b[:, None], atol=1e-6)
    with pytest.raises(ConfigError, match="coupling='none' has none"):
        adapters.PromptTokens(**{**options, "coupling": "none"}, rank=2, rngs=nnx.Rngs(1))


def test_prompts_start_as_words():
    """Before the first block they are what the text's tower makes of the words there."""
    encoders = {
        name: module(
            lambda spec=spec: ENCODERS.spec(**spec).build(dtype=jnp.float32, rngs=nnx.Rngs(0))
        )
        for name, spec in (("text", {**TEXT, "width": 8}), ("image", VIT))
    }
    options = dict(towers=("text", "image"), length=3, depth=2, coupling="text")
    made = module(
        lambda: adapters.PromptTokens(
            **options, words={"text": (70, 9)}, encoders=encoders, rngs=nnx.Rngs(1)
        )
    )
    text = encoders["text"]
    token = np.asarray(text.token[...])
    want = token[[70, 9]] + np.asarray(text.position[...])[1:3]
    values = np.asarray(jitted(made)(encoders)["text"].values)
    first, second = values
    np.testing.assert_allclose(first[:2], want, atol=1e-7)
    assert 0.001 < np.std(first[2]) < 0.06
    assert 0.005 < np.std(second) < 0.06
    # A text that has them itself goes the same way: of causal blocks, up to the prompts' end.
    plain = np.asarray(jitted(text)(np.asarray([[2, 70, 9, 30, 3, 0]])).tokens)
    kept = np.asarray([[2, 30, 3, 0, 0, 0]])
    put_in = jax.jit(lambda text, values: text(kept, prompts=Prompts(values)).prompts)
    found = put_in(text, values[:1, :2])
    np.testing.assert_allclose(found, plain[:, 1:3], atol=1e-5)
    # They are the words of the weights that the tower has by then, and learn beside them.
    text.token[...] = 2 * token
    again = np.asarray(jitted(made)(encoders)["text"].values)
    np.testing.assert_allclose(again[0, :2] - want, token[[70, 9]], atol=1e-6)
    made.vectors["text"][...] = np.asarray(made.vectors["text"][...]) + 1
    found = np.asarray(jitted(made)(encoders)["text"].values)
    np.testing.assert_allclose(found - again, 1.0, atol=1e-6)


def test_words_get_no_gradient_and_prompts_train():
    maple = {"p": {**MAPLE, "words": {"text": (70, 9)}}}
    before, after, *_ = trained(config(maple))
    same = [path for path, value in after.params.items() if not np.any(value - before.params[path])]
    assert not same
    assert all(path.startswith("adapters/p/") for path in after.params)
    np.testing.assert_array_equal(
        after.constants["towers/text/encoder/token"], before.constants["towers/text/encoder/token"]
    )


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ({"a": {**LORA, "modules": ("towers/sound/.*",)}}, r"a.modules: no linear layer matches"),
        ({"a": LORA, "b": LORA}, "has an update by another adapter"),
        ({"a": {**LORA, "rank": 0}}, r"a\.rank' should be at least 1"),
        ({"p": {**MAPLE, "towers": ("sound",), "coupling": "none"}}, "'sound' is no tower"),
        ({"p": {**MAPLE, "depth": 9}}, "depth=9 do not fit transformers of 3 blocks"),
        ({"p": {**MAPLE, "coupling": "sound"}}, "coupling='sound' is neither"),
        ({"p": {**MAPLE, "words": {"image": (1,)}}}, r"words=.* are for towers of texts"),
        ({"p": {**MAPLE, "words": {"text": (1, 2, 3)}}}, "from 1 to length=2 ids below 260"),
        ({"p": {**MAPLE, "words": {"text": (260,)}}}, "ids below 260"),
        ({"p": {**MAPLE, "first": 1, "words": {"text": (1,)}}}, "and first=1"),
        ({"p": MAPLE, "q": MAPLE}, "'p' and 'q' both give 'text' prompts"),
    ],
)
def test_adapters_that_fit_no_model(specs, message):
    with pytest.raises(ConfigError, match=message):
        state_lib.plan(config(specs), mesh_lib.make_mesh(devices=jax.devices()[:1]))


def test_unknown_keys_and_nothing_to_train():
    with pytest.raises(ConfigError, match=r"model\.adapters\.p\.lenght'; did you mean 'length'"):
        config({"p": {**MAPLE, "lenght": 3}})
    with pytest.raises(ConfigError, match="every parameter is frozen"):
        state_lib.plan(config({}), mesh_lib.make_mesh(devices=jax.devices()[:1]))
