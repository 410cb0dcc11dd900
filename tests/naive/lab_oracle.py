"""Slow and plain detectors, from the published definitions, to hold `deephide.lab` against.

Python integers, one pixel at a time; nothing of `deephide` is imported.

- Rich model: Fridrich and Kodovský, "Rich Models for Steganalysis of Digital Images", 2012.
- WS: Ker and Böhme, "Revisiting Weighted Stego-Image Steganalysis", 2008.
- Sample pairs: Dumitrescu, Wu and Memon, "On Steganalysis of Random LSB Embedding in
  Continuous-Tone Images", 2002, with the primary sets X, Y, Z and W; and Dumitrescu, Wu and Wang,
  "Detection of LSB Steganography via Sample Pair Analysis", 2003, with multisets of differences.
- RS: Fridrich, Goljan and Du, "Reliable Detection of LSB Steganography in Color and Grayscale
  Images", 2001.
"""

import itertools
import math

import numpy as np

# Residuals as {(down, right): weight}.
FIRST = {(0, 0): -1, (0, 1): 1}
SECOND = {(0, -1): 1, (0, 0): -2, (0, 1): 1}
THIRD = {(0, -1): 1, (0, 0): -3, (0, 1): 3, (0, 2): -1}
SQUARE = {(a, b): w for a, row in ((-1, (-1, 2, -1)), (0, (2, -4, 2)), (1, (-1, 2, -1)))
          for b, w in zip((-1, 0, 1), row, strict=True)}  # fmt: skip
UPPER = {place: weight for place, weight in SQUARE.items() if place[0] <= 0}
LOWER = {place: weight for place, weight in SQUARE.items() if place[0] >= 0}
KV_ROWS = ((-1, 2, -2, 2, -1), (2, -6, 8, -6, 2), (-2, 8, -12, 8, -2))
KV = {(a, b): KV_ROWS[2 - abs(a)][b + 2] for a in range(-2, 3) for b in range(-2, 3)}


def turned(residual):
    """The same residual for columns instead of rows."""
    return {(b, a): weight for (a, b), weight in residual.items()}


def residuals(plane, residual):
    """{(y, x): value} wherever the residual fits into the plane."""
    height, width = len(plane), len(plane[0])
    found = {}
    for y, x in itertools.product(range(height), range(width)):
        places = [(y + a, x + b) for a, b in residual]
        if all(0 <= i < height and 0 <= j < width for i, j in places):
            found[y, x] = sum(
                w * plane[i][j] for (i, j), w in zip(places, residual.values(), strict=True)
            )
    return found


def quantised(value, divisor, limit=2):
    """Round to the nearest whole number, halves away from zero, and truncate."""
    rounded = math.floor(abs(value) / divisor + 0.5)
    return max(-limit, min(limit, rounded if value > 0 else -rounded))


def cooccurrences(levels, down, right, counts):
    """Add up how often each run of four neighbours occurs."""
    for y, x in levels:
        run = [levels.get((y + k * down, x + k * right)) for k in range(4)]
        if None not in run:
            counts[tuple(run)] = counts.get(tuple(run), 0) + 1


def symmetrised(counts):
    """169 frequencies: a run, its reverse and their negatives are one bin."""
    total = sum(counts.values())
    bins = {}
    for run in itertools.product(range(-2, 3), repeat=4):
        negative = tuple(-level for level in run)
        name = frozenset({run, run[::-1], negative, negative[::-1]})
        bins[name] = bins.get(name, 0) + counts.get(run, 0)
    return [count / total for count in bins.values()]


def submodel(plane, parts, divisor):
    """Frequencies over several residuals, each with its directions of scanning."""
    counts = {}
    for residual, directions in parts:
        levels = {at: quantised(v, divisor) for at, v in residuals(plane, residual).items()}
        for direction in directions:
            cooccurrences(levels, *direction, counts)
    return symmetrised(counts)


def rich(plane):
    """The 20 submodels: along and across for residuals of rows, both at once for squares."""
    plane = plane.tolist()
    row, column = (0, 1), (1, 0)
    found = []
    for kinds, order in (((FIRST,), 1), ((SECOND,), 2), ((THIRD,), 3), ((UPPER, LOWER), 4)):
        for step in (1, 2):
            for one, other in ((row, column), (column, row)):
                parts = [(kind, [one]) for kind in kinds]
                parts += [(turned(kind), [other]) for kind in kinds]
                found += submodel(plane, parts, order * step)
    for kind, order in ((SQUARE, 4), (KV, 12)):
        for step in (1, 2):
            found += submodel(plane, [(kind, [row, column])], order * step)
    return np.array(found)


def weighted_stego(plane):
    """p = 2 sum w (s - flipped s)(s - predicted s), weights 1 / (5 + local variance)."""
    s = plane.tolist()
    total, weights = 0.0, 0.0
    for y in range(1, len(s) - 1):
        for x in range(1, len(s[0]) - 1):
            beside = [s[y - 1][x], s[y + 1][x], s[y][x - 1], s[y][x + 1]]
            corners = [s[y - 1][x - 1], s[y - 1][x + 1], s[y + 1][x - 1], s[y + 1][x + 1]]
            predicted = sum(beside) / 2 - sum(corners) / 4
            mean = sum(beside) / 4
            weight = 1 / (5 + sum((value - mean) ** 2 for value in beside) / 4)
            flipped = s[y][x] + 1 if s[y][x] % 2 == 0 else s[y][x] - 1
            total += weight * (s[y][x] - flipped) * (s[y][x] - predicted)
            weights += weight
    return 2 * total / weights


def smaller_root(a, b, c):
    """The real part of the root nearest to zero."""
    return min((root for root in np.roots([a, b, c])), key=abs).real


def neighbours(plane):
    """All pairs of horizontal and of vertical neighbours."""
    s = plane.tolist()
    for y, x in itertools.product(range(len(s)), range(len(s[0]))):
        if x + 1 < len(s[0]):
            yield s[y][x], s[y][x + 1]
        if y + 1 < len(s):
            yield s[y][x], s[y + 1][x]


def sample_pairs(plane):
    """(|W| + |Z|) p^2 / 2 + (2 |X| - |P|) p + |Y| - |X| = 0."""
    x = y = z = w = p = 0
    for u, v in neighbours(plane):
        p += 1
        x += (v % 2 == 0 and u < v) or (v % 2 == 1 and u > v)
        y += (v % 2 == 0 and u > v) or (v % 2 == 1 and u < v)
        z += u == v
        w += u != v and u // 2 == v // 2
    return smaller_root((w + z) / 2, 2 * x - p, y - x)


def sample_pairs_by_differences(plane):
    """The equation over all odd differences, from the multisets C, D, X and Y.

    |C_0| p^2 / 2 - (|D_0| + sum of |Y| - |X|) p + sum of |Y| - |X| = 0, where X holds the pairs of
    odd difference whose even value is the larger one, Y those whose odd value is.
    """
    equal = same_pair = excess = 0
    for u, v in neighbours(plane):
        equal += u == v
        same_pair += u // 2 == v // 2
        if (u - v) % 2:
            excess += 1 if max(u, v) % 2 else -1
    return smaller_root(same_pair / 2, -(equal + excess), excess)


def flipped(value, mask):
    """F_1 exchanges 2k and 2k + 1, F_-1 exchanges 2k - 1 and 2k, F_0 nothing."""
    if mask == 0:
        return value
    if mask == 1:
        return value + 1 if value % 2 == 0 else value - 1
    return value - 1 if value % 2 == 0 else value + 1


def regular_minus_singular(groups, mask):
    """The share of groups that a mask makes rougher, less that of those it smooths."""

    def roughness(group):
        return sum(abs(a - b) for a, b in itertools.pairwise(group))

    balance = 0
    for group in groups:
        changed = [flipped(value, m) for value, m in zip(group, mask, strict=True)]
        before, after = roughness(group), roughness(changed)
        balance += (after > before) - (after < before)
    return balance / len(groups)


def regular_singular(plane):
    """2 (d_1 + d_0) x^2 + (d_-0 - d_-1 - d_1 - 3 d_0) x + d_0 - d_-0 = 0, p = x / (x - 1/2)."""
    rows = plane.tolist()
    groups = [row[k : k + 4] for row in rows for k in range(0, len(row) - 3, 4)]
    others = [[flipped(value, 1) for value in group] for group in groups]
    up, down = (0, 1, 1, 0), (0, -1, -1, 0)
    d0, d0_down = (regular_minus_singular(groups, mask) for mask in (up, down))
    d1, d1_down = (regular_minus_singular(others, mask) for mask in (up, down))
    x = smaller_root(2 * (d1 + d0), d0_down - d1_down - d1 - 3 * d0, d0 - d0_down)
    return x / (x - 0.5)
