import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from files import files_in
from PIL import Image

from deephide.covers.history import looks_decompressed, looks_upscaled
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


def test_neither_noise_nor_flat_nor_tiny_nor_reduced_pictures_are_accused():
    rng = np.random.default_rng(0)
    assert not looks_upscaled(rng.integers(0, 256, (200, 200, 3)).astype(np.uint8))
    assert not looks_upscaled(np.full((200, 200, 3), 77, np.uint8))
    assert not looks_upscaled(np.zeros((63, 500, 1), np.uint8))
    assert not looks_upscaled(enlarged(scene(500, 500, 3), 0.4, RESAMPLING[3]))


def test_the_sender_is_warned_of_one_thing_at_a_time():
    large = enlarged(scene(300, 300, 3), 2, RESAMPLING[2])
    notes = open_cover(Image.fromarray(large)).warnings()
    assert [note for note in notes if "enlarged" in note]
    buffer = io.BytesIO()
    Image.fromarray(large).save(buffer, "JPEG", quality=75)
    notes = open_cover(Image.open(buffer).convert("RGB")).warnings()
    assert sum("JPEG" in note for note in notes) == 1
    assert not any("enlarged" in note for note in notes)


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
    assert not any(open_cover(Image.fromarray(p)).warnings() for p in portraits)


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
