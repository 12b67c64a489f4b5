"""What is generated of recipes and of the results of their claims, and checks of one recipe.

    python -m mmjax.claims --all                # runs the claims, into claims-out/
    python tools/recipe.py collect claims-out   # keeps results in docs/claims/<recipe>.json and
                                                # what was tuned in configs/claims/tuned/
    python tools/recipe.py compare claims-out   # ends with 1 if a verdict is not the recorded one
    python tools/recipe.py tables               # docs/claims/<recipe>.md, docs/recipe_table.md and
                                                # the README's table
    python tools/recipe.py tables --check       # ends with 1 if one of them is not as new
    python tools/recipe.py check tcl            # what concerns one recipe: tests, tables, lint
    python tools/recipe.py fastest 3            # names of claims, for a short check

The tables stand between the lines `<!-- recipes -->` and `<!-- /recipes -->` of README.md and
docs/recipe_table.md; the rest of these files is not touched. A recipe has a row for each of its
claims; a claim's result is that of its first check of a gain. The pages have every arm, check,
control and trial.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmjax.claims import pages, records

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- recipes -->", "<!-- /recipes -->"
# Tests with a case for each recipe.
TESTS = ("tests/test_configs.py", "tests/claims", "tests/preflight/test_preflight.py")


def replaced(text: str, table: str, file: str) -> str:
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


def generated(configs: Path, results: Path, readme: Path, page: Path) -> dict[Path, str]:
    """{file: what it should say} of all that is generated."""
    known = records.read(results)
    rows = pages.rows(configs, known)
    texts = {results / f"{name}.md": text for name, text in pages.pages(configs, known).items()}
    for file, table in ((readme, pages.by_modalities(rows)), (page, pages.table(rows))):
        texts[file] = replaced(file.read_text(encoding="utf-8"), table, file.name)
    return texts


def old_files(texts: dict[Path, str]) -> list[Path]:
    """Those that do not say what they should."""
    return [
        file
        for file, text in texts.items()
        if not file.is_file() or file.read_text(encoding="utf-8") != text
    ]


def check(recipe: str) -> int:
    """Runs what concerns one recipe; returns how many of its parts failed."""
    files = [f"configs/{recipe}.py", f"configs/claims/{recipe}.py"]
    files = [file for file in files if (ROOT / file).is_file()]
    if not files:
        sys.exit(f"recipe: there is no configs/{recipe}.py")
    python = [sys.executable, "-m"]
    pytest = [*python, "pytest", "-q", "-n", "0", "-m", ""]
    listed = subprocess.run(
        [*pytest, "--collect-only", *TESTS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    of_it = re.compile(rf"^\S+::\S+\[{re.escape(recipe)}(?:[-:][^\]]*)?\]$", re.MULTILINE)
    failed = 0
    for command in (
        [*python, "ruff", "check", *files],
        [*python, "ruff", "format", "--check", *files],
        [sys.executable, "tools/recipe.py", "tables", "--check"],
        [*pytest, *of_it.findall(listed.stdout)],
    ):
        failed += subprocess.run(command, cwd=ROOT, check=False).returncode != 0
    print(f"{recipe}: {'all is well' if not failed else f'{failed} of 4 checks failed'}")
    return failed


def main(arguments: list[str] | None = None) -> None:
    """One of the commands."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--configs", type=Path, default=ROOT / "configs")
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "claims")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "recipe_table.md")
    commands = parser.add_subparsers(dest="command", required=True)
    each = commands.add_parser("collect", help="take the verdicts of `mmjax.claims`")
    each.add_argument("out", type=Path, help="folder that `mmjax.claims` wrote to")
    each = commands.add_parser("compare", help="compare verdicts with the records")
    each.add_argument("out", type=Path, help="folder that `mmjax.claims` wrote to")
    each = commands.add_parser("tables", help="write the pages and the tables of all")
    each.add_argument("--check", action="store_true", help="write nothing, compare")
    each = commands.add_parser("fastest", help="name the claims that take the least time")
    each.add_argument("count", type=int)
    each = commands.add_parser("check", help="run what concerns one recipe")
    each.add_argument("recipe")
    args = parser.parse_args(arguments)
    if args.command == "collect":
        taken = records.collect(args.out, args.results, args.configs)
        print(f"{args.results}: {', '.join(taken) or 'nothing new'}")
    elif args.command == "compare":
        compared, said = records.differing(args.out, args.results, args.configs)
        if said or not compared:
            none = f"{args.out} has no verdict of a claim that has a record"
            sys.exit("\n".join(said) or none)
        print(f"as recorded: {', '.join(compared)}")
    elif args.command == "fastest":
        print(*records.fastest(records.read(args.results), args.count))
    elif args.command == "check":
        sys.exit(check(args.recipe) > 0)
    else:
        try:
            texts = generated(args.configs, args.results, args.readme, args.page)
        except ValueError as error:
            sys.exit(f"recipe: {error}")
        old = old_files(texts)
        if args.check:
            if old:
                names = ", ".join(file.name for file in old)
                sys.exit(f"recipe: old: {names}; run `python tools/recipe.py tables`")
            return
        for file in old:
            file.write_text(texts[file], encoding="utf-8")
            print(file)


if __name__ == "__main__":
    main()
