"""What recipes share: data sets, towers and optimizers to start from. Not a recipe itself.

A recipe's `get_config` takes the parts it needs and changes what its paper says. Every part is a
function that returns a fresh dict, so that no recipe can change another's.

Variants of a recipe are functions; `get_config = base.variants("clip", {"small": small, "paper":
paper})` makes them what the command line can ask for.
"""

from collections.abc import Callable, Mapping

from ml_collections import ConfigDict


def variants(name: str, table: Mapping[str, Callable[[], dict]]) -> Callable[..., ConfigDict]:
    """`get_config(variant="small")` of a recipe; its attribute `variants` names what it takes.

    Args:
      name: of the recipe; its file's name.
      table: variant -> function that makes its config.
    """

    def get_config(variant: str = "small") -> ConfigDict:
        config = {"recipe": name, "variant": variant, **table[variant]()}
        return ConfigDict(config)

    get_config.variants = tuple(table)
    return get_config


# --- emoji: the embedded data ------------------------------------------------------------------


def emoji(objectives: dict) -> dict:
    """The small variant of recipes for pictures and text: emoji with their names."""
    return {
        "steps": 2400,
        "data": emoji_data(batch_size=128),
        "model": {"towers": emoji_towers()},
        "objectives": objectives,
        "optimizer": {
            "learning_rate": 1e-3,
            # A word is in few batches, and has to be learned from these.
            "learning_rate_rules": (("towers/text/encoder/token", 10.0),),
            "weight_decay": 0.1,
            "warmup_steps": 50,
            "clip_norm": 1.0,
        },
        "evaluators": emoji_evaluators(),
        "checkpoints": {"every": 600},
    }


def emoji_data(batch_size: int) -> dict:
    """Pictures of the Fluent and Google styles with their English names, 64 pixels.

    Little is changed in the pictures: emoji are centred, their colours mean something (flags,
    hearts, the fruit), and so does what is left and right (arrows, hands), so nothing is mirrored.
    """
    return {
        "source": {"type": "emoji", "split": "train"},
        "tokenizer": {"type": "sentencepiece", "path": "emoji_8k"},
        "views": {
            "image": {
                "type": "image",
                "size": 64,
                "crop_scale": (0.8, 1.2),
                "crop_ratio": (0.9, 1.1),
                "brightness": 0.4,
                "contrast": 0.4,
                "saturation": 0.4,
                "hue": 0.05,
                "jitter": 0.3,
                "interpolation": "bilinear",
                "cache_decoded": True,
            },
            "text": {"type": "text", "length": 16, "caption": "random"},
        },
        "batch_size": batch_size,
    }


def emoji_towers(dim: int = 256) -> dict:
    """A small residual network and a small text transformer, made for two CPU cores.

    Two pictures a concept, of other styles than the one that is asked for: what carries over is
    coarse shape and colour in its place, which pooling by the mean would lose.
    """
    return {
        "image": {
            "encoder": {
                "type": "resnet",
                "block": "basic",
                "blocks": (1,),
                "widths": (64,),
                "stem": "patch8",
                "pool": "flatten",
                "image_size": (64, 64),
            },
            "head": {"type": "linear", "dim": dim},
        },
        "text": {
            "encoder": {
                "type": "text_transformer",
                "vocab_size": 8000,
                "length": 16,
                "width": 128,
                "depth": 1,
                "heads": 4,
                "causal": False,
                "pool": "mean",
                "init": "xavier",
            },
            "head": {"type": "linear", "dim": dim},
        },
    }


def emoji_evaluators() -> dict:
    """Retrieval in a style never seen, of concepts never seen, zero-shot groups, and the gap.

    The gap is measured on the pictures of training, too: in a new style it cannot be smaller than
    what the style itself shifts.
    """
    train = {"type": "emoji", "split": "train"}
    new_style = {"type": "emoji", "split": "new_style"}
    new_concepts = {"type": "emoji", "split": "new_style_new_concepts"}
    return {
        "retrieval": {"new_style": {"source": new_style}, "new_concepts": {"source": new_concepts}},
        "zero_shot": {
            "group": {"source": new_style, "labels": "group"},
            "subgroup": {"source": new_style, "labels": "subgroup"},
        },
        "geometry": {"new_style": {"source": new_style}, "train": {"source": train}},
    }


# --- paper scale: picture-text shards, published towers ------------------------------------------

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def clip_tokenizer() -> dict:
    """CLIP's byte-pair encoding, 49,408 tokens, from a local copy of its `tokenizer.json`."""
    return {
        "type": "huggingface",
        "path": "data/clip/tokenizer.json",
        "bos": "<|startoftext|>",
        "eos": "<|endoftext|>",
        "pad": "!",
    }


def bert_tokenizer(path: str = "data/bert/tokenizer.json", **options: object) -> dict:
    """WordPiece of BERT and its kin, from a local copy of a `tokenizer.json`."""
    return {
        "type": "huggingface",
        "path": path,
        "bos": "[CLS]",
        "eos": "[SEP]",
        "pad": "[PAD]",
        **options,
    }


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


def vit(patch: int, image_size: int = 224, size: str = "base", **options: object) -> dict:
    """A vision transformer of the published sizes `base` and `large`."""
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


def clip_towers(patch: int = 32, size: str = "base", dim: int = 512) -> dict:
    """The towers of Radford et al. 2021, table 20: ViT-B/32, ViT-B/16, ViT-L/14 and their texts."""
    width, heads = {"base": (512, 8), "large": (768, 12)}[size]
    options = {"activation": "quick_gelu", "eps": 1e-5, "init": "clip"}
    image = vit(patch, size=size, pool="cls", pre_norm=True, patch_bias=False, **options)
    text = {
        "type": "text_transformer",
        "vocab_size": 49408,
        "length": 77,
        "width": width,
        "depth": 12,
        "heads": heads,
        "causal": True,
        "pool": "eot",
        "eos_id": 49407,
        "mask_padding": False,  # causal: what comes before the end never sees what comes after
        **options,
    }
    head = {"type": "linear", "dim": dim}
    return {"image": {"encoder": image, "head": head}, "text": {"encoder": text, "head": head}}


def openai_clip(head: bool = True, **options: object) -> dict:
    """The towers of OpenAI's ViT-B/32, from its weights in a folder on this disk.

    Args:
      head: take the projections, too; without them `dim` may be another.
    """
    start = {"path": "weights/clip-vit-base-patch32", "head": head}
    towers = clip_towers(32, **options)
    return {name: {"init_from": dict(start), **tower} for name, tower in towers.items()}


def resnet(depth: int, image_size: int, stem: str = "imagenet") -> dict:
    """A residual network of a published depth, 18 or 50."""
    block, blocks = {18: ("basic", (2, 2, 2, 2)), 50: ("bottleneck", (3, 4, 6, 3))}[depth]
    return {
        "type": "resnet",
        "block": block,
        "blocks": blocks,
        "widths": (64, 128, 256, 512),
        "stem": stem,
        "image_size": (image_size, image_size),
    }


def simclr_view(size: int, crop_scale: tuple[float, float], **changes: object) -> dict:
    """A picture as Chen et al. 2020 (SimCLR) augment it; `blur=0.5` adds theirs."""
    return {
        "type": "image",
        "size": size,
        "crop_scale": crop_scale,
        "flip": 0.5,
        "brightness": 0.4,
        "contrast": 0.4,
        "saturation": 0.4,
        "hue": 0.1,
        "jitter": 0.8,
        "grayscale": 0.2,
        **changes,
    }


def cifar10_files() -> dict:
    """CIFAR-10 as a table of picture files and the numbers of their labels."""
    return {
        "type": "manifest",
        "path": "data/cifar10/train.csv",
        "split": "train",
        "columns": {"image": "file"},
        "labels": {"label": "label"},
    }


def webdataset(path: str) -> dict:
    """Tar shards of pictures (jpg, png, webp) and captions (txt) with common names."""
    return {"type": "webdataset", "path": path}


def coco(split: str) -> dict:
    """COCO captions, five a picture: `tfds build coco_captions --file_format=array_record`."""
    return {
        "type": "tfds",
        "name": "coco_captions",
        "split": split,
        "columns": {"image": "image", "text": "captions/text"},
    }


def coco_evaluators() -> dict:
    """Retrieval among COCO's validation pictures and all of their captions."""
    val = coco("val")
    return {
        "retrieval": {"coco": {"source": val, "alternatives": "all"}},
        "geometry": {"coco": {"source": val}},
    }


# --- generated data: claims, and recipes that are not about pictures and text -----------------


def mlp(inputs: int, hidden: tuple[int, ...], width: int, **options: object) -> dict:
    """A tower of an MLP alone; `head` may be among the options."""
    head = {"head": options.pop("head")} if "head" in options else {}
    return {
        "encoder": {"type": "mlp", "inputs": inputs, "hidden": hidden, "width": width, **options},
        **head,
    }


def held_out(split: str = "test", **changes: object) -> dict:
    """Another split of the training source, of the same world."""
    return {"like": "data.source", "split": split, **changes}


# A claim on generated data draws another world for each of its seeds.
WORLD_SEED = ("data.source.seed",)


def attribute_classes(objectives: dict, **probe: object) -> dict:
    """Two noisy views of classes that are patterns of attributes; a probe tells what was learned.

    Args:
      objectives: of the views `x` and `x@2`, and of `label`.
      probe: changes of the rows that the probe is fitted on, such as `examples`.
    """
    view = {"type": "vector", "dim": 64, "noise": 0.3}
    head = {"type": "mlp", "dim": 64, "hidden": 128}
    test, train = held_out(), held_out("train", **probe)
    return {
        "data": {
            "source": {"type": "attribute_classes"},
            "views": {"x": view, "x@2": view, "label": {"type": "label"}},
            "batch_size": 128,
        },
        "model": {"towers": {"x": mlp(64, (256,), 64, final_activation=True, head=head)}},
        "objectives": objectives,
        "optimizer": {"learning_rate": 1e-3, "weight_decay": 1e-4, "warmup_steps": 50},
        "evaluators": {
            "probe": {"test": {"source": test, "train": train, "modalities": ("x",)}},
            "spectrum": {"test": {"source": test, "modality": "x"}},
        },
    }


def latent_blocks(objectives: dict, tower: dict, batch_size: int) -> dict:
    """Three modalities t, v and a that see overlapping blocks of one latent.

    Args:
      objectives: of these modalities.
      tower: of each, of vectors of 32 numbers.
      batch_size: of training.
    """
    modalities = ("t", "v", "a")
    return {
        "data": {
            "source": {"type": "latent_blocks"},
            "views": {m: {"type": "vector", "dim": 32} for m in modalities},
            "batch_size": batch_size,
        },
        "model": {"towers": dict.fromkeys(modalities, tower)},
        "objectives": objectives,
        "optimizer": {"learning_rate": 1e-3, "schedule": "constant"},
        "log_every": 300,
    }


NOISY_VIEW = {"type": "vector", "dim": 64, "noise": 1.0}


def noisy_instances(objectives: dict) -> dict:
    """Card 24's experiment: views are noisy instances of a latent of 16 dimensions.

    Args:
      objectives: of the views `x` and `x@2`.
    """
    head = {"type": "mlp", "dim": 16, "hidden": 64, "activation": "gelu"}
    test, train = held_out(noise=1.0), held_out("probe", noise=1.0)
    return {
        "steps": 600,
        "data": {
            "source": {"type": "noisy_instances"},
            "views": {"x": NOISY_VIEW, "x@2": NOISY_VIEW},
            "batch_size": 128,
        },
        "model": {"towers": {"x": mlp(64, (128,), 32, activation="gelu", head=head)}},
        "objectives": objectives,
        "optimizer": {"learning_rate": 1e-3, "schedule": "constant"},
        "evaluators": {
            "spectrum": {"test": {"source": test, "modality": "x"}},
            "probe": {"test": {"source": test, "train": train, "modalities": ("x",)}},
        },
        "log_every": 300,
    }
