"""The registry of encoders: what their `type` may be in a recipe."""

from mmjax.encoders.ast import SpectrogramTransformer
from mmjax.encoders.audio import AudioTransformer
from mmjax.encoders.bag import BagOfTokens
from mmjax.encoders.base import Encoder
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
from mmjax.encoders.residual_mlp import ResidualMLP
from mmjax.encoders.resnet import ResNet
from mmjax.encoders.signal import SignalTransformer
from mmjax.encoders.signal_resnet import SignalResNet
from mmjax.encoders.slot_transformer import SlotTransformer
from mmjax.encoders.temporal_conv import TemporalConv
from mmjax.encoders.text import TextTransformer
from mmjax.encoders.tokens import TokenMLP
from mmjax.encoders.vit import ViT
from mmjax.encoders.wav2vec2 import Wav2Vec2
from mmjax.encoders.whisper import Whisper
from mmjax.schema.registry import Registry

ENCODERS: Registry[Encoder] = Registry(
    "encoder",
    Encoder,
    {
        "vit": ViT,
        "naflex_vit": NaFlexViT,
        "patch_transformer": PatchTransformer,
        "patch_tokens": PatchTokens,
        "frame_transformer": FrameTransformer,
        "point_net": PointNet,
        "graph_network": GraphNetwork,
        "resnet": ResNet,
        "convnext": ConvNeXt,
        "cnn": ConvNet,
        "text_transformer": TextTransformer,
        "text_gru": TextGRU,
        "hierarchical_text": HierarchicalText,
        "bag_of_tokens": BagOfTokens,
        "mlp": MLP,
        "residual_mlp": ResidualMLP,
        "identity": Identity,
        "lookup": Lookup,
        "token_mlp": TokenMLP,
        "temporal_conv": TemporalConv,
        "item_set": ItemSet,
        "efficientnet_lite": EfficientNetLite,
        "spectrogram_transformer": SpectrogramTransformer,
        "htsat": HTSAT,
        "audio_transformer": AudioTransformer,
        "wav2vec2": Wav2Vec2,
        "whisper": Whisper,
        "cnn14": CNN14,
        "signal_transformer": SignalTransformer,
        "slot_transformer": SlotTransformer,
        "signal_resnet": SignalResNet,
    },
    provided=("rngs", "dtype"),
)
