"""The source `selected`: those rows of another source that a trained model scores best."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from mmjax.data.formats.files import existing, parts_of
from mmjax.data.records import Source, SourceError
from mmjax.data.registry import SOURCES
from mmjax.data.some_rows import SomeRows
from mmjax.files import DamagedFile, read_arrays
from mmjax.schema.bounds import Fraction
from mmjax.schema.registry import Spec

ARRAYS = ("row", "id", "score", "rows")


class Selected(SomeRows):
    """The rows of a source with the best scores, in their order.

    Scores are what `mmjax data select` writes of the same source: how well the modalities of a
    record fit each other. Filtering pairs by a model that was trained on better ones is how LAION
    (Schuhmann et al. 2021, arXiv 2111.02114) and the baselines of DataComp (Gadre et al. 2023,
    arXiv 2304.14108, "CLIP score") make their sets. Rows without a score, since they could not be
    read or lack a modality, are left out.

    Args:
      source: whose rows are scored.
      scores: file.npz, or a pattern with `*` of the parts of one, `file-*.npz`.
      top: the share of the rows with a score that is kept; of equal scores at the border, those
        that come first.
      least: the lowest score that is kept, in place of `top`.

    Raises:
      SourceError: for files that are missing, damaged or of another source; for neither or both of
        `top` and `least`; and when no row is left.
    """

    def __init__(
        self,
        *,
        source: Annotated[Spec[Source], SOURCES],
        scores: str,
        top: Fraction | None = None,
        least: float | None = None,
    ):
        super().__init__(source, ())
        if (top is None) == (least is None):
            raise SourceError("selected: give either 'top', a share of the rows, or 'least'")
        rows, ids, score = self._read(scores)
        if top is not None:
            best = np.argsort(-score, kind="stable")[: round(top * len(score))]
            chosen = np.sort(best)
        else:
            chosen = np.flatnonzero(score >= least)
        if not len(chosen):
            limit = f"the highest of {len(score):,} scores is {score.max(initial=-np.inf):.3f}"
            raise SourceError(f"selected: no row of {scores} is left; {limit}")
        self.rows, self.scores = rows[chosen], score[chosen]
        for row, number in zip(self.rows.tolist(), ids[chosen].tolist(), strict=True):
            if self.inner.id_of(row) != number:
                raise SourceError(
                    f"selected: {scores} is of other data: its row {row:,} has the id {number}, "
                    f"and that of the source {self.inner.id_of(row)}"
                )

    def _read(self, path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, id and score of all rows with a score, in their order."""
        tables = []
        for file in parts_of(path, "selected"):
            try:
                table = read_arrays(existing(file, "file of scores"))
            except DamagedFile as error:
                raise SourceError(f"selected: {error}") from error
            if not set(ARRAYS) <= table.keys() or any(
                table[name].shape != table["row"].shape for name in ("id", "score")
            ):
                raise SourceError(
                    f"selected: {file} should hold the arrays {', '.join(ARRAYS)}, as written by "
                    "mmjax data select"
                )
            if int(table["rows"]) != len(self.inner):
                raise SourceError(
                    f"selected: {file} is of other data: those have {int(table['rows']):,} rows, "
                    f"and the source has {len(self.inner):,}"
                )
            tables.append(table)
        row, number, score = (np.concatenate([t[n] for t in tables]) for n in ARRAYS[:3])
        outside = (row < 0) | (row >= len(self.inner))
        if len(np.unique(row)) < len(row) or outside.any():
            raise SourceError(f"selected: {path} has rows twice, or rows that the source lacks")
        order = np.argsort(row)
        order = order[np.isfinite(score[order])]
        return row[order], number[order], score[order]

    def describe(self) -> str:
        whole = self.inner.describe()
        return f"{whole}, the best {len(self.rows):,}, scored {self.scores.min():.3f} or more"


SOURCES.register("selected", Selected)
