"""Further heads of a tower: what terms and evaluators read by them, and tokens through a head."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax.errors import ConfigError
from mmjax.model.config import ModelConfig
from mmjax.model.definition import Definition
from mmjax.objectives import Context, TermError, configs
from mmjax.parallel import mesh as mesh_lib
from mmjax.parallel.pairwise import Plan
from mmjax.system.embedder import Embedder
from mmjax.system.system import System

LINEAR = {"type": "linear", "dim": 4}
OTHER = {"type": "mlp", "dim": 6, "hidden": 5}


def system_of(heads, objectives, tokens=False):
    encoder = {"type": "token_mlp", "inputs": 3, "hidden": (7,), "width": 5}
    towers = {
        name: {"encoder": encoder, "head": {**LINEAR, "tokens": tokens}, "heads": heads or {}}
        for name in "ab"
    }
    model = ModelConfig.of({"towers": towers})
    return System(model, configs(objectives), dtype=jnp.float32, rngs=nnx.Rngs(0))


def batch():
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(8, 2, 3)).astype(np.float32) for name in "ab"}


CLIP = {"type": "info_nce", "pairs": (("a", "b"),)}


@pytest.mark.long
def test_a_term_reads_the_head_that_it_names_and_trains_it_alone():
    system = system_of({"local": OTHER}, {"clip": {**CLIP, "head": "local"}, "own": CLIP})
    graph, params, rest = nnx.split(system, nnx.Param, ...)

    def loss(params, term):
        system = nnx.merge(graph, params, rest)
        return system.objectives(system.embed(batch()), batch(), Context(Plan()))[1][f"{term}/loss"]

    outputs = system.embed(batch())
    local, same = outputs["a"].heads["local"], system.towers["a"].heads["local"]
    np.testing.assert_allclose(local.raw, same(outputs["a"].encoding.pooled), rtol=1e-6)
    for term, reached in (("clip", "heads/local"), ("own", "head/")):
        grads = nnx.to_flat_state(jax.grad(loss)(params, term))
        moved = {
            "/".join(map(str, path[2:]))
            for path, g in grads
            if path[0] == "towers" and np.abs(g[...]).max() > 0
        }
        assert any(path.startswith(reached) for path in moved)
        assert all(path.startswith((reached, "encoder")) for path in moved)


def test_layers_of_an_embedder_are_heads_and_mixtures_of_them():
    system = system_of({"local": OTHER}, {"own": CLIP})
    definition = Definition.of(lambda: system_of({"local": OTHER}, {"own": CLIP}))
    model = Embedder(
        definition, Definition.arrays(system), mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1])
    )
    x = batch()
    raw = system.embed(x)["a"].raw
    np.testing.assert_allclose(model.embed("a", x["a"], "raw"), raw, rtol=2e-6, atol=1e-6)
    z, h, both = (
        [model.embed(name, x[name], layer) for name in "ab"]
        for layer in ("unit", "local", "unit+local")
    )
    assert h[0].shape == (8, 6)
    np.testing.assert_allclose(np.linalg.norm(both[0], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(both[0] @ both[1].T, (z[0] @ z[1].T + h[0] @ h[1].T) / 2, atol=1e-6)
    mixed = [model.embed(name, x[name], "0.7*unit+.2*local") for name in "ab"]
    want = (0.7 * z[0] @ z[1].T + 0.2 * h[0] @ h[1].T) / 0.9
    np.testing.assert_allclose(mixed[0] @ mixed[1].T, want, atol=1e-6)
    for wrong in ("0*unit+local", "x*unit", "-1*unit"):
        with pytest.raises(ValueError, match="should be a number above 0"):
            model.embed("a", x["a"], wrong)
    said = "'a' has no 'global', only 'encoder', 'local', 'raw', 'unit'"
    with pytest.raises(ValueError, match=said):
        model.embed("a", x["a"], "unit+global")


def test_a_head_that_no_tower_has_is_an_error():
    system = system_of({"local": OTHER}, {"clip": {**CLIP, "head": "lokal"}})
    with pytest.raises(TermError, match=r"'objectives.clip.head' is 'lokal', .*\['local'\]"):
        system.objectives(system.embed(batch()), batch(), Context(Plan()))


def test_a_term_reads_a_head_of_one_view_and_the_first_of_another():
    wide = {"type": "linear", "dim": 6}
    objectives = {
        "a": {"type": "alignment", "pairs": (("a", "b"),), "head": {"a": "local", "b": "same"}},
        "b": {"type": "alignment", "pairs": (("a", "b"),), "head": {"b": "narrow"}},
    }
    heads = {"local": wide, "same": wide, "narrow": LINEAR}
    system = system_of(heads, objectives)
    outputs = system.embed(batch())
    found = system.objectives(outputs, batch(), Context(Plan()))[1]
    a, b = (outputs[name].heads for name in "ab")
    for term, x, y in (("a", a["local"], b["same"]), ("b", outputs["a"], b["narrow"])):
        want = ((x.unit - y.unit) ** 2).sum(1).mean()
        np.testing.assert_allclose(found[f"{term}/loss"], want, rtol=1e-5)
    system = system_of(heads, {"a": {**objectives["a"], "head": {"a": "lokal"}}})
    with pytest.raises(TermError, match=r"'objectives\.a\.head\.a' is 'lokal'"):
        system.objectives(system.embed(batch()), batch(), Context(Plan()))


def test_tokens_go_through_the_same_layer():
    system = system_of(None, {"own": CLIP}, tokens=True)
    found = system.embed(batch())["a"]
    want = found.encoding.tokens @ system.towers["a"].head.project.kernel[...]
    np.testing.assert_allclose(
        found.tokens, want / np.linalg.norm(want, axis=-1, keepdims=True), rtol=1e-5
    )
    assert system_of(None, {"own": CLIP}).embed(batch())["a"].tokens is None


def test_options_of_further_heads_are_checked():
    from mmjax import recipe as config

    recipe = "configs/clip_uniform.py:latent"
    with pytest.raises(ConfigError, match=r"'model.towers.a.heads.local.dimension'; did you mean"):
        config.load(recipe, ["model.towers.a.heads={'local': {'type': 'linear', 'dimension': 3}}"])
    loaded = config.load(recipe, ["model.towers.a.heads={'local': {'type': 'linear', 'dim': 3}}"])
    assert loaded.model.towers["a"].heads["local"].options["bias"] is False
