"""Registries of sources, views and tokenizers: what their `type` may be in a recipe."""

from mmjax.data.records import Source
from mmjax.data.sets import (
    BasicMotions,
    EmojiSource,
    FilletsSource,
    FurnitureSource,
    LdrawSource,
    MoleculesSource,
    MricronSource,
    SamplesSource,
    ShoulderExercises,
    TuxPaintSource,
)
from mmjax.data.sources import (
    ArrayRecordSource,
    ArraysSource,
    ClipBenchmarkSource,
    DicomEcgSource,
    FeaturesSource,
    FolderSource,
    ManifestSource,
    MemorySource,
    PtbXlSource,
    TfdsSource,
    WebDatasetSource,
    WfdbSource,
)
from mmjax.data.synthetic import SYNTHETIC
from mmjax.data.tokenizers import (
    BytesTokenizer,
    CharacterTokenizer,
    HuggingFaceTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
    WordsTokenizer,
)
from mmjax.data.views import (
    ArrayView,
    AudioView,
    AugmentedTextView,
    EcgView,
    GraphView,
    ImagePatchesView,
    ImageView,
    LabelSetView,
    LabelView,
    LogMelView,
    PixelsView,
    PointsView,
    SentencesView,
    SequenceView,
    SignalView,
    TableView,
    TextView,
    VectorView,
    VideoView,
    View,
    VolumeView,
)
from mmjax.schema.registry import Registry

SOURCES: Registry[Source] = Registry(
    "source",
    Source,
    {
        "array_record": ArrayRecordSource,
        "arrays": ArraysSource,
        "dicom_ecg": DicomEcgSource,
        "features": FeaturesSource,
        "folder": FolderSource,
        "manifest": ManifestSource,
        "memory": MemorySource,
        "tfds": TfdsSource,
        "webdataset": WebDatasetSource,
        "clip_benchmark": ClipBenchmarkSource,
        "wfdb": WfdbSource,
        "ptb_xl": PtbXlSource,
        **SYNTHETIC,
        # Real ones, in the package or on the machine; see mmjax.data.sets.
        "basic_motions": BasicMotions,
        "emoji": EmojiSource,
        "fillets": FilletsSource,
        "furniture": FurnitureSource,
        "ldraw": LdrawSource,
        "molecules": MoleculesSource,
        "mricron": MricronSource,
        "samples": SamplesSource,
        "shoulder_exercises": ShoulderExercises,
        "tux_paint": TuxPaintSource,
    },
)

VIEWS: Registry[View] = Registry(
    "view",
    View,
    {
        "image": ImageView,
        "image_patches": ImagePatchesView,
        "pixels": PixelsView,
        "text": TextView,
        "augmented_text": AugmentedTextView,
        "sentences": SentencesView,
        "audio": AudioView,
        "log_mel": LogMelView,
        "array": ArrayView,
        "vector": VectorView,
        "sequence": SequenceView,
        "label": LabelView,
        "label_set": LabelSetView,
        "signal": SignalView,
        "ecg": EcgView,
        "points": PointsView,
        "graph": GraphView,
        "table": TableView,
        "video": VideoView,
        "volume": VolumeView,
    },
    provided=("tokenizer",),
)

TOKENIZERS: Registry[Tokenizer] = Registry(
    "tokenizer",
    Tokenizer,
    {
        "sentencepiece": SentencePieceTokenizer,
        "huggingface": HuggingFaceTokenizer,
        "bytes": BytesTokenizer,
        "characters": CharacterTokenizer,
        "words": WordsTokenizer,
    },
)
