"""Views: from a raw value of a record to an array of the batch."""

from mmjax.data.views.array import ArrayView
from mmjax.data.views.audio import AudioView
from mmjax.data.views.augmented_text import AugmentedTextView
from mmjax.data.views.base import View, field_of, group_of, render
from mmjax.data.views.ecg import EcgView
from mmjax.data.views.fused import FusedView
from mmjax.data.views.graph import GraphView
from mmjax.data.views.image import ImageView
from mmjax.data.views.image_patches import ImagePatchesView
from mmjax.data.views.label import LabelSetView, LabelView
from mmjax.data.views.log_mel import LogMelView
from mmjax.data.views.pixels import PixelsView
from mmjax.data.views.points import PointsView
from mmjax.data.views.sentences import SentencesView
from mmjax.data.views.sequence import SequenceView
from mmjax.data.views.signal import SignalView
from mmjax.data.views.slots import SlotsView
from mmjax.data.views.table import TableView
from mmjax.data.views.text import TextView
from mmjax.data.views.vector import VectorView
from mmjax.data.views.video import VideoView
from mmjax.data.views.volume import VolumeView

__all__ = [
    "ArrayView",
    "AudioView",
    "AugmentedTextView",
    "EcgView",
    "FusedView",
    "GraphView",
    "ImagePatchesView",
    "ImageView",
    "LabelSetView",
    "LabelView",
    "LogMelView",
    "PixelsView",
    "PointsView",
    "SentencesView",
    "SequenceView",
    "SignalView",
    "SlotsView",
    "TableView",
    "TextView",
    "VectorView",
    "VideoView",
    "View",
    "VolumeView",
    "field_of",
    "group_of",
    "render",
]
