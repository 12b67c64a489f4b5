"""Decoding: texts token by token, from any function that gives logits of the next token.

Every algorithm recomputes the prefix in a buffer of fixed size: one compiled program for all
lengths, of the decoder that training knows. What a row becomes depends on nothing else in a batch.
"""

from mmjax.decoding.base import Decoder, NextToken, Start, Texts
from mmjax.decoding.beam import Beam
from mmjax.decoding.contrastive import Contrastive
from mmjax.decoding.registry import DECODERS
from mmjax.decoding.single import Greedy, Nucleus

__all__ = [
    "DECODERS",
    "Beam",
    "Contrastive",
    "Decoder",
    "Greedy",
    "NextToken",
    "Nucleus",
    "Start",
    "Texts",
]
