"""Forecast of what mozjpeg drops, against a slow one and against mozjpeg itself."""

import numpy as np
import pytest

from deephide.channels import battery, embedding, lattice, optimisers, profiles, transform
from deephide.channels.receiving import luma_of_file
from deephide.channels.tables import luma_table, mozjpeg_table

TABLE = luma_table(75)
ZIGZAG = sorted(
    range(64),
    key=lambda k: (k // 8 + k % 8, k // 8 if (k // 8 + k % 8) % 2 else k % 8),
)


def bits_of_a_block(values, table, steps):
    """Return the bits that one block's coefficients but DC take, less what the end takes."""
    run, bits = 0, 0
    for k in ZIGZAG[1:]:
        level = round(abs(values[k] * table[k] / steps[k]))
        if level == 0:
            run += 1
            continue
        size = level.bit_length()
        lengths = optimisers._LENGTHS[run % 16][size - 1]
        bits += 11 * (run // 16) + lengths + size
        run = 0
    return bits


def gained_slowly(values, table, steps, k):
    """Return the fewer bits' worth of error with coefficient k at one step, less what it takes."""
    without = values.copy()
    without[k] = 0
    one = max(round(table[k] / steps[k]), 1)
    with_it = without.copy()
    with_it[k] = one * steps[k] / table[k]
    rate = bits_of_a_block(with_it, table, steps) - bits_of_a_block(without, table, steps)
    energy = sum((8 * values[j] * table[j]) ** 2 for j in range(1, 64)) / 63
    weight = 2**14.75 / (2**16.5 + energy)
    error = (8 * (table[k] - one * steps[k])) ** 2
    return weight * ((8 * table[k]) ** 2 - error) / steps[k] ** 2 - rate


@pytest.mark.parametrize("quality", [75, 80])
def test_gains_are_those_of_a_slow_count(quality):
    rng = np.random.default_rng(5)
    values = rng.integers(-3, 4, (2, 3, 64)) * (rng.random((2, 3, 64)) < 0.15)
    values[0, 0] = 0
    steps = mozjpeg_table(quality)
    found = optimisers.bits_gained(values.astype(np.int16), TABLE, quality)
    for row in range(2):
        for column in range(3):
            block = values[row, column].astype(float)
            for k in range(1, 64):
                slow = gained_slowly(block, TABLE.astype(float), steps, k)
                assert found[row, column, k] == pytest.approx(slow)


def test_what_stands_alone_far_out_is_dropped_and_a_neighbour_is_not():
    values = np.zeros((1, 1, 64), np.int16)
    far, near = 7 * 8 + 5, 9
    values[0, 0, [1, 8, far]] = 3, -4, 1
    found = optimisers.bits_gained(values, TABLE)[0, 0]
    assert found[far] < 0 < found[near]


@pytest.mark.parametrize("quality", [75, 80])
def test_mozjpeg_does_mostly_what_is_forecast(photo, quality):
    pytest.importorskip("pyvips")
    channel = profiles.parse("any")
    cover = transform.press(transform.open_photo(photo.resize((640, 480)), 1080), 75)
    gained = optimisers.bits_gained(cover.values, cover.table, quality)
    places = embedding._places(cover, channel.reading)
    small = np.abs(cover.values.reshape(-1)[places]) == 1
    back = battery._mozjpeg(quality).apply(battery.as_shown(cover.encode()))
    kept = lattice.elements_of(luma_of_file(back), channel.reading)[small] != 0
    gained = gained.reshape(-1)[places][small]
    assert kept[gained > 4].mean() > 0.98
    if quality == 75:  # of 80 no coefficient of this photo is worth so little
        assert kept[gained < -2].mean() < 0.5


def test_steps_are_those_that_mozjpeg_writes(photo):
    pytest.importorskip("pyvips")
    for quality in (75, 80, 90):
        written = battery._mozjpeg(quality).apply(photo.resize((64, 64)).convert("RGB"))
        table = luma_of_file(written).table
        assert np.array_equal(table, mozjpeg_table(quality))
