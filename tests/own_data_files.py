"""Small data of every layout that docs/own_data.md shows, under the names of its commands."""

import csv
import io
import json
import tarfile
import wave
from pathlib import Path

import numpy as np
from PIL import Image

NUMBER = 48
COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (40, 60, 200), "grey": (120,) * 3}


def colour_of(i):
    return list(COLOURS)[i % len(COLOURS)]


def caption(i):
    return f"a {colour_of(i)} thing of size {i // len(COLOURS)}"


def picture(i, kind="PNG", shift=0):
    out, side = io.BytesIO(), 20 + i // len(COLOURS)
    rgb = tuple(min(255, c + shift) for c in COLOURS[colour_of(i)])
    Image.new("RGB", (side, 24), rgb).save(out, kind)
    return out.getvalue()


def sound(i):
    out, rate = io.BytesIO(), 4000 + 1000 * (i % 3)
    t = np.arange(rate) / rate
    tone = np.sin(2 * np.pi * (200 + 100 * (i % len(COLOURS))) * t) * np.exp(-(1 + i // 4) * t)
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((20000 * tone).astype("<i2").tobytes())
    return out.getvalue()


def animation(i):
    out = io.BytesIO()
    frames = [
        Image.new("RGB", (20, 20), (k * 30, *COLOURS[colour_of(i)][1:])) for k in range(4 + i % 3)
    ]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


def series(i):
    rng = np.random.default_rng(i)
    wave_ = np.sin(np.arange(80 + i)[:, None] * (1 + i % len(COLOURS)) / 9)
    return wave_ * [1, 2, 3] + 0.1 * rng.normal(size=(80 + i, 3))


def rows(path, table, kind="csv"):
    """A table of dicts."""
    if kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, table)))
        return
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)


def shard(path, samples):
    """A tar shard of {member: bytes}."""
    with tarfile.open(path, "w") as archive:
        for name, content in samples.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def wfdb_record(folder, name, i):
    """Twelve leads of ten seconds at 100 Hz in format 16, written by hand."""
    leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    t = np.arange(1000) / 100
    beat = np.exp(-(((t * (1 + i % 4 / 4)) % 1 - 0.5) ** 2) / 0.002)
    x = beat[:, None] * np.linspace(0.5, 1.5, 12) + 0.01 * np.sin(t)[:, None]
    digital = np.round(1000 * x).astype("<i2")
    (folder / f"{name}.dat").write_bytes(digital.tobytes())
    lines = [f"{name} 12 100 1000"] + [
        f"{name}.dat 16 1000(0)/mV 16 0 0 0 0 {lead}" for lead in leads
    ]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")


def folder(path, suffix, content):
    """A folder of files, each with its caption beside it."""
    path.mkdir(parents=True)
    for i in range(NUMBER):
        (path / f"{i:03}{suffix}").write_bytes(content(i))
        (path / f"{i:03}.txt").write_text(caption(i))


def as_bytes(save, value):
    out = io.BytesIO()
    save(out, value)
    return out.getvalue()


def csv_bytes(value):
    return b"x,y,z\n" + as_bytes(lambda out, v: np.savetxt(out, v, delimiter=","), value)


def make(home: Path) -> None:
    """Writes everything into a folder."""
    every = range(NUMBER)
    folder(home / "images", ".png", picture)
    table = [{"image": f"images/{i:03}.png", "caption": caption(i)} for i in every]
    rows(home / "captions.csv", table)
    renamed = [{"photo": f"{i:03}.png", "title": caption(i)} for i in every]
    with open(home / "shop.tsv", "w", encoding="utf-8") as file:
        file.write("photo\ttitle\n" + "".join(f"{r['photo']}\t{r['title']}\n" for r in renamed))
    (home / "photos").symlink_to(home / "images")
    several = [
        {"image": f"images/{i:03}.png", "text": [caption(i), f"{colour_of(i)} {i}"]} for i in every
    ]
    rows(home / "captions.jsonl", several, "jsonl")
    rows(home / "lists.csv", [{**r, "text": json.dumps(r["text"])} for r in several])

    for i in every:
        place = home / "classes" / f"{colour_of(i)}_things"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.jpg").write_bytes(picture(i, "JPEG"))

    for split in ("train", "val"):
        (home / "imagenette").mkdir(exist_ok=True)
        (home / "imagenette" / split).symlink_to(home / "classes")

    folder(home / "sounds", ".wav", sound)
    rows(
        home / "sounds.csv", [{"file": f"sounds/{i:03}.wav", "caption": caption(i)} for i in every]
    )
    films = [
        {"still": f"images/{i:03}.png", "sound": f"sounds/{i:03}.wav", "title": caption(i)}
        for i in every
    ]
    rows(home / "films.csv", films)
    folder(home / "clips", ".gif", animation)
    folder(home / "sensors", ".csv", lambda i: csv_bytes(series(i)))
    folder(
        home / "shapes",
        ".npy",
        lambda i: as_bytes(np.save, np.random.default_rng(i).normal(size=(40, 3))),
    )

    folder(home / "watches", ".npy", lambda i: as_bytes(np.save, np.tile(series(i), 2)))

    (home / "records").mkdir()
    for i in every:
        wfdb_record(home / "records", f"r{i:03}", i)
    rows(
        home / "records.csv", [{"record": f"records/r{i:03}", "report": caption(i)} for i in every]
    )

    (home / "sketches").mkdir()
    for i in every:
        (home / "sketches" / f"{i:03}.jpg").write_bytes(picture(i, "JPEG", shift=20))
    pairs = [{"image": f"images/{i:03}.png", "second": f"sketches/{i:03}.jpg"} for i in every]
    rows(home / "pairs.csv", pairs)
    waves = np.random.default_rng(0).normal(size=(1000, 2)).cumsum(0)
    rows(home / "load.csv", [{"time": t, "north": a, "south": b} for t, (a, b) in enumerate(waves)])
    rows(home / "texts.csv", [{"question": f"what is {i}?", "answer": caption(i)} for i in every])
    shop = [
        {"image": f"images/{i:03}.png", "title": colour_of(i), "description": caption(i)}
        for i in every
    ]
    rows(home / "shop.csv", shop)

    for kind, suffix, content in (
        ("shards", "jpg", lambda i: picture(i, "JPEG")),
        ("sound-shards", "wav", sound),
    ):
        (home / kind).mkdir()
        for start in (0, NUMBER // 2):
            samples = {}
            for i in range(start, start + NUMBER // 2):
                about = json.dumps({"caption": caption(i), "key": f"{i:09}", "status": "success"})
                parts = {suffix: content(i), "txt": caption(i).encode(), "json": about.encode()}
                samples |= {f"{i:09}.{ending}": part for ending, part in parts.items()}
            shard(home / kind / f"{start:05}.tar", samples)
            (home / kind / f"{start:05}_stats.json").write_text("{}")
