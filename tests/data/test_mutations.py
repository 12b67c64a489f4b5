"""Hundreds of damaged images and tables: a true value or a named error; no crash, no hang."""

import csv
import io
import json
import time
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mmjax.data import BadExample, SourceError, TrainData
from mmjax.data.sources import ManifestSource, MemorySource
from mmjax.data.tokenizers import BytesTokenizer
from mmjax.data.views import ImageView, TextView

VIEW = ImageView(size=8, crop_scale=(0.3, 1), flip=0.5, brightness=0.2, max_pixels=10**6)
TEXT = TextView(tokenizer=BytesTokenizer(), length=12)


def _pictures():
    noise = np.random.default_rng(0).integers(0, 256, (14, 18, 4), dtype=np.uint8)
    found = {}
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"):
        content = io.BytesIO()
        Image.fromarray(noise[..., :3]).save(content, kind)
        found[kind] = content.getvalue()
    for name, image, kind, options in (
        ("alpha", Image.fromarray(noise), "PNG", {}),
        ("palette", Image.fromarray(noise[..., :3]).quantize(16), "PNG", {"transparency": 3}),
        ("16 bits", Image.fromarray(noise[..., 0].astype(np.uint16) * 257), "PNG", {}),
        ("cmyk", Image.fromarray(noise, "CMYK"), "JPEG", {}),
        ("progressive", Image.fromarray(noise[..., :3]), "JPEG", {"progressive": True}),
        (
            "movie",
            Image.fromarray(noise[..., :3]),
            "WEBP",
            {"save_all": True, "append_images": [Image.new("RGB", (18, 14))]},
        ),
    ):
        content = io.BytesIO()
        image.save(content, kind, **options)
        found[name] = content.getvalue()
    return found


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    PICTURES = _pictures()


def damage(draw, content, most=4):
    """Some bytes changed, taken out, put in twice or cut off."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, most))):
        if not content:
            break
        place = draw(st.integers(0, len(content) - 1))
        length = draw(st.integers(1, 40))
        match draw(st.sampled_from(["set", "flip", "cut", "drop", "repeat", "zeros"])):
            case "set":
                content[place] = draw(st.integers(0, 255))
            case "flip":
                content[place] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del content[place:]
            case "drop":
                del content[place : place + length]
            case "repeat":
                content[place:place] = content[place : place + length]
            case "zeros":
                content[place : place + length] = bytes(length)
    return bytes(content)


@settings(max_examples=400)
@given(data=st.data(), name=st.sampled_from(sorted(PICTURES)), seed=st.integers(0, 99))
def test_damaged_pictures_give_a_view_or_a_bad_example(data, name, seed):
    content = damage(data.draw, PICTURES[name])
    begin = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        views, reason = [], None
        try:
            views = [VIEW(content, np.random.default_rng(seed), True), VIEW(content, None, False)]
        except BadExample as error:
            reason = error.reason
    assert views or (reason and "\n" not in reason)
    for x in views:
        assert x.shape == VIEW.shape
        assert x.dtype == np.float32
        assert np.isfinite(x).all()
        assert np.abs(x).max() <= 1 + 1e-6
    assert time.monotonic() - begin < 5


def test_a_batch_of_damaged_pictures_has_no_substitutes():
    """200 images in one source: each row shows its own image or none, and the bad are named."""
    rng = np.random.default_rng(1)
    contents, whole = [], []
    for i in range(200):
        content = io.BytesIO()
        Image.new("RGB", (10, 10), (i, 255 - i, 30)).save(content, "PNG")
        damaged = bytearray(content.getvalue())
        whole.append(bool(rng.random() < 0.3))
        if not whole[-1]:
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        contents.append(bytes(damaged))
    source = MemorySource(data={"image": contents, "text": [f"image {i}" for i in range(200)]})
    views = {"image": ImageView(size=4, crop_scale=(0.5, 1)), "text": TEXT}
    data = TrainData(source, views, batch_size=50, seed=0)
    batches = data.iter_from(0)
    seen = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(4):
            batch = next(batches)
            for i, x, present in zip(
                batch["id"], batch["image"], batch["image_present"], strict=True
            ):
                seen.add(int(i))
                if whole[i]:
                    colour = (x + 1) * 127.5
                    own = np.broadcast_to((i, 255 - i, 30), x.shape)
                    np.testing.assert_allclose(colour, own, atol=1e-4)
                assert present or not x.any()
                named = any(key == f"memory row {i}" for key, _, _ in data.report.counts)
                assert present != named
                assert present or not whole[i]
            assert batch["text_present"].all()
    batches.close()
    assert seen == set(range(200))
    assert len(data.report) > 60  # a bit of a PNG that nothing depends on may change


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables")
    for i in range(4):
        (path / f"{i}.png").write_bytes(PICTURES["PNG"] + b"%d" % i)
    return path


def _tables():
    rows = [(f"{i}.png", caption) for i, caption in enumerate(("plain", 'a "b", c', "é ש", "two"))]
    text = io.StringIO()
    csv.writer(text).writerows([("image", "text"), *rows])
    lines = "".join(json.dumps({"image": i, "text": t}) + "\n" for i, t in rows)
    return {
        "csv": text.getvalue().encode(),
        "jsonl": lines.encode(),
        "tsv": text.getvalue().replace(",", "\t").encode(),
    }


TABLES = _tables()


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(sorted(TABLES)))
def test_damaged_tables_give_whole_rows_or_errors(folder, data, kind):
    path = folder / f"table.{kind}"
    path.write_bytes(damage(data.draw, TABLES[kind]))
    try:
        source = ManifestSource(path=str(path), group_rows=False)
    except SourceError as error:
        refused = str(error)
    else:
        refused = None
    if refused:
        assert str(path) in refused
        return
    assert len(source) + len(source.bad) <= 60
    for record in source:
        # The image is the one whose file the key names.
        name = record["key"].rpartition("(")[2].rstrip(")")
        assert record["image"] == (folder / name).read_bytes()
        TEXT(record["text"], None, False)
    for error in source.bad:
        assert error.key.startswith(f"table.{kind} row ")
        assert error.reason


@settings(max_examples=100)
@given(caption=st.one_of(st.text(), st.binary(), st.none(), st.integers(), st.lists(st.text())))
def test_any_caption_is_ids_or_a_bad_example(caption):
    try:
        ids = TEXT(caption, np.random.default_rng(0), True)
    except BadExample:
        return
    assert ids.shape == TEXT.shape
    assert ids.min() >= 0
    assert ids.max() < BytesTokenizer.vocab_size
