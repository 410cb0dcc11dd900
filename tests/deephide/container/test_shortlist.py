"""Short list of the cheapest changes, against sorting all of them."""

import numpy as np
import pytest

from deephide.container import shortlist


def costs(n, seed, tied):
    """Return costs of +1 and -1, a third of them forbidden, with or without many ties."""
    rng = np.random.default_rng(seed)
    pair = rng.integers(1, 9, (2, n)).astype(float) if tied else rng.gamma(1.0, 2.0, (2, n))
    pair[rng.random((2, n)) < 0.33] = np.inf
    return pair


def by_sorting(pair, limit):
    lower = pair.min(axis=0)
    ranked = np.sort(lower)
    highest = ranked[limit] if limit < ranked.size else np.inf
    places = np.flatnonzero((lower <= highest) & np.isfinite(lower))
    kept = pair[:, places]
    return places, np.where(kept > highest, np.inf, kept)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("limit", [1, 40, 700, 100_000])
@pytest.mark.parametrize("sizes", [(3000,), (500,) * 6, (100, 1400, 0, 1500), (2900, 100)])
def test_the_cheapest_are_those_that_sorting_finds(sizes, limit, tied, monkeypatch):
    monkeypatch.setattr(shortlist, "_SLACK", 60)
    pair = costs(sum(sizes), 5, tied)
    ends = np.cumsum(sizes)
    stripes = [
        tuple(pair[:, end - size : end].copy()) for end, size in zip(ends, sizes, strict=True)
    ]
    places, up, down = shortlist.cheapest(stripes, limit)
    expected, kept = by_sorting(pair, limit)
    assert places.tolist() == expected.tolist()
    assert np.array_equal(np.stack((up, down)), kept)


def test_costs_that_forbid_everything_leave_nothing():
    nothing = np.full(50, np.inf)
    assert [each.size for each in shortlist.cheapest([(nothing, nothing)], 10)] == [0, 0, 0]


def test_loops_do_the_same_without_a_compiler():
    up, down = costs(400, 3, False)
    pairs = []
    for append, drop in (
        (shortlist._append, shortlist._drop),
        (shortlist._append.py_func, shortlist._drop.py_func),
    ):
        arrays = np.empty(401, np.int32), np.empty(401), np.empty(401)
        count = append(up, down, 5.0, 7, *arrays, 0)
        left = drop(*arrays, count, 2.0)
        pairs.append((count, left, *(each[:left].tolist() for each in arrays)))
    assert pairs[0] == pairs[1]
    assert 0 < pairs[0][1] < pairs[0][0] < 400
