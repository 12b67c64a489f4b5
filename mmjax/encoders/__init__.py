"""Encoders, from values of one modality to vectors; `ENCODERS` maps a config's `type` to one."""

from mmjax.encoders.ast import SpectrogramTransformer
from mmjax.encoders.audio import AudioTransformer
from mmjax.encoders.bag import BagOfTokens
from mmjax.encoders.base import Encoder, EncoderError, Encoding, parameter_count
from mmjax.encoders.cnn import ConvNet
from mmjax.encoders.cnn14 import CNN14
from mmjax.encoders.convnext import ConvNeXt
from mmjax.encoders.efficientnet import EfficientNetLite
from mmjax.encoders.frames import FrameTransformer
from mmjax.encoders.graph import GraphNetwork
from mmjax.encoders.gru import TextGRU
from mmjax.encoders.hierarchical_text import HierarchicalText
from mmjax.encoders.htsat import HTSAT
from mmjax.encoders.item_set import ItemSet
from mmjax.encoders.lookup import Lookup
from mmjax.encoders.mlp import MLP, Identity
from mmjax.encoders.naflex import NaFlexViT
from mmjax.encoders.patch_tokens import PatchTokens
from mmjax.encoders.patches import PatchTransformer
from mmjax.encoders.points import PointNet
from mmjax.encoders.registry import ENCODERS
from mmjax.encoders.residual_mlp import ResidualMLP
from mmjax.encoders.resnet import ResNet
from mmjax.encoders.signal import SignalTransformer
from mmjax.encoders.signal_resnet import SignalResNet
from mmjax.encoders.slot_transformer import SlotTransformer
from mmjax.encoders.temporal_conv import TemporalConv
from mmjax.encoders.text import TextTransformer
from mmjax.encoders.tokens import TokenMLP
from mmjax.encoders.trunk import Trunk, TrunkConfig
from mmjax.encoders.trunk_tokens import TrunkTokens
from mmjax.encoders.vit import ViT
from mmjax.encoders.wav2vec2 import Wav2Vec2
from mmjax.encoders.whisper import Whisper

__all__ = [
    "CNN14",
    "ENCODERS",
    "HTSAT",
    "MLP",
    "AudioTransformer",
    "BagOfTokens",
    "ConvNeXt",
    "ConvNet",
    "EfficientNetLite",
    "Encoder",
    "EncoderError",
    "Encoding",
    "FrameTransformer",
    "GraphNetwork",
    "HierarchicalText",
    "Identity",
    "ItemSet",
    "Lookup",
    "NaFlexViT",
    "PatchTokens",
    "PatchTransformer",
    "PointNet",
    "ResNet",
    "ResidualMLP",
    "SignalResNet",
    "SignalTransformer",
    "SlotTransformer",
    "SpectrogramTransformer",
    "TemporalConv",
    "TextGRU",
    "TextTransformer",
    "TokenMLP",
    "Trunk",
    "TrunkConfig",
    "TrunkTokens",
    "ViT",
    "Wav2Vec2",
    "Whisper",
    "parameter_count",
]
