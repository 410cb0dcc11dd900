"""Luma as integers: the transform is exact, and decoders that differ by a level agree."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from deephide.channels import battery, lattice, profiles, receiving, transform
from deephide.channels.profiles import FROM_60, FROM_75, OWN_TABLE
from deephide.channels.tables import chroma_table, luma_table
from deephide.container import brightness


@pytest.mark.parametrize("quality", [50, 60, 75, 92, 100])
def test_tables_are_those_of_libjpeg(quality):
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG", quality=quality)
    tables = Image.open(buffer).quantization
    assert luma_table(quality).tolist() == tables[0]
    assert chroma_table(quality).tolist() == tables[1]


def test_a_quality_that_is_none_is_rejected():
    with pytest.raises(ValueError, match="quality: got 0"):
        luma_table(0)


def test_the_integer_transform_is_the_cosine_transform():
    samples = np.random.default_rng(1).integers(0, 256, (24, 32), dtype=np.uint8)
    found = lattice.from_samples(samples)
    blocks = samples.reshape(3, 8, 4, 8).transpose(0, 2, 1, 3) - 128.0
    exact = dctn(blocks, axes=(2, 3), norm="ortho").reshape(3, 4, 64)
    assert np.abs(found.values / found.scale - exact).max() < 0.05


def test_luma_is_that_of_pillow(photo):
    samples = np.asarray(photo)
    assert (brightness.luma_of(samples) == np.asarray(photo.convert("L"))).all()
    assert (brightness.luma_of(samples[:, :, :1]) == samples[:, :, 0]).all()


def precover_of(photo, name):
    channel = profiles.parse(name)
    prepared = transform.open_photo(photo.resize((200, 264)), 1080)
    return transform.press(prepared, channel.quality, 8)


@pytest.mark.parametrize(
    ("name", "reading"), [("jpeg:80", OWN_TABLE), ("any", FROM_75), ("any:60", FROM_60)]
)
def test_elements_of_the_file_are_its_coefficients(photo, name, reading):
    precover = precover_of(photo, name)
    luma = receiving.luma_of_file(precover.encode())
    modes = reading.modes(luma.table)
    assert (lattice.elements_of(luma, reading) == precover.values[:, :, modes].reshape(-1)).all()
    assert lattice.count(luma, reading) == precover.values[:, :, modes].size
    assert (lattice.elements_and_edges(luma, reading)[1] > 0.9).all()


@pytest.mark.parametrize("method", [0, 1, 2], ids=["islow", "ifast", "float"])
def test_decoders_that_round_in_other_ways_give_the_same_elements(photo, method, tmp_path):
    import jpeglib

    raw = precover_of(photo, "any").encode()
    path = tmp_path / "photo.jpg"
    path.write_bytes(raw)
    samples = np.asarray(jpeglib.read_spatial(str(path), dct_method=method).spatial)
    ours = np.asarray(battery.as_shown(raw))
    assert np.abs(samples.astype(int) - ours).max() <= 5
    direct = receiving.luma_of_file(raw)
    other = lattice.from_samples(samples)
    wrong = lattice.elements_of(other, FROM_75) != lattice.elements_of(direct, FROM_75)
    assert wrong.mean() < 1e-3
    assert lattice.salt_of(other) == lattice.salt_of(direct)


def test_salts_differ_by_contrast_alone(photo):
    samples = np.asarray(photo.resize((200, 264)))
    samples = samples // 2 + np.linspace(0, 120, 200).astype(np.uint8)[None, :, None]
    own = lattice.salt_of(lattice.from_samples(samples))
    assert lattice.salt_of(lattice.from_samples(samples + 3)) == own
    assert lattice.salt_of(lattice.from_samples(samples[:, ::-1])) != own
    assert len(lattice.salt_of(lattice.from_samples(np.zeros((8, 8), np.uint8)))) == 16


def test_tiles_are_kept_off_the_edges_of_levels():
    steps = np.tile([64.0, 72.0, 80.0, 112.0], 2)  # four levels from an edge at the nearest
    ramp = np.tile(np.repeat(steps, 32), (256, 1))
    photo = transform.Photo(ramp[:, :, None])
    for guard in (0.0, 5.0):
        precover = transform.press(photo, 75, 0, guard)
        luma = receiving.luma_of_file(precover.encode())
        found = brightness.contrasts(luma.values[:, :, 0], luma.scale, luma.size)
        places = [float(each) for each in brightness.places_of(found)]
        away = min(brightness.LEVEL * abs(place - round(place)) for place in places)
        assert abs(away - max(guard, 4.0)) < 0.3
