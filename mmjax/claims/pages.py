"""Pages generated from the records: one for each recipe, and the README's table of all."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmjax import recipe as recipe_lib
from mmjax.claims import tuning
from mmjax.claims.experiment import Claim
from mmjax.claims.find import Experiment, find_all
from mmjax.claims.tables import (
    headline,
    holds_here,
    inequality,
    metric_name,
    numbers,
    spread,
    values_of,
)
from mmjax.claims.tuning import label
from mmjax.recipe.assumed import assumed

HEAD = (
    "recipe", "paper", "data", "paper's claim reproduced?", "what holds here",
    "baseline -> strongest control -> recipe", "the paper's own",
)  # fmt: skip


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
    paper = experiments[0].base().paper
    files = [f"configs/{recipe}.py", f"configs/claims/{recipe}.py"]
    links = " and ".join(f"[{file}](../../{file})" for file in files)
    lines = [f"# Claims of `{recipe}`", "", *_wrapped(f"{paper}. Defined in {links}."), ""]
    lines += _wrapped(f"Generated from [{recipe}.json]({recipe}.json) by `tools/recipe.py tables`.")
    for experiment in experiments:
        lines += _section(experiment, records.get(experiment.variant))
    marked = assumed(experiments[0].folder / f"{recipe}.py")
    if marked:
        text = f"Values in [configs/{recipe}.py](../../configs/{recipe}.py) that no source gives:"
        lines += ["", "## Assumed", "", *_wrapped(text), ""]
        lines += [f"- `{code}`{f': {reason}' if reason else ''}" for code, reason in marked]
    return "\n".join(lines) + "\n"


def _section(experiment: Experiment, record: Mapping[str, Any] | None) -> list[str]:
    claim = experiment.claim
    lines = ["", f"## `{experiment.variant}`", ""]
    lines += _wrapped(f"The paper claims: {claim.paper}.")
    lines += ["", *_wrapped(f"Tested here: {claim.statement}."), ""]
    lines += [f"    python -m mmjax.claims {experiment.word}", ""]
    if record is None:
        lines.append("Not run yet.")
    else:
        lines += _results(claim, record)
    if claim.paper_numbers:
        lines += ["", *_wrapped(f"The paper's own: {claim.paper_numbers}.")]
    if claim.notes:
        lines += ["", *_wrapped(claim.notes)]
    stored = tuning.read(experiment)
    if stored is not None:
        lines += _tuned(experiment, stored)
    return lines


def _tuned(experiment: Experiment, stored: Mapping[str, Any]) -> list[str]:
    """How the settings were chosen, every trial."""
    seeds = "s"[: len(stored["seeds"]) - 1] + " " + ", ".join(map(str, stored["seeds"]))
    best = "highest" if stored["mode"] == "max" else "lowest"
    text = (
        f"Every arm's setting was chosen by the {best} {metric_name(stored['metric'])} on seed"
        f"{seeds}, used for nothing else, with the same number of trials for each, in "
        f"{stored['seconds']:.0f} s. Bold is chosen."
    )
    rows = [("arm", "setting", *(f"seed {seed}" for seed in stored["seeds"]))]
    for arm, found in stored["arms"].items():
        for trial in found["trials"]:
            cells = [arm, label(trial["setting"]), *values_of(trial)]
            chosen = trial["setting"] == found["choice"]
            rows.append(tuple(f"**{cell}**" if chosen else cell for cell in cells))
    edges = [f"{arm} ({', '.join(f['edge'])})" for arm, f in stored["arms"].items() if f["edge"]]
    ties = [f"{arm} ({f['ties']})" for arm, f in stored["arms"].items() if f["ties"] > 1]
    at = f" Several settings were equally good: {', '.join(ties)}." if ties else ""
    at += f" At the edge of their grid: {'; '.join(edges)}." if edges else ""
    command = f"    python -m mmjax.claims {experiment.word} --tune"
    return ["", "### Tuning", "", command, "", *_wrapped(text + at), "", markdown(rows)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)


def _results(claim: Claim, record: Mapping[str, Any]) -> list[str]:
    seeds, jobs = len(record["seeds"]), record["jobs"]
    lines = _wrapped(f"**{_capital(record['verdict'])}**: {record['because']}.")
    text = (
        f"{seeds} seeds, {record['seconds']:.0f} s with {jobs} run{'s' * (jobs != 1)} at once. "
        "Means ± standard deviations over the seeds:"
    )
    lines += ["", *_wrapped(text), ""]
    rows = [("arm", *(f"`{metric}`" for metric in claim.metrics), "setting")]
    for arm, found in record["arms"].items():
        cells = [spread(found[m]) if m in found else "" for m in claim.metrics]
        rows.append((arm, *cells, label(record["settings"][arm])))
    lines += [markdown(rows), ""]
    head = ("", "", "check", "numbers, paired difference with its 95 % interval")
    checks = [head]
    for part, name in (("premises", "premise: "), ("checks", ""), ("extras", "further: ")):
        for check in record[part]:
            mark = "holds" if check["holds"] else "**fails**"
            mark += "" if check["possible"] else ", as any value would"
            checks.append((mark, name + check["says"], f"`{inequality(check)}`", numbers(check)))
    for control in record["controls"]:
        mark = "**does it too**" if control["does_it_too"] else "does not"
        place = f"`{control['arm']}` in the place of `{control['of']}`"
        checks.append((mark, f"control: {control['says']}", place, ""))
    return [*lines, markdown(checks)]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


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
        small = recipe_lib.given(str(file))  # not completed, for which some need a folder
        if name not in experiments:
            data = _data(small["data"]["source"])
            found.append((link, cited(small["paper"]), data, "", "", "", ""))
        for each in experiments.get(name, ()):
            more = "" if each.variant == "claim" else f", `{each.variant}`"
            source = each.base().data.source.plain()
            given = (link + more, cited(small["paper"]), _data(source))
            found.append((*given, *_verdict(each, records.get(name, {}).get(each.variant))))
    return found


def _verdict(experiment: Experiment, record: Mapping[str, Any] | None) -> tuple[str, str, str, str]:
    """Link to the page, what holds, numbers of a claim that was run, and the paper's own."""
    page, own = f"docs/claims/{experiment.recipe}.md", experiment.claim.paper_numbers
    if record is None:
        return f"[not run yet]({page})", "", "", own
    return f"[{record['verdict']}]({page})", holds_here(record), headline(record), own


def cited(paper: str) -> str:
    """A paper as a link: its authors and year, to arXiv where it says so."""
    who = paper.partition(", ")[0]
    number = re.search(r"arXiv (\d{4}\.\d{4,5})", paper)
    return f"[{who}](https://arxiv.org/abs/{number[1]})" if number else who


def _data(source: Mapping[str, Any]) -> str:
    """The types of a source, or of the parts of a mixture."""
    parts = [source] if "type" in source else source.values()
    return ", ".join(dict.fromkeys(part["type"] for part in parts))


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
