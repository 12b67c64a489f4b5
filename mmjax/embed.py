"""Embeds data and writes the embeddings, for use elsewhere.

    python -m mmjax.embed --model=runs/clip-... --data=pairs.csv --out=embeddings.parquet

`--model` is whatever `mmjax.load` takes. `--data` is a table (.csv, .tsv, .jsonl), tar shards
(`shards/*.tar`), a folder of images, or `emoji:SPLIT`, the data in the package. `--out` ends in
.parquet or .npz. A row is one item of one modality: `modality`, `key` and `id` of its record,
`alternative` (its place among several captions), the record's labels, `text` (the text itself,
where texts are embedded), and `embedding`, f32[D] of length 1. A recipe trains on such .npz files
with a source of type `features`, and `mmjax.search` searches what either holds; which model made
it is written beside it, to `embeddings.parquet.json`.

`--shard=0/4` to `--shard=3/4` are four processes that embed a quarter of the records each, into
`embeddings-00000-of-00004.npz` and so on; `features` reads all of them by `embeddings-*.npz`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from absl import flags

from mmjax import cli, extras
from mmjax.commands import data_source as command
from mmjax.commands import model as model_flags
from mmjax.commands import parts
from mmjax.commands.model import BATCH, CHECKPOINT, MODEL
from mmjax.errors import ConfigError
from mmjax.files import replacing

flags.adopt_module_key_flags(command)  # for --help
flags.adopt_module_key_flags(model_flags)
flags.declare_key_flag("shard")
LAYER = flags.DEFINE_enum(
    "layer",
    "unit",
    ["unit", "encoder"],
    "unit: the embeddings; encoder: what the encoder gives to its head, not scaled to length 1.",
)


def table(
    model: Any, source: Any, batch_size: int = 256, layer: Literal["unit", "encoder"] = "unit"
) -> dict[str, list[Any]]:
    """Embeds every item of a source: column -> values, one for each item.

    Args:
      model: a `mmjax.api.Model`.
      source: of records.
      batch_size: of the calls of the model.
      layer: `unit`, the embeddings; or `encoder`, what the encoders give to their heads.

    Returns:
      The columns, where `embedding` holds f32[D] or f32[W]; and `unreadable`, a sentence for each
      item left out.

    Raises:
      ConfigError: when model and data have no modality in common, or no item can be read.
    """
    # Here and in `main`, so that --help does not wait for jax.
    from mmjax.evaluators.data import EvalData, embed

    data = EvalData(source, model.bundle.views, batch_size)
    names = command.in_common(model, data)
    try:
        found = embed(model, data, names, "all", layer)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    labels = sorted({k for e in found.values() for f in e.fields for k in f} - {"id", "key"})
    columns: dict[str, list[Any]] = {
        name: [] for name in ("modality", "key", "id", "alternative", *labels, "embedding")
    }
    if "text" in found:
        columns["text"] = []
    for modality, items in found.items():
        for i, record in enumerate(items.fields):
            own = {
                "modality": modality,
                "key": str(record["key"]),
                "id": int(record["id"]),
                "alternative": int(items.alternatives[i]),
                "embedding": items.unit[i],
                "text": items.raw(i) if modality == "text" else "",
                **{name: _text(record.get(name)) for name in labels},
            }
            for name, column in columns.items():
                column.append(own[name])
    columns["unreadable"] = [s for items in found.values() for s in items.unreadable]
    return columns


def write(columns: Mapping[str, list[Any]], out: Path) -> None:
    """Writes the columns as .parquet or .npz, whole or not at all.

    Raises:
      ConfigError: for another suffix.
      MissingExtra: for parquet without pyarrow.
    """
    columns = {name: values for name, values in columns.items() if name != "unreadable"}
    arrays: dict[str, Any]
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".parquet":
        extras.find("pyarrow", "parquet", f"writing {out.name}", "or write --out=....npz")
        import pyarrow
        import pyarrow.parquet

        arrays = {name: values for name, values in columns.items() if name != "embedding"}
        rows = pyarrow.array(
            [e.tolist() for e in columns["embedding"]], pyarrow.list_(pyarrow.float32())
        )
        with replacing(out) as part:
            pyarrow.parquet.write_table(pyarrow.table({**arrays, "embedding": rows}), part)
    else:
        arrays = {name: np.array(v) for name, v in columns.items() if name != "embedding"}
        sizes = {len(e) for e in columns["embedding"]}
        if len(sizes) > 1:
            raise ConfigError(
                f"the towers give embeddings of sizes {sorted(sizes)}: write --out=....parquet"
            )
        with replacing(out) as part, open(part, "wb") as file:
            np.savez(file, **arrays, embedding=np.stack(columns["embedding"]))


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def main(path: str | None, overrides: list[str]) -> None:
    """Embeds one set of data."""
    from mmjax import api
    from mmjax.inference import index
    from mmjax.parallel.compiler import keep_programs

    if path is not None or overrides:
        raise ConfigError("the model has its own preprocessing: leave out --config")
    given, data = cli.needed(MODEL), cli.needed(command.DATA)
    out = command.out()
    if out.suffix not in index.SUFFIXES:
        raise ConfigError(f"--out={out}: end it in {' or '.join(index.SUFFIXES)}")
    part = parts.part()
    source, out = part.stretch(command.source_of(data, alone=True)), part.file(out)
    keep_programs()
    model = api.load(given, checkpoint=CHECKPOINT.value)
    layer = cast("Literal['unit', 'encoder']", LAYER.value)
    columns = table(model, source, BATCH.value, layer)
    unreadable = columns["unreadable"]
    write(columns, out)
    index.write_card(out, given, CHECKPOINT.value, layer)
    names = dict.fromkeys(columns["modality"])
    cli.say(f"{out}: {len(columns['key']):,} embeddings of {', '.join(names)}")
    for sentence in unreadable[:10]:
        cli.say(f"left out: {sentence}")
    if len(unreadable) > 10:
        cli.say(f"left out: {len(unreadable) - 10:,} more")


if __name__ == "__main__":
    cli.run(main)
