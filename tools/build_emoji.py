"""Builds the embedded emoji data, mmjax/data/assets/emoji, from public npm packages.

    python tools/build_emoji.py --cache=/tmp/emoji            # writes the files
    python tools/build_emoji.py --cache=/tmp/emoji --check    # compares them, writes nothing

It needs `npm`, and `pip install resvg-py`.

Nine packages of pinned version and checksum (174 MB) are fetched with `npm pack` into the cache
folder, unless they are there. The same packages give the same bytes: archives carry no times, and
entries are in the order of Unicode. The bytes of the images also depend on the WebP library and on
`resvg-py`, which draws those that are vectors; their versions are kept in build.json. With another
WebP library, --check still compares what the files decode to. When names change,
tools/train_tokenizer.py is to be run again.

What is chosen:

* Concepts: the emoji that the first three image packages have, without skin tone variants and the
  category "Component". Concepts that look the same in some style ("family: man, boy" and "family:
  woman, girl" in Twemoji) are reduced to the first one: an image of one has no right answer.
* Fluent images: only those that Microsoft published under the MIT licence, by the list of the
  package @iconify-json/fluent-emoji-flat, which is generated from Microsoft's repository. The 3D
  package has more: country flags, which are Noto's, and couples and families of unstated origin.
* Vectors: the icon of the code, where the package has a list of codes, else of the CLDR name or
  of the name that Unicode 9 had for flags. Icons of sets of another age are so left out where a
  name has changed, rather than guessed.
* Names: CLDR's short names, in every language that names at least 80 % of the concepts.
"""

import argparse
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, features

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmjax.data.sets.emoji import ASSETS, is_new

SIZE = 64
NAMED = 0.8  # a language must name this fraction of the concepts
SAME = 1.0  # root mean square difference over white, of 255, below which two images are the same
STYLES = {  # lossless, but for the one whose originals are lossy already and full of gradients
    "fluent": {"quality": 90, "method": 4},
    "google": {"lossless": True, "quality": 100, "method": 4},
    "twitter": {"lossless": True, "quality": 100, "method": 4},
}
ICONS = {  # styles that are vectors: package, and how images are stored
    "fluent_flat": ("fluent-emoji-flat", {"quality": 90, "method": 4}),
    "noto_v1": ("noto-v1", {"quality": 90, "method": 4}),
    "emojione": ("emojione", {"quality": 90, "method": 4}),
}
NEAR = 10  # the same between concepts that are trained and held out
PACKAGES = {  # npm name@version -> sha256 of its tarball
    "@lobehub/fluent-emoji-3d@1.1.0": (
        "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58"
    ),
    "@iconify-json/fluent-emoji-flat@1.2.6": (
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175"
    ),
    "@iconify-json/noto-v1@1.2.5": (
        "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37"
    ),
    "@iconify-json/emojione@1.2.3": (
        "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e"
    ),
    "emoji-datasource-google@16.0.0": (
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438"
    ),
    "emoji-datasource-twitter@16.0.0": (
        "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877"
    ),
    "cldr-annotations-full@48.2.0": (
        "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1"
    ),
    "cldr-annotations-derived-full@48.2.0": (
        "4be946ff5815f806ec78b50363d577a769f2fbfb90c6380a44e161a92436996e"
    ),
    "emojibase-data@17.0.0": "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
}


def fetch(cache: Path) -> None:
    """Fetches the packages that are not in the cache and checks all of them."""
    cache.mkdir(parents=True, exist_ok=True)
    for spec, sha256 in PACKAGES.items():
        path = tarball(cache, spec)
        if not path.exists():
            command = ["npm", "pack", "--silent", "--pack-destination", str(cache), spec]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != sha256:
            sys.exit(f"{path} has sha256 {found}, expected {sha256}; delete it and try again.")


def tarball(cache: Path, spec: str) -> Path:
    """Where `npm pack` puts a package: @scope/name@1.0.0 is scope-name-1.0.0.tgz."""
    name, version = spec.rsplit("@", 1)
    return cache / f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"


class Packages:
    """Reads files of the cached tarballs by regular expression."""

    def __init__(self, cache: Path):
        self.cache = cache

    def read(self, package: str, pattern: str) -> dict[str, bytes]:
        """The files whose path below `package/` matches the pattern, keyed by its first group."""
        (spec,) = (spec for spec in PACKAGES if spec.rsplit("@", 1)[0] == package)
        matcher = re.compile("package/" + pattern)
        with tarfile.open(tarball(self.cache, spec)) as archive:
            found = ((matcher.fullmatch(member.name), member) for member in archive)
            return {m[1]: archive.extractfile(member).read() for m, member in found if m}

    def json(self, package: str, path: str):
        """The content of one JSON file."""
        (content,) = self.read(package, f"({re.escape(path)})").values()
        return json.loads(content)


def canonical(code: str) -> str:
    """One spelling for the packages' codes: no FE0F, four digits or more, lower case, `-`.

    The end tag of flags of regions (E007F) goes as well, because one package leaves it out.
    """
    points = (int(point, 16) for point in re.split("[-_]", code))
    return "-".join(f"{point:04x}" for point in points if point not in (0xFE0F, 0xE007F))


def square(content: bytes) -> Image.Image:
    """Decodes to 64 x 64 RGBA, padding an image that is not square, transparent pixels black."""
    image = Image.open(io.BytesIO(content)).convert("RGBA")
    side = max(image.size)
    if image.size != (side, side):
        padded = Image.new("RGBA", (side, side))
        padded.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        image = padded
    if side != SIZE:
        image = image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    pixels = np.array(image)
    pixels[pixels[..., 3] == 0] = 0
    return Image.fromarray(pixels, "RGBA")


def read_pictures(packages: Packages, table: list[dict]) -> dict[str, dict[str, Image.Image]]:
    """style -> code -> image, for every code that the style's package has."""
    pictures = {}
    for style in ("google", "twitter"):
        files = packages.read(f"emoji-datasource-{style}", rf"img/{style}/64/(.*)")
        entries = [entry for entry in table if entry[f"has_img_{style}"]]
        pictures[style] = {canonical(e["unified"]): square(files[e["image"]]) for e in entries}
    files = packages.read("@lobehub/fluent-emoji-3d", r"assets/(.*)\.webp")
    # A few images are there twice, as 0023-fe0f-20e3 and 23-fe0f-20e3: sorted, the first counts.
    fluent = {canonical(name): content for name, content in sorted(files.items(), reverse=True)}
    codes = {canonical(entry["unified"]) for entry in table} & fluent.keys()
    pictures["fluent"] = {code: square(fluent[code]) for code in codes}
    return pictures


def published_fluent(packages: Packages) -> set[str]:
    """Codes of the Fluent images that Microsoft published."""
    codes = {canonical(c) for c in packages.json("@iconify-json/fluent-emoji-flat", "chars.json")}
    # The list has this one under its name only, "backhand-index-pointing-right".
    icons = packages.json("@iconify-json/fluent-emoji-flat", "icons.json")["icons"]
    return codes | ({"1f449"} if "backhand-index-pointing-right" in icons else set())


def icons(packages: Packages, package: str, concepts: list[dict]) -> dict[str, Image.Image]:
    """code -> image, of the concepts for which a package of vectors has an icon."""
    package = f"@iconify-json/{package}"
    table = packages.json(package, "icons.json")
    named = {canonical(c): name for c, name in packages.json(package, "chars.json").items()}
    found = {}
    for concept in concepts:
        name = words_of(concept["name"])
        names = (named.get(concept["code"]), name, re.sub("^flag-", "flag-for-", name))
        known = [table["icons"].get(each) for each in names if each is not None]
        icon = next((each for each in known if each is not None), None)
        if icon is not None:
            found[concept["code"]] = drawn({**table, **icon})
    return apart(found)


def apart(pictures: dict[str, Image.Image]) -> dict[str, Image.Image]:
    """Pictures of one style without those that look like one before them."""
    # Sets of Unicode 9 draw "man astronaut" for "astronaut"; an image has one right answer.
    codes = list(pictures)
    vectors = np.stack([over_white(picture) for picture in pictures.values()]).astype(np.float64)
    new = np.array([is_new(code) for code in codes])
    kept: list[int] = []
    for place, vector in enumerate(vectors):
        distance = np.sqrt(np.mean((vectors[kept] - vector) ** 2, axis=1))
        if (distance >= np.where(new[kept] == new[place], SAME, NEAR)).all():
            kept.append(place)
    return {codes[place]: pictures[codes[place]] for place in kept}


def words_of(name: str) -> str:
    """A name as packages of icons spell it: 'flag: Côte d’Ivoire' is 'flag-cote-divoire'."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    plain = plain.replace("&", "and").replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def drawn(icon: dict) -> Image.Image:
    """Draws an icon at four times the size and scales it down."""
    import resvg_py  # nothing but building needs it

    box = " ".join(str(icon.get(key, 0)) for key in ("left", "top", "width", "height"))
    side = 4 * SIZE
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{side}" height="{side}" viewBox="{box}">'
        f"{icon['body']}</svg>"
    )
    return square(bytes(resvg_py.svg_to_bytes(svg_string=picture, width=side, height=side)))


def without_lookalikes(codes: list[str], pictures: dict) -> list[str]:
    """Drops concepts that look, in some style, like one before them."""
    alike = np.zeros((len(codes), len(codes)), bool)
    for of_style in pictures.values():
        places = [i for i, code in enumerate(codes) if code in of_style]
        vectors = np.stack([over_white(of_style[codes[i]]) for i in places]).astype(np.float64)
        squares = np.sum(vectors**2, axis=1)
        distances = (squares[:, None] + squares - 2 * vectors @ vectors.T) / vectors.shape[1]
        alike[np.ix_(places, places)] |= distances < SAME**2
    kept: list[int] = []
    for place in range(len(codes)):
        if not alike[place, kept].any():
            kept.append(place)
    return [codes[place] for place in kept]


def over_white(image: Image.Image) -> np.ndarray:
    """f32[64 * 64 * 3] in 0..255."""
    pixels = np.asarray(image, np.float32)
    alpha = pixels[..., 3:] / 255
    return (pixels[..., :3] * alpha + 255 * (1 - alpha)).ravel()


def read_names(packages: Packages, codes: list[str]) -> dict[str, dict[str, list]]:
    """language -> {'names': name or None per code, 'keywords': list per code}."""
    annotations: dict[str, dict[str, dict]] = {}
    for package, key in (
        ("cldr-annotations-derived-full", "annotationsDerived"),
        ("cldr-annotations-full", "annotations"),
    ):
        files = packages.read(package, rf"{key}/(.*)/annotations\.json")
        for language, content in files.items():
            found = json.loads(content)[key].get("annotations", {})
            by_code = {canonical("-".join(f"{ord(c):x}" for c in k)): v for k, v in found.items()}
            annotations.setdefault(language, {}).update(by_code)
    texts = {}
    for language, found in sorted(annotations.items()):
        entries = [found.get(code, {}) for code in codes]
        names = [entry.get("tts", [None])[0] for entry in entries]
        if sum(name is not None for name in names) < NAMED * len(codes):
            continue
        keywords = [
            [word for word in entry.get("default", []) if word.casefold() != name.casefold()]
            if name
            else []
            for entry, name in zip(entries, names, strict=True)
        ]
        texts[language] = {"names": names, "keywords": keywords}
    return texts


def read_labels(packages: Packages, concepts: list[dict]) -> dict[str, dict[str, list[str]]]:
    """field -> language -> class names, in the order of first appearance in `concepts`."""
    files = packages.read("emojibase-data", r"(.*)/messages\.json")
    rename = {"nb": "no", "zh-hant": "zh-Hant"}  # to CLDR's codes
    # Variants of a language that has its own file, and the English that Unicode says itself.
    files = {k: json.loads(v) for k, v in files.items() if k not in ("en", "en-gb", "es-mx")}
    labels: dict[str, dict[str, list[str]]] = {}
    for field, plural, original in (
        ("group", "groups", "category"),
        ("subgroup", "subgroups", "subcategory"),
    ):
        keys = list(dict.fromkeys(concept[original] for concept in concepts))
        labels[field] = {"en": [english(key) for key in keys]}
        for language, messages in sorted(files.items()):
            words = {entry["key"]: entry["message"] for entry in messages[plural]}
            found = [words[key.lower().replace(" & ", "-").replace(" ", "-")] for key in keys]
            if len({word.casefold() for word in found}) == len(found):  # else ambiguous
                labels[field][rename.get(language, language)] = found
    return labels


def english(key: str) -> str:
    """Unicode's name of a group or subgroup as words: 'animal-mammal' is 'animal mammal'."""
    return key.replace("-", " ")


def archive(entries: dict[str, bytes], compression: int) -> bytes:
    """A zip file without times, owners or anything else that differs from run to run."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type, info.create_system, info.external_attr = compression, 3, 0o644 << 16
            file.writestr(info, content)
    return buffer.getvalue()


def lines(rows: list) -> str:
    """A JSON list with one row a line, for readable differences."""
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def webp(image: Image.Image, options: dict) -> bytes:
    """Encodes one image."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", **options)
    return buffer.getvalue()


def build(cache: Path) -> dict[str, bytes]:
    """file name -> content of everything in the folder but NOTICE and the licences by hand."""
    packages = Packages(cache)
    table = packages.json("emoji-datasource-google", "emoji.json")
    table = sorted(table, key=lambda entry: entry["sort_order"])
    table = [entry for entry in table if entry["category"] != "Component"]
    entries = {canonical(entry["unified"]): entry for entry in table}
    pictures = read_pictures(packages, table)
    codes = [code for code in entries if all(code in pictures[style] for style in STYLES)]
    published = published_fluent(packages)
    pictures["fluent"] = {c: p for c, p in pictures["fluent"].items() if c in published}
    codes = without_lookalikes(codes, pictures)
    texts = read_names(packages, codes)

    concepts = []
    for number, code in enumerate(codes):
        entry = entries[code]
        concepts.append(
            {
                "code": code,
                "emoji": "".join(chr(int(point, 16)) for point in entry["unified"].split("-")),
                "name": texts["en"]["names"][number],
                "group": english(entry["category"]),
                "subgroup": english(entry["subcategory"]),
                "split": "new" if is_new(code) else "train",
            }
        )
    labels = read_labels(packages, [entries[code] for code in codes])

    files = {
        "concepts.json": lines(concepts).encode(),
        "labels.json": json.dumps(labels, ensure_ascii=False, indent=1).encode(),
        "names.zip": archive(
            {
                f"{language}.json": json.dumps(text, ensure_ascii=False).encode()
                for language, text in texts.items()
            },
            zipfile.ZIP_BZIP2,
        ),
    }
    stored = dict(STYLES)
    for style, (package, options) in ICONS.items():
        pictures[style], stored[style] = icons(packages, package, concepts), options
    for style, options in stored.items():
        entries_of = {
            f"{code}.webp": webp(pictures[style][code], options)
            for code in codes
            if code in pictures[style]
        }
        files[f"{style}.zip"] = archive(entries_of, zipfile.ZIP_STORED)
    for package in ("cldr-annotations-full", "emoji-datasource-google", "emojibase-data"):
        name = {"cldr-annotations-full": "cldr", "emoji-datasource-google": "emoji-data"}
        (text,) = packages.read(package, "(LICENSE)").values()
        files[f"LICENSE-{name.get(package, 'emojibase')}.txt"] = text
    files["build.json"] = (
        json.dumps(
            {
                "packages": PACKAGES,
                "pillow": PIL.__version__,
                "libwebp": features.version("webp"),
                "resvg_py": metadata.version("resvg-py"),
                "sha256": {n: hashlib.sha256(c).hexdigest() for n, c in sorted(files.items())},
            },
            indent=1,
        ).encode()
        + b"\n"
    )
    return files


def decoded(name: str, content: bytes) -> object:
    """What a file says, whatever library packed it: entries of archives, pixels of images."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            return {entry: decoded(entry, file.read(entry)) for entry in file.namelist()}
    if name.endswith(".webp"):
        return over_white(Image.open(io.BytesIO(content)).convert("RGBA")).tobytes()
    return content


def check(files: dict[str, bytes], folder: Path) -> int:
    """Compares with the committed files; the number of those that differ."""
    different = 0
    for name, content in files.items():
        path = folder / name
        there = path.read_bytes() if path.exists() else b""
        if there == content:
            print(f"{name}: same bytes")
            continue
        different += 1
        same = bool(there) and decoded(name, there) == decoded(name, content)
        print(f"{name}: other bytes, {'same' if same else 'OTHER'} content")
    if different:
        made = json.loads((folder / "build.json").read_text()) if folder.exists() else {}
        print(
            f"The committed files were made with Pillow {made.get('pillow')} and libwebp "
            f"{made.get('libwebp')}; here are {PIL.__version__} and {features.version('webp')}."
        )
    return different


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder of the npm tarballs")
    parser.add_argument("--output", type=Path, default=ASSETS)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    fetch(arguments.cache)
    files = build(arguments.cache)
    if arguments.check:
        sys.exit(1 if check(files, arguments.output) else 0)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (arguments.output / name).write_bytes(content)
        print(f"{len(content):>10,} bytes  {name}")


if __name__ == "__main__":
    main()
