"""Sources: where records come from."""

from mmjax.data.sets import SETS
from mmjax.data.sources.array_record import ArrayRecordSource
from mmjax.data.sources.arrays import ArraysSource
from mmjax.data.sources.base import BadExample, Record, Source
from mmjax.data.sources.dicom import DicomEcgSource
from mmjax.data.sources.digits import DigitsSource
from mmjax.data.sources.emoji import EmojiSource
from mmjax.data.sources.features import FeaturesSource
from mmjax.data.sources.folder import FolderSource
from mmjax.data.sources.manifest import ManifestSource
from mmjax.data.sources.memory import MemorySource
from mmjax.data.sources.tfds import TfdsSource
from mmjax.data.sources.user_files import SourceError
from mmjax.data.sources.webdataset import WebDatasetSource
from mmjax.data.sources.wfdb import WfdbSource
from mmjax.data.synthetic.captions import NoisyCaptions, Translations
from mmjax.data.synthetic.classes import (
    AttributeClasses,
    FrozenClusters,
    GroupedClasses,
    NuisancePairs,
)
from mmjax.data.synthetic.concepts import ConceptPairs, ConceptSets, NamedActions
from mmjax.data.synthetic.domains import DomainPairs
from mmjax.data.synthetic.ecg import EcgReports
from mmjax.data.synthetic.events import EventAudio
from mmjax.data.synthetic.glyphs import GlyphScenes
from mmjax.data.synthetic.latent import GaussianLatentSource
from mmjax.data.synthetic.parity import Parity, Xor
from mmjax.data.synthetic.scenes import CompositionalScenes
from mmjax.data.synthetic.views import LatentBlocks, NoisyInstances
from mmjax.schema.registry import Registry

# The names that `type=` of a source may have in a recipe.
SOURCES: Registry[Source] = Registry(
    "source",
    object,
    {
        "array_record": ArrayRecordSource,
        "arrays": ArraysSource,
        "dicom_ecg": DicomEcgSource,
        "digits": DigitsSource,
        "emoji": EmojiSource,
        "features": FeaturesSource,
        "folder": FolderSource,
        "gaussian_latent": GaussianLatentSource,
        "manifest": ManifestSource,
        "memory": MemorySource,
        "tfds": TfdsSource,
        "webdataset": WebDatasetSource,
        "wfdb": WfdbSource,
        # Generated; see mmjax.data.synthetic.
        "attribute_classes": AttributeClasses,
        "compositional_scenes": CompositionalScenes,
        "concept_pairs": ConceptPairs,
        "concept_sets": ConceptSets,
        "event_audio": EventAudio,
        "ecg_reports": EcgReports,
        "domain_pairs": DomainPairs,
        "frozen_clusters": FrozenClusters,
        "glyph_scenes": GlyphScenes,
        "grouped_classes": GroupedClasses,
        "latent_blocks": LatentBlocks,
        "named_actions": NamedActions,
        "noisy_captions": NoisyCaptions,
        "noisy_instances": NoisyInstances,
        "nuisance_pairs": NuisancePairs,
        "parity": Parity,
        "translations": Translations,
        "xor": Xor,
        **SETS,  # real ones, in the package or on the machine; see mmjax.data.sets
    },
)

__all__ = [
    "SOURCES",
    "ArrayRecordSource",
    "ArraysSource",
    "BadExample",
    "DicomEcgSource",
    "DigitsSource",
    "EmojiSource",
    "FeaturesSource",
    "FolderSource",
    "GaussianLatentSource",
    "ManifestSource",
    "MemorySource",
    "Record",
    "Source",
    "SourceError",
    "TfdsSource",
    "WebDatasetSource",
    "WfdbSource",
]
