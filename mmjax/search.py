"""Searches an index for what is nearest to a text, an image or another file.

    python -m mmjax.embed --model=runs/clip-... --data=pictures --out=pictures.npz
    python -m mmjax.search --index=pictures.npz --query="a red kite"
    python -m mmjax.search --index=pictures.npz --query=kite.jpg --in=text --top=5

`--index` is a file that `mmjax.embed` has written, or a pattern of its parts, `pictures-*.npz`. It
may hold items of several modalities, which are searched together, or those of `--in`. The query is
the name of a file, or a text; `--modality` says of which modality it is where its ending does not.
It is embedded by the model that made the index, whose name lies beside it in `pictures.npz.json`.

The search is exact. With `--approximate` it is by a graph of near items (HNSW, of the extra
`faiss`), which is kept in `pictures.npz.hnsw`: for indexes of more than a million items.
`python -m mmjax.bench search` shows what that gains and costs.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from mmjax import cli
from mmjax.commands import model as model_flags
from mmjax.data.formats.files import SUFFIXES
from mmjax.errors import ConfigError
from mmjax.text import columns, one_line

flags.adopt_module_key_flags(model_flags)  # for --help
INDEX = flags.DEFINE_string("index", None, "A file of mmjax.embed, or a pattern of its parts.")
QUERY = flags.DEFINE_string("query", None, "A text, or the name of a file.")
MODALITY = flags.DEFINE_string("modality", None, "Of the query, such as image or text.")
AMONG = flags.DEFINE_list("in", [], "Modalities to search among; by default all of the index.")
TOP = flags.DEFINE_integer("top", 10, "How many items to show.", lower_bound=1)
APPROXIMATE = flags.DEFINE_bool("approximate", False, "Search by a graph; see above.")
JSON = flags.DEFINE_bool("json", False, "Print a line of JSON for each item.")


def modality_of(query: str, modalities: Sequence[str], given: str | None = None) -> str:
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
    modality = modality_of(query, model.modalities, MODALITY.value)
    value: Any = Path(query).expanduser() if modality != "text" else query
    values: dict[str, Any] = {modality: [value]}
    embedded = model.encode(**values)
    said = ""
    if APPROXIMATE.value:
        parts = "*" in given
        said = index.approximate(None if parts else Path(f"{given}.hnsw"))
    hits = index.search(embedded, TOP.value, AMONG.value)[0]
    if JSON.value:
        for hit in hits:
            print(json.dumps({"score": hit.score, **hit.item}, ensure_ascii=False))
        return
    cli.say(shown(hits, f"{len(index):,} items of {', '.join(index.modalities)}", said))


def shown(hits: Sequence[Any], among: str, said: str = "") -> str:
    """A table of what was found."""
    rows = [("", "cosine", "modality", "key", "text")]
    for number, hit in enumerate(hits, 1):
        item = hit.item
        text = textwrap.shorten(one_line(item.get("text", "")), 80, placeholder=" …")
        rows.append((str(number), f"{hit.score:.3f}", item["modality"], item["key"], text))
    lines = [*columns(rows), "", f"among {among}"]
    return "\n".join([*lines, said] if said else lines)


if __name__ == "__main__":
    cli.run(main)
