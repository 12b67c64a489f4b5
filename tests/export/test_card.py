"""Model cards: whatever the fields hold, the card keeps its lines and shows it."""

import json
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from mmjax.export.card import card

REPORT = {"compared_with": "x", "rows": 1, "tolerance": 1e-4, "image": {"max_abs": 0.0}}
HOSTILE = st.text(min_size=1) | st.text('`\n|<>[]()#*_\\\\"-: \x1b\u2028', min_size=1)


def card_of(text, license):
    about = {"source": text, "step": 3, "metrics": {text: 0.5}}
    bundle = SimpleNamespace(recipe=None, about=about, towers={})
    return card(
        kind="hf", name=text, bundle=bundle, report=REPORT, notes=[text], license=license
    ).splitlines()


@given(text=HOSTILE, license=HOSTILE)
def test_no_field_adds_a_line_or_a_mark(text, license):
    lines, plain = card_of(text, license), card_of("x", "y")
    assert len(lines) == len(plain)
    assert [line for line in lines if line.startswith("#")] == [
        line if line != "# x" else lines[plain.index("# x")] for line in plain if line[:1] == "#"
    ]
    for line, own in zip(lines[2:], plain[2:], strict=True):
        for mark in "|<[`*":
            shown = line.replace("\\\\", "").replace(f"\\{mark}", "")
            assert shown.count(mark) == own.count(mark)
    (said,) = (line for line in lines if line.startswith("license: "))
    assert isinstance(json.loads(said.removeprefix("license: ")), str)
