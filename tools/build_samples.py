"""Builds the embedded sound samples, mmjax/data/assets/samples, from a public npm package.

    python tools/build_samples.py --cache=/tmp/samples            # writes the files
    python tools/build_samples.py --cache=/tmp/samples --check    # compares them, writes nothing

The package, of pinned version and checksum (34 MB), is fetched with `npm pack` into the cache
folder, unless it is there. Needs the extra `audio`. Every FLAC file becomes mono at 16 kHz, of at
most six seconds, encoded as OGG Vorbis. An OGG file holds a random serial number, so that --check
compares what the files decode to.
"""

import argparse
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmjax.data.formats.sounds import read_sound, resample
from mmjax.data.sets.samples import FILE, caption_of

PACKAGE = "supersonic-scsynth-samples@0.84.2"
SHA256 = "aff0b03208adb5dc7612dc7a4e86d55161188326bcff4dbc2d20ce9e1b94238c"
RATE, SECONDS, FADE = 16_000, 6.0, 0.05
QUALITY = 0.5  # of soundfile: 0 is the best and largest
TOLERANCE = 0.7  # of the energy that may differ: Vorbis keeps the spectrum of noise, not its wave

NOTICE = f"""samples.zip holds {{count}} sounds of the npm package {PACKAGE},
which has them from Sonic Pi (https://github.com/sonic-pi-net/sonic-pi). All of them are in the
public domain under CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/), as the package's
LICENSE and PROVENANCE.md say; the latter, which is beside this file, names the origin of each.

Changes: mono, 16,000 samples per second, at most {SECONDS:.0f} seconds, OGG Vorbis. The captions
are made of the names of the files by mmjax/data/sets/samples.py.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    package = fetch(options.cache)
    with tarfile.open(package) as archive:
        members = {Path(m.name).name: m for m in archive.getmembers() if m.isfile()}
        names = sorted(name for name in members if name.endswith(".flac"))
        waves = {n.removesuffix(".flac"): wave(archive.extractfile(members[n])) for n in names}
        provenance = archive.extractfile(members["PROVENANCE.md"]).read()
    if options.check:
        check(waves)
        return
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(FILE, "w", zipfile.ZIP_STORED) as archive:
        for name, x in waves.items():
            content = io.BytesIO()
            soundfile.write(content, x, RATE, "VORBIS", format="OGG", compression_level=QUALITY)
            archive.writestr(zipfile.ZipInfo(f"{name}.ogg"), content.getvalue())
    (FILE.parent / "NOTICE").write_text(NOTICE.format(count=len(waves)), encoding="utf-8")
    (FILE.parent / "PROVENANCE.md").write_bytes(provenance)
    captions = {caption_of(name) for name in waves}
    print(f"{len(waves)} sounds, {len(captions)} captions, {FILE.stat().st_size:,} bytes")


def fetch(cache: Path) -> Path:
    """The package's tarball, checked."""
    name, _, version = PACKAGE.partition("@")
    path = cache / f"{name}-{version}.tgz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", PACKAGE], cwd=cache, check=True, stdout=subprocess.DEVNULL)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{path} has the checksum {found}, not {SHA256}")
    return path


def wave(file) -> np.ndarray:
    """f32[n] at 16 kHz; what is cut fades out."""
    x, rate = read_sound(file.read(), max_seconds=60.0)
    x = resample(x, rate, RATE)
    most, fade = int(SECONDS * RATE), int(FADE * RATE)
    if len(x) > most:
        x = x[:most] * np.minimum(1, np.arange(most, 0, -1) / fade).astype(np.float32)
    return x / max(1.0, float(np.abs(x).max()))


def check(waves: dict[str, np.ndarray]) -> None:
    """Compares the files with the package's sounds."""
    with zipfile.ZipFile(FILE) as archive:
        found = {n.removesuffix(".ogg"): archive.read(n) for n in archive.namelist()}
    if set(found) != set(waves):
        raise SystemExit(f"{FILE} has other sounds: {sorted(set(found) ^ set(waves))}")
    for name, x in waves.items():
        y, rate = read_sound(found[name], max_seconds=60.0)
        error = np.sum((x - y) ** 2) / np.sum(x**2) if len(x) == len(y) else np.inf
        if rate != RATE or error > TOLERANCE:
            raise SystemExit(f"{name}: {len(y)} samples at {rate} Hz differ by {error:.0%}")
    print(f"{len(found)} sounds are those of {PACKAGE}")


if __name__ == "__main__":
    main()
