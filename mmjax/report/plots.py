"""Plots as SVG text that stands in a page and takes its colours, in light and in dark.

No words are drawn: titles, legends and captions are HTML, so that any script can occur in them and
no font of matplotlib has to know it.
"""

import io
import re
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLOURS = 6  # --series-0 .. --series-5 of the page's style sheet

# Stand-ins that matplotlib draws with and that become colours of the page afterwards.
_TEXT = "#010203"
_GRID = "#020304"
_SERIES = tuple(f"#0a0b{n:02x}" for n in range(COLOURS))
_PAGE = {_TEXT: "currentColor", _GRID: "var(--line)"} | {
    stand_in: f"var(--series-{n})" for n, stand_in in enumerate(_SERIES)
}
_STYLE = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _TEXT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


class Series(NamedTuple):
    """A curve: values over steps, and the colour 0..COLOURS-1 that its legend has too."""

    steps: np.ndarray
    values: np.ndarray
    colour: int = 0


def curves(
    name: str, series: Sequence[Series], *, chance: float | None = None, dots: bool = False
) -> str:
    """Values over steps; long series as their mean in bins, over a band from least to most.

    Args:
      name: unique on the page.
      series: the curves; values that are not finite are gaps.
      chance: height of a dashed line.
      dots: mark every point (few measurements).
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(3.6, 2.15)
        for steps, values, colour in series:
            x, low, mean, high = _bins(np.asarray(steps, float), np.asarray(values, float))
            shade = _SERIES[colour % COLOURS]
            if len(x) < len(steps):
                axes.fill_between(x, low, high, color=shade, alpha=0.18, linewidth=0)
            axes.plot(x, mean, color=shade, linewidth=1.6, marker="o" if dots else "", markersize=4)
        if chance is not None:
            axes.axhline(chance, color=_TEXT, linewidth=1, linestyle=(0, (4, 3)), alpha=0.7)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.margins(x=0.02, y=0.08)
        return _svg(name, figure)


def heat_map(name: str, similarity: np.ndarray) -> str:
    """Cosines f[n,n] of n queries (down) and n answers (across), with the scale beside it."""
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(4.6, 3.9)
        axes.grid(False)
        image = axes.imshow(similarity, cmap="viridis", interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
        bar.outline.set_visible(False)
        return _svg(name, figure)


def two_clouds(name: str, points: np.ndarray, lines: int = 80) -> str:
    """Both modalities f[2,M,2] in a plane, circles and squares, some pairs joined by lines."""
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(4.6, 3.9)
        for pair in range(min(lines, points.shape[1])):
            axes.plot(*points[:, pair].T, color=_TEXT, linewidth=0.5, alpha=0.28, zorder=1)
        for modality, (cloud, marker) in enumerate(zip(points, "os", strict=True)):
            axes.scatter(
                *cloud.T, s=16, marker=marker, color=_SERIES[modality], alpha=0.8, linewidth=0,
                zorder=2,
            )  # fmt: skip
        # One scale for both axes: distances on the page are distances in the plane.
        axes.set_aspect("equal", adjustable="datalim")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        return _svg(name, figure)


def _bins(
    x: np.ndarray, y: np.ndarray, most: int = 200
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """At most `most` places, with the least, mean and greatest value at each."""
    if len(x) <= most:
        return x, y, y, y
    parts = []
    for bin_x, bin_y in zip(np.array_split(x, most), np.array_split(y, most), strict=True):
        finite = bin_y[np.isfinite(bin_y)]
        if len(finite):
            parts.append((bin_x.mean(), finite.min(), finite.mean(), finite.max()))
    x, low, mean, high = np.array(parts).reshape(-1, 4).T
    return x, low, mean, high


def _figure(width: float, height: float):
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    return figure, axes


def _svg(name: str, figure: Figure) -> str:
    """The figure as an `<svg>` element whose ids no other figure of the page has."""
    out = io.StringIO()
    # A fixed salt and no date: the same run gives the same page.
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' width="[\d.]+pt"| height="[\d.]+pt"', "", text, count=2)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    for stand_in, colour in _PAGE.items():
        text = text.replace(stand_in, colour)
    return text.replace("<svg ", '<svg role="img" ', 1)
