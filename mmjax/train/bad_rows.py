"""The bad rows of all processes of a run, brought together by the first."""

import jax

from mmjax.data import BadExample, BadRows
from mmjax.data.limits import TooManyBadRows, causes
from mmjax.parallel import distributed


def collect(report: BadRows) -> None:
    """Hands the bad rows that all processes met to the first, which writes them."""
    if jax.process_count() > 1:
        first = jax.process_index() == 0
        for text in distributed.gather("" if first else report.hand_over())[1:]:
            if first:
                report.take_over(text)


def with_causes(error: TooManyBadRows, report: BadRows) -> TooManyBadRows:
    """The same error, with the bad rows of all processes, who are here together, in a sentence."""
    collect(report)
    report.close()
    said = distributed.of_first(lambda: causes(BadExample(*row) for row in report.counts))
    return TooManyBadRows(
        f"{error} ({said}): mend them, and the same command resumes from the last checkpoint, as "
        "it does with a higher data.max_bad_fraction"
    )
