"""Builds the embedded molecules, mmjax/data/assets/molecules, from a Debian package.

    apt-get download chemical-structures-data              # 2.2.dfsg.0-20, 0.3 MB
    python tools/build_molecules.py --package=chemical-structures-data_2.2.dfsg.0-20_all.deb
    python tools/build_molecules.py --package=... --check  # compares, writes nothing

568 molecules in CML, each in the folder of its class, with the name that the IUPAC's rules give it.
All atoms with their places in hundredths of an ångström and all bonds are kept, in one file.
"""

import argparse
import hashlib
import json
import lzma
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmjax.data.formats.molecules import ELEMENTS, read_cml
from mmjax.data.sets.molecules import FILE

SHA256 = "bf9f6f97e66525e27b12679dcfcfb22f51236911f9673e51c3f426e98311ba86"
FOLDER = "usr/share/chemical-structures"
# What stands in the folders of classes for reading and not for chemistry.
OTHER = ("htdocs", "images", "jmol", "styles")


def build(package: Path) -> bytes:
    """The content of the embedded file."""
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{package} has sha256 {found}, expected {SHA256}: this tool reads 2.2.dfsg.0-20")
    symbols = ELEMENTS.split()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", str(package), folder], check=True)
        for path in sorted((Path(folder) / FOLDER).glob("*/*.cml")):
            if path.parent.name in OTHER:
                continue
            text = path.read_text(encoding="utf-8")
            molecule = read_cml(text)
            names = [e.text for e in ElementTree.fromstring(text).iter() if e.tag.endswith("}name")]
            rows.append(
                {
                    "molecule": path.stem,
                    "class": path.parent.name,
                    "name": " ".join(names[0].split()),
                    "atoms": " ".join(symbols[number - 1] for number in molecule.elements),
                    "charges": {str(i): c for i, c in enumerate(molecule.charges) if c},
                    "bonds": [n for bond in molecule.bonds for n in bond],
                    "places": [round(100 * x) for place in molecule.places for x in place],
                }
            )
    text = ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows)
    return lzma.compress(f"[\n{text}\n]\n".encode(), preset=9 | lzma.PRESET_EXTREME)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--package", type=Path, required=True, help="the Debian package")
    parser.add_argument("--check", action="store_true", help="compare only")
    arguments = parser.parse_args()
    content = build(arguments.package)
    if arguments.check:
        same = lzma.decompress(content) == lzma.decompress(FILE.read_bytes())
        sys.exit(0 if same else f"{FILE} is not what this package gives")
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_bytes(content)
    print(f"{FILE.name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
