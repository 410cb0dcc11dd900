"""Images as people see them: colour profiles, wide samples, animations."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from deephide.formats.images import load_image


def saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def wide_gamut():
    """Return an ICC profile of primaries beyond sRGB's: its own with red and green pushed out."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    values = {b"rXYZ": (0.5151, 0.2412, -0.0011), b"gXYZ": (0.2920, 0.6922, 0.0419),
              b"bXYZ": (0.1571, 0.0666, 0.7841)}  # fmt: skip
    for name, xyz in values.items():
        at = profile.index(name)
        place = int.from_bytes(profile[at + 4 : at + 8], "big") + 8
        numbers = b"".join(round(v * 65536).to_bytes(4, "big", signed=True) for v in xyz)
        profile[place : place + 12] = numbers
    return bytes(profile)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_display_p3_becomes_srgb(kind):
    image = Image.new("RGB", (70, 70), (200, 100, 50))
    options = {"icc_profile": wide_gamut()} | ({"quality": 98} if kind == "JPEG" else {})
    found = load_image(saved(image, kind, **options)).getpixel((5, 5))
    # Display P3 (200, 100, 50) is sRGB (214, 97, 36); the profile calls itself sRGB.
    assert np.abs(np.array(found) - (214, 97, 36)).max() <= 6
    assert found[0] > 206 and found[2] < 46


def test_srgb_and_damaged_profiles_change_nothing():
    image = Image.new("RGB", (70, 70), (200, 100, 50))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"no profile", srgb[:300]):
        assert load_image(saved(image, icc_profile=profile)).getpixel((0, 0)) == (200, 100, 50)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint16, np.uint32])
@pytest.mark.parametrize("layout", ["strips", "tiles", "planes", "predictor"])
def test_wide_samples_are_scaled(dtype, layout):
    wanted = np.linspace(0, 1, 70 * 80 * 3).reshape(70, 80, 3)
    largest = 1 if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).max
    array = (wanted * largest).astype(dtype)
    options = {"tiles": {"tile": (16, 32)}, "planes": {"planarconfig": "separate"}}.get(layout, {})
    if layout == "predictor" and largest > 1:
        options = {"compression": "zlib", "predictor": True}
    data = np.moveaxis(array, 2, 0) if layout == "planes" else array
    for order in "<>":
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, data, photometric="rgb", byteorder=order, **options)
        found = np.asarray(load_image(buffer.getvalue())).astype(float)
        assert np.abs(found - 255 * wanted).max() < 1.6


def test_floats_beyond_one_are_scaled_by_the_largest():
    array = np.linspace(-20, 60, 70 * 80, dtype=np.float32).reshape(70, 80)
    array[0, 0] = np.nan
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array)
    found = np.asarray(load_image(buffer.getvalue()))
    assert found.min() == 0 and found.max() == 255 and found[40, 0, 0] > found[20, 0, 0]


def test_other_frames_are_said_to_be_lost(photo, caplog):
    frames = [photo, photo.transpose(Image.Transpose.ROTATE_180)]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        caplog.clear()
        load_image(saved(photo, kind, save_all=True, append_images=frames[1:]))
        assert "the first alone is hidden" in caplog.text
        caplog.clear()
        load_image(saved(photo, kind))
        assert not caplog.messages
    # The further images of a phone's photo are no frames.
    load_image(saved(photo, "MPO", save_all=True, append_images=frames[1:]))
    assert not caplog.messages
