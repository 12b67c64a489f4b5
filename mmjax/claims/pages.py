"""Pages generated from the records: one for each recipe, and the README's table of all."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmjax import recipe as recipe_lib
from mmjax.claims.experiment import Claim
from mmjax.claims.find import Experiment, find_all
from mmjax.claims.tables import headline, inequality, numbers, spread
from mmjax.recipe import Recipe

HEAD = ("recipe", "paper", "data", "claim", "baseline -> recipe", "the paper's own")


def recipes(folder: Path) -> list[Path]:
    """The files of a folder that are recipes."""
    return [file for file in sorted(folder.glob("*.py")) if file.stem != "__init__"]


def pages(folder: Path, records: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, str]:
    """{recipe: its page in Markdown} of all that have experiments, run or not."""
    found: dict[str, list[Experiment]] = {}
    for experiment in find_all(folder):
        found.setdefault(experiment.recipe, []).append(experiment)
    return {name: page(each, records.get(name, {})) for name, each in found.items()}


def page(experiments: Sequence[Experiment], records: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of a recipe: what is claimed, what each arm gave, and which checks hold."""
    recipe = experiments[0].recipe
    paper = experiments[0].recipe_of().paper
    files = [f"configs/{recipe}.py", f"configs/claims/{recipe}.py"]
    links = " and ".join(f"[{file}](../../{file})" for file in files)
    lines = [f"# Claims of `{recipe}`", "", *_wrapped(f"{paper}. Defined in {links}."), ""]
    lines += _wrapped(f"Generated from [{recipe}.json]({recipe}.json) by `tools/recipe.py tables`.")
    for experiment in experiments:
        lines += _section(experiment, records.get(experiment.variant))
    return "\n".join(lines) + "\n"


def _section(experiment: Experiment, record: Mapping[str, Any] | None) -> list[str]:
    claim = experiment.claim
    said = claim.statement[0].upper() + claim.statement[1:]
    lines = ["", f"## `{experiment.variant}`", "", *_wrapped(f"**{said}.**"), ""]
    lines += [f"    python -m mmjax.claims {experiment.word}", ""]
    if record is None:
        lines.append("Not run yet.")
    else:
        lines += _results(claim, record)
    if claim.paper_numbers:
        lines += ["", *_wrapped(f"The paper's own: {claim.paper_numbers}.")]
    if claim.notes:
        lines += ["", *_wrapped(claim.notes)]
    return lines


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)


def _results(claim: Claim, record: Mapping[str, Any]) -> list[str]:
    held = sum(check["holds"] for check in record["checks"])
    verdict = "Shown" if record["shown"] else "Not shown"
    seeds, jobs = len(record["seeds"]), record.get("jobs", 1)
    text = (
        f"{verdict}: {held} of {len(record['checks'])} checks hold, over {seeds} seeds, in "
        f"{record['seconds']:.0f} s with {jobs} run{'s' * (jobs != 1)} at once. Means ± standard "
        "deviations over the seeds:"
    )
    lines, rows = [*_wrapped(text), ""], [("arm", *(f"`{metric}`" for metric in claim.metrics))]
    for arm in sorted(record["arms"], key=[*claim.arms, *record["arms"]].index):
        found = record["arms"][arm]
        rows.append((arm, *(spread(found[m]) if m in found else "" for m in claim.metrics)))
    lines += [markdown(rows), ""]
    checks = [("", "metric", "check", "numbers")]
    for check in record["checks"]:
        mark = "holds" if check["holds"] else "**fails**"
        checks.append((mark, f"`{check['metric']}`", inequality(check), numbers(check)))
    return [*lines, markdown(checks)]


def rows(
    folder: Path, records: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> list[tuple[str, ...]]:
    """A row of cells for every recipe of a folder, and for each of its claims."""
    experiments: dict[str, list[Experiment]] = {}
    for each in find_all(folder):
        experiments.setdefault(each.recipe, []).append(each)
    found: list[tuple[str, ...]] = []
    for file in recipes(folder):
        name, link = file.stem, f"[{file.stem}](configs/{file.name})"
        small = recipe_lib.load(str(file))
        if name not in experiments:
            found.append((link, cited(small.paper), _data(small), "", "", ""))
        for each in experiments.get(name, ()):
            more = "" if each.variant == "claim" else f", `{each.variant}`"
            given = (link + more, cited(small.paper), _data(each.recipe_of()))
            found.append((*given, *_verdict(each, records.get(name, {}).get(each.variant))))
    return found


def _verdict(experiment: Experiment, record: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """Link to the page, numbers of a claim that was run, and the paper's own."""
    page, own = f"docs/claims/{experiment.recipe}.md", experiment.claim.paper_numbers
    if record is None:
        return f"[not run]({page})", "", own
    line = headline(record["checks"], lambda arm, metric: record["arms"][arm][metric])
    return f"[{'shown' if record['shown'] else 'not shown'}]({page})", line, own


def cited(paper: str) -> str:
    """A paper as a link: its authors and year, to arXiv where it says so."""
    who = paper.partition(", ")[0]
    number = re.search(r"arXiv (\d{4}\.\d{4,5})", paper)
    return f"[{who}](https://arxiv.org/abs/{number[1]})" if number else who


def _data(recipe: Recipe) -> str:
    return ", ".join(dict.fromkeys(source.type for source in recipe.data.sources.values()))


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first row is its head."""
    head, *rest = table
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in line) + " |"
        for line in (head, ("---",) * len(head), *rest)
    )


def table(folder: Path, records: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The README's table."""
    return markdown([HEAD, *rows(folder, records)])
