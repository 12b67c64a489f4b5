"""Writes a page to explore what a model embeds: a plane of points, neighbours, a search box.

    python -m mmjax.explore --model=runs/clip_uniform-...
    python -m mmjax.explore --model=weights/clip --data=pictures --out=explore.html
    python -m mmjax.explore --model=pairs.npz

`--model` is whatever `mmjax.load` takes, or what `mmjax.embed` has written (.npz or .parquet; the
page then has no pictures). `--data` is as for `mmjax.embed`; of a run it is by default the set of
its first evaluator, or what it trained on where it has none. At most 5,000 items are shown, drawn
at random. The page is one file, works without network, and shows UMAP beside principal components
where umap-learn is installed.
"""

from pathlib import Path
from typing import Any

from absl import flags

from mmjax import cli
from mmjax.commands import data_source as command
from mmjax.errors import ConfigError

flags.adopt_module_key_flags(command)  # for --help
MODEL = flags.DEFINE_string(
    "model", None, "A run, an export, weights, hf://owner/name, or a file of mmjax.embed.",
    allow_override=True,
)  # fmt: skip
CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "latest", "Of a run: latest, previous, best, or a step.", allow_override=True
)
FILE = "explore.html"


def main(path: str | None, overrides: list[str]) -> None:
    """Writes the page."""
    # Here, so that --help does not wait for jax.
    from mmjax.inference import index
    from mmjax.report import explore

    if path is not None or overrides:
        raise ConfigError("the model has its own preprocessing: leave out --config")
    given = cli.needed(MODEL)
    if Path(given).suffix in index.SUFFIXES:
        if command.DATA.value is not None:
            raise ConfigError(f"{given} holds embeddings already: leave out --data")
        items = explore.of_index(index.read(given))
    else:
        items = explore.of_embedded(embedded(given))
    default = Path(given) / FILE if Path(given).is_dir() else Path(FILE)
    out = explore.write(items, command.OUT.value or default, Path(given).name)
    cli.say(f"{out}: {len(items):,} items of {', '.join(items.modalities)}; open it in a browser")


def embedded(given: str) -> dict[str, Any]:
    """Modality -> embedded items of `--data`, or of a run's first evaluator.

    Raises:
      ConfigError: without data, or when model and data have no modality in common.
    """
    from mmjax import api
    from mmjax.evaluators.data import EvalData, embed
    from mmjax.parallel.compiler import keep_programs

    keep_programs()
    model: Any = api.load(given, checkpoint=CHECKPOINT.value)
    data = EvalData(_source(given), model.bundle.views)
    found = embed(model, data, command.in_common(model, data), "all")
    sizes = {each.unit.shape[1] for each in found.values()}
    if len(sizes) > 1:
        raise ConfigError(
            f"the towers give embeddings of sizes {sorted(sizes)}, which have no plane in common"
        )
    return dict(found)


def _source(given: str) -> Any:
    """The source of `--data`; or that of a run's first evaluator, without any that of training."""
    from mmjax import recipe as recipe_lib
    from mmjax.data.config import Mixture

    if command.DATA.value is not None:
        return command.source_of(command.DATA.value, alone=True)
    stored = Path(given) / "config.json"
    if not stored.is_file():
        raise ConfigError(f"{given} is no run, whose data could be shown: give --data=DATA")
    recipe = recipe_lib.read(stored)
    for _, _, config in recipe.each_evaluator():
        return config.sources["source"].build()
    if isinstance(recipe.data.source, Mixture):
        raise ConfigError(f"the run {given} trained on a mixture and evaluates none: give --data")
    return recipe.data.source.build()


if __name__ == "__main__":
    cli.run(main)
