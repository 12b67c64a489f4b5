"""Tokenizers: text to ids and back."""

from mmjax.data.tokenizers.base import Tokenizer
from mmjax.data.tokenizers.characters import PRINTABLE_ASCII, BytesTokenizer, CharacterTokenizer
from mmjax.data.tokenizers.huggingface import HuggingFaceTokenizer
from mmjax.data.tokenizers.sentencepiece import EMBEDDED, SentencePieceTokenizer
from mmjax.data.tokenizers.words import WordsTokenizer

__all__ = [
    "EMBEDDED",
    "PRINTABLE_ASCII",
    "BytesTokenizer",
    "CharacterTokenizer",
    "HuggingFaceTokenizer",
    "SentencePieceTokenizer",
    "Tokenizer",
    "WordsTokenizer",
]
