"""Foreign models with random weights in the real layout, and the same in JAX to compare with."""

import numpy as np
from third_party import needs


def torch_and(*names):
    """torch and further modules; the test is skipped where the extra is not installed."""
    return [needs(name) for name in ("torch", *names)]


def randomize(module, seed=0):
    """Gives every parameter random numbers, so that none is at a start that hides a mistake."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "logit_" in name:
                continue
            noise = torch.randn(parameter.shape, generator=generator)
            around = 1.0 if parameter.ndim == 1 and name.endswith("weight") else 0.0
            parameter.copy_(around + 0.15 * noise)
    return module.eval()


def embed(folder, part, values, encoder=None, head=True):
    """(raw f32[B, D], pooled f32[B, W]) of a folder's tower, read by us."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from mmjax.model.definition import Definition
    from mmjax.model.towers import Tower
    from mmjax.weights.foreign import Weights, complete

    weights = Weights(str(folder))
    own = weights.part(part, (encoder or {}).get("type"))
    own = own if head else own.encoder_only()
    tower = complete(own)
    spec = tower.encoder.changed(**(encoder or {}))
    loaded = weights.tower(part, spec, head=head)

    def make():
        rngs = nnx.Rngs(0)
        built = spec.build(dtype=jnp.float32, rngs=rngs)
        return Tower(built, tower.head.build(width=built.width, dtype=jnp.float32, rngs=rngs))

    definition = Definition.of(make)
    arrays = {path: jnp.asarray(loaded[path]) for path in loaded}
    out = jax.jit(lambda arrays, x: definition.merge(arrays)(x))(arrays, jnp.asarray(values))
    return np.asarray(out.raw), np.asarray(out.encoding.pooled)


def pictures(size, rows=3, seed=0):
    """f32[rows, height, width, 3], and the same for torch, [rows, 3, height, width]."""
    import torch

    height, width = (size, size) if isinstance(size, int) else size
    x = np.random.default_rng(seed).normal(size=(rows, height, width, 3)).astype(np.float32)
    return x, torch.tensor(x).permute(0, 3, 1, 2)


def texts(length, vocabulary, *, eos, pad, rows=4, seed=0):
    """i32[rows, length] with ends at different positions, and real positions as bool."""
    rng = np.random.default_rng(seed)
    special = {eos, pad}
    usual = np.array([i for i in range(vocabulary) if i not in special])
    ids = rng.choice(usual, (rows, length)).astype(np.int32)
    real = np.ones((rows, length), bool)
    for row, end in enumerate(rng.integers(1, length, rows)):
        ids[row, end], ids[row, end + 1 :], real[row, end + 1 :] = eos, pad, False
    return ids, real


def assert_close(ours, theirs, tolerance=1e-4):
    """max |ours - theirs| <= tolerance, relative to the largest number."""
    theirs = np.asarray(theirs.detach())
    assert ours.shape == theirs.shape
    scale = max(1.0, np.abs(theirs).max())
    assert np.abs(ours - theirs).max() <= tolerance * scale
