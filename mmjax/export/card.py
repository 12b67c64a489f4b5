"""The model card of an export: architecture, training data, metrics, and how to load it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mmjax.inference.bundle import Bundle
from mmjax.report import results
from mmjax.schema.values import plain
from mmjax.text import one_line

_LOADING = {
    "hf": """```python
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

model = AutoModel.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
processor = AutoImageProcessor.from_pretrained(folder)
```""",
    "open_clip": """```python
import open_clip

model, _, transform = open_clip.create_model_and_transforms("local-dir:" + folder)
tokenizer = open_clip.get_tokenizer("local-dir:" + folder)
```""",
    "safetensors": """```python
import mmjax

model = mmjax.load(folder)
```""",
    "stablehlo": """```python
import jax  # any version that reads the file; this package is not needed

with open(folder + "/image.stablehlo", "rb") as file:
    image = jax.export.deserialize(bytearray(file.read()))
unit = image.call(inputs)  # see stablehlo.json for shapes; any batch size
```""",
}


def card(
    *,
    kind: str,
    name: str,
    bundle: Bundle,
    report: Mapping[str, Any],
    notes: list[str],
    license: str | None,
) -> str:
    """The text of README.md.

    Args:
      kind: the format.
      name: of the model.
      bundle: the model.
      report: of parity.
      notes: what a user should know, a sentence each.
      license: of the weights, as who exports them says.
    """
    recipe, about = bundle.recipe, bundle.about
    lines = ["---", f"license: {json.dumps(one_line(license or 'other'))}"]
    if kind == "hf":
        lines.append("library_name: transformers")
    lines += ["tags:", "- contrastive", "- mmjax", "---", "", f"# {_text(name)}", ""]
    lines += [
        f"Exported by mmjax from {_text(about.get('source', 'a model'))}"
        + (f", step {about['step']:,}" if isinstance(about.get("step"), int) else "")
        + ".",
        "",
    ]
    lines += ["## Towers", ""]
    for modality, tower in bundle.towers.items():
        options = ", ".join(f"{k}={v!r}" for k, v in plain(tower.encoder.options).items())
        lines.append(
            f"- **{_text(modality)}**: {_code(f'{tower.encoder.type} ({options})')}; head "
            f"{_code(json.dumps(tower.head.plain()))}"
        )
    if recipe is not None:
        data = json.dumps(recipe.data.source.plain(), ensure_ascii=False)
        lines += ["", "## Data", "", f"Trained on {_code(data)}."]
        if '"emoji"' in data or "emoji_pretrained" in data:
            lines.append(
                "Emoji images: Fluent Emoji (MIT), Noto Emoji (Apache-2.0), Twemoji (CC-BY-4.0); "
                "names: Unicode CLDR (Unicode-3.0)."
            )
        lines += [
            "",
            "## Recipe",
            "",
            f"{_code(f'{recipe.recipe}:{recipe.variant}')} ({_text(recipe.paper)}), "
            f"{recipe.steps:,} steps of {recipe.data.batch_size:,} examples, seed "
            f"{recipe.seed}. Objectives: {_code(json.dumps(plain(recipe.objectives)))}.",
        ]
    known = about.get("metrics")
    metrics = results.numbers(known) if isinstance(known, Mapping) else {}
    if metrics:
        lines += ["", "## Metrics", "", "| metric | value |", "|---|---|"]
        lines += [f"| {_text(key)} | {value:.4g} |" for key, value in metrics.items()]
    lines += [
        "",
        "## Parity",
        "",
        f"Against {report['compared_with']}, on {report['rows']} "
        f"examples, tolerance {report['tolerance']:g}:",
        "",
    ]
    lines += [
        f"- {_text(key)}: largest difference {value['max_abs']:.2e}"
        for key, value in report.items()
        if isinstance(value, dict)
    ]
    lines += ["", "## Use", "", _LOADING[kind]]
    if notes:
        lines += ["", "## To know", "", *[f"- {_text(note)}" for note in notes]]
    lines += [
        "",
        "## Licence",
        "",
        f"Of the weights: {_text(license)}."
        if license
        else "Of the weights: not stated by who exported them (--license). What the data's "
        "licences ask for holds besides.",
    ]
    return "\n".join(lines) + "\n"


def _text(text: object) -> str:
    """A text as Markdown that shows it, whatever it holds."""
    return re.sub(r"([\\`*_\[\]<>|#&~])", r"\\\1", one_line(text))


def _code(text: object) -> str:
    """A text as a code span of Markdown, in more backticks than it has in a row itself."""
    shown = one_line(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    space = " " if "`" in shown else ""
    return f"{fence}{space}{shown}{space}{fence}"
