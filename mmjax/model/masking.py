"""Hides tokens of an input, for terms that ask what was there.

"towers": {"text": {"augment": {"type": "mask_tokens", "mask_id": 8000, "vocab_size": 8000,
                                "views": ("text@masked",)}, ...}}
"""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmjax.encoders.layers import draw, dropout_key, split_key
from mmjax.errors import ConfigError
from mmjax.model.base import Augmentation
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count, CountOrZero, Fraction, Portion

SHOWN = -1  # the target of a token that is not hidden


class MaskTokens(Augmentation):
    """Masked tokens of BERT: hides some of a text, for the term `masked_tokens` to say what it was.

    A share of the tokens is chosen, each alone or in runs, and at least one of a text that has any.
    Of these most become `mask_id`, some another token, evenly drawn, and the others stay as they
    are. Devlin et al. 2019 (arXiv 1810.04805, section 3.1); runs as in Joshi et al. 2020 (arXiv
    1907.10529, SpanBERT), of even lengths.

    Args:
      rate: share of the tokens that is chosen, on average.
      spans: least and most tokens of a run. Runs may overlap, and start before the text.
      replace: of those chosen, the share that becomes `mask_id`, and the share that becomes
        another token.
      mask_id: what stands for a hidden token. Without one of the tokenizer's it is `vocab_size`,
        and the encoder then has one id more.
      vocab_size: ids of the tokenizer are below it.
      special: ids that are neither hidden nor drawn: padding, marks of start and end.
      views: outputs of the tower whose tokens are hidden, such as `text@masked`; all, if empty.

    Raises:
      ConfigError: for options that do not fit each other.
    """

    gives_targets = True

    def __init__(
        self,
        *,
        rate: Portion = 0.15,
        spans: tuple[Count, Count] = (1, 1),
        replace: tuple[Fraction, Fraction] = (0.8, 0.1),
        mask_id: CountOrZero,
        vocab_size: Count,
        special: tuple[CountOrZero, ...] = (0, 2, 3),
        views: tuple[ViewRef, ...] = (),
    ):
        if spans[0] > spans[1]:
            raise ConfigError(f"mask_tokens: spans={spans} should be two rising lengths")
        if sum(replace) > 1 + 1e-6:
            raise ConfigError(f"mask_tokens: the shares replace={replace} are more than all")
        self._never = sorted({i for i in (*special, mask_id) if i < vocab_size})
        if len(self._never) == vocab_size:
            raise ConfigError(f"mask_tokens: vocab_size={vocab_size} leaves no token to hide")
        self.rate, self.spans, self.replace = rate, spans, replace
        self.mask_id, self.vocab_size, self.special = mask_id, vocab_size, special
        self.views = views

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> tuple[jax.Array, jax.Array | None]:
        """Ids i32[B, T] -> (the same with some hidden, targets i32[B, T]), or (x, None) in testing.

        Targets are the ids of what was chosen, and `SHOWN` elsewhere. Of sentences both are
        i32[B, S, W].
        """
        key = dropout_key(rngs, train, self.rate, "mask_tokens")
        if key is None:
            return x, None
        if x.ndim not in (2, 3) or not jnp.issubdtype(x.dtype, jnp.integer):
            raise ConfigError(
                f"mask_tokens: {x.shape} of {x.dtype} is no i32[B, T], or [B, S, W], of token ids"
            )
        hidden, targets = self._hide(x.reshape(len(x), -1), key)
        return hidden.reshape(x.shape), targets.reshape(x.shape)

    def _hide(self, x: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Ids i32[B, T] with some hidden, and targets."""
        starts, lengths, first, how, other = split_key(key, 5)
        may = ~jnp.isin(x, jnp.asarray((*self.special, self.mask_id)))
        chosen = may & self._runs(x.shape, starts, lengths)
        # One at least, each token as likely as another.
        u = jnp.where(may, draw(jax.random.uniform, first, x.shape), -1.0)
        one = may & (jnp.arange(x.shape[1]) == u.argmax(1)[:, None])
        chosen = jnp.where(chosen.any(1, keepdims=True), chosen, one)
        masked, drawn = self.replace
        u = draw(jax.random.uniform, how, x.shape)
        instead = jnp.where(u < masked + drawn, self._others(x.shape, other), x)
        instead = jnp.where(u < masked, self.mask_id, instead)
        return jnp.where(chosen, instead, x).astype(x.dtype), jnp.where(chosen, x, SHOWN)

    def _runs(self, shape: tuple[int, ...], starts: jax.Array, lengths: jax.Array) -> jax.Array:
        """bool[B, T], the places that a run covers, each with the same probability."""
        rows, places = shape
        least, most = self.spans
        wide = (rows, places + most - 1)
        begins = draw(jax.random.uniform, starts, wide) < start_rate(self.rate, self.spans)
        length = draw(lambda k, s: jax.random.randint(k, s, least, most + 1), lengths, wide)
        covered = [
            (begins & (length > behind))[:, most - 1 - behind : wide[1] - behind]
            for behind in range(most)
        ]
        return jnp.stack(covered).any(0)

    def _others(self, shape: tuple[int, ...], key: jax.Array) -> jax.Array:
        """Even draws of the ids that are not special, i32[B, T]."""
        count = self.vocab_size - len(self._never)
        ids = draw(lambda k, s: jax.random.randint(k, s, 0, count), key, shape)
        for special in self._never:  # in rising order: each moves the ids from it on by one
            ids = ids + (ids >= special)
        return ids


def start_rate(rate: float, spans: tuple[int, int]) -> float:
    """With which probability a run starts at a place, so that a share `rate` is covered.

    The p with 1 - rate = Π_k (1 - p P(length > k)), by bisection.
    """
    sizes = np.arange(spans[0], spans[1] + 1)
    longer = np.array([(sizes > k).mean() for k in range(spans[1])])
    low, high = 0.0, 1.0
    for _ in itertools.repeat(None, 60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - np.prod(1 - middle * longer) < rate else (low, middle)
    return high
