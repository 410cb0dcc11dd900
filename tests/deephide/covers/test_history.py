import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from files import files_in
from PIL import Image, ImageFilter

import deephide
from deephide.covers.history import (
    find_conversion,
    looks_decompressed,
    looks_demosaiced,
    looks_median_filtered,
    looks_predictable,
    looks_recompressed,
    looks_upscaled,
)
from deephide.covers.jpeg import open_file
from deephide.covers.opening import open_cover
from deephide.covers.reuse import earlier_uses
from deephide.errors import InputImageError

SHARED = Path(__file__).parents[4] / "shared" / "data"
RESAMPLING = [
    Image.Resampling.NEAREST,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
]


def scene(height, width, channels, seed=3):
    """Return noise with the spectrum of photos, one over the frequency."""
    rng = np.random.default_rng(seed)
    noise = np.fft.rfft2(rng.normal(0, 1, (channels, height, width)))
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    noise /= np.maximum(np.hypot(y, x), 1 / height)
    field = np.fft.irfft2(noise, s=(height, width)).transpose(1, 2, 0)
    return np.clip(128 + field * (45 / field.std()), 0, 255).astype(np.uint8)


def enlarged(samples, scale, method):
    height, width, _ = samples.shape
    picture = Image.fromarray(samples.squeeze())
    size = (round(width * scale), round(height * scale))
    return np.asarray(picture.resize(size, method)).reshape(size[1], size[0], -1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("method", RESAMPLING)
@pytest.mark.parametrize("scale", [1.5, 2, 3])
def test_enlarged_pictures_are_recognised(channels, method, scale):
    samples = scene(200, 220, channels)
    assert not looks_upscaled(samples)
    assert looks_upscaled(enlarged(samples, scale, method))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("method", RESAMPLING)
@pytest.mark.parametrize("scale", [1.25, 1.5, 2])
def test_samples_of_enlarged_images_follow_from_their_neighbours(channels, method, scale):
    samples = scene(160, 200, channels)
    assert not looks_predictable(samples)
    assert not looks_predictable(enlarged(samples, 0.5, method))
    large = enlarged(samples, scale, method)
    assert looks_predictable(large)
    assert looks_predictable(large[:90, 30:190])


def test_neither_noise_nor_flat_nor_tiny_nor_reduced_pictures_are_accused():
    rng = np.random.default_rng(0)
    assert not looks_upscaled(rng.integers(0, 256, (200, 200, 3)).astype(np.uint8))
    assert not looks_upscaled(np.full((200, 200, 3), 77, np.uint8))
    assert not looks_upscaled(np.zeros((63, 500, 1), np.uint8))
    assert not looks_predictable(np.zeros((63, 500, 1), np.uint8))
    assert not looks_predictable(np.zeros((9, 9, 3), np.uint8))
    assert not looks_upscaled(enlarged(scene(500, 500, 3), 0.4, RESAMPLING[3]))


def test_the_sender_is_warned_of_one_thing_at_a_time():
    large = enlarged(scene(300, 300, 3), 2, RESAMPLING[2])
    notes = [sign.text for sign in open_cover(Image.fromarray(large)).signs]
    assert [note for note in notes if "enlarged" in note]
    buffer = io.BytesIO()
    Image.fromarray(large).save(buffer, "JPEG", quality=75)
    notes = [sign.text for sign in open_cover(Image.open(buffer).convert("RGB")).signs]
    assert sum("JPEG" in note for note in notes) == 1
    assert not any("enlarged" in note for note in notes)


def through_jpeg(samples, quality, subsampling=0):
    buffer = io.BytesIO()
    options = {"subsampling": subsampling} if samples.shape[2] == 3 else {}
    Image.fromarray(samples.squeeze()).save(buffer, "JPEG", quality=quality, **options)
    return np.asarray(Image.open(buffer)).reshape(samples.shape)


def through_webp(samples, quality):
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, "WEBP", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def through_video(samples, red, blue):
    """Limited range, chroma at half the size, as frames of videos have it."""
    luma = np.array([red, 1 - red - blue, blue])
    matrix = np.stack(
        [
            luma * 219 / 255,
            (np.array([0, 0, 1]) - luma) / (2 - 2 * blue) * 224 / 255,
            (np.array([1, 0, 0]) - luma) / (2 - 2 * red) * 224 / 255,
        ]
    )
    planes = np.rint(samples @ matrix.T + [16, 128, 128])
    chroma = planes[::2, ::2, 1:].repeat(2, axis=0).repeat(2, axis=1)
    planes[:, :, 1:] = chroma[: planes.shape[0], : planes.shape[1]]
    back = (planes - [16, 128, 128]) @ np.linalg.inv(matrix).T
    return np.clip(np.rint(back), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [50, 75, 90, 100])
def test_colours_that_came_out_of_a_jpeg_file_are_recognised(quality, subsampling):
    samples = through_jpeg(scene(96, 128, 3), quality, subsampling)
    assert find_conversion(samples).is_jpeg
    assert find_conversion(samples[5:, 3:]).is_jpeg  # wherever it is cut
    turned = np.asarray(Image.fromarray(samples).rotate(90, expand=True))
    assert find_conversion(turned).is_jpeg


@pytest.mark.parametrize("quality", [20, 75, 100])
def test_colours_that_came_out_of_a_webp_file_are_recognised(quality):
    found = find_conversion(through_webp(scene(96, 128, 3), quality))
    assert found is not None and not found.is_jpeg and not found.full_range


@pytest.mark.parametrize(("red", "blue"), [(0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)])
def test_colours_that_came_out_of_a_video_are_recognised(red, blue):
    found = find_conversion(through_video(scene(96, 128, 3), red, blue))
    assert (found.red, found.blue, found.full_range) == (red, blue, False)


def test_other_colours_are_not_accused():
    colour = scene(160, 160, 3)
    small = np.asarray(Image.fromarray(through_jpeg(colour, 75)).resize((80, 80), RESAMPLING[3]))
    rng = np.random.default_rng(0)
    for samples in (
        colour,
        small,
        rng.integers(0, 256, (100, 100, 3)).astype(np.uint8),
        colour[:, :, :1],
        colour[:, :, :1].repeat(3, axis=2),
        np.clip(colour[:, :, :1] + rng.integers(-2, 3, colour.shape), 0, 255).astype(np.uint8),
        np.zeros((100, 100, 3), np.uint8),
    ):
        assert find_conversion(samples) is None


@pytest.mark.parametrize("quality", [50, 75, 90, 95, 98, 100])
def test_gray_that_came_out_of_a_jpeg_file_is_recognised_wherever_it_is_cut(quality):
    gray = scene(160, 200, 1)
    decoded = through_jpeg(gray, quality)
    assert not looks_decompressed(gray)
    assert looks_decompressed(decoded)
    assert looks_decompressed(decoded[3:99, 5:133])
    brighter = np.clip(decoded.astype(int) + 9, 0, 255).astype(np.uint8)
    assert looks_decompressed(brighter)


def test_a_decoded_jpeg_file_that_was_scaled_down_is_not_accused():
    decoded = Image.fromarray(through_jpeg(scene(400, 400, 1), 85).squeeze())
    assert not looks_decompressed(np.asarray(decoded.resize((200, 200), RESAMPLING[3]))[..., None])


def coefficients(samples, *qualities):
    for quality in qualities:
        samples = through_jpeg(samples, quality)
    buffer = io.BytesIO()
    Image.fromarray(samples.squeeze()).save(buffer, "JPEG", quality=92)
    found = open_file(buffer.getvalue()).coefficients
    return found.planes()[0], found.file.quantization[0]


def test_files_that_were_compressed_twice_are_recognised():
    gray = scene(320, 320, 1)
    assert not looks_recompressed(*coefficients(gray))
    assert not looks_recompressed(*coefficients(gray, 92))
    assert looks_recompressed(*coefficients(gray, 60))
    assert looks_recompressed(*coefficients(gray, 75))
    assert looks_recompressed(*coefficients(gray, 85))
    assert not looks_recompressed(np.zeros((1, 9, 8, 8), np.int16), np.ones((8, 8)))


def noisy(height, width):
    rng = np.random.default_rng(4)
    samples = scene(height, width, 1).astype(float) + rng.normal(0, 3, (height, width, 1))
    return np.clip(samples, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [3, 5])
def test_median_filters_are_recognised(size):
    samples = noisy(200, 200)
    assert not looks_median_filtered(samples)
    filtered = Image.fromarray(samples.squeeze()).filter(ImageFilter.MedianFilter(size))
    assert looks_median_filtered(np.asarray(filtered)[..., None])
    assert not looks_median_filtered(np.zeros((2, 90, 1), np.uint8))


@pytest.mark.parametrize("size", [3, 5])
def test_issue_16_median_filters_are_recognised_in_smooth_images(size):
    samples = noisy(300, 300)
    # Texture in a tenth of the image, and little of it: few values there follow from its range.
    samples[30:] = 120
    samples = (samples // 2 + 60).astype(np.uint8)
    assert not looks_median_filtered(samples)
    filtered = Image.fromarray(samples.squeeze()).filter(ImageFilter.MedianFilter(size))
    assert looks_median_filtered(np.asarray(filtered)[..., None])


def test_simple_demosaicing_is_recognised():
    samples = scene(200, 200, 3)
    green = samples[:, :, 1].astype(int)
    around = [np.roll(green, shift, axis) for shift in (1, -1) for axis in (0, 1)]
    mean = (sum(around) + 2) // 4
    filled = np.add.outer(np.arange(200), np.arange(200)) % 2 == 1
    demosaiced = samples.copy()
    demosaiced[:, :, 1] = np.where(filled, mean, green)
    assert not looks_demosaiced(samples) and not looks_demosaiced(samples[:, :, :1])
    assert looks_demosaiced(demosaiced)


def decoded(kind):
    samples = scene(160, 160, 3)
    return {
        "JPEG": through_jpeg(samples, 95, 2),
        "gray JPEG": through_jpeg(samples[..., :1], 95),
        "WebP": through_webp(samples, 80),
        "enlarged": enlarged(samples, 2, RESAMPLING[2]),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("JPEG", "hide in the JPEG file itself"),
        ("gray JPEG", "hide in the JPEG file itself"),
        ("WebP", "scale it down"),
        ("enlarged", "scale it down"),
    ],
)
def test_nothing_is_safe_where_any_stego_is_certain_to_be_detected(kind, remedy):
    image = Image.fromarray(decoded(kind).squeeze())
    found = deephide.capacity(image)
    assert found.safe_bits == 0 and found.safe_change_rate == 0 and found.fit.file_bytes == 0
    assert found.hard_bits > 0
    result = deephide.embed(b"secret", image, "p", codec="file")
    assert result.safe_bits == 0 and result.detector_error == 0
    for notes in (found.warnings, result.warnings):
        (note,) = (note for note in notes if "nothing is safe here" in note)
        assert remedy in note
    assert not any("more than" in note for note in result.warnings)


def test_stegos_of_the_same_cover_are_found(tmp_path):
    samples = scene(90, 80, 3) // 2
    rng = np.random.default_rng(1)
    stego = samples + (rng.random(samples.shape) < 0.01).astype(np.uint8)
    pictures = {
        "same.png": samples,
        "stego.PNG": stego,
        "brighter.png": samples + np.uint8(1),
        "other.png": scene(90, 80, 3, seed=9),
        "turned.png": np.ascontiguousarray(samples.transpose(1, 0, 2)),
        "gray.png": samples[:, :, 0],
    }
    for name, array in pictures.items():
        Image.fromarray(array).save(tmp_path / name, "PNG")
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    cut = (tmp_path / "same.png").read_bytes()[:900]
    (tmp_path / "cut.png").write_bytes(cut)
    found = earlier_uses(Image.fromarray(samples), tmp_path)
    assert [path.name for path in found] == ["same.png", "stego.PNG"]
    found = earlier_uses(tmp_path / "same.png", tmp_path)
    assert [path.name for path in found] == ["stego.PNG"]
    with pytest.raises(InputImageError, match="does not exist"):
        earlier_uses(tmp_path / "same.png", tmp_path / "none")


@pytest.fixture(scope="module")
def portraits():
    if not SHARED.is_dir():
        pytest.skip("needs ../shared")
    pictures = []
    for path in files_in(SHARED / "portraits", "*.jpg")[::4]:
        picture = Image.open(path).convert("RGB").resize((512, 512), RESAMPLING[3])
        pictures.append(np.asarray(picture))
    return pictures


@pytest.mark.weights
def test_reduced_photos_raise_no_false_alarm(portraits):
    assert not any(looks_upscaled(p) or looks_decompressed(p) for p in portraits)
    assert not any(open_cover(Image.fromarray(p)).signs for p in portraits)


@pytest.mark.weights
def test_enlarged_and_compressed_photos_are_recognised(portraits):
    for photo in portraits:
        assert looks_upscaled(enlarged(photo, 2, RESAMPLING[3]))
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, "JPEG", quality=80)
        assert looks_decompressed(np.asarray(Image.open(buffer)))


@pytest.mark.weights
def test_the_faces_of_the_data_are_mostly_called_compressed():
    """They are lossy WebP files, which is as poor a history as JPEG."""
    path = SHARED / "faces" / "val.zip"
    if not path.exists():
        pytest.skip("needs ../shared")
    with zipfile.ZipFile(path) as archive:
        names = sorted(archive.namelist())[::10]
        pictures = [Image.open(io.BytesIO(archive.read(n))).convert("RGB") for n in names]
    assert sum(looks_upscaled(np.asarray(p)) for p in pictures) > len(pictures) // 2
