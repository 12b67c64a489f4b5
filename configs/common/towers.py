"""Encoders, projection heads, text towers with matching view and tokenizer, and teachers."""

import dataclasses
from collections.abc import Mapping
from typing import Any

# Of OpenAI's released towers.
OPENAI = {"activation": "quick_gelu", "eps": 1e-5, "init": "clip"}


def towers(head: Mapping[str, Any] | None = None, /, **encoders: Mapping[str, Any]) -> dict:
    """{modality: tower}, each with an encoder and the common head.

    Args:
      head: of all towers without one of their own; None for no head.
      **encoders: specs of encoders, or whole towers: `{"encoder": ..., "head": ...}`.
    """
    common = {} if head is None else {"head": head}
    return {
        name: {**common, **(each if "encoder" in each else {"encoder": each})}
        for name, each in encoders.items()
    }


def linear_head(dim: int, **options: object) -> dict:
    """A linear projection head."""
    return {"type": "linear", "dim": dim, **options}


def mlp_head(dim: int, hidden: int, **options: object) -> dict:
    """An MLP projection head with one hidden layer, or more with `layers`."""
    return {"type": "mlp", "dim": dim, "hidden": hidden, **options}


def pretrained(path: str, encoder: Mapping[str, Any], part: str | None = None, **more: Any) -> dict:
    """A tower whose encoder starts from pretrained weights in a local folder.

    Args:
      path: of the folder.
      encoder: with the sizes of these weights.
      part: which tower of the folder, `image` or `text`.
      **more: `head` is the tower's head; `take_head=False` does not load the folder's.
    """
    start = {"path": path}
    if part is not None:
        start["part"] = part
    if "take_head" in more:
        start["head"] = more.pop("take_head")
    return {"init_from": start, "encoder": encoder, **more}


# --- encoders ----------------------------------------------------------------------------------


def mlp(inputs: int, hidden: tuple[int, ...], width: int, **options: object) -> dict:
    """An MLP on vectors of size `inputs`."""
    return {"type": "mlp", "inputs": inputs, "hidden": hidden, "width": width, **options}


def identity(inputs: int) -> dict:
    """Precomputed features, unchanged."""
    return {"type": "identity", "inputs": inputs}


def vit(patch: int, image_size: int = 224, size: str = "base", **options: object) -> dict:
    """A vision transformer of size `base` or `large`."""
    width, depth, heads = {"base": (768, 12, 12), "large": (1024, 24, 16)}[size]
    return {
        "type": "vit",
        "image_size": (image_size, image_size),
        "patch": patch,
        "width": width,
        "depth": depth,
        "heads": heads,
        **options,
    }


def resnet(depth: int, image_size: int, stem: str = "imagenet") -> dict:
    """A ResNet of depth 18 or 50."""
    block, blocks = {18: ("basic", (2, 2, 2, 2)), 50: ("bottleneck", (3, 4, 6, 3))}[depth]
    return {
        "type": "resnet",
        "block": block,
        "blocks": blocks,
        "widths": (64, 128, 256, 512),
        "stem": stem,
        "image_size": (image_size, image_size),
    }


def tiny_resnet(image_size: int, stem: str, *widths: int, **options: object) -> dict:
    """A ResNet with one basic block per width, for two CPU cores.

    Its last feature map is flattened: image styles share coarse shape and colour at a position,
    which mean pooling would lose.
    """
    return {
        "type": "resnet",
        "block": "basic",
        "blocks": (1,) * len(widths),
        "widths": widths,
        "stem": stem,
        "pool": "flatten",
        "image_size": (image_size, image_size),
        **options,
    }


# --- text --------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Text:
    """A text encoder with matching tokenizer and view."""

    tokenizer: dict
    view: dict
    encoder: dict


def _text(tokenizer: dict, encoder: dict, **view: object) -> Text:
    return Text(tokenizer, {"type": "text", "length": encoder["length"], **view}, encoder)


def tiny_text(
    tokens: str | tuple[str, ...],
    length: int,
    width: int = 64,
    depth: int = 1,
    heads: int = 4,
    **view: object,
) -> Text:
    """A small bidirectional transformer, for two CPU cores.

    Args:
      tokens: `emoji_8k` (the SentencePiece model in the package), `bytes`, or a tuple of words.
      length: number of tokens.
      width: of the transformer, likewise `depth` and `heads`.
      **view: further options of the view.
    """
    if tokens == "bytes":
        vocab_size, tokenizer = 260, {"type": "bytes"}
    elif isinstance(tokens, str):
        vocab_size, tokenizer = 8000, {"type": "sentencepiece", "path": tokens}
    else:
        vocab_size, tokenizer = len(tokens) + 4, {"type": "words", "words": tokens}
        view = {"bos": False, "eos": False, **view}
    encoder = {
        "type": "text_transformer",
        "vocab_size": vocab_size,
        "length": length,
        "width": width,
        "depth": depth,
        "heads": heads,
        "causal": False,
        "pool": "mean",
        "init": "xavier",
    }
    return _text(tokenizer, encoder, **view)


def hides(view: str, vocab_size: int, mask_id: int | None = None, **options: object) -> dict:
    """What a tower with masked words has beside its encoder; `options` are of `mask_tokens`.

    Without an id of the tokenizer's own the mask is one more, and the encoder has one id more.
    """
    mask_id = vocab_size if mask_id is None else mask_id
    ids = dict(vocab_size=vocab_size, mask_id=mask_id)
    return {"augment": {"type": "mask_tokens", "views": (view,), **ids, **options}}


def masked_words(inputs: Mapping[str, int], vocab_size: int, width: int, **options: object) -> dict:
    """The term that asks for the hidden words of the first of `inputs`; the others are conditions.

    Args:
      inputs: view -> width of the tokens of its encoder.
      vocab_size: of the text.
      width: of the fusion.
      **options: of `masked_tokens`.
    """
    view, *conditions = inputs
    views = {"view": view, "conditions": tuple(conditions), "inputs": dict(inputs)}
    return {"type": "masked_tokens", **views, "vocab_size": vocab_size, "width": width, **options}


def bag_text(words: tuple[str, ...], length: int, **options: object) -> Text:
    """A bag of words: the mean of their vectors, for a head to make something of.

    Args:
      words: all that there are.
      length: number of tokens.
      **options: of the encoder `bag_of_tokens`.
    """
    tokenizer = {"type": "words", "words": words}
    encoder = {"type": "bag_of_tokens", "vocab_size": len(words) + 4, "length": length, **options}
    return _text(tokenizer, encoder, bos=False, eos=False)


def causal_text(width: int = 512, heads: int = 8, depth: int = 12, **options: object) -> Text:
    """CLIP's text tower and byte-pair encoding, from a local copy of its `tokenizer.json`.

    Args:
      width: of the transformer, likewise `heads` and `depth`.
      **options: of the encoder; `**OPENAI` for the released weights.
    """
    tokenizer = {
        "type": "huggingface",
        "path": "data/clip/tokenizer.json",
        "bos": "<|startoftext|>",
        "eos": "<|endoftext|>",
        "pad": "!",
    }
    encoder = {
        "type": "text_transformer",
        "vocab_size": 49_408,
        "length": 77,
        "width": width,
        "depth": depth,
        "heads": heads,
        "causal": True,
        "pool": "eot",
        "eos_id": 49_407,
        "mask_padding": False,  # causal: tokens never attend to what follows them
        **options,
    }
    return _text(tokenizer, encoder)


def bert_tokenizer(path: str = "data/bert/tokenizer.json", **options: object) -> dict:
    """WordPiece tokenizer of BERT-like models, from a local `tokenizer.json`."""
    marks = {"bos": "[CLS]", "eos": "[SEP]", "pad": "[PAD]"}
    return {"type": "huggingface", "path": path, **marks, **options}


def roberta_tokenizer(path: str, **options: object) -> dict:
    """SentencePiece or BPE tokenizer of RoBERTa and XLM-R, from a local `tokenizer.json`."""
    marks = {"bos": "<s>", "eos": "</s>", "pad": "<pad>"}
    return {"type": "huggingface", "path": path, **marks, **options}


def bert(length: int, **options: object) -> dict:
    """BERT base, uncased (Devlin et al. 2019)."""
    return {
        "type": "text_transformer",
        "vocab_size": 30_522,
        "length": length,
        "width": 768,
        "depth": 12,
        "heads": 12,
        "causal": False,
        "pool": "cls",
        "norm": "post",
        "embedding_norm": True,
        "segments": 2,
        "eps": 1e-12,
        **options,
    }


def bert_text(
    length: int, tokenizer: dict | None = None, lowercase: bool = False, **options: object
) -> Text:
    """BERT base (other sizes with `options`) and its tokenizer."""
    view = {"lowercase": True} if lowercase else {}
    return _text(tokenizer or bert_tokenizer(), bert(length, **options), **view)


# --- OpenAI's CLIP -----------------------------------------------------------------------------


def openai_image(patch: int = 32) -> dict:
    """The image towers of Radford et al. 2021, table 20: ViT-B/32 and ViT-B/16."""
    return vit(patch, pool="cls", pre_norm=True, patch_bias=False, **OPENAI)


def openai_towers(dim: int = 512, take_head: bool = True) -> dict:
    """The towers of OpenAI's ViT-B/32, from its weights in a local folder.

    Args:
      dim: of the embeddings.
      take_head: load the projection heads, too; without them `dim` can differ.
    """
    encoders = {"image": openai_image(), "text": causal_text(**OPENAI).encoder}
    folder = "weights/clip-vit-base-patch32"
    return towers(
        linear_head(dim),
        **{name: pretrained(folder, e, take_head=take_head) for name, e in encoders.items()},
    )


# --- teachers and queues -----------------------------------------------------------------------


def ema(views: tuple[str, ...], momentum: float) -> dict:
    """A momentum teacher: the moving average of the towers."""
    return {"type": "ema", "views": views, "momentum": momentum}


def frozen(views: tuple[str, ...]) -> dict:
    """A frozen teacher: the towers at the start of training, or of the stage."""
    return {"type": "frozen", "views": views}


def queue(views: tuple[str, ...], size: int, delay: int = 0) -> dict:
    """A queue of embeddings of past batches."""
    return {"size": size, "views": views, "delay": delay}
