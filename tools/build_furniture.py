"""Builds the embedded furniture, mmjax/data/assets/furniture, from a Debian package.

    apt-get download sweethome3d-furniture                 # 1.8-1, 120 MB
    python tools/build_furniture.py --package=sweethome3d-furniture_1.8-1_all.deb
    python tools/build_furniture.py --package=... --check  # compares, writes nothing

Of the package only the catalogue BlendSwap-CC-0 is taken, 175 pieces whose models their authors
gave away under CC0. Of each: the image of the catalogue at 64 pixels; 512 points, uniform on the
surface of the model, with the colour of the material there; name and category, and the name in 20
more languages; width, depth and height. The points are drawn with a seed that is the same every
time, so the same package gives the same points; the bytes of the images depend on the WebP
library as well.
"""

import argparse
import hashlib
import io
import json
import posixpath
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmjax.data.formats.shapes import draw_on_faces, read_shape
from mmjax.data.sets.furniture import ASSETS
from tools.build_emoji import archive

SHA256 = "3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668"
CATALOGUE = "usr/share/sweethome3d/furniture/BlendSwap-CC-0.sh3f"
POINTS, PIXELS = 512, 64
GREY = (0.7, 0.7, 0.7)  # of a face whose material the files do not describe


def catalogue(package: Path) -> zipfile.ZipFile:
    """The catalogue inside the Debian package."""
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{package} has sha256 {found}, expected {SHA256}: this tool reads 1.8-1")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", str(package), folder], check=True)
        return zipfile.ZipFile(io.BytesIO((Path(folder) / CATALOGUE).read_bytes()))


def properties(files: zipfile.ZipFile, language: str = "") -> dict[str, str]:
    """The lines `key=value` of the catalogue, or of its names in another language."""
    name = f"PluginFurnitureCatalog{'_' + language if language else ''}.properties"
    text = files.read(name).decode("latin-1")  # java.util.Properties
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
    return dict(re.findall(r"^\s*([\w#]+)\s*=\s*(.*?)\s*$", text, re.MULTILINE))


def colours(files: zipfile.ZipFile, model: str, shape) -> dict[str, tuple[float, float, float]]:
    """material -> its colour: the mean of its texture, or the diffuse colour that it states."""
    folder, found = posixpath.dirname(model), {}
    obj = files.read(model).decode("latin-1")
    known = {name.lower(): name for name in files.namelist()}
    for library in re.findall(r"^mtllib\s+(.+?)\s*$", obj, re.MULTILINE):
        path = known.get(posixpath.join(folder, library).lower())
        if path is None:
            continue
        material = None
        for line in files.read(path).decode("latin-1").splitlines():
            word, *cells = line.split() or ("",)
            if word == "newmtl":
                material = " ".join(cells)
            elif word == "Kd":
                found[material] = tuple(float(cell) for cell in cells[:3])
            elif word == "map_Kd":
                texture = known.get(posixpath.normpath(posixpath.join(folder, cells[-1])).lower())
                if texture is not None:
                    with Image.open(io.BytesIO(files.read(texture))) as image:
                        pixel = image.convert("RGB").resize((1, 1), Image.Resampling.BOX)
                        found[material] = tuple(c / 255 for c in pixel.getpixel((0, 0)))
    return {name: found.get(name, GREY) for name in set(shape.materials)}


def sample(files: zipfile.ZipFile, model: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places f16[POINTS, 3] in the unit sphere and colours u8[POINTS, 3] of a model."""
    shape = read_shape(files.read(model))
    chosen, weights = draw_on_faces(shape, POINTS, np.random.default_rng(seed))
    points = np.einsum("nk,nkc->nc", weights, shape.points[shape.faces[chosen], :3])
    points = points - points.mean(axis=0)
    points /= np.linalg.norm(points, axis=1).max()
    table = colours(files, model, shape)
    seen = np.array([table[shape.materials[face]] for face in chosen])
    return points.astype(np.float16), np.clip(seen * 255 + 0.5, 0, 255).astype(np.uint8)


def icon(content: bytes) -> bytes:
    """An image of the catalogue as WebP of 64 pixels, RGBA."""
    image = Image.open(io.BytesIO(content)).convert("RGBA")
    image.thumbnail((PIXELS, PIXELS), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (PIXELS, PIXELS))
    square.paste(image, ((PIXELS - image.width) // 2, (PIXELS - image.height) // 2))
    out = io.BytesIO()
    square.save(out, "WEBP", quality=90, method=4)
    return out.getvalue()


def build(package: Path) -> dict[str, bytes]:
    """File name -> content, of all that is embedded."""
    files = catalogue(package)
    english = properties(files)
    languages = sorted(
        m[1]
        for name in files.namelist()
        if (m := re.fullmatch(r"PluginFurnitureCatalog_(\w+)\.properties", name))
        and m[1] != "en_US"
    )
    translated = {language: properties(files, language) for language in languages}
    numbers = sorted(int(key[5:]) for key in english if re.fullmatch(r"name#\d+", key))
    pieces, points, shades, pictures = [], [], [], {}
    for n in numbers:
        model = english[f"model#{n}"].lstrip("/")
        name = english[f"id#{n}"].rpartition("#")[2]
        place, shade = sample(files, model, seed=n)
        points.append(place)
        shades.append(shade)
        pictures[f"{name}.webp"] = icon(files.read(english[f"icon#{n}"].lstrip("/")))
        names = {"en": english[f"name#{n}"]}
        names |= {k: t[f"name#{n}"] for k, t in translated.items() if f"name#{n}" in t}
        pieces.append(
            {
                "piece": name,
                "names": names,
                "category": english[f"category#{n}"],
                "creator": english.get(f"creator#{n}", ""),
                "size_cm": [float(english[f"{side}#{n}"]) for side in ("width", "depth", "height")],
            }
        )
    if len({piece["piece"] for piece in pieces}) != len(pieces):
        sys.exit("two pieces have the same id")
    table = io.BytesIO()
    np.savez_compressed(table, points=np.stack(points), colours=np.stack(shades))
    rows = ",\n".join(json.dumps(piece, ensure_ascii=False) for piece in pieces)
    return {
        "pieces.json": f"[\n{rows}\n]\n".encode(),
        "points.npz": table.getvalue(),
        "icons.zip": archive(pictures, zipfile.ZIP_STORED),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--package", type=Path, required=True, help="the Debian package")
    parser.add_argument("--check", action="store_true", help="compare only")
    arguments = parser.parse_args()
    built = build(arguments.package)
    if arguments.check:
        kept = np.load(ASSETS / "points.npz", allow_pickle=False)
        new = np.load(io.BytesIO(built["points.npz"]), allow_pickle=False)
        same = all(np.array_equal(kept[name], new[name]) for name in ("points", "colours"))
        same &= (ASSETS / "pieces.json").read_bytes() == built["pieces.json"]
        sys.exit(0 if same else "the embedded furniture is not what this package gives")
    ASSETS.mkdir(parents=True, exist_ok=True)
    for name, content in built.items():
        (ASSETS / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
