"""Files at addresses (`https://`, `s3://`, `gs://`, `hf://`, ...), read by fsspec.

The extra `remote` brings fsspec and what `http://` and `https://` need; other stores have packages
of their own (s3fs, gcsfs, huggingface_hub), which also say how one gives them credentials. A
request that fails is tried again a few times; what then remains is a sentence that names the
address.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import itertools
import os
import posixpath
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mmjax import extras
from mmjax.data.records import SourceError
from mmjax.files import replacing, user_cache

T = TypeVar("T")

_WAITS = (0.5, 1.0, 2.0, 4.0)  # seconds before a request is tried again
_BUFFER = 2**22  # bytes of a request where a file is read from its start to its end
# What tells versions of a file apart, by the names that stores give it, the surest first.
_VERSIONS = (
    *("ETag", "etag", "md5Hash", "generation", "blob_id", "Content-MD5", "Last-Modified"),
    *("LastModified", "updated", "last_modified", "mtime", "created"),
)
# What fsspec needs for a kind of address, where its own table of classes does not say.
_PACKAGES = {"http": "aiohttp", "https": "aiohttp"}


class RemoteError(SourceError, OSError):
    """A file at an address cannot be read; the message names it and says why."""


class RemoteRefused(RemoteError):
    """A store refuses a file, as some do for those that are not there."""


class RemoteMissing(RemoteRefused):
    """There is no file at an address."""


def is_remote(path: str) -> bool:
    """Whether a path is an address. `file://` is none: what it names has a path of its own."""
    protocol = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", path)
    return protocol is not None and protocol[1].lower() not in ("file", "local")


def join(root: str, name: str) -> str:
    """The address of a file that is named from a folder, itself an address."""
    return name if is_remote(name) else f"{root.rstrip('/')}/{name}"


def parent(url: str) -> str:
    """The address of the folder of a file."""
    return posixpath.dirname(url)


def state(url: str) -> tuple[int, int]:
    """The size of a file, and a number that is another when the store says that it changed.

    Raises:
      RemoteError: when there is no such file, or its size is not told.
    """
    about = _tried(url, lambda fs, path: fs.info(path))
    if not isinstance(about.get("size"), int):
        raise RemoteError(f"{url}: the server does not tell its size, which is needed to read it")
    version = next((str(about[key]) for key in _VERSIONS if about.get(key)), "")
    digest = hashlib.blake2b(version.encode(), digest_size=8).digest()
    return about["size"], int.from_bytes(digest, "big", signed=True)


def read(url: str, start: int | None = None, stop: int | None = None) -> bytes:
    """The bytes of a file, or a part of them; fewer where it ends before.

    Raises:
      RemoteError: when it cannot be read.
    """
    content: bytes = _tried(url, lambda fs, path: fs.cat_file(path, start=start, end=stop))
    if start is not None and stop is not None and len(content) > stop - start:
        raise RemoteError(
            f"{url}: the server sends whole files and no parts of them (requests with Range), "
            "which tar shards need: copy them to a server or disk that does"
        )
    return content


def find(pattern: str) -> list[str]:
    """The addresses of the files that a pattern with `*` finds, sorted.

    Raises:
      RemoteError: when the store cannot be asked.
    """
    protocol = pattern.partition("://")[0]
    found = _tried(pattern, lambda fs, path: fs.glob(path))
    return sorted(each if is_remote(each) else f"{protocol}://{each.lstrip('/')}" for each in found)


def fetch(url: str) -> Path:
    """A copy of a file in the user's cache folder, made anew when the file has changed.

    Raises:
      RemoteError: when it cannot be read.
      OSError: when it cannot be written.
    """
    digest = hashlib.blake2b(repr((url, state(url))).encode(), digest_size=8).hexdigest()
    copy = user_cache("remote", digest, posixpath.basename(url))
    if not copy.is_file():
        copy.parent.mkdir(parents=True, exist_ok=True)
        with replacing(copy, f".{os.getpid()}") as part:
            _tried(url, lambda fs, path: fs.get_file(path, str(part)))
    return copy


def opened(url: str, size: int) -> io.BufferedReader:
    """A file of this size, for reading from its start to its end with jumps."""
    return io.BufferedReader(_Parts(url, size), _BUFFER)


class _Parts(io.RawIOBase):
    """A file that is read part by part, each of which may be tried again."""

    def __init__(self, url: str, size: int):
        self._url, self._size, self._at = url, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_CUR: self._at, os.SEEK_END: self._size}.get(whence, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        stop = min(self._at + len(buffer), self._size)
        if stop <= self._at:
            return 0
        content = read(self._url, self._at, stop)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def _tried(url: str, ask: Callable[[Any, str], T]) -> T:
    """What a file system answers, asked again after errors that may pass."""
    for wait in itertools.chain(_WAITS, [None]):
        try:
            return ask(*_file_system(url))
        except (RemoteError, extras.MissingExtra):
            raise
        except Exception as error:  # of whatever kind the packages of the stores raise
            cause = error.__cause__ or error
            status = getattr(cause, "status", None)
            # Over HTTP whatever goes wrong is said to be a missing file, with its cause.
            masked = url.startswith("http") and cause is not error and status not in (404, 410)
            if isinstance(error, FileNotFoundError) and not masked:
                raise RemoteMissing(f"there is no file {url}") from error
            said = " ".join(str(cause).split()) or type(cause).__name__
            # Refused for good; too many requests (429) and a slow one (408) are not.
            refused = isinstance(status, int) and 400 <= status < 500 and status not in (408, 429)
            if refused or isinstance(error, PermissionError | ValueError):
                raise RemoteRefused(f"{url} cannot be read: {said:.300}") from error
            if wait is None:
                tries = len(_WAITS) + 1
                raise RemoteError(
                    f"{url} cannot be read after {tries} attempts: {said:.300}"
                ) from error
            time.sleep(wait * random.uniform(0.5, 1.5))
    raise AssertionError("the last attempt returns or raises")


def _file_system(url: str) -> tuple[Any, str]:
    """The file system of an address, and its path there."""
    fsspec = extras.needs("fsspec", "remote", f"reading {url}")
    protocol = url.partition("://")[0].lower()
    # By import: the attribute of this name is another thing.
    stores: Any = importlib.import_module("fsspec.registry").known_implementations
    known = stores.get(protocol, {}).get("class", "fsspec")
    package = _PACKAGES.get(protocol, known.partition(".")[0])
    if importlib.util.find_spec(package) is None:
        raise extras.MissingExtra(
            f"reading {url} needs the package {package}: pip install {package}"
        )
    try:
        return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]
    except ValueError as error:
        raise RemoteError(f"{url}: there is no kind of address {protocol}://") from error
