"""What mkdocs needs to make a site of docs/: the README as front page, links, API pages.

mkdocs runs this file's hooks (`mkdocs.yml`). Links in the pages are for reading them in a checkout
or on GitHub; those to files outside of docs/ become links to the repository. The API has a page for
every package, made of its modules' docstrings.
"""

import ast
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mmjax"
# Not for other people's code to import.
LEFT_OUT = {"configs", "bench", "commands", "assets", "__pycache__"}
LINK = re.compile(r"(\]\()(?!#|[a-z]+:)([^)\s#]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the API pages to the navigation."""
    config.nav.append({"API": [{title: path} for title, path, _ in _api()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are no files of docs/."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "index.md", content=readme))
    for _, path, content in _api():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Points links at pages of the site, or at the repository for other files."""
    # The README is one folder above docs/, where the site has it.
    here = "" if page.file.src_uri == "index.md" else posixpath.join("docs", page.file.src_uri)

    def target(found: re.Match) -> str:
        link, mark, anchor = found[2].partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(here), link))
        if path.startswith("docs/") and (ROOT / path).is_file():
            start = posixpath.dirname(page.file.src_uri)
            inside = posixpath.relpath(path.removeprefix("docs/"), start or ".")
            return f"{found[1]}{inside}{mark}{anchor}"
        if not (ROOT / path).exists():
            return found[0]  # mkdocs says so
        return f"{found[1]}{config.repo_url.rstrip('/')}/blob/main/{path}{mark}{anchor}"

    return LINK.sub(target, markdown)


def _api() -> list[tuple[str, str, str]]:
    """(title, path, Markdown) of a page for the package itself and for every one inside."""
    pages = [("mmjax", "api/index.md", _page("mmjax", [PACKAGE / "api.py"]))]
    for folder in sorted(PACKAGE.iterdir()):
        if folder.is_dir() and folder.name not in LEFT_OUT and (folder / "__init__.py").is_file():
            name = f"mmjax.{folder.name}"
            files = [
                file
                for file in sorted(folder.rglob("*.py"))
                if not LEFT_OUT & {*file.relative_to(PACKAGE).parts}
            ]
            pages.append((name, f"api/{folder.name}.md", _page(name, files)))
    return pages


def _page(title: str, files: list[Path]) -> str:
    parts = [f"# {title}\n"]
    for file in files:
        names = file.relative_to(ROOT).with_suffix("").parts
        if names[-1] == "__main__":
            continue
        names = names[:-1] if names[-1] == "__init__" else names
        if ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))):
            members = "" if names[-1] == file.stem else "\n    options:\n      members: false"
            parts.append(f"::: {'.'.join(names)}{members}\n")
    return "\n".join(parts)
