import itertools
from pathlib import Path

import numpy as np
import pytest

from deephide.lab.features import RICH_SIZE, SPAM_SIZE, rich, spam
from deephide.lab.kernels import count_runs, filtered, quantised

VECTORS = Path(__file__).parents[1] / "vectors" / "lab"


def test_filtering_is_correlation_where_the_kernel_fits():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (9, 7)).astype(np.int32)
    kernel = rng.integers(-9, 9, (3, 2)).astype(np.int32)
    found = filtered(image, kernel)
    assert found.shape == (7, 6)
    for y, x in itertools.product(range(7), range(6)):
        assert found[y, x] == (image[y : y + 3, x : x + 2] * kernel).sum()


@pytest.mark.parametrize(("divisor", "limit"), [(1, 3), (2, 2), (3, 2), (12, 2)])
def test_residuals_are_rounded_away_from_zero(divisor, limit):
    residual = np.arange(-50, 51, dtype=np.int32)[None]
    rounded = np.sign(residual) * np.floor(np.abs(residual) / divisor + 0.5)
    expected = np.clip(rounded, -limit, limit) + limit
    assert np.array_equal(quantised(residual, divisor, limit), expected)


@pytest.mark.parametrize("direction", [(0, 1), (1, 0), (1, 1), (1, -1)])
@pytest.mark.parametrize("length", [3, 4])
def test_runs_are_counted(direction, length):
    levels = np.random.default_rng(5).integers(0, 3, (7, 6)).astype(np.uint8)
    expected = np.zeros(3**length, np.int64)
    for y, x in np.ndindex(*levels.shape):
        places = [(y + k * direction[0], x + k * direction[1]) for k in range(length)]
        if all(0 <= a < 7 and 0 <= b < 6 for a, b in places):
            expected[int("".join(str(levels[p]) for p in places), 3)] += 1
    assert np.array_equal(count_runs(levels, *direction, length, 3), expected)


def test_spam_is_that_of_sealwatch():
    with np.load(VECTORS / "spam_48x64.npz") as known:
        found = spam(known["plane"])
        assert found.shape == (SPAM_SIZE,)
        np.testing.assert_allclose(found, known["features"], rtol=0, atol=1e-15)


def test_rich_features_are_frequencies(make_texture):
    found = rich(make_texture(1))
    assert found.shape == (RICH_SIZE,)
    np.testing.assert_allclose(found.reshape(20, 169).sum(axis=1), 1.0)


@pytest.mark.parametrize(
    "change",
    [np.transpose, np.fliplr, np.flipud, lambda plane: 255 - plane, lambda plane: plane + 1],
    ids=["transposed", "mirrored", "upside down", "negative", "brighter"],
)
def test_rich_features_do_not_depend_on(change, make_texture):
    plane = make_texture(2)
    changed = np.ascontiguousarray(change(plane))
    np.testing.assert_allclose(rich(changed), rich(plane), rtol=0, atol=1e-15)


def test_rich_features_of_a_slope_are_few_bins():
    slope = np.tile(np.arange(32, dtype=np.uint8), (32, 1))
    largest = rich(slope).reshape(20, 169).max(axis=1)
    # The first difference is 1 along the slope and 0 across; all higher ones are 0.
    assert np.array_equal(largest, [0.5] * 4 + [1.0] * 16)
