"""Data: sources of records, views of their fields, and the pipeline that makes batches."""

from mmjax.data.alternatives import Alternatives
from mmjax.data.batches import Batches, WorkerDied
from mmjax.data.collage import Collage
from mmjax.data.concatenated import Concatenated
from mmjax.data.item_pairs import ItemPairs
from mmjax.data.item_sets import ItemSets
from mmjax.data.pipeline import TrainData
from mmjax.data.poisoned import Poisoned
from mmjax.data.records import BadExample, Record, Source, SourceError
from mmjax.data.registry import SOURCES, TOKENIZERS, VIEWS
from mmjax.data.report import BadRows
from mmjax.data.rows import bad_examples
from mmjax.data.selected import Selected
from mmjax.data.siblings import SiblingPairs
from mmjax.data.tokenised import Tokenised
from mmjax.data.tokenizers import Tokenizer
from mmjax.data.views import View, render

__all__ = [
    "SOURCES",
    "TOKENIZERS",
    "VIEWS",
    "Alternatives",
    "BadExample",
    "BadRows",
    "Batches",
    "Collage",
    "Concatenated",
    "ItemPairs",
    "ItemSets",
    "Poisoned",
    "Record",
    "Selected",
    "SiblingPairs",
    "Source",
    "SourceError",
    "Tokenised",
    "Tokenizer",
    "TrainData",
    "View",
    "WorkerDied",
    "bad_examples",
    "render",
]
