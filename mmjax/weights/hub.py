"""Models of the Hugging Face Hub, from and to local folders, by the package huggingface_hub."""

from __future__ import annotations

import re
from pathlib import Path

from mmjax import digests, extras, places
from mmjax.errors import ConfigError
from mmjax.weights.files import OWN_CONFIG, WEIGHTS, WeightsError

PREFIX = "hf://"
_MODEL = re.compile(r"(?P<name>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[^@\s]+))?")
# What readers of a folder ask for beside weights.
_FILES = (
    "config.json", "open_clip_config.json", OWN_CONFIG, digests.NAME, "parity.json",
    "preprocessor_config.json", "processor_config.json", "modules.json",
    "1_Pooling/config.json", "sentence_bert_config.json",
    "2_Dense/config.json", "2_Dense/model.safetensors",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "tokenizer.model", "tokenizer.txt",
    *(f"{name}.index.json" for name in WEIGHTS),
)  # fmt: skip


def local(path: str | Path) -> Path:
    """The folder that a path means, after downloading a model of the Hub.

    Args:
      path: a folder or file; `gs://bucket/folder`; or `hf://owner/name`, with `@revision` (a
        branch, tag or commit) or without. A plain `owner/name` is a model of the Hub, too, where no
        `owner` is here.

    Returns:
      The path, or a folder in the cache of huggingface_hub with JSON files and safetensors of the
      model, and nothing else: no pickles, no code.

    Raises:
      WeightsError: for what is no name of a model, or cannot be downloaded.
      MissingExtra: without the extra `hub`.
    """
    given = str(path)
    if not given.startswith(PREFIX):
        if places.is_address(given):
            return places.here(given)
        folder = Path(path).expanduser()
        owner, slash, _ = given.partition("/")
        if not slash or Path(owner).exists() or folder.exists() or not _MODEL.fullmatch(given):
            return folder
    found = _MODEL.fullmatch(given.removeprefix(PREFIX))
    if found is None:
        raise WeightsError(f"{given} is no model of the Hub: give {PREFIX}owner/name[@revision]")
    what = given
    if not given.startswith(PREFIX):
        what = f"there is no folder {given}, and the Hub's model of that name"
    extras.find("huggingface_hub", "hub", what)
    return _download(what, found["name"], found["revision"])


def _download(what: str, name: str, revision: str | None) -> Path:
    import huggingface_hub

    def fetch(*patterns: str) -> Path:
        return Path(
            huggingface_hub.snapshot_download(
                name, revision=revision, allow_patterns=list(patterns)
            )
        )

    try:
        folder = fetch(*_FILES)
        # Some have the same weights in open_clip's layout and in Hugging Face's: one is enough.
        kinds = WEIGHTS if (folder / "open_clip_config.json").is_file() else WEIGHTS[-1:]
        for kind in kinds:
            stem = kind.removesuffix(".safetensors")
            folder = fetch(kind, f"{stem}-*-of-*.safetensors")
            if any(folder.glob(f"{stem}*.safetensors")):
                return folder
    except Exception as error:  # of names, network, disk and rights; they have no common base
        said = " ".join(str(error).split())
        raise WeightsError(f"{what} could not be loaded: {said}") from error
    raise WeightsError(
        f"{what} holds no {WEIGHTS[-1]}; other files, such as pickles, are not downloaded"
    )


def target(address: str) -> str:
    """The name of a model to make on the Hub, of `hf://owner/name`.

    Raises:
      ConfigError: for anything else.
      MissingExtra: without the extra `hub`.
    """
    name = address.removeprefix(PREFIX)
    if not address.startswith(PREFIX) or not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ConfigError(f"--to={address} is no place on the Hub: give {PREFIX}owner/name")
    extras.find("huggingface_hub", "hub", f"--to={address}")
    return name


def push(folder: Path, address: str, *, private: bool = False) -> str:
    """Uploads a folder as a model of the Hub, which is made if it is not there.

    The account is the one of `hf auth login`, or of HF_TOKEN.

    Args:
      folder: as an export has written it, with its model card README.md.
      address: `hf://owner/name`.
      private: whether a model that is made is for its owner only.

    Returns:
      The address of the page.

    Raises:
      ConfigError: for an address that is none, or when it cannot be uploaded; the folder stays.
      MissingExtra: without the extra `hub`.
    """
    name = target(address)
    import huggingface_hub

    try:
        api = huggingface_hub.HfApi()
        made = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="Export of mmjax")
    except Exception as error:  # of names, network and rights; they have no common base
        said = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"{folder} is complete, but could not be uploaded to {address} ({said}): "
            f"`hf upload {name} {folder}` tries again"
        ) from error
    return str(made)
