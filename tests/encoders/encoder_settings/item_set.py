"""Sets of items of several parts."""

import numpy as np
from encoder_harness import Setting

from mmjax.encoders import ItemSet


def sets(rows, rng):
    """Up to five of nine items with two parts and a vector of feedback, which some lack."""
    x = np.zeros((rows, 5, 3 + 4 + 2 + 1))
    for row in range(rows):
        count = 1 + (row + 4) % 5
        x[row, :count, :9] = rng.normal(size=(count, 9))
        x[row, ::2, 7:9] = 0
        x[row, :count, 9] = 1 + rng.choice(9, count, replace=False)
    return x


SETTINGS = (
    Setting(
        ItemSet,
        {
            "parts": {"image": 3, "text": 4, "feedback": 2},
            "media": ("image", "text"),
            "items": 9,
            "width": 8,
            "hidden": (6,),
        },
        inputs=sets,
        variants=({}, {"attend": False}, {"media": ()}),
        dropping=({"drop_parts": 0.3},),
        wrong_options=(
            ({"media": ("sound",)}, r"^media=\('sound',\): 'sound' is none of the parts 'image', "),
            ({"parts": {}, "media": (), "items": 0}, r"leave nothing of an item: name a part$"),
            ({"drop_parts": 1.0}, r"^drop_parts=1.0 is not in \[0, 1\)$"),
            ({"parts": {"image": 0}, "media": ()}, r"^image=0: at least 1 is needed$"),
        ),
        wrong_inputs=(({}, np.zeros((2, 5, 9)), r"sets of shape \(2, 5, 9\) where \[B, L, 10\]"),),
    ),
)
