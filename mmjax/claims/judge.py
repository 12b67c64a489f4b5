"""Decides the checks of a claim by the metrics of its runs."""

import operator
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from mmjax.claims.experiment import Check

COMPARE = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}


def judge(check: Check, results: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """Decides one check: `arm metric  compare  factor * baseline metric + offset`.

    Args:
      check: the inequality, to hold in every seed or for the means over seeds.
      results: arm -> metrics of every seed.

    Returns:
      The check with `holds`, and `left` and `right`: both sides by seed, or of the means.
    """
    left = [metrics[check.metric] for metrics in results[check.arm]]
    if check.baseline is None:
        right = [check.offset] * len(left)
    else:
        right = [
            check.factor * metrics[check.metric] + check.offset
            for metrics in results[check.baseline]
        ]
    if not check.each_seed:
        left, right = [statistics.fmean(left)], [statistics.fmean(right)]
    compare = COMPARE[check.compare]
    holds = all(compare(a, b) for a, b in zip(left, right, strict=True))
    return {**vars(check), "left": left, "right": right, "holds": holds}
