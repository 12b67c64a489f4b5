"""Texts that a model generates of values and prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmjax.data.records import BadExample
from mmjax.data.views import TextView
from mmjax.decoding import DECODERS, Decoder, Start
from mmjax.errors import ConfigError
from mmjax.evaluators.prompts import Prompts, joined
from mmjax.inference.bundle import Bundle
from mmjax.objectives.captioning import Captioning
from mmjax.system.texts import TextModel


class Writing:
    """Generates texts of inputs that are ready.

    Args:
      bundle: of the model.
      model: its decoder.
      term: name of the recipe's term; None for the only one.

    Raises:
      ConfigError: for a model that does not generate.
    """

    def __init__(self, bundle: Bundle, model: TextModel, term: str | None):
        terms = dict(bundle.definition.merge(bundle.arrays).objectives.terms)
        known = {key: each for key, each in terms.items() if isinstance(each, Captioning)}
        name = next(iter(known)) if term is None and len(known) == 1 else term
        if name is None or name not in known:
            names = ", ".join(map(repr, known)) or "none"
            raise ConfigError(
                f"generate needs a term 'captioning' of the model, not {name!r}; it has {names}"
            )
        self._model, self._name, self._asked = model, name, known[name].conditions
        view = bundle.views.get(known[name].text)
        if not isinstance(view, TextView):
            raise ConfigError(f"the model has no view of {known[name].text!r}, which it generates")
        self._prompts = Prompts(view)

    def __call__(
        self,
        prompts: Sequence[str] | None,
        given: Mapping[str, np.ndarray],
        decoder: str | Mapping[str, Any],
        tokens: int | None,
        batch_size: int,
    ) -> list[str]:
        """See `Model.generate`.

        Raises:
          ConfigError: for other values than the model needs, and too long prompts.
        """
        counts = {n: len(each) for n, each in given.items()}
        counts |= {} if prompts is None else {"prompts": len(prompts)}
        if len({*counts.values()}) != 1:
            asked = ", ".join(f"{each}=[...]" for each in self._asked) or "prompts"
            raise ConfigError(f"generate needs {asked}, one for each text, but has {counts or 0}")
        count = next(iter(counts.values()))
        if not count:
            return []
        view, ids = self._prompts.view, self._beginnings(prompts, count)
        lengths = self._prompts.lengths(ids)
        most = int(lengths.max())
        if most + (tokens or 1) > view.length:
            raise ConfigError(
                f"generate: prompts of up to {most} tokens and {tokens or 1} more are more than "
                f"the {view.length} of a text: give shorter prompts, or fewer 'tokens'"
            )
        spec = {"type": decoder} if isinstance(decoder, str) else decoder
        built, found = DECODERS.parse(spec, "decoder", "generate").build(), [""] * count
        # Where so many tokens are asked for, prompts of one length at a time.
        for length in (most,) if tokens is None else np.unique(lengths).tolist():
            rows = np.arange(count) if tokens is None else np.flatnonzero(lengths == length)
            room = view.length if tokens is None else length + tokens
            start = self._prompts.start(ids, length, room)
            start["row"] = np.arange(count, dtype=np.int32)
            for row, text in zip(
                rows, self._said(built, start, given, rows, batch_size), strict=True
            ):
                found[row] = text
        return found

    def _said(
        self,
        decoder: Decoder,
        start: Mapping[str, np.ndarray],
        given: Mapping[str, np.ndarray],
        rows: np.ndarray,
        batch_size: int,
    ) -> list[str]:
        """The texts of some rows."""
        parts, size = [], min(batch_size, len(rows))
        for first in range(0, len(rows), size):
            own = rows[np.minimum(np.arange(first, first + size), len(rows) - 1)]
            begun: Any = {key: each[own] for key, each in start.items()}
            batch = {key: each[own] for key, each in given.items()}
            how: Any = {"eos": self._prompts.eos, "never": self._prompts.never}
            try:
                texts = self._model.generate(self._name, decoder, batch, Start(**begun), **how)
            except ValueError as error:
                raise ConfigError(f"generate: {error}") from error
            parts.append(texts)
        prompts = start["length"][rows]
        return self._prompts.said(self._prompts.new(prompts, joined(parts, len(rows))))

    def _beginnings(self, prompts: Sequence[str] | None, count: int) -> np.ndarray:
        """i32[N, T], what the view makes of prompts, or the mark of a beginning."""
        view = self._prompts.view
        if prompts is None:
            if not view.bos:
                raise ConfigError("the model's texts have no mark of a beginning: give 'prompts'")
            ids = np.full((count, view.length), view.tokenizer.pad_id, np.int32)
            ids[:, 0] = view.tokenizer.bos_id
            return ids
        found = []
        for number, prompt in enumerate(prompts):
            try:
                found.append(view(prompt, None, False))
            except BadExample as error:
                raise ConfigError(f"prompts[{number}]: {error.reason}") from error
        return np.stack(found)
