"""The page to explore: its neighbours, what may be drawn, and clicks in a real browser."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmjax.report import explore
from mmjax.report.explore import Items

SCRIPT = """
<script>{
const said = {};
said.points = document.getElementById("count").textContent;
const search = document.getElementById("search");
search.value = "PAIR 3"; search.dispatchEvent(new Event("input"));
said.found = document.getElementById("count").textContent;
document.querySelector("#found button").click();
said.heading = document.querySelector("#chosen h3").textContent;
said.lists = [...document.querySelectorAll("#chosen h3")].slice(1).map(each => each.textContent);
said.first = document.querySelector("#chosen ul.near button").textContent;
document.querySelector("#chosen ul.near button").click();
said.other = document.querySelector("#chosen h3").textContent;
search.value = ""; search.dispatchEvent(new Event("input"));
const show = document.getElementById("show");
show.value = "wrong"; show.dispatchEvent(new Event("change"));
said.wrong = document.getElementById("count").textContent;
show.value = "all"; show.dispatchEvent(new Event("change"));
const canvas = document.getElementById("map"), box = canvas.getBoundingClientRect();
const [x, y] = place(7);
const at = {clientX: box.left + x, clientY: box.top + y, pointerId: 1, bubbles: true};
canvas.setPointerCapture = () => 0;
canvas.dispatchEvent(new PointerEvent("pointermove", at));
said.tip = document.getElementById("tip").textContent;
canvas.dispatchEvent(new PointerEvent("pointerdown", at));
canvas.dispatchEvent(new PointerEvent("pointerup", at));
said.hash = location.hash;
said.script = window.broken === undefined;
document.body.replaceChildren("said" + JSON.stringify(said) + "end");
}</script>
"""


def pairs(count=12, wrong=2):
    """Pairs of a vector and a text at one place each, some of which are exchanged."""
    angle = np.linspace(0, 3, count)
    unit = np.stack([np.cos(angle), np.sin(angle), np.zeros(count)], 1).astype(np.float32)
    other = unit.copy()
    other[:wrong] = other[:wrong][::-1]
    texts = [{"key": f"pair {i}", "text": f"caption of pair {i}"} for i in range(count)]
    texts[5]["text"] = "</script><script>window.broken = 1</script>"
    return Items(
        ("sound", "text"),
        np.repeat([0, 1], count),
        np.concatenate([unit, other]),
        np.tile(np.arange(count), 2),
        [{"key": f"pair {i}"} for i in range(count)] + texts,
    )


@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 9), st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_neighbours_are_the_nearest_of_each_modality(count, kinds, most, seed):
    rng = np.random.default_rng(seed)
    unit = rng.normal(size=(count, 5)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    modality, ids = rng.integers(kinds, size=count), rng.integers(4, size=count)
    names = tuple("abcd"[:kinds])
    items = Items(names, modality, unit, ids, [{"key": "k"}] * count)
    found, cosines = explore.nearest(items, most)
    answers = explore.right(items, found)
    for i in range(count):
        for m in range(kinds):
            others = [j for j in np.flatnonzero(modality == m) if j != i]
            best = sorted(others, key=lambda j: -float(unit[i] @ unit[j]))[:most]
            there = found[i, m][found[i, m] >= 0]
            assert len(there) == len(best)
            np.testing.assert_allclose(cosines[i, m, : len(best)], unit[best] @ unit[i], atol=1e-6)
            if m == modality[i] or not (ids[others] == ids[i]).any():
                assert answers[i, m] == -1
            else:
                assert answers[i, m] == (ids[there[0]] == ids[i])


def test_only_as_many_as_a_page_can_hold():
    columns = {
        "modality": ["image"] * 50 + ["text"] * 50,
        "key": [f"k{i % 50}" for i in range(100)],
        "id": [i % 50 for i in range(100)],
        "embedding": np.eye(100, dtype=np.float32),
        "text": [""] * 50 + ["words"] * 50,
    }
    items = explore.of_index(columns, most=20)
    assert len(items) == 20
    assert sorted(items.ids[items.modality == 0]) == sorted(items.ids[items.modality == 1])
    assert all(
        ("text" in each) == (m == 1) for each, m in zip(items.shown, items.modality, strict=True)
    )
    assert len(explore.of_index(columns, most=1)) == 1


def test_the_page_is_one_file(tmp_path):
    page = explore.write(pairs(), tmp_path / "new" / "page.html", "a <title>").read_text()
    assert not re.search(r"""(src|href)=["']?(?!data:|#)[a-z/]""", page)
    assert "a &lt;title&gt;" in page
    assert "12 items" not in page
    assert "24 items of sound, text" in page
    assert "sound → text: 10 of 12 have their own first" in page


def test_a_browser_can_search_click_and_filter(tmp_path):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs a browser: chromium")
    page = explore.write(pairs(), tmp_path / "page.html", "pairs")
    page.write_text(page.read_text().replace("</body>", SCRIPT + "</body>"))
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    done = subprocess.run(
        [*command, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    said = json.loads(re.search("said(.*)end", done.stdout)[1])
    assert said == {
        "points": "24 shown",
        "found": "2 found",
        "heading": "sound",
        "lists": ["Nearest text: the first is right", "Nearest sound"],
        "first": "caption of pair 31.00 ✓",
        "other": "text",
        "wrong": "4 shown",
        "tip": "pair 7",
        "hash": "#item=7",
        "script": True,
    }
