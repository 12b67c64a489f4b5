"""Plots and texts of the embeddings on the page, from what `gather` found."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from mmjax.report import plots, results
from mmjax.report.thumbnails import data_url


def drawn(shown: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the page's template shows of embeddings.

    Args:
      shown: what `gather.read` returned.

    Returns:
      The same if there is nothing to draw; else the galleries, drawings as SVG, images as data
      URLs by number, and the numbers of the captions.
    """
    if shown is None or "missing" in shown:
        return shown
    first, second = shown["pair"]
    similarity = shown["similarity"]
    size = len(similarity)
    found = int((similarity.argmax(axis=1) == np.arange(size)).sum())
    distance = results.number(shown["centroid_distance"])
    pictures = {
        int(key.removeprefix("picture/")): data_url(value)
        for key, value in shown.items()
        if key.startswith("picture/")
    }
    items = [
        (gallery["query"], query["item"])
        for gallery in shown["galleries"]
        for part in gallery["parts"].values()
        for query in part
    ]
    nameless = sorted(
        {name for name, item in items if "text" not in item and "picture" not in item}
    )
    return {
        **{key: shown[key] for key in ("name", "pairs", "dimensions", "galleries", "explained")},
        "first": first,
        "second": second,
        "size": size,
        "found": found,
        "distance": distance,
        "lines": min(60, shown["points"].shape[1]),
        "count": shown["points"].shape[1],
        "pictures": pictures,
        "nameless": nameless,
        "heat_map": Markup(
            plots.heat_map(
                "heat-map",
                similarity,
                f"Heat map of {size} by {size} cosines of {first} and {second}; in {found} of "
                f"{size} rows the greatest is on the diagonal.",
            )
        ),
        "clouds": Markup(
            plots.two_clouds(
                "clouds",
                shown["points"],
                shown["centroids"],
                f"Two clouds of points, {first} and {second}, with their centres {distance} apart.",
                min(60, shown["points"].shape[1]),
            )
        ),
        "cosines": Markup(
            plots.two_histograms(
                "cosines",
                shown["edges"],
                shown["positive"],
                shown["negative"],
                f"Two histograms: cosines of pairs, on average {_mean(shown, 'positive'):.2f}, and "
                f"of others, on average {_mean(shown, 'negative'):.2f}.",
            )
        ),
        "mean_positive": f"{_mean(shown, 'positive'):.2f}",
        "mean_negative": f"{_mean(shown, 'negative'):.2f}",
    }


def _mean(shown: Mapping[str, Any], kind: str) -> float:
    """The mean of a histogram."""
    edges, shares = shown["edges"], shown[kind]
    return float((shares * (edges[1:] + edges[:-1]) / 2).sum() / max(shares.sum(), 1e-12))
