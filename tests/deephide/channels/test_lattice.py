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
    own = precover.values[:, :, modes].reshape(-1)
    assert np.abs(own).max() > 1
    expected = own if reading is OWN_TABLE else np.sign(own)
    assert (lattice.elements_of(luma, reading) == expected).all()
    assert (reading.elements(own) == expected).all()
    assert lattice.count(luma, reading) == precover.values[:, :, modes].size
    assert (lattice.elements_and_edges(luma, reading)[1] > 0.9).all()


@pytest.mark.parametrize(("reading", "least"), [(FROM_75, 1 / 3), (FROM_60, 2 / 5)])
def test_signs_begin_at_a_fraction_of_a_step(reading, least):
    mode = 60  # 56 at quality 75, 90 at 60
    step = int(reading.steps(None)[mode])
    values = np.zeros((1, 2 * step + 1, 64), np.int64)
    values[0, :, mode] = np.arange(-step, step + 1)
    luma = lattice.Luma(values, 1, (8 * (2 * step + 1), 8))
    found, edges = lattice.elements_and_edges(luma, reading)
    found, edges = (each.reshape(-1, len(reading.fixed_modes))[:, -1] for each in (found, edges))
    first = int(np.ceil(least * step))
    assert found.tolist() == [-1] * (step - first + 1) + [0] * (2 * first - 1) + [1] * (
        step - first + 1
    )
    assert (found == lattice.elements_of(luma, reading).reshape(2 * step + 1, -1)[:, -1]).all()
    assert edges[step] == edges[-1] == 1.0
    assert edges[step + first] < 2 / step + 0.01


def image_of(step, value):
    """Return to which multiple of a step a value is rounded, halves towards 0."""
    return step * -((-2 * value + step) // (2 * step)) if 2 * value > step else 0


@pytest.mark.parametrize(
    "chain", [(75,), (60,), (85, 80), (90, 80, 85), (82, 88), (85, 75), (80, 85, 90), (90, 85, 75)]
)
def test_compressions_in_a_row_leave_something_of_one_step(chain):
    steps = FROM_75.steps(None)
    lost = []
    for mode in FROM_75.fixed_modes:
        value = int(steps[mode])
        for quality in chain:
            value = image_of(int(luma_table(quality)[mode]), value)
        if 3 * value < steps[mode]:
            lost.append(mode)
    assert lost == []


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
