"""Writes the README's table of recipes, from the recipes and from what their claims gave.

    python -m mmjax.claims --all                          # runs the claims, into claims-out/
    python tools/recipe_table.py --collect claims-out     # keeps their results in docs/claims.json
    python tools/recipe_table.py                          # the table, into README.md
    python tools/recipe_table.py --check                  # ends with 1 if the README is not as new
    python tools/recipe_table.py --fastest 3              # names of claims, for a short check

The table stands between the lines `<!-- recipes -->` and `<!-- /recipes -->` of README.md; the rest
of the file is not touched. A recipe has a row for its variant `claim`, with the data of that, and
one for each further claim that was run (`lit:claim_tux_paint`). A claim's result is
the first of its checks that compares two arms: both arms' means over the seeds, with the deviation
over the seeds; the file of results has every arm and check.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmjax import recipe as config_lib
from mmjax.report.claims import headline

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- recipes -->", "<!-- /recipes -->"
HEAD = ("recipe", "paper", "terms", "data", "claim", "shown", "baseline -> recipe", "paper's own")


def recipes(folder: Path) -> list[Path]:
    """The files of a folder that are recipes."""
    return [f for f in sorted(folder.glob("*.py")) if f.stem not in ("__init__", "base")]


def collect(out: Path, results: Path, folder: Path) -> list[str]:
    """Takes the verdicts that `mmjax.claims` wrote to `out` into the file `results`.

    Of every arm only the metrics that the claim shows are kept. Results of recipes without a new
    verdict stay as they are.

    Returns:
      The names of the recipes that were taken.
    """
    kept = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    taken = []
    verdicts = {
        (file, variant): out / f"{file.stem}{'' if variant == 'claim' else '-' + variant}.json"
        for file in recipes(folder)
        for variant in ("claim", *further(file.stem, (f.stem for f in out.glob("*.json")), "-"))
    }
    for (file, variant), verdict_file in verdicts.items():
        if not verdict_file.is_file():
            continue
        name = file.stem if variant == "claim" else f"{file.stem}:{variant}"
        verdict = json.loads(verdict_file.read_text(encoding="utf-8"))
        claim = config_lib.load(f"{file}:{variant}")["claim"]
        shown = {*claim["metrics"], *(check["metric"] for check in verdict["checks"])}
        arms = {
            arm: {
                metric: [round(seed[metric], 5) for seed in seeds]
                for metric in sorted(shown & set(seeds[0]))
            }
            for arm, seeds in verdict["arms"].items()
        }
        fields = ("statement", "shown", "paper_numbers", "seeds", "seconds", "jobs", "checks")
        kept[name] = {**{key: verdict[key] for key in fields}, "arms": arms}
        taken.append(name)
    results.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n"
    results.write_text(text, encoding="utf-8")
    return taken


def further(recipe: str, names: Iterable[str], mark: str) -> list[str]:
    """The variants with further claims of a recipe, of names such as `lit:claim_tux_paint`."""
    before = f"{recipe}{mark}"
    return sorted(n.removeprefix(before) for n in names if n.startswith(f"{before}claim"))


def fastest(results: Mapping[str, Mapping], count: int) -> list[str]:
    """The recipes whose claims were shown in the fewest seconds, the fastest first.

    Further claims are left out: data of some are not in the package.
    """
    own = {name: r for name, r in results.items() if ":" not in name}
    timed = [(r["seconds"], name) for name, r in own.items() if r["shown"] and "seconds" in r]
    return [name for _, name in sorted(timed)[:count]]


def rows(folder: Path, results: Mapping[str, Mapping]) -> list[tuple[str, ...]]:
    """A row of cells for every recipe of a folder, and for its further claims that were run."""
    found = []
    for file in recipes(folder):
        small = config_lib.load(str(file))
        try:
            tried = config_lib.load(f"{file}:claim")
            claim = tried["claim"]
        except config_lib.NoVariant:
            tried, claim = small, None
        result, link = results.get(file.stem), f"[{file.stem}](configs/{file.name})"
        if claim is None:
            cells = ("", "no claim", "", "")
        elif result is None:
            cells = (claim["statement"], "not run", "", claim["paper_numbers"])
        else:
            cells = _result(result)
        terms = ", ".join(dict.fromkeys(spec["type"] for spec in small["objectives"].values()))
        found.append((link, small["paper"], terms, _data(tried), *cells))
        for variant in further(file.stem, results, ":"):
            cells = _result(results[f"{file.stem}:{variant}"])
            data = _data(config_lib.load(f"{file}:{variant}"))
            found.append((f"{link}, `{variant}`", small["paper"], terms, data, *cells))
    return found


def _result(result: Mapping) -> tuple[str, ...]:
    """Statement, verdict, numbers of a claim that was run, and the paper's own."""
    numbers = headline(result["checks"], lambda arm, metric: result["arms"][arm][metric])
    verdict = "yes" if result["shown"] else "no"
    return result["statement"], verdict, numbers, result["paper_numbers"]


def _data(config: Mapping) -> str:
    source = config["data"]["source"]
    if "type" in source:
        return source["type"]
    return ", ".join(spec["type"] for spec in source.values())


def markdown(table: list[tuple[str, ...]]) -> str:
    """The table in Markdown, with a head."""
    lines = [HEAD, ("---",) * len(HEAD), *table]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in line) + " |"
        for line in lines
    )


def replaced(text: str, table: str, file: str = "README.md") -> str:
    """`text` with the table between the two markers.

    Raises:
      ValueError: when the markers do not stand there once each, in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(
            f"{file} needs the line {BEGIN} once and {END} once after it, where the table of "
            "recipes is to stand"
        )
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


def main() -> None:
    """Collects results if asked to, then writes or checks the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--collect", type=Path, help="folder that `mmjax.claims` wrote to")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("--fastest", type=int, help="write nothing, name so many claims")
    parser.add_argument("--configs", type=Path, default=ROOT / "configs")
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "claims.json")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    args = parser.parse_args()
    if args.collect is not None:
        taken = collect(args.collect, args.results, args.configs)
        print(f"{args.results}: {', '.join(taken) or 'nothing new'}")
        return
    results = {}
    if args.results.is_file():
        results = json.loads(args.results.read_text(encoding="utf-8"))
    if args.fastest is not None:
        print(*fastest(results, args.fastest))
        return
    old = args.readme.read_text(encoding="utf-8")
    try:
        new = replaced(old, markdown(rows(args.configs, results)), args.readme.name)
    except ValueError as error:
        sys.exit(f"recipe_table: {error}")
    if args.check:
        if new != old:
            sys.exit(f"recipe_table: the table in {args.readme} is old; run this without --check")
        return
    args.readme.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
