"""Rotation of both embedding spaces since an earlier stage, in degrees."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmjax.errors import ConfigError
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.files import read_arrays, replacing
from mmjax.schema.annotations import ViewRef


class Rotation(Evaluator):
    """Rotation of both embedding spaces since the end of a stage, in degrees.

    For unit embeddings X_m of modality m at the end of the stage `reference` and Y_m of the same
    inputs now, Q_m is the orthogonal map that brings X_m nearest to Y_m, A Bᵀ of X_mᵀ Y_m = A S Bᵀ
    (Procrustes; Schönemann 1966). Metrics:
      moved/<m>: mean angle between a row of X_m and that of Y_m.
      rotation/<m>: mean angle between a row x of X_m and x Q_m, the part that is a turn.
      deviation: mean angle between x Q_a and x Q_b, of the two modalities' maps, over the rows x of
        the first modality: two spaces that turn alike still fit each other.
      pairs: rows of the first modality.
    All are 0 at the end of the stage itself. These are the intra-modal rotation and inter-modal
    deviation of Ni et al. 2023 (arXiv 2305.07437, Mod-X) by one number each; which rows the last is
    the mean of, their paper leaves open.

    The reference lies in the run's folder, `rotation/<name>.npz`, so that a resumed run has it.

    Args:
      reference: name of the stage.
      pair: the two modalities.
    """

    def __init__(self, *, reference: str, pair: tuple[ViewRef, ViewRef] = ("image", "text")):
        if len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(f"rotation: 'pair' is {pair!r}; give two different modalities")
        self.reference = reference
        self.pair: tuple[str, str] = pair
        self._file: Path | None = None
        self._here = False

    def of_run(self, folder: Path, name: str, stages: Sequence[str | None]) -> None:
        """Says in which folder the evaluator `name` works, and which stages there are so far.

        Raises:
          ConfigError: when the reference is neither the last of them nor one before.
        """
        if self.reference not in stages:
            raise ConfigError(
                f"'evaluators.rotation.{name}.reference' is {self.reference!r}, which is no stage "
                f"up to this one: {', '.join(map(repr, filter(None, stages))) or 'there is none'}; "
                "leave the evaluator out of the stages before it"
            )
        self._file = Path(folder) / "rotation" / f"{name}.npz"
        self._here = stages[-1] == self.reference

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own.

        Raises:
          ConfigError: outside of a run, or when its folder has lost the reference.
        """
        import jax

        if self._file is None:
            raise ConfigError("rotation: it compares states of one run, and this is none")
        embedded = embed(model, data, self.pair)
        now: dict[str, Any] = {
            f"{m}/{what}": value
            for m in self.pair
            for what, value in (("unit", embedded[m].unit), ("rows", embedded[m].rows))
        }
        if self._here:
            before = now
            if jax.process_index() == 0:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                with replacing(self._file) as part, part.open("wb") as stream:
                    np.savez(stream, **now)
        elif self._file.is_file():
            before = read_arrays(self._file)
            if not now.keys() <= before.keys():
                raise ConfigError(f"{self._file} is damaged: it lacks {sorted({*now} - {*before})}")
        else:
            raise ConfigError(
                f"{self._file} is not there: it held the embeddings of the stage "
                f"{self.reference!r}, with which 'evaluators.rotation' compares"
            )
        old, new = [], []
        for m in self.pair:
            _, a, b = np.intersect1d(before[f"{m}/rows"], now[f"{m}/rows"], return_indices=True)
            old.append(before[f"{m}/unit"][a])
            new.append(now[f"{m}/unit"][b])
        return self.measure((old[0], old[1]), (new[0], new[1]))

    def measure(
        self, old: tuple[np.ndarray, np.ndarray], new: tuple[np.ndarray, np.ndarray]
    ) -> dict[str, float]:
        """The metrics of the embeddings f32[N, D] of both modalities, before and now, row by row.

        Raises:
          EvaluationError: with fewer rows than dimensions, by which no map is determined.
        """
        maps, found = [], {}
        for m, x, y in zip(self.pair, old, new, strict=True):
            x, y = x.astype(np.float64), y.astype(np.float64)
            if len(x) < x.shape[1]:
                raise EvaluationError(
                    f"rotation: {len(x)} rows of {m!r} do not determine a map of {x.shape[1]} "
                    "dimensions; give it more records"
                )
            a, _, b = np.linalg.svd(x.T @ y)
            maps.append(a @ b)
            found[f"moved/{m}"] = _angle(x, y)
            found[f"rotation/{m}"] = _angle(x, x @ maps[-1])
        x = old[0].astype(np.float64)
        found["deviation"] = _angle(x @ maps[0], x @ maps[1])
        return found | {"pairs": float(len(x))}


def _angle(x: np.ndarray, y: np.ndarray) -> float:
    """Mean angle between rows, in degrees: atan2 of |x - y| and |x + y|, exact for small ones."""
    half = np.arctan2(np.linalg.norm(x - y, axis=1), np.linalg.norm(x + y, axis=1))
    return float(np.degrees(2 * half).mean())
