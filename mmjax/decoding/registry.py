"""The registry of decoding algorithms; the keyword arguments of each are its keys."""

from mmjax.decoding.base import Decoder
from mmjax.decoding.beam import Beam
from mmjax.decoding.contrastive import Contrastive
from mmjax.decoding.single import Greedy, Nucleus
from mmjax.schema.registry import Registry

DECODERS: Registry[Decoder] = Registry(
    "decoder",
    Decoder,
    {"greedy": Greedy, "beam": Beam, "nucleus": Nucleus, "contrastive": Contrastive},
)
