"""Views: from a raw value of a record to an array of the batch."""

from mmjax.data.views.base import View, field_of, render
from mmjax.data.views.image import ImageView
from mmjax.data.views.label import LabelView
from mmjax.data.views.sequence import SequenceView
from mmjax.data.views.text import TextView
from mmjax.data.views.vector import VectorView

# The names that `type=` of a view may have in a recipe.
VIEWS = {
    "image": ImageView,
    "text": TextView,
    "vector": VectorView,
    "sequence": SequenceView,
    "label": LabelView,
}

__all__ = [
    "VIEWS",
    "ImageView",
    "LabelView",
    "SequenceView",
    "TextView",
    "VectorView",
    "View",
    "field_of",
    "render",
]
