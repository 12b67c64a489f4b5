"""Sources and views: where examples come from and how they become a batch."""

from collections.abc import Mapping, Sequence
from typing import Any

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LABEL = {"type": "label"}


def data(
    source: str | Mapping[str, Any],
    batch_size: int,
    tokenizer: Mapping[str, Any] | None = None,
    *,
    workers: int | None = None,
    on_error: str | None = None,
    **views: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> dict:
    """The section `data`.

    Args:
      source: a spec, or the type of one that needs no options.
      batch_size: global, over all devices.
      tokenizer: of the text views.
      workers: processes of the data loader.
      on_error: `skip` or `fail`, for unreadable examples.
      **views: the view of each modality, or a tuple of views: `image`, `image@2`, ...
    """
    options = {"tokenizer": tokenizer, "workers": workers, "on_error": on_error}
    return {
        "source": {"type": source} if isinstance(source, str) else source,
        "views": _numbered(views),
        "batch_size": batch_size,
        **{key: value for key, value in options.items() if value is not None},
    }


def _numbered(views: Mapping[str, Any]) -> dict:
    """Gives each of several views of a modality its own name."""
    found = {}
    for name, given in views.items():
        several = (given,) if isinstance(given, Mapping) else given
        found |= {name if i == 1 else f"{name}@{i}": view for i, view in enumerate(several, 1)}
    return found


# --- sources -----------------------------------------------------------------------------------


def held_out(split: str = "test", **changes: object) -> dict:
    """Another split of the training source."""
    return {"like": "data.source", "split": split, **changes}


def webdataset(path: str) -> dict:
    """Tar shards (WebDataset) of images (jpg, png, webp) and captions (txt)."""
    return {"type": "webdataset", "path": path}


def manifest(
    path: str,
    split: str | None = None,
    labels: Mapping[str, str] | None = None,
    **columns: str | Sequence[str] | Mapping[str, str],
) -> dict:
    """A table with one or more columns of files or texts for each modality."""
    options = {"split": split, "labels": labels}
    given = {key: value for key, value in options.items() if value is not None}
    return {"type": "manifest", "path": path, "columns": columns, **given}


def cifar10_files() -> dict:
    """CIFAR-10 as a table of image files and class numbers."""
    return manifest("data/cifar10/train.csv", "train", labels={"label": "label"}, image="file")


def coco(split: str) -> dict:
    """COCO, five captions per image: `tfds build coco_captions --file_format=array_record`."""
    columns = {"image": "image", "text": "captions/text"}
    return {"type": "tfds", "name": "coco_captions", "split": split, "columns": columns}


# --- views -------------------------------------------------------------------------------------


def vector(dim: int, **options: object) -> dict:
    """A vector of size `dim`; `noise=0.5` adds fresh Gaussian noise each time."""
    return {"type": "vector", "dim": dim, **options}


def image(size: int = 224, **options: object) -> dict:
    """An image and its augmentation."""
    return {"type": "image", "size": size, **options}


def clip_image(size: int = 224, **options: object) -> dict:
    """An image with CLIP's normalization."""
    return image(size, mean=CLIP_MEAN, std=CLIP_STD, **options)


def simclr_view(size: int, crop_scale: tuple[float, float], **changes: object) -> dict:
    """An image with SimCLR's augmentation (Chen et al. 2020); `blur=0.5` adds its blur."""
    colours = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "jitter": 0.8}
    return image(
        size, **{"crop_scale": crop_scale, "flip": 0.5, **colours, "grayscale": 0.2, **changes}
    )
