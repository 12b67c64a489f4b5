"""Converts, validates, embeds or scores data as an Apache Beam pipeline, on many machines.

    python -m mmjax.beam --do=convert --data=gs://bucket/shards/ --out=gs://bucket/records \\
      --pipeline="--runner=DataflowRunner --project=P --region=R --temp_location=gs://bucket/tmp"

`--do` is `convert`, `validate`, `embed` or `select`. They write what the commands of these names
write with `--shard` (docs/data_at_scale.md), into the folder `--out`, a path or an address of
Beam's file systems. The workers open `--data`, `--config` and `--model` by these names, and need
mmjax, too. `--pipeline` has the options of Beam and of its runner; without any it runs on this
machine. Needs the extra `beam`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import shlex
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from mmjax import api, cli, embed, extras
from mmjax.commands import convert, select
from mmjax.commands import data_source as command
from mmjax.commands.data_source import Named
from mmjax.commands.model import MODEL
from mmjax.commands.parts import Part
from mmjax.commands.validate import validate
from mmjax.data import inputs
from mmjax.data.records import Source
from mmjax.data.report import BadRows
from mmjax.data.sources.array_record import INDEX
from mmjax.files import json_object
from mmjax.inference import index

flags.adopt_module_key_flags(command)  # for --help
for _flag in ("model", "checkpoint", "batch_size", "layer", "pair", "shard_mb", "on_error"):
    flags.declare_key_flag(_flag)
DO = flags.DEFINE_enum("do", None, ["convert", "validate", "embed", "select"], "What to do.")
PIPELINE = flags.DEFINE_string("pipeline", "", "Options of Beam and its runner, in one string.")
PARTS = flags.DEFINE_integer(
    "parts", 64, "In how many parts all but convert read the rows.", lower_bound=1
)
_PLAN = "plan.json"

Work = Callable[[Path, Any], None]  # writes the files of an element into an empty folder


def run(work: Work, elements: Sequence[Any], out: str, options: Sequence[str]) -> None:
    """Does the work of all elements, wherever the runner does it.

    Args:
      work: picklable.
      elements: picklable.
      out: the folder to which the files are moved, each under its name only when it is whole.
      options: of Beam.

    Raises:
      MissingExtra: without Beam.
    """
    beam = extras.needs("apache_beam", "beam", "python -m mmjax.beam")
    from apache_beam.options.pipeline_options import PipelineOptions  # an extra

    with beam.Pipeline(options=PipelineOptions(list(options))) as pipeline:
        rows = pipeline | "parts" >> beam.Create(list(elements)) | "spread" >> beam.Reshuffle()
        _ = rows | "work" >> beam.Map(functools.partial(_moved, work, out))


def _moved(work: Work, out: str, element: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        work(Path(folder), element)
        # In this order: what is said of a shard comes after the shard.
        for file in sorted(Path(folder).iterdir()):
            put(out, file.name, file.read_bytes())


def put(folder: str, name: str, content: bytes) -> None:
    """Writes a file by Beam's file systems, whole or not at all."""
    from apache_beam.io.filesystems import FileSystems  # an extra

    part = FileSystems.join(folder, f"{name}.{uuid.uuid4().hex}.part")
    with FileSystems.create(part, compression_type="uncompressed") as file:
        file.write(content)
    FileSystems.rename([part], [FileSystems.join(folder, name)])


def get(folder: str, name: str) -> bytes | None:
    """The content of a file, None where there is none."""
    from apache_beam.io.filesystems import FileSystems  # an extra

    path = FileSystems.join(folder, name)
    if not FileSystems.exists(path):
        return None
    with FileSystems.open(path, compression_type="uncompressed") as file:
        content: bytes = file.read()
    return content


@functools.lru_cache(maxsize=1)  # a worker opens it once
def _source(named: Named) -> Source:
    return named.open()


_model = functools.lru_cache(maxsize=1)(api.load)


def convert_shard(named: Named, on_error: str, folder: Path, shard: tuple[str, int, int]) -> None:
    """Writes one ArrayRecord shard, and what is to be known of it."""
    convert.write(_source(named), folder, *shard, on_error)


def validate_part(named: Named, folder: Path, part: Part) -> None:
    """Writes the list of the bad rows of a part, which is empty where there are none."""
    config = named.config()
    views = {} if config is None else inputs.views(config)
    file = part.file(folder / "bad_rows.jsonl")
    validate(part.stretch(_source(named)), views, file)
    file.touch()


def embed_part(
    named: Named, model: str, checkpoint: str, batch_size: int, layer: Any, folder: Path, part: Part
) -> None:
    """Writes the embeddings of the rows of a part."""
    loaded = _model(model, checkpoint=checkpoint)
    columns = embed.table(loaded, part.stretch(_source(named)), batch_size, layer)
    file = part.file(folder / "embeddings.parquet")
    embed.write(columns, file)
    index.write_card(file, model, checkpoint, layer)


def select_part(
    named: Named,
    model: str,
    checkpoint: str,
    batch_size: int,
    pair: tuple[str, ...],
    folder: Path,
    part: Part,
) -> None:
    """Writes the scores of the rows of a part."""
    source = _source(named)
    loaded = _model(model, checkpoint=checkpoint)
    found = select.scores(loaded, part.stretch(source), pair, batch_size)
    select.write(found, part, len(source), part.file(folder / "scores.npz"))


def _convert(named: Named, source: Source, out: str, options: Sequence[str]) -> None:
    plan = convert.planned(source, flags.FLAGS.shard_mb * 10**6)
    before = get(out, _PLAN)
    if before is not None:
        convert.check_plan(json_object(before, f"{out}/{_PLAN}"), plan, out)
    put(out, _PLAN, json.dumps(plan).encode())
    stretches = convert.stretches_of(plan)
    missing = [(name, *rows) for name, rows in stretches.items() if not get(out, f"{name}.json")]
    run(functools.partial(convert_shard, named, flags.FLAGS.on_error), missing, out, options)
    about = [json_object(get(out, f"{name}.json") or b"", name) for name in stretches]
    index, bad = convert.completed(source, about, out)
    with tempfile.TemporaryDirectory() as folder:
        report = BadRows(Path(folder) / "bad_rows.jsonl")
        report.note(source.bad)
        report.note(bad)
        if report.path is not None and report.path.is_file():
            put(out, report.path.name, report.path.read_bytes())
    put(out, INDEX, json.dumps(index).encode())
    cli.say(f"{out}: {len(source):,} examples in {len(about):,} shards")
    if len(report):
        cli.say(report.summary())


def _validate(named: Named, source: Source, out: str, options: Sequence[str]) -> None:
    own = _parts(source)
    run(functools.partial(validate_part, named), own, out, options)
    files = [part.file(Path("bad_rows.jsonl")).name for part in own]
    bad = sum((get(out, name) or b"").count(b"\n") for name in files)
    cli.say(f"{source.describe()}\n{bad:,} bad examples, in {out}/bad_rows-*.jsonl")
    if bad:
        sys.exit(1)


def _embed(named: Named, source: Source, out: str, options: Sequence[str]) -> None:
    values = flags.FLAGS
    how = (cli.needed(MODEL), values.checkpoint, values.batch_size, values.layer)
    own = _parts(source)
    run(functools.partial(embed_part, named, *how), own, out, options)
    cli.say(f"{out}: the embeddings of {len(source):,} examples in {len(own):,} files")


def _select(named: Named, source: Source, out: str, options: Sequence[str]) -> None:
    values = flags.FLAGS
    how = (cli.needed(MODEL), values.checkpoint, values.batch_size, tuple(values.pair))
    own = _parts(source)
    run(functools.partial(select_part, named, *how), own, out, options)
    cli.say(f"{out}: the scores of {len(source):,} examples in {len(own):,} files")


def _parts(source: Source) -> list[Part]:
    count = min(PARTS.value, len(source))
    return [Part(number, count) for number in range(count)]


def main(path: str | None, overrides: list[str]) -> None:
    """Runs one pipeline."""
    do, out = cli.needed(DO), cli.needed(command.OUT)
    extras.find("apache_beam", "beam", "python -m mmjax.beam")
    from apache_beam.io.filesystems import FileSystems  # an extra

    named = dataclasses.replace(command.named(path, overrides), alone=do == "embed")
    source = _source(named)
    if not FileSystems.exists(out):
        FileSystems.mkdirs(out)
    does = {"convert": _convert, "validate": _validate, "embed": _embed, "select": _select}
    does[do](named, source, out, shlex.split(PIPELINE.value))
