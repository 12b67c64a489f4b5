"""Scores how well two modalities of each record fit each other, to train on those that do.

    python -m mmjax.data.select --data=shards --model=runs/clip-... --out=scores.npz

`--model` is whatever `mmjax.load` takes. `--data` is a table, tar shards or a folder, or
`--config=RECIPE` names the `data.source` of a recipe. The score of a record is the cosine of the
embeddings of both modalities; of several captions, that of the best. A recipe then trains on the
best of the same source:

    {'type': 'selected', 'source': {'type': 'webdataset', 'path': 'shards'},
     'scores': 'scores.npz', 'top': 0.3}

`--shard=0/4` to `--shard=3/4` are four processes that score a quarter of the records each, into
`scores-00000-of-00004.npz` and so on, which `selected` reads by `scores-*.npz`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from mmjax import cli
from mmjax.commands import data_source as command
from mmjax.commands import model as model_flags
from mmjax.commands import parts
from mmjax.commands.model import BATCH, CHECKPOINT, MODEL
from mmjax.commands.parts import Part
from mmjax.data.records import Source
from mmjax.errors import ConfigError
from mmjax.files import replacing

flags.adopt_module_key_flags(command)  # for --help
flags.adopt_module_key_flags(model_flags)
flags.declare_key_flag("shard")
PAIR = flags.DEFINE_list(
    "pair", [], "Two modalities, image,text; by default the first two of model and data."
)


def scores(
    model: Any, source: Source, pair: tuple[str, ...] = (), batch_size: int = 256
) -> dict[str, Any]:
    """The cosine of both modalities of every record.

    Args:
      model: a `mmjax.api.Model`.
      source: of records.
      pair: two modalities; by default the first two that model and data have in common.
      batch_size: of the calls of the model.

    Returns:
      id i64[N] and score f32[N], NaN for a record that lacks one of the two or cannot be read; of
      several values of a modality the best counts. And `unreadable`, a sentence for each item that
      cannot be read.

    Raises:
      ConfigError: when model and data do not have two modalities in common, or no item can be read.
    """
    from mmjax.evaluators.data import EvalData, embed  # so that --help does not wait for jax

    data = EvalData(source, model.bundle.views, batch_size)
    both = command.in_common(model, data)
    chosen = pair or both[:2]
    if len(chosen) != 2 or not set(chosen) <= set(both):
        raise ConfigError(
            f"--pair={','.join(chosen)}: a score is of two modalities, and model and data have "
            f"{', '.join(both)} in common"
        )
    try:
        found = embed(model, data, chosen, "all")
    except ValueError as error:
        raise ConfigError(str(error)) from error
    first, second = (found[modality] for modality in chosen)
    score = np.full(len(source), np.nan, np.float32)
    # Every value of the one with every value of the other, of the same record.
    order = np.argsort(second.rows, kind="stable")
    starts = np.searchsorted(second.rows[order], first.rows, "left")
    stops = np.searchsorted(second.rows[order], first.rows, "right")
    counts = stops - starts
    one = np.repeat(np.arange(len(counts)), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)  # pairs of the values before this one
    other = order[np.repeat(starts, counts) + np.arange(len(one)) - before]
    for begin in range(0, len(one), _BLOCK):
        a, b = one[begin : begin + _BLOCK], other[begin : begin + _BLOCK]
        cosines = np.einsum("nd,nd->n", first.unit[a], second.unit[b])
        np.fmax.at(score, first.rows[a], cosines.astype(np.float32))
    return {
        "id": np.array([source.id_of(row) for row in range(len(source))], np.int64),
        "score": score,
        "unreadable": [s for items in found.values() for s in items.unreadable],
    }


_BLOCK = 2**16  # pairs, whose embeddings are copied to be multiplied


def write(found: dict[str, Any], part: Part, rows: int, out: Path) -> None:
    """Writes the scores of a part of a source as .npz, whole or not at all.

    Args:
      found: what `scores` gave of the part.
      part: which.
      rows: of the whole source.
      out: the file.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    row = np.array(part.rows(rows), np.int64)
    with replacing(out) as file, open(file, "wb") as stream:
        np.savez(stream, row=row, id=found["id"], score=found["score"], rows=np.int64(rows))


def main(path: str | None, overrides: list[str]) -> None:
    """Scores one set of data."""
    from mmjax import api
    from mmjax.parallel.compiler import keep_programs

    given, out = cli.needed(MODEL), command.out()
    if out.suffix != ".npz":
        raise ConfigError(f"--out={out}: end it in .npz")
    source, part = command.named_source(path, overrides), parts.part()
    own, out = part.stretch(source), part.file(out)
    keep_programs()
    model = api.load(given, checkpoint=CHECKPOINT.value)
    found = scores(model, own, tuple(PAIR.value), BATCH.value)
    write(found, part, len(source), out)
    for line in summary(found, out):
        cli.say(line)


def summary(found: dict[str, Any], out: Path) -> list[str]:
    """Lines on what was scored: how many, the quantiles, and what could not be read."""
    score = found["score"][np.isfinite(found["score"])]
    lines = [f"{out}: {len(score):,} of {len(found['score']):,} records have a score"]
    if len(score):
        shares = (0.9, 0.7, 0.5, 0.3, 0.1)
        quantiles = np.quantile(score, [1 - share for share in shares])
        told = (f"{share:.0%} {value:.3f}" for share, value in zip(shares, quantiles, strict=True))
        lines.append(f"the lowest score of the best {', '.join(told)}")
    lines += [f"left out: {sentence}" for sentence in found["unreadable"][:10]]
    if len(found["unreadable"]) > 10:
        lines.append(f"left out: {len(found['unreadable']) - 10:,} more")
    return lines


if __name__ == "__main__":
    cli.run(main)
