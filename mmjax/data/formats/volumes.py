"""Volumes from the bytes of NIfTI, DICOM and NPY files.

NIfTI needs nibabel and DICOM pydicom, both of the extra `volumes`.
"""

from __future__ import annotations

import gzip
import io
import warnings
import zipfile
import zlib
from typing import Any

import numpy as np

from mmjax import extras
from mmjax.data.formats.numbers import load_array, real
from mmjax.data.records import BadExample, unusable


def read_volume(value: Any, max_voxels: int = 2**28) -> np.ndarray:
    """A volume f32[D, H, W, C]: slices, rows, columns, channels.

    NIfTI is turned to the body's axes: slices from the feet to the head, rows from back to front,
    columns from left to right (the file's affine says which is which); a fourth axis of the file is
    the channels. DICOM is one file of one or many frames, or a zip archive of the files of a
    series, which are sorted along the normal of their planes; values are as the file rescales them
    (Hounsfield units for CT). NPY files and arrays are [D, H, W] or [D, H, W, C] as they are.

    Args:
      value: bytes of a file, or an array.
      max_voxels: a larger volume is refused.

    Raises:
      BadExample: of a view, for what is none of these, or is damaged or too large.
      MissingExtra: where the package that reads the format is not installed.
    """
    if not isinstance(value, bytes | bytearray | memoryview):
        return _checked(value, max_voxels)
    content = bytes(value)
    try:
        if content.startswith(b"\x93NUMPY"):
            return _checked(load_array(content), max_voxels)
        if content.startswith(b"PK"):
            return _checked(_series(content, max_voxels), max_voxels)
        if content[128:132] == b"DICM":
            return _checked(_slices(content, max_voxels)[1], max_voxels)
        if content.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                content = file.read(16 * max_voxels + 1)
            if len(content) > 16 * max_voxels:
                raise unusable(f"unpacked it is larger than max_voxels={max_voxels} allow")
        if content[344:348] in (b"n+1\0", b"n+2\0") or content[4:8] == b"n+2\0":
            return _checked(_nifti(content, max_voxels), max_voxels)
    except (BadExample, extras.MissingExtra):
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise unusable(f"the file is damaged or cut off: {' '.join(str(error).split())}") from error
    except Exception as error:  # damaged headers make all of these packages raise nearly anything
        reason = f"the file cannot be read: {type(error).__name__}: {error}"
        raise unusable(" ".join(reason.split())) from error
    raise unusable(
        f"the {len(content)} bytes, starting with {content[:8]!r}, are no volume that can be read "
        "(NIfTI, DICOM, a zip of DICOM files, NPY)"
    )


def _checked(array: Any, max_voxels: int) -> np.ndarray:
    try:
        array = real(array)
    except (TypeError, ValueError) as error:
        raise unusable(f"a volume should be numbers: {error}") from error
    array = array[..., None] if array.ndim == 3 else array
    if array.ndim != 4 or not array.size:
        raise unusable(f"a volume should be [D, H, W] or [D, H, W, C], not {list(array.shape)}")
    if array.size > max_voxels:
        raise unusable(f"it has {array.size:,} voxels, more than max_voxels={max_voxels:,}")
    with np.errstate(over="ignore"):
        volume: np.ndarray = array.astype(np.float32)
    if not np.isfinite(volume).all():
        raise unusable("it holds NaN or infinite numbers")
    return volume


def _nifti(content: bytes, max_voxels: int) -> np.ndarray:
    nibabel = extras.needs("nibabel", "volumes", "NIfTI")
    second = content[4:8] == b"n+2\0"
    image = (nibabel.Nifti2Image if second else nibabel.Nifti1Image).from_bytes(content)
    shape = image.shape
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise unusable(f"it has the axes {list(shape)}, where 3 or 4 are read")
    if np.prod([int(n) for n in shape], dtype=object) > max_voxels:
        raise unusable(f"its shape is {list(shape)}, more than max_voxels={max_voxels:,}")
    image = nibabel.as_closest_canonical(image)  # right, anterior, superior
    array: np.ndarray = np.asanyarray(image.dataobj)
    return array.transpose(2, 1, 0, *range(3, array.ndim))


def _slices(content: bytes, max_voxels: int) -> tuple[Any, np.ndarray]:
    """A DICOM file: its data set, and its frames [D, H, W]."""
    pydicom = extras.needs("pydicom", "volumes", "DICOM")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about much that is odd and harmless
        data = pydicom.dcmread(io.BytesIO(content))
        if "PixelData" not in data:
            raise unusable("the DICOM file has no pixel data")
        if int(data.get("SamplesPerPixel", 1)) != 1:
            raise unusable("the DICOM file is in colour; a volume has one number a voxel")
        frames = int(data.get("NumberOfFrames", 1) or 1)
        if frames * int(data.Rows) * int(data.Columns) > max_voxels:
            raise unusable(f"its {frames} frames have more than max_voxels={max_voxels:,}")
        array = np.asarray(data.pixel_array, np.float32)
    slope, intercept = (
        float(data.get(f"Rescale{k}", d)) for k, d in (("Slope", 1), ("Intercept", 0))
    )
    array = array * np.float32(slope) + np.float32(intercept)
    return data, array if array.ndim == 3 else array[None]


def _series(content: bytes, max_voxels: int) -> np.ndarray:
    """The slices of a zip archive of DICOM files, in their order in space."""
    found = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        if sum(m.file_size for m in members) > 16 * max_voxels:
            raise unusable(f"unpacked it is larger than max_voxels={max_voxels} allow")
        for member in members:
            part = archive.read(member)
            if part[128:132] != b"DICM":
                continue  # series come with notes and licences
            data, frames = _slices(part, max_voxels)
            place = [float(x) for x in data.get("ImagePositionPatient", ())]
            turn = [float(x) for x in data.get("ImageOrientationPatient", ())]
            if len(place) == 3 and len(turn) == 6:
                order = float(np.dot(np.cross(turn[:3], turn[3:]), place))
            else:
                order = float(data.get("InstanceNumber", 0) or 0)
            found.append((order, member.filename, frames))
    if not found:
        raise unusable("the zip archive holds no DICOM files")
    sizes = {frames.shape[1:] for *_, frames in found}
    if len(sizes) > 1:
        raise unusable(f"the slices of the series differ in size: {sorted(sizes)}")
    return np.concatenate([frames for *_, frames in sorted(found, key=lambda f: f[:2])])
