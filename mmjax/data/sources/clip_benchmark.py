"""Sets in the layout of CLIP_benchmark: shards, names of classes and prompts in one folder.

`python -m clip_benchmark.webdataset_builder` writes them, and the organization clip-benchmark on
the Hugging Face Hub holds those of VTAB+ and others (https://github.com/LAION-AI/CLIP_benchmark).
"""

from __future__ import annotations

from pathlib import Path

from mmjax.data.formats import tar_index
from mmjax.data.formats.files import existing
from mmjax.data.records import BadExample, ClassPrompts, Record, SourceError
from mmjax.data.sources.user_files import OnError
from mmjax.data.sources.webdataset import IMAGE_MEMBERS, LABEL, WebDatasetSource, find_shards

CLASSES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
_CAPTIONS = "txt"


class ClipBenchmarkSource(WebDatasetSource):
    """One set: `<path>/<split>/0.tar, 1.tar, ...` of images with a class `.cls`, or with captions.

    `.cls` is the number of a class, from 0, whose name is that line of `classnames.txt`; it is the
    label `label`. Prompts are the lines of `zeroshot_classification_templates.txt` with the name in
    place of `{c}`, which `zero_shot` uses unless it is given others. `.txt` has a caption a line,
    all of them alternatives of each other.

    Args:
      path: the folder of the set, such as `wds_cifar10`.
      split: the folder of its shards, `test` or `train`.
      on_error: `skip` or `fail`, for samples and shards that cannot be used.

    Raises:
      SourceError: when there is no such set or split, a file of names cannot be read or has an
        empty line, or a template has no `{c}`.
    """

    def __init__(self, *, path: str, split: str = "test", on_error: OnError = "skip"):
        folder = existing(path, "folder of a set")
        if not (folder / split).is_dir():
            there = sorted(each.parent.name for each in folder.glob("*/*.tar"))
            raise SourceError(
                f"{path} has no folder {split!r} of shards"
                + (f"; it has {', '.join(dict.fromkeys(there))}" if there else "")
            )
        # Which kind of set it is, its first sample says.
        indexes = tar_index.open_all(find_shards(str(folder / split)))
        has = next((index.layouts[0] for index in indexes if index.count), ())
        captions = {"text": (_CAPTIONS,)} if _CAPTIONS in has and LABEL not in has else {}
        self.class_names = _lines(folder / CLASSES) if LABEL in has else []
        self.templates = _lines(folder / TEMPLATES) if LABEL in has else []
        for template in self.templates:
            if template.count("{c}") != 1:
                raise SourceError(
                    f"{folder / TEMPLATES}: {template!r} should have one {{c}}, for the name of a "
                    "class"
                )
        members = {"image": IMAGE_MEMBERS, **captions}
        super().__init__(path=str(folder / split), members=members, on_error=on_error)
        self.name = f"{folder.name}/{split}"

    def __getitem__(self, index: int) -> Record:
        record = super().__getitem__(index)
        if "text" in record:
            lines = [line.strip() for line in record["text"].splitlines()]
            record["text"] = [line for line in lines if line] or [""]
        if "label" in record:
            number = record["label"]
            if not number.isdecimal():
                raise BadExample(record["key"], "label", f"{number!r} is no number of a class")
            record["label"] = int(number)
            if self.class_names and record["label"] >= len(self.class_names):
                count = len(self.class_names)
                raise BadExample(
                    record["key"], "label", f"it is of class {number}, and {CLASSES} has {count}"
                )
        return record

    def prompts(self, field: str) -> list[ClassPrompts] | None:
        """Of every class, where the set names them."""
        if field != "label" or not self.class_names:
            return None
        templates = self.templates or ["{c}"]
        return [
            ClassPrompts(number, name, [template.replace("{c}", name) for template in templates])
            for number, name in enumerate(self.class_names)
        ]


def _lines(file: Path) -> list[str]:
    """The lines of a file, or none where there is no file."""
    if not file.is_file():
        return []
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, ValueError) as error:
        raise SourceError(f"{file} cannot be read ({error})") from error
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        raise SourceError(f"{file}: line {lines.index('') + 1} is empty, and each line is a name")
    return lines
