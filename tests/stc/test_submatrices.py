import numpy as np
import pytest

from stc import submatrices
from stc.submatrices import MAX_HEIGHT, MIN_HEIGHT, columns, generated_columns

MASK = (1 << 64) - 1


def scramble(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def slow_columns(height, width, variant=0):
    """Follow the module's text in Python integers."""
    group = 1 << (height - 2)
    key = scramble((variant << 32) + 256 * width + height)
    result = []
    for g in range(-(-width // group)):
        draws = [
            scramble((key + (k + 1) * 0x9E3779B97F4A7C15) & MASK)
            for k in range(g * group, (g + 1) * group)
        ]
        order = sorted(range(group), key=draws.__getitem__)
        result += [1 + 2 * r + (1 << (height - 1)) for r in order]
    return result[:width]


@pytest.mark.parametrize(("height", "width"), [(6, 1), (6, 40), (12, 21), (12, 1300), (14, 21)])
def test_generator_follows_its_specification(height, width):
    assert columns(height, width).tolist() == slow_columns(height, width)


@pytest.mark.parametrize("height", submatrices._VARIANTS)
def test_searched_widths_begin_the_sequence_of_their_range(height):
    assert submatrices._VARIANTS[height]
    for most, variant in submatrices._VARIANTS[height].items():
        least = next((start for start, end in submatrices.RANGES if end == most), most)
        sequence = slow_columns(height, most, variant)
        for width in {least, most}:
            assert columns(height, width).tolist() == sequence[:width]


def test_generator_is_frozen():
    # These numbers are part of the stego format: a change makes old stegos unreadable.
    assert generated_columns(6, 5).tolist() == [63, 51, 53, 39, 41]
    assert columns(10, 21)[:5].tolist() == [995, 569, 593, 703, 519]


def test_table_equals_its_source(vectors):
    source = np.load(vectors / "stc_columns_reference.npz")
    for height in range(7, 13):
        for width in range(1, 21):
            assert np.array_equal(columns(height, width), source[f"h{height}_w{width}"])


@pytest.mark.parametrize("height", range(MIN_HEIGHT, MAX_HEIGHT + 1))
def test_first_and_last_row_are_one(height):
    for width in (1, 2, 19, 20, 21, 100):
        got = columns(height, width)
        assert got.shape == (width,)
        assert (got & 1).all()
        assert (got >> (height - 1) == 1).all()


def test_columns_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        columns(7, 3)[0] = 1
