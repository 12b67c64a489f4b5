"""Hides patches of an image, a clip or a volume, for terms that ask what was there.

"towers": {"volume": {"augment": {"type": "mask_patches", "patch": (4, 4, 4), "turns": True,
                                  "views": ("volume@masked",)}, ...}}
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.encoders.layers import draw, dropout_key, split_key
from mmjax.encoders.stems import cut
from mmjax.errors import ConfigError
from mmjax.model.base import Augmentation
from mmjax.model.embedding import Hidden
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count, Portion


class MaskPatches(Augmentation):
    """Masked patches: sets some of an input's to zero, for `regression` to say what was there.

    A fixed number of the patches of each input, drawn evenly without replacement; before that,
    with `turns`, the whole input is turned by 0, 90, 180 or 270 degrees, drawn evenly, in the plane
    of its last two axes, for `classification` with label=None to say by how much. Both are of the
    usual self-supervision of volumes (Tang et al. 2022, arXiv 2111.14791, Swin UNETR: inpainting
    and rotation). A turned input has left and right elsewhere: texts should not be paired with it.

    Args:
      patch: (p1, ..., pn), which divide the input's axes; those of the encoder, where it has some.
      rate: share of the patches that is hidden: the nearest number of them, but one at least.
      turns: whether inputs are turned; the last two axes are then of one size.
      views: outputs of the tower whose patches are hidden, such as `volume@masked`; all, if empty.
    """

    gives_targets = True

    def __init__(
        self,
        *,
        patch: tuple[Count, ...],
        rate: Portion = 0.3,
        turns: bool = False,
        views: tuple[ViewRef, ...] = (),
    ):
        self.patch, self.rate, self.turns, self.views = tuple(patch), rate, turns, views

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> tuple[jax.Array, Hidden | None]:
        """Inputs f[B, S1, ..., Sn, C] -> (the same with patches hidden, what they were).

        In evaluation (x, None).
        """
        key = dropout_key(rngs, train, self.rate, "mask_patches")
        if key is None:
            return x, None
        size = x.shape[1:-1]
        if len(size) != len(self.patch) or any(
            s % p for s, p in zip(size, self.patch, strict=True)
        ):
            raise ConfigError(f"mask_patches: inputs of {size} are not made of patch={self.patch}")
        of_turns, of_patches = split_key(key, 2)
        turn = None
        if self.turns:
            if len(size) < 2 or size[-1] != size[-2]:
                raise ConfigError(f"mask_patches: inputs of {size} cannot be turned: turns=False")
            turn = draw(lambda k, s: jax.random.randint(k, s, 0, 4), of_turns, (len(x),))
            x = turned(x, turn)
        values = cut(x, self.patch)
        values = values.reshape(len(x), -1, values.shape[-1])
        count = values.shape[1]
        rank = draw(jax.random.uniform, of_patches, (len(x), count)).argsort(1).argsort(1)
        hidden = rank < max(1, round(self.rate * count))
        targets = Hidden(values.astype(jnp.float32), hidden, turn)
        return jnp.where(self._of_voxels(hidden, size)[..., None], 0, x), targets

    def _of_voxels(self, hidden: jax.Array, size: tuple[int, ...]) -> jax.Array:
        """bool[B, S1, ..., Sn] of bool[B, N]."""
        grid = tuple(s // p for s, p in zip(size, self.patch, strict=True))
        found = hidden.reshape(len(hidden), *grid)
        for axis, side in enumerate(self.patch, 1):
            found = jnp.repeat(found, side, axis)
        return found


def turned(x: jax.Array, turn: jax.Array) -> jax.Array:
    """Inputs f[B, ..., N, N, C], each by `turn` i32[B] quarter turns, as `jnp.rot90` has them."""
    ways = [jnp.rot90(x, k, axes=(-3, -2)) for k in range(4)]
    shape = (-1, *(1,) * (x.ndim - 1))
    for k in range(1, 4):
        ways[0] = jnp.where((turn == k).reshape(shape), ways[k], ways[0])
    return ways[0]
