"""Tar shards of samples that are easy to compare, and what a source gives of them."""

import io
import os
import tarfile
import time


def shard(path, members, **options):
    with tarfile.open(path, "w", **options) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def sample(i, text=None):
    return [(f"{i:03}.jpg", b"picture %d" % i), (f"{i:03}.txt", (text or f"text {i}").encode())]


def members(*numbers):
    return [member for i in numbers for member in sample(i)]


def pairs(source):
    return [(record["image"], record["text"]) for record in source]


def expected(*numbers):
    return [(b"picture %d" % i, f"text {i}") for i in numbers]


def aged(path, seconds=3600):
    """As if it had been written long ago: a file's time says little of its last second."""
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path
