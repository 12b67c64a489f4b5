"""Searches an index for what is nearest to a text, an image or another file.

    python -m mmjax.embed --model=runs/clip-... --data=pictures --out=pictures.npz
    python -m mmjax.search --index=pictures.npz --query="a red kite"
    python -m mmjax.search --index=pictures.npz --query=kite.jpg --in=text --top=5

`--index` is a file that `mmjax.embed` has written, or a pattern of its parts, `pictures-*.npz`. It
may hold items of several modalities, which are searched together, or those of `--in`. The query is
the name of a file, or a text; `--modality` says of which modality it is where its ending does not.
It is embedded by the model that made the index, whose name lies beside it in `pictures.npz.json`.

With `--rerank` the nearest `--candidates` are put in the order of a term of the model that looks at
both sides of a pair, such as `matching`; `--data` are the data that were embedded.

The search is exact. With `--approximate` it is by a graph of near items (HNSW, of the extra
`faiss`), which is kept in `pictures.npz.hnsw`: for indexes of more than a million items.
`python -m mmjax.bench search` shows what that gains and costs.
"""

from __future__ import annotations

import contextlib
import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from mmjax import cli
from mmjax.commands import data_source as command
from mmjax.commands import model as model_flags
from mmjax.data.formats.files import SUFFIXES
from mmjax.data.records import BadExample, Source, options
from mmjax.errors import ConfigError
from mmjax.text import columns, one_line

flags.adopt_module_key_flags(model_flags)  # for --help
flags.declare_key_flag("data")
INDEX = flags.DEFINE_string("index", None, "A file of mmjax.embed, or a pattern of its parts.")
QUERY = flags.DEFINE_string("query", None, "A text, or the name of a file.")
MODALITY = flags.DEFINE_string("modality", None, "Of the query, such as image or text.")
RERANK = flags.DEFINE_bool("rerank", False, "Order the nearest by a matching term; needs --data.")
CANDIDATES = flags.DEFINE_integer("candidates", 50, "How many are reranked.", lower_bound=1)
AMONG = flags.DEFINE_list("in", [], "Modalities to search among; by default all of the index.")
TOP = flags.DEFINE_integer("top", 10, "How many items to show.", lower_bound=1)
APPROXIMATE = flags.DEFINE_bool("approximate", False, "Search by a graph; see above.")
JSON = flags.DEFINE_bool("json", False, "Print a line of JSON for each item.")


def modality_of_query(query: str, modalities: Sequence[str], given: str | None = None) -> str:
    """Of which modality of a model a query is.

    Args:
      query: a text, or the name of a file.
      modalities: that the model embeds.
      given: by the user, or None.

    Raises:
      ConfigError: for one that the model does not embed, or when it cannot be told.
    """
    has = f"the model embeds {', '.join(modalities)}"
    if given is not None:
        if given not in modalities:
            raise ConfigError(f"--modality={given}: {has}")
        return given
    if not Path(query).expanduser().is_file():
        if "text" in modalities:
            return "text"
        raise ConfigError(f"there is no file {query}, and no text can be searched by: {has}")
    ending = Path(query).suffix.lower()
    fitting = [name for name in modalities if ending in SUFFIXES.get(name, ())]
    if len(fitting) != 1:
        raise ConfigError(f"say what {query} is with --modality: {has}")
    return fitting[0]


def reranked(model: Any, modality: str, value: Any, hits: Sequence[Any], data: Source) -> list[Any]:
    """Hits in the order of the model's term, whose score they have then.

    Args:
      model: a `mmjax.api.Model`.
      modality: of the query.
      value: the query, as `Model.encode` takes it.
      hits: items of one other modality.
      data: that the index was made of.

    Raises:
      ConfigError: for hits of the query's own modality or several, data without them, or a model
        without such a term.
    """
    kinds = {hit.item["modality"] for hit in hits}
    if len(kinds) != 1 or modality in kinds:
        raise ConfigError(
            f"--rerank orders items of one modality, not that of the query ({modality}), but found "
            f"{', '.join(sorted(kinds))}: say which with --in"
        )
    (other,) = kinds
    found = _fields(data, {int(hit.item["id"]): hit.item["key"] for hit in hits}, other)
    missing = [hit.item["key"] for hit in hits if hit.item["key"] not in found]
    if missing:
        raise ConfigError(
            f"--data has no {other} of {missing[0]!r}: give the data that were embedded"
        )
    values = [found[hit.item["key"]][int(hit.item.get("alternative", 0))] for hit in hits]
    scores = model.match(**{modality: [value], other: values})
    order = np.argsort(-scores, kind="stable")
    return [hits[i]._replace(score=float(scores[i])) for i in order.tolist()]


def _fields(data: Source, wanted: Mapping[int, str], field: str) -> dict[str, list[Any]]:
    """Key -> alternatives of a field, of the records with these ids and keys."""
    found: dict[str, list[Any]] = {}
    # A record's id is mostly known without reading it. Where it is not, all are read.
    likely = [row for row in range(len(data)) if data.id_of(row) in wanted]
    for row in (*likely, *range(len(data))):
        if len(found) == len({*wanted.values()}):
            break
        with contextlib.suppress(BadExample):
            record = data[row]
            if str(record["key"]) in wanted.values() and field in record:
                found[str(record["key"])] = options(record[field])
    return found


def main(path: str | None, overrides: list[str]) -> None:
    """Shows the items that are nearest to the query."""
    if path is not None or overrides:
        raise ConfigError("the model has its own preprocessing: leave out --config")
    given, query = cli.needed(INDEX), cli.needed(QUERY)
    # Here, so that --help does not wait for jax.
    from mmjax import api
    from mmjax.inference import index as index_lib
    from mmjax.parallel.compiler import keep_programs

    index = index_lib.Index(index_lib.read(given), given)
    made_by = index_lib.read_card(given)
    if made_by.get("layer", "unit") != "unit":
        raise ConfigError(
            f"{given} holds what encoders give to their heads: embed it anew with --layer=unit"
        )
    name = model_flags.MODEL.value or made_by.get("model")
    if name is None:
        raise ConfigError(f"{given}.json, which names the model, is not there: give --model")
    keep_programs()
    own = model_flags.MODEL.value is None
    model = api.load(
        name, checkpoint=made_by["checkpoint"] if own else model_flags.CHECKPOINT.value
    )
    modality = modality_of_query(query, model.modalities, MODALITY.value)
    value: Any = Path(query).expanduser() if modality != "text" else query
    values: dict[str, Any] = {modality: [value]}
    embedded = model.encode(**values)
    said = ""
    if APPROXIMATE.value:
        parts = "*" in given
        said = index.approximate(None if parts else Path(f"{given}.hnsw"))
    if RERANK.value:
        found = index.search(embedded, CANDIDATES.value, AMONG.value)[0]
        data = command.source_of(cli.needed(command.DATA), alone=True)
        hits = reranked(model, modality, value, found, data)[: TOP.value]
    else:
        hits = index.search(embedded, TOP.value, AMONG.value)[0]
    if JSON.value:
        for hit in hits:
            print(json.dumps({"score": hit.score, **hit.item}, ensure_ascii=False))
        return
    among = f"{len(index):,} items of {', '.join(index.modalities)}"
    cli.say(shown(hits, among, said, "match" if RERANK.value else "cosine"))


def shown(hits: Sequence[Any], among: str, said: str = "", score: str = "cosine") -> str:
    """A table of what was found."""
    rows = [("", score, "modality", "key", "text")]
    for number, hit in enumerate(hits, 1):
        item = hit.item
        text = textwrap.shorten(one_line(item.get("text", "")), 80, placeholder=" …")
        rows.append((str(number), f"{hit.score:.3f}", item["modality"], item["key"], text))
    lines = [*columns(rows), "", f"among {among}"]
    return "\n".join([*lines, said] if said else lines)


if __name__ == "__main__":
    cli.run(main)
