"""Volumes and clips: axes and orders are right, all frames are changed alike, errors are named."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from third_party import needs

from mmjax.data import BadExample
from mmjax.data.formats.volumes import read_volume
from mmjax.data.views import VideoView, VolumeView
from mmjax.data.views.volume import resampling


def rng(seed=0):
    return np.random.default_rng(seed)


def npy(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


# --- volumes ------------------------------------------------------------------------------------


def test_resampling_is_a_mean_over_what_becomes_one():
    np.testing.assert_allclose(resampling(5, 5), np.eye(5), atol=1e-6)
    ramp = np.arange(12.0)
    weights = resampling(12, 4)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose((weights @ ramp)[1:3], [4, 7], atol=1e-5)  # centres of threes
    up = resampling(4, 8) @ np.arange(4.0)
    np.testing.assert_allclose(up[1:-1], np.arange(6) / 2 + 0.25, atol=1e-5)
    part = resampling(100, 10, start=0.5, share=0.1) @ np.arange(100.0)
    np.testing.assert_allclose(part, np.arange(50, 60), atol=1e-4)


@pytest.mark.smoke
def test_a_volume_keeps_its_axes():
    volume = np.zeros((8, 12, 16), np.float32)
    volume[6:, :3, 4:8] = 1
    view = VolumeView(size=(4, 4, 4), window=(0, 1))
    expected = np.zeros((4, 4, 4))
    expected[3, 0, 1] = 1
    for value in (volume, npy(volume), volume[..., None]):
        x = view(value, None, False)
        assert x.shape == (4, 4, 4, 1)
        assert x.dtype == np.float32
        # Linear interpolation spreads over the neighbours, and the most is where it was.
        assert np.unravel_index(x[..., 0].argmax(), (4, 4, 4)) == (3, 0, 1)
        np.testing.assert_allclose(((x[..., 0] + 1) / 2).sum(), expected.sum(), atol=0.25)


def test_windows_and_percentiles():
    volume = np.linspace(-1000, 1000, 8 * 8 * 8).reshape(8, 8, 8)
    x = VolumeView(size=(8, 8, 8), window=(-160, 240))(volume, None, False)
    np.testing.assert_allclose(x[..., 0], np.clip((volume + 160) / 400, 0, 1) * 2 - 1, atol=1e-5)
    x = VolumeView(size=(8, 8, 8), percentiles=(25, 75))(volume, None, False)
    assert abs(np.mean(x == -1) - 0.25) < 0.01
    assert abs(np.mean(x == 1) - 0.25) < 0.01


def test_training_crops_mirrors_and_changes_intensities():
    volume = rng().normal(size=(8, 8, 8)).astype(np.float32)
    plain = VolumeView(size=(8, 8, 8))(volume, rng(), True)
    mirrored = VolumeView(size=(8, 8, 8), flip=(0, 1, 0))(volume, rng(), True)
    np.testing.assert_allclose(mirrored, plain[:, ::-1], atol=1e-5)
    cropped = VolumeView(size=(8, 8, 8), crop=0.5)
    assert np.abs(cropped(volume, rng(1), True) - cropped(volume, rng(2), True)).max() > 0.1
    np.testing.assert_allclose(cropped(volume, None, False), plain, atol=1e-6)
    noisy = VolumeView(size=(8, 8, 8), noise=0.1)(volume, rng(), True)
    assert 0.08 < np.std(noisy - plain) < 0.12


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.zeros((2, 2)), r"should be \[D, H, W\] or \[D, H, W, C\], not \[2, 2\]"),
        (np.zeros((2, 2, 2, 3)), "it has 3 channels, but the view takes 1"),
        (np.full((2, 2, 2), np.nan), "NaN or infinite"),
        (np.ones((2, 2, 2)), "all of it has the value 1"),
        (np.zeros((20, 20, 20)), "it has 8,000 voxels, more than max_voxels=5,000"),
        (np.array(["a"]), "a volume should be numbers"),
        (b"not a volume", "are no volume that can be read"),
        (npy(np.zeros((2, 2, 2)))[:40], "the file cannot be read"),
        (gzip.compress(b"12345" * 100)[:-8], "the file is damaged or cut off"),
        (gzip.compress(bytes(200_000)), "unpacked it is larger"),
        (b"PK\x03\x04 and no more", "the file cannot be read"),
    ],
)
def test_a_bad_volume_is_one_sentence(value, reason):
    with pytest.raises(BadExample, match=reason) as caught:
        VolumeView(size=(2, 2, 2), max_voxels=5000)(value, None, False)
    assert "\n" not in caught.value.reason


def test_nifti_is_turned_to_the_axes_of_the_body():
    nibabel = needs("nibabel")
    # Stored right to left, front to back, feet to head.
    stored = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    image = nibabel.Nifti1Image(stored, np.diag([-1.0, -1.0, 1.0, 1.0]))
    expected = stored[::-1, ::-1].transpose(2, 1, 0)
    for content in (image.to_bytes(), gzip.compress(image.to_bytes())):
        np.testing.assert_array_equal(read_volume(content)[..., 0], expected)
    series = nibabel.Nifti1Image(np.zeros((2, 3, 4, 5), np.float32), np.eye(4))
    assert read_volume(series.to_bytes()).shape == (4, 3, 2, 5)
    with pytest.raises(BadExample, match=r"damaged|cannot be read"):
        read_volume(image.to_bytes()[:360])


def dicom(pixels, place=0.0, slope=1.0, intercept=0.0):
    pydicom = needs("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID
    frames = 1 if pixels.ndim == 2 else len(pixels)
    data.Rows, data.Columns = pixels.shape[-2:]
    data.NumberOfFrames = frames
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.RescaleSlope, data.RescaleIntercept = slope, intercept
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, place], [1, 0, 0, 0, 1, 0]
    data.PixelData = pixels.astype(np.uint16).tobytes()
    out = io.BytesIO()
    pydicom.dcmwrite(out, data, enforce_file_format=True)
    return out.getvalue()


def test_dicom_files_and_series():
    pixels = rng().integers(1000, size=(3, 4, 5))
    whole = read_volume(dicom(pixels, slope=2.0, intercept=-1024.0))
    np.testing.assert_allclose(whole[..., 0], pixels * 2 - 1024)
    series = io.BytesIO()
    with zipfile.ZipFile(series, "w") as archive:
        archive.writestr("README.txt", "about the series")
        for name, i in (("b", 2), ("a", 0), ("c", 1)):  # names do not say the order, places do
            archive.writestr(f"series/{name}.dcm", dicom(pixels[i], place=float(i)))
    np.testing.assert_array_equal(read_volume(series.getvalue())[..., 0], pixels)
    with pytest.raises(BadExample, match=r"damaged|cannot be read"):
        read_volume(dicom(pixels)[:-40])
    only = io.BytesIO()
    with zipfile.ZipFile(only, "w") as archive:
        archive.writestr("a.txt", "nothing")
    with pytest.raises(BadExample, match="holds no DICOM files"):
        read_volume(only.getvalue())


# --- clips --------------------------------------------------------------------------------------


def frames(count=8, width=12, height=10):
    """Frame i is grey 30 i; a red dot at the left."""
    clip = np.empty((count, height, width, 3), np.uint8)
    clip[:] = (30 * np.arange(count, dtype=np.uint8))[:, None, None, None]
    clip[:, 4:6, :3] = (255, 0, 0)
    return clip


def animated(clip, kind, **options):
    images = [Image.fromarray(frame) for frame in clip]
    content = io.BytesIO()
    images[0].save(content, kind, save_all=True, append_images=images[1:], **options)
    return content.getvalue()


def greys(x):
    """The grey of the middle of each frame, in 0..255."""
    return (x[:, -1, -1, 0] + 1) * 127.5


@pytest.mark.smoke
@pytest.mark.parametrize("kind", ["array", "WEBP", "PNG", "GIF"])
def test_frames_are_spread_over_the_clip(kind):
    clip = frames()
    options = {"lossless": True} if kind == "WEBP" else {}
    value = clip if kind == "array" else animated(clip, kind, **options)
    view = VideoView(frames=4, size=10)
    x = view(value, None, False)
    assert x.shape == (4, 10, 10, 3)
    assert x.dtype == np.float32
    np.testing.assert_allclose(greys(x), [30, 90, 150, 210], atol=4)  # middles of four parts
    drawn = np.stack([greys(view(value, rng(i), True)) for i in range(12)])
    for part in range(4):  # one of the two frames of each part
        found = set((drawn[:, part] / 30).round().astype(int).tolist())
        assert found == {2 * part, 2 * part + 1}


def test_short_clips_repeat_frames_or_are_padded():
    clip = frames(3)
    np.testing.assert_allclose(
        greys(VideoView(frames=6, size=10)(clip, None, False)), [0, 0, 30, 30, 60, 60], atol=1
    )
    x = VideoView(frames=5, size=10, short="pad")(clip, None, False)
    np.testing.assert_allclose(greys(x[:3]), [0, 30, 60], atol=1)
    assert np.isnan(x[3:]).all()


def test_all_frames_are_cropped_and_coloured_alike():
    clip = rng().integers(256, size=(1, 24, 24, 3)).astype(np.uint8).repeat(5, axis=0)
    view = VideoView(
        frames=5, size=12, crop_scale=(0.2, 1.0), flip=0.5, brightness=0.4, hue=0.2, saturation=0.4
    )
    one, other = view(clip, rng(1), True), view(clip, rng(2), True)
    np.testing.assert_array_equal(one, np.broadcast_to(one[:1], one.shape))
    assert np.abs(one - other).max() > 0.1
    np.testing.assert_array_equal(one, view(clip, rng(1), True))


def test_a_video_file():
    av = needs("av")
    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for grey in range(0, 240, 20):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), grey, np.uint8), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    view = VideoView(frames=4, size=8)
    np.testing.assert_allclose(
        greys(view(content.getvalue(), None, False)), [20, 80, 140, 200], atol=8
    )
    with pytest.raises(BadExample, match="more than max_frames=5"):
        VideoView(frames=4, size=8, max_frames=5)(content.getvalue(), None, False)
    with pytest.raises(BadExample, match="damaged or of no known format"):
        view(content.getvalue()[:200], None, False)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.zeros((2, 4, 4), np.uint8), r"should be uint8 \[frames, height, width, 3 or 4\]"),
        (np.zeros((0, 4, 4, 3), np.uint8), "the clip has 0 frames"),
        (np.zeros((9, 4, 4, 3), np.uint8), "the clip has 9 frames, more than max_frames=8"),
        (np.zeros((1, 40, 40, 3), np.uint8), "40 x 40 pixels, more than max_pixels=1000"),
        ("clip.mp4", "should be bytes or a uint8 array, not a str"),
        (animated(frames(), "GIF")[:60], "damaged or of no known format"),
        (b"GIF89a", "damaged or of no known format"),
    ],
)
def test_a_bad_clip_is_one_sentence(value, reason):
    with pytest.raises(BadExample, match=reason) as caught:
        VideoView(frames=2, size=4, max_frames=8, max_pixels=1000)(value, None, False)
    assert "\n" not in caught.value.reason
