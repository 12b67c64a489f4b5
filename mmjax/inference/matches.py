"""Scores of pairs by a term of a model that looks at both sides."""

from collections.abc import Mapping

import numpy as np

from mmjax.errors import ConfigError
from mmjax.inference.bundle import Bundle
from mmjax.system.embedder import Embedder


def term_of(bundle: Bundle, name: str | None = None) -> str:
    """The name of a term that scores pairs: the one of this name, or the only one.

    Raises:
      ConfigError: when there is none, or several and no name.
    """
    terms = dict(bundle.definition.merge(bundle.arrays).objectives.terms)
    known = [str(each) for each, term in terms.items() if term.matches_pairs]
    if name is None and len(known) == 1:
        return known[0]
    if name not in known or name is None:
        names = ", ".join(map(repr, known)) or "none"
        asked = "say which" if name is None else f"there is no {name!r}"
        raise ConfigError(f"terms of the model that score pairs: {names}; {asked}")
    return name


def scores(
    embedder: Embedder,
    bundle: Bundle,
    values: Mapping[str, np.ndarray],
    term: str | None,
    batch_size: int,
) -> np.ndarray:
    """See `Model.match`; `values` are ready for the towers."""
    if len(values) != 2:
        raise ConfigError("match takes two modalities, such as texts=[...], images=[...]")
    name, counts = term_of(bundle, term), {m: len(each) for m, each in values.items()}
    pairs = max(counts.values())
    if not set(counts.values()) <= {1, pairs}:
        raise ConfigError(f"match needs equally many of both, or one of one, but has {counts}")
    first, second = values
    found, size = np.empty(pairs, np.float32), min(batch_size, pairs)
    try:
        # A single value is embedded once.
        single = {
            m: embedder.embed(m, each, f"objectives.{name}")
            for m, each in values.items()
            if len(each) == 1
        }
        score = None
        for start in range(0, pairs, size):
            # Devices see one shape: the last part is filled up with its last pair.
            rows = np.minimum(np.arange(start, start + size), pairs - 1)
            sides = {
                m: np.repeat(single[m], size, axis=0)
                if m in single
                else embedder.embed(m, each[rows], f"objectives.{name}")
                for m, each in values.items()
            }
            score = score or embedder.matcher(name, first, second)
            end = min(start + size, pairs)
            found[start:end] = score(sides[first], sides[second])[: end - start]
    except ValueError as error:
        raise ConfigError(f"match: {error}") from error
    return found
