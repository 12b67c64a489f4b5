"""Pages generated from the records: one for each recipe, and the tables of all."""

import ast
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmjax import recipe as recipe_lib
from mmjax.claims import tuning
from mmjax.claims.experiment import Claim
from mmjax.claims.find import Experiment, find_all
from mmjax.claims.tables import (
    correlation,
    headline,
    holds_here,
    inequality,
    metric_name,
    numbers,
    ranked,
    spread,
    values_of,
)
from mmjax.claims.tuning import label
from mmjax.errors import NoVariant
from mmjax.recipe.assumed import assumed

HEAD = ("modalities", "measured by", "year", "recipe", "paper", "reproduced?", "data here")
RESULTS = (
    "recipe", "what holds here", "baseline -> strongest control -> recipe", "the paper's own",
)  # fmt: skip
PARTS = ("recipe", "what is implemented", "left out, and why", "reproduced?")


class Row(NamedTuple):
    """A recipe, or one of its claims, in the tables.

    Attributes:
      name: of the recipe.
      variant: of the claim; empty for a recipe without one.
      modalities: of the paper's towers.
      evaluators: what the paper's variant measures.
      paper: its authors, a link where it is on arXiv.
      year: of the paper, or empty.
      data: the sources of the claim, or of the small variant.
      title, left_out: what the recipe's file says of itself.
      verdict: a link to the claim's page.
      holds, numbers, own: what holds of it, the main metric, the paper's own numbers.
    """

    name: str
    variant: str
    modalities: str
    evaluators: str
    paper: str
    year: str
    data: str
    title: str = ""
    left_out: str = ""
    verdict: str = ""
    holds: str = ""
    numbers: str = ""
    own: str = ""

    def link(self, configs: str) -> str:
        """A link to the recipe's file, with the variant of a further claim."""
        more = "" if self.variant in ("", "claim") else f", `{self.variant}`"
        return f"[{self.name}]({configs}/{self.name}.py){more}"


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
    source = f" from [{recipe}.json]({recipe}.json)" if records else ""  # none before the first run
    lines += _wrapped(f"Generated{source} by `tools/recipe.py tables`.")
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
    for ranking in record.get("rankings", ()):
        mark = "holds" if ranking["holds"] else "**fails**"
        checks.append((mark, ranking["says"], f"`{ranked(ranking)}`", correlation(ranking)))
    for control in record["controls"]:
        mark = "**does it too**" if control["does_it_too"] else "does not"
        place = f"`{control['arm']}` in the place of `{control['of']}`"
        checks.append((mark, f"control: {control['says']}", place, ""))
    return [*lines, markdown(checks)]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def rows(folder: Path, records: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[Row]:
    """Every recipe of a folder, once for each of its claims, by modalities, evaluators and year."""
    experiments: dict[str, list[Experiment]] = {}
    for each in find_all(folder):
        experiments.setdefault(each.recipe, []).append(each)
    found: list[Row] = []
    for file in recipes(folder):
        # Not completed, for which some need a folder of weights.
        small = recipe_lib.given(str(file))
        try:
            paper = recipe_lib.given(f"{file}:paper")
        except NoVariant:
            paper = small
        towers = ", ".join(paper.get("model", {}).get("towers", ())) or "those of the weights"
        about = (towers, ", ".join(paper.get("evaluators", ())), *cited(small["paper"]))
        told = said(file)
        if file.stem not in experiments:
            found.append(Row(file.stem, "", *about, _data(small["data"]["source"]), *told))
        for each in experiments.get(file.stem, ()):
            record = records.get(file.stem, {}).get(each.variant)
            source = each.base().data.source.plain()
            row = Row(file.stem, each.variant, *about, _data(source), *told)
            found.append(row._replace(**_verdict(each, record)))
    return sorted(found, key=lambda row: (row.modalities, row.evaluators, row.year))


def said(file: Path) -> tuple[str, str]:
    """The title of a recipe's file, and its sentence that begins with "Left out:", or an empty one.

    The sentence ends with its paragraph, or where another begins with a capital letter.
    """
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    title, *_ = text.splitlines() or [""]
    found = re.search(r"\bLeft\s+out:\s(.*?)\.(?=\s+[A-Z]|\n\n|\Z)", text, re.DOTALL)
    return title.rstrip("."), " ".join(found[1].split()) if found else ""


def _verdict(experiment: Experiment, record: Mapping[str, Any] | None) -> dict[str, str]:
    """Link to the page, and what is known of a claim."""
    page, own = f"claims/{experiment.recipe}.md", experiment.claim.paper_numbers
    if record is None:
        return {"verdict": f"[not run yet]({page})", "own": own}
    return {
        "verdict": f"[{record['verdict']}]({page})",
        "holds": holds_here(record),
        "numbers": headline(record),
        "own": own,
    }


def cited(paper: str) -> tuple[str, str]:
    """A paper as its authors, a link to arXiv where it says so, and its year."""
    who = paper.partition(", ")[0]
    year = re.search(r"\b(?:19|20)\d\d$", who)
    who = who.removesuffix(year[0]).strip() if year else who
    number = re.search(r"arXiv (\d{4}\.\d{4,5})", paper)
    link = f"[{who}](https://arxiv.org/abs/{number[1]})" if number else who
    return link, year[0] if year else ""


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


def table(found: Sequence[Row]) -> str:
    """The tables of docs/recipe_table.md: what there is, the results, and what is left out."""
    short = [
        (r.modalities, r.evaluators, r.year, r.link("../configs"), r.paper, r.verdict, r.data)
        for r in found
    ]
    long = [
        (r.link("../configs"), r.holds, r.numbers, r.own)
        for r in found
        if r.holds or r.numbers or r.own
    ]
    parts: dict[str, tuple[str, str, str, list[str]]] = {}
    for r in found:  # once each, with the verdicts of all its claims
        link = r._replace(variant="").link("../configs")
        *_, verdicts = parts.setdefault(link, (link, r.title, r.left_out, []))
        verdicts.append(r.verdict)
    whole = [(*about, ", ".join(filter(None, said))) for *about, said in parts.values() if about[2]]
    return "\n\n".join(
        [
            markdown([HEAD, *short]),
            "## Results",
            markdown([RESULTS, *long]),
            "## What is left out",
            markdown([PARTS, *whole]),
        ]
    )


def by_modalities(found: Sequence[Row]) -> str:
    """The README's table: the recipes of each set of modalities."""
    links: dict[str, dict[str, None]] = {}
    for row in found:  # once each, though it may have several claims
        links.setdefault(row.modalities, {})[row._replace(variant="").link("configs")] = None
    each = [(modalities, ", ".join(own)) for modalities, own in links.items()]
    return markdown([("modalities", "recipes"), *each])
