"""Runs the notebooks in examples/ from beginning to end, each in an empty folder.

    python tools/notebooks.py                  # all
    python tools/notebooks.py search recipe    # some

Needs the extra `examples`. The files stay as they are, without outputs. Ends with 1 at the first
cell that fails, or when a notebook takes longer than it may.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def execute(file: Path, folder: str) -> None:
    """Runs one notebook with `folder` as the working directory."""
    # Of the extra `examples`, which --help does not need.
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(file, as_version=4)
    for number, cell in enumerate(notebook.cells):
        if cell.get("outputs"):
            sys.exit(f"{file.name}, cell {number}: clear its outputs before a commit")
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}})
    try:
        client.execute()
    except CellExecutionError as error:
        for cell in notebook.cells:
            for output in cell.get("outputs", ()):
                print(output.get("text", ""), end="")
        sys.exit(f"{file.name}: {error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="of notebooks, without .ipynb; by default all")
    names = parser.parse_args().names
    # `mmjax` in a notebook is the one beside this Python.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    with tempfile.TemporaryDirectory() as cache:
        # Runs of one recipe compile the same step.
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", cache)
        _run(names)


def _run(names: list[str]) -> None:
    for file in sorted(EXAMPLES.glob("*.ipynb")):
        if names and file.stem not in names:
            continue
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            execute(file, folder)
        print(f"{file.name}: {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
