"""Writes docs/embedding_zoo.md from a finished run of the survey's recipe.

python -m mmjax.main --config=configs/word_to_multimodal_survey.py --workdir=runs/zoo
python tools/embedding_zoo.py runs/zoo
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "embedding_zoo.md"
BYTES = {"float32": 512, "csls": 512, "int8": 128, "sign": 16, "first_64": 256, "first_32": 128,
         "first_16": 64, "first_8": 32}  # fmt: skip
HEAD = """# Embedding zoo

What the evaluators say of two frozen encoders that are in the package as features of the emoji,
EfficientNet-Lite0 of images (ImageNet) and all-MiniLM-L6-v2 of names, 128 principal components
each; and of linear heads on them that were trained together with SigLIP's loss. The numbers are of
one run, `{recipe}:{variant}`, seed {seed}, on {count:.0f} names of unseen concepts and their images
in two styles. [`configs/word_to_multimodal_survey.py`](../configs/word_to_multimodal_survey.py)
makes them in seconds; it follows what the survey "From Word Vectors to Multimodal Embeddings"
(2024, arXiv 2411.05036) lists to evaluate embeddings by. `python tools/embedding_zoo.py RUN` writes
this page.
"""


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """A table of Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return ["", *("| " + " | ".join(line) + " |" for line in lines), ""]


def recall(found: Mapping[str, float], name: str) -> tuple[str, ...]:
    """R@1 and R@5, both ways, of an evaluator."""
    ways = ("image_to_text", "text_to_image")
    return tuple(f"{found[f'{name}/{way}/R@{k}']:.3f}" for k in (1, 5) for way in ways)


def page(config: Mapping, found: Mapping[str, float]) -> str:
    """The page of a run's config and its summary."""
    count = found["retrieval/float32/image_to_text/gallery"]
    lines = HEAD.format(**config, count=count).splitlines()
    columns = tuple(f"R@{k}, {way}" for k in (1, 5) for way in ("image to name", "name to image"))
    closed = {
        "procrustes": "orthogonal Procrustes",
        "procrustes_csls": "orthogonal Procrustes, CSLS",
        "ridge": "ridge regression",
        "cca": "canonical correlations",
    }
    lines += ["", "## Retrieval across the encoders", "",
              "Closed forms between the frozen features, fitted on all training concepts, and the "
              "trained heads."]  # fmt: skip
    rows = [(says, *recall(found, f"linear_map/{name}")) for name, says in closed.items()]
    rows += [
        (says, *recall(found, f"retrieval/{name}"))
        for name, says in (("float32", "trained heads"), ("csls", "trained heads, CSLS"))
    ]
    lines += table(("", *columns), rows)
    lines += ["## Compression of the trained embeddings"]
    stored = sorted((name for name in BYTES if name != "csls"), key=lambda n: -BYTES[n])
    lines += table(
        ("", "bytes", *columns),
        [
            (name.replace("_", " "), str(BYTES[name]), *recall(found, f"retrieval/{name}"))
            for name in stored
        ],
    )
    lines += ["The heads were not trained for prefixes, whose numbers are in no order.", "",
              "## Geometry"]  # fmt: skip
    lines += table(
        ("of the training concepts", "linear CKA", "mutual 10-NN"),
        [
            (says, *(f"{found[f'structure/{name}/{key}']:.3f}" for key in ("cka", "mutual_knn")))
            for name, says in (("apart", "frozen encoders"), ("trained", "trained heads"))
        ],
    )
    lines += table(
        ("trained heads", "anisotropy", "effective rank", "uniformity"),
        [
            (
                name,
                *(
                    f"{found[f'spectrum/{name}/{key}']:.3f}"
                    for key in ("anisotropy", "effective_rank", "uniformity")
                ),
            )
            for name in ("image", "text")
        ],
    )
    gap = found["geometry/test/centroid_distance"]
    lines += [f"Their centroids are {gap:.3f} apart on unseen concepts.", ""]
    return "\n".join(lines)


def main() -> None:
    folder = Path(sys.argv[1])
    parts = (json.loads((folder / name).read_text()) for name in ("config.json", "summary.json"))
    PAGE.write_text(page(*parts), encoding="utf-8")


if __name__ == "__main__":
    main()
