"""Data sources: a user's own files, and data in memory."""

from mmjax.data.sources.array_record import ArrayRecordSource
from mmjax.data.sources.arrays import ArraysSource
from mmjax.data.sources.clip_benchmark import ClipBenchmarkSource
from mmjax.data.sources.dicom import DicomEcgSource
from mmjax.data.sources.features import FeaturesSource
from mmjax.data.sources.folder import FolderSource
from mmjax.data.sources.manifest import ManifestSource
from mmjax.data.sources.memory import MemorySource
from mmjax.data.sources.ptb_xl import PtbXlSource
from mmjax.data.sources.series import SeriesSource
from mmjax.data.sources.tfds import TfdsSource
from mmjax.data.sources.webdataset import WebDatasetSource
from mmjax.data.sources.wfdb import WfdbSource

__all__ = [
    "ArrayRecordSource",
    "ArraysSource",
    "ClipBenchmarkSource",
    "DicomEcgSource",
    "FeaturesSource",
    "FolderSource",
    "ManifestSource",
    "MemorySource",
    "PtbXlSource",
    "SeriesSource",
    "TfdsSource",
    "WebDatasetSource",
    "WfdbSource",
]
