"""Feature fusion of CLAP, for audio that is longer than its spectrograms.

Wu et al. 2023, "Large-Scale Contrastive Language-Audio Pretraining with Feature Fusion and
Keyword-to-Caption Augmentation", arXiv 2211.06687, section 3.3, with the attentional feature fusion
of Dai et al. 2021, arXiv 2009.14082.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError
from mmjax.encoders.initializers import Initialization
from mmjax.encoders.residual import Norm


class FusionGate(nnx.Module):
    """Two 1x1 convolutions with batch norms, f[B, H, W, C] -> f[B, H, W, C]."""

    def __init__(
        self, *, width: int, hidden: int, init: Initialization, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        common: dict[str, Any] = {
            "kernel_size": (1, 1),
            "kernel_init": init.patch,
            "dtype": dtype,
            "rngs": rngs,
        }
        self.down = nnx.Conv(width, hidden, **common)
        self.down_norm = Norm(hidden, kind="batch", dtype=dtype, rngs=rngs)
        self.up = nnx.Conv(hidden, width, **common)
        self.up_norm = Norm(width, kind="batch", dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, *, train: bool, mask: jax.Array) -> jax.Array:
        """Of rows where `mask` bool[B, 1, 1, 1] is False nothing enters the statistics."""
        y = jax.nn.relu(self.down_norm(self.down(x), train=train, mask=mask))
        return self.up_norm(self.up(y), train=train, mask=mask)


class LongSounds(nnx.Module):
    """Patches of a whole sound, shrunk, fused with those of three parts of it.

    With patches G of the whole and L of the parts, side by side, at a third of the resolution in
    time,

        z = sigmoid(local(G + L) + overall(mean over H, W of G + L))
        patches = 2 z G + 2 (1 - z) L

    Args:
      width: C, channels of a patch.
      reduction: the gates `local` and `overall` have C // reduction hidden channels.
      patch, stride: of the whole's patches; the parts' are three times as long, in time.
      init: initialisation.
      dtype: of the computation.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        width: int,
        reduction: int,
        patch: int,
        stride: int,
        init: Initialization,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        if not 1 <= reduction <= width:
            raise EncoderError(f"fusion_reduction={reduction} is not between 1 and width={width}")
        self.project = nnx.Conv(
            1,
            width,
            (patch, 3 * patch),
            strides=(stride, 3 * stride),
            padding=(patch - stride) // 2,
            kernel_init=init.patch,
            dtype=dtype,
            rngs=rngs,
        )
        gate: dict[str, Any] = {
            "width": width,
            "hidden": width // reduction,
            "init": init,
            "dtype": dtype,
        }
        self.local, self.overall = FusionGate(**gate, rngs=rngs), FusionGate(**gate, rngs=rngs)

    def __call__(
        self, whole: jax.Array, parts: jax.Array, longer: jax.Array, *, train: bool
    ) -> jax.Array:
        """Fuses the patches of sounds that are longer.

        Args:
          whole: f[B, H, W, C], patches of the whole sound.
          parts: f[B, 3, side, side], spectrograms of its parts, folded.
          longer: bool[B], which rows are fused; the others' patches stay as they are.
          train: whether the norms take the statistics of these rows.

        Returns:
          f[B, H, W, C].
        """
        rows, _, side = parts.shape[:3]
        y = self.project(parts.reshape(rows * 3, side, side, 1).astype(whole.dtype))
        # B (part) H w C -> B H (part w) C
        y = y.reshape(rows, 3, *y.shape[1:]).swapaxes(1, 2)
        y = y.reshape(rows, y.shape[1], -1, whole.shape[-1])
        y = jnp.pad(y, ((0, 0), (0, 0), (0, whole.shape[2] - y.shape[2]), (0, 0)))
        # Where nothing is longer there are no statistics: all rows give them then.
        mask = (longer | ~longer.any())[:, None, None, None]
        both = whole + y
        overall = self.overall(both.mean(axis=(1, 2), keepdims=True), train=train, mask=mask)
        z = jax.nn.sigmoid(self.local(both, train=train, mask=mask) + overall)
        fused = 2 * whole * z + 2 * y * (1 - z)
        return jnp.where(longer[:, None, None, None], fused, whole)
