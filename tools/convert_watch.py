"""Converts the shoulder exercises of the package seglearn to arrays, for `shoulder_exercises`.

    pip install 'mmjax[imu]'
    python tools/convert_watch.py                 # writes watch_dataset.npz beside seglearn's file
    python tools/convert_watch.py --out=watch.npz # for {"type": "shoulder_exercises", "path": ...}

seglearn 1.2.5 (BSD) keeps the recordings as a pickle, and reading one runs what is in it. So it is
done here, once, of the file with the SHA-256 below and no other.
"""

import argparse
import importlib.util
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np

SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"


def convert(data: dict, out: Path) -> None:
    """Writes recordings, a list of f[T, 6] in `X` with their labels, as arrays."""
    np.savez_compressed(
        out,
        samples=np.concatenate([np.asarray(x, np.float32) for x in data["X"]]),
        lengths=np.array([len(x) for x in data["X"]], np.int64),
        exercise=np.asarray(data["y"], np.int64),
        person=np.asarray(data["subject"], np.int64),
        right=np.asarray(data["side"], bool),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    spec = importlib.util.find_spec("seglearn")
    if spec is None:
        sys.exit("seglearn is not installed; see the top of this file")
    file = Path(spec.submodule_search_locations[0]) / "data" / "watch_dataset.npy"
    if sha256(file.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{file} is not that of seglearn 1.2.5")
    out = arguments.out or file.with_suffix(".npz")
    convert(np.load(file, allow_pickle=True).item(), out)
    print(f"{out}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
