"""Maps, words and codes on the page."""

import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mmjax.evaluators.looks import Look, Row
from mmjax.files import DamagedFile
from mmjax.report import looks, page


def items(*raw):
    fields = [{"key": f"row {i} <of> many", "id": i} for i in range(len(raw))]
    numbers = np.arange(len(raw))
    return SimpleNamespace(
        modality="image", fields=fields, rows=numbers, alternatives=numbers, raw=lambda i: raw[i]
    )


def picture(colour, size=(60, 40)):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def folder(tmp_path):
    shown = items(picture("red"), "a <b>text</b>", np.zeros(3, np.float32))
    region = np.array([[True, False], [False, False]])
    rows = (
        Row(shown, 0, text="<i>phrase</i>", maps={"cosines": np.eye(2)}, region=region),
        Row(shown, 1, words=(("<u>dog</u>", 0.5), ("cat", 0.25))),
        Row(shown, 2),
        Row(shown, 0, said=(("beam", "<s>a dog</s>"), ("greedy", ""))),
    )
    looks.gather({"grounding/test": Look("where", "how to read it", rows)}, tmp_path)
    return tmp_path


def test_what_was_written_is_read(folder):
    (look,) = looks.read(folder)
    assert (look["name"], look["title"], look["note"]) == (
        "grounding/test",
        "where",
        "how to read it",
    )
    first, second, third, last = look["rows"]
    assert first["item"]["picture"].startswith("data:image/png;base64,")
    assert [caption for _, caption in first["maps"]] == ["cosines"]
    assert second["words"] == [("<u>dog</u>", 0.5, 1.0), ("cat", 0.25, 0.5)]
    assert last["said"] == [("beam", "<s>a dog</s>"), ("greedy", "")]
    assert third["item"] == {"key": "row 2 <of> many"}
    assert looks.read(folder / "none") == []


def test_the_page_has_them_and_no_foreign_tags(folder):
    html = page.write(folder, {}).read_text()
    assert "how to read it" in html
    part = html[html.index("how to read it") : html.index('<section id="data">')]
    assert len(re.findall(r'src="data:image/png', part)) == 3
    for text in ("&lt;i&gt;phrase", "&lt;u&gt;dog", "row 2 &lt;of&gt; many", "a &lt;b&gt;text",
                 "&lt;s&gt;a dog", "(nothing)"):  # fmt: skip
        assert text in part
    assert not re.findall(r"<(?:b|u)>", part)
    assert "width: 4.0rem" in part
    assert "width: 2.0rem" in part


@pytest.mark.parametrize("damage", ["cut", "other", "no looks", "no picture"])
def test_a_damaged_file_costs_its_part_of_the_page(folder, damage):
    file = folder / looks.FILE
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-40])
    elif damage == "other":
        file.write_text("no arrays")
    else:
        with np.load(file) as found:
            kept = {name: found[name] for name in found.files}
        if damage == "no looks":
            kept["description"] = np.frombuffer(b'{"x": 1}', np.uint8)
        else:
            del kept["picture/0"]
        np.savez(file, **kept)
    with pytest.raises(DamagedFile, match=r"report_looks\.npz.* delete it or evaluate again"):
        looks.read(folder)
    html = page.write(folder, {}).read_text()
    assert "delete it or evaluate again" in html
    assert "how to read it" not in html


def test_a_map_is_bright_where_it_is_large_and_framed_where_it_should_be():
    values = np.zeros((4, 6))
    values[1, 2] = 1
    region = np.zeros((4, 6), bool)
    region[2:, 4:] = True
    for raw in (picture("black", (60, 40)), np.zeros(3)):
        drawn = Image.open(io.BytesIO(looks.drawn_over(values, raw, region))).convert("RGB")
        width, height = drawn.size
        assert (width / height) == pytest.approx(6 / 4)
        cells = np.asarray(drawn, float).reshape(4, height // 4, 6, width // 6, 3)
        middle = cells[:, 8:-8, :, 8:-8].mean((1, 3, 4))
        assert np.unravel_index(middle.argmax(), middle.shape) == (1, 2)
        border = np.asarray(drawn, float)[2 * height // 4, 5 * width // 6]
        np.testing.assert_array_equal(border, (193, 18, 31))  # above the region
    strip = Image.open(io.BytesIO(looks.drawn_over(np.arange(500.0)[None], np.zeros(1), None)))
    assert strip.size == (500, 12)
    flat = Image.open(io.BytesIO(looks.drawn_over(np.ones((2, 2)), np.zeros(1), None)))
    assert len(set(flat.convert("RGB").getdata())) == 1
