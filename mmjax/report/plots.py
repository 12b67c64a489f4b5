"""Plots as SVG text that stands in a page and takes its colours, in light and in dark.

No words are drawn: titles, legends and captions are HTML, so that any script can occur in them and
no font of matplotlib has to know it.
"""

import html
import io
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

COLOURS = 6  # --series-0 .. --series-5 of the page's style sheet
MOST_POINTS = 200  # of a curve; a longer one is drawn as means
# Curves differ in their dashes too, for eyes and printers that see no colours.
DASHES = ((), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2), (9, 2), (3, 3))

# Stand-ins that matplotlib draws with and that become colours of the page afterwards.
_TEXT = "#010203"
_GRID = "#020304"
_SERIES = tuple(f"#0a0b{n:02x}" for n in range(COLOURS))
_PAGE = {_TEXT: "currentColor", _GRID: "var(--line)"} | {
    stand_in: f"var(--series-{n})" for n, stand_in in enumerate(_SERIES)
}
_ROUND = (1, 2, 2.5, 5, 10)  # first digits of ticks
_STYLE: dict[Any, Any] = {
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
    name: str,
    series: Sequence[Series],
    alt: str,
    *,
    chance: float | None = None,
    dots: bool = False,
    share: bool = False,
    from_zero: bool = False,
) -> str:
    """Values over steps; long series as their mean in bins, over a band from least to most.

    Args:
      name: unique on the page.
      series: the curves; values that are not finite are gaps.
      alt: what a listener is told instead.
      chance: height of a dashed line.
      dots: mark every point (few measurements).
      share: values are shares, shown in percent, and the scale begins at 0.
      from_zero: the scale begins at 0.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(3.6, 2.15)
        for steps, values, colour in series:
            x, low, mean, high = _bins(np.asarray(steps, float), np.asarray(values, float))
            shade = _SERIES[colour % COLOURS]
            if len(x) < len(steps):
                axes.fill_between(x, low, high, color=shade, alpha=0.18, linewidth=0)
            # A single point would be an invisible line.
            marker = "o" if dots or len(x) == 1 else ""
            dashes = (0, DASHES[colour % COLOURS]) if DASHES[colour % COLOURS] else "-"
            axes.plot(
                x, mean, color=shade, linewidth=1.6, linestyle=dashes, marker=marker, markersize=4
            )
        if chance is not None:
            axes.axhline(chance, color=_TEXT, linewidth=1, linestyle=(0, (4, 3)), alpha=0.7)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=_ROUND, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=_ROUND))
        axes.margins(x=0.02, y=0.08)
        if share or from_zero:
            axes.set_ylim(bottom=0)
        if share:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        return _svg(name, figure, alt)


def heat_map(name: str, similarity: np.ndarray, alt: str) -> str:
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
        return _svg(name, figure, alt)


def two_clouds(
    name: str, points: np.ndarray, centroids: np.ndarray, alt: str, lines: int = 60
) -> str:
    """Both modalities f[2,M,2] in a plane, circles and squares, some pairs joined by lines.

    The centres f[2,2] of the modalities are large and have a rim, with a thick line between them.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(4.6, 3.9)
        for pair in range(min(lines, points.shape[1])):
            axes.plot(*points[:, pair].T, color=_TEXT, linewidth=0.5, alpha=0.28, zorder=1)
        for modality, (cloud, marker) in enumerate(zip(points, "os", strict=True)):
            axes.scatter(
                cloud[:, 0],
                cloud[:, 1],
                s=16,
                marker=marker,
                color=_SERIES[modality],
                alpha=0.8,
                linewidth=0,
                zorder=2,
            )
        axes.plot(*centroids.T, color=_TEXT, linewidth=2, zorder=3)
        for modality, (centre, marker) in enumerate(zip(centroids, "os", strict=True)):
            axes.scatter(
                centre[0],
                centre[1],
                s=110,
                marker=marker,
                color=_SERIES[modality],
                edgecolor=_TEXT,
                linewidth=1.6,
                zorder=4,
            )
        # One scale for both axes: distances on the page are distances in the plane.
        axes.set_aspect("equal", adjustable="datalim")
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=_ROUND))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=_ROUND))
        return _svg(name, figure, alt)


def two_histograms(
    name: str, edges: np.ndarray, first: np.ndarray, second: np.ndarray, alt: str
) -> str:
    """Shares f[k] of two kinds of values in the bins between edges f[k+1], one over the other."""
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(4.6, 2.6)
        for colour, (shares, fill) in enumerate(((first, 0.55), (second, 0.3))):
            axes.stairs(shares, edges, fill=True, color=_SERIES[colour], alpha=fill, linewidth=0)
            axes.stairs(shares, edges, color=_SERIES[colour], linewidth=1.4)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=_ROUND))
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=_ROUND))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.margins(x=0.01)
        axes.set_ylim(bottom=0)
        return _svg(name, figure, alt)


def _bins(
    x: np.ndarray, y: np.ndarray, most: int = MOST_POINTS
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


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    return figure, axes


def _svg(name: str, figure: Figure, alt: str) -> str:
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
    return text.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ', 1)
