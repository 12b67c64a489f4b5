"""Validates a data set: reads every example as training would, and reports bad ones.

    python -m mmjax.data.validate --config=recipe.py --out=bad_rows.jsonl
    python -m mmjax.data.validate --data=captions.csv

With a recipe, all that its views make of an example is made: images are decoded, texts cut into
tokens. With `--data` the records are read. A line of `--out` is an example by name, its field, and
the reason. The command ends with code 1 when there are any, and with 0 when there are none.

`--shard=0/4` to `--shard=3/4` are four processes that read a quarter each; their lists, such as
`bad_rows-00000-of-00004.jsonl`, are the whole list one after the other.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from absl import flags

from mmjax import cli
from mmjax import recipe as recipe_lib
from mmjax.commands import data_source as command
from mmjax.commands import parts
from mmjax.data import inputs
from mmjax.data.records import Source
from mmjax.data.report import BadRows
from mmjax.data.rows import bad_examples
from mmjax.data.views import View, field_of

flags.adopt_module_key_flags(command)  # for --help
flags.declare_key_flag("shard")


def validate(source: Source, views: Mapping[str, View], out: Path | None = None) -> BadRows:
    """The examples of a source that cannot be used.

    Args:
      source: the source.
      views: {batch key: view} that are applied; those of fields that it lacks are left out.
      out: where the report goes; what was there is replaced. None writes none.
    """
    if out is not None:
        out.unlink(missing_ok=True)
    report = BadRows(out)
    report.note(source.bad)
    has = source.readable
    used = {name: view for name, view in views.items() if field_of(name, view, has) in has}
    report.note(bad_examples(source, used))
    return report


def main(path: str | None, overrides: list[str]) -> None:
    """Validates one source."""
    part = parts.part()
    source, views = part.stretch(command.named_source(path, overrides)), {}
    if path is not None:
        views = inputs.views(recipe_lib.load(path, overrides).data)
    out = part.file(command.out()) if command.OUT.value is not None else None
    report = validate(source, views, out)
    cli.say(f"{source.describe()}\n{report.summary(20)}")
    if len(report):
        sys.exit(1)


if __name__ == "__main__":
    cli.run(main)
