"""Slow and plain syndrome-trellis coding, to hold `stc` against. Never imports `stc`.

Everything is spelled out: the parity-check matrix is a matrix, the optimum is found by trying
every stego, and the trellis is a dictionary of states.
"""

import itertools

import numpy as np


def block_ends(n, m):
    """Return where each block ends: i * n / m rounded, halves up, in exact integers."""
    return [(2 * i * n + m) // (2 * m) for i in range(m + 1)]


def parity_check_matrix(n, m, columns_for_width):
    """Return H, (m, n) uint8: column k of block b starts at row b and is cut at row m."""
    matrix = np.zeros((m, n), np.uint8)
    ends = block_ends(n, m)
    for b in range(m):
        columns = columns_for_width(ends[b + 1] - ends[b])
        for k, element in enumerate(range(ends[b], ends[b + 1])):
            for row in range(int(columns[k]).bit_length()):
                if b + row < m:
                    matrix[b + row, element] = (int(columns[k]) >> row) & 1
    return matrix


def syndrome(matrix, bits):
    """Return H @ bits mod 2."""
    return (matrix.astype(np.int64) @ np.asarray(bits, np.int64)) % 2


def cheapest_by_trial(matrix, cover, message, cost):
    """Try all 2**n stegos; return the least distortion, or None where nothing fits."""
    best = None
    for bits in itertools.product((0, 1), repeat=len(cover)):
        if (syndrome(matrix, bits) == message).all():
            paid = sum(c for c, x, y in zip(cost, cover, bits, strict=True) if x != y)
            if np.isfinite(paid) and (best is None or paid < best):
                best = paid
    return best


def cheapest_by_trellis(n, m, columns_for_width, cover, message, cost):
    """Return the least distortion by dynamic programming in float64, or None."""
    ends = block_ends(n, m)
    states = {0: 0.0}
    for b in range(m):
        columns = columns_for_width(ends[b + 1] - ends[b])
        for k, i in enumerate(range(ends[b], ends[b + 1])):
            # Rows beyond the end of the message do not exist.
            column = int(columns[k]) & ((1 << (m - b)) - 1)
            following = {}
            for state, paid in states.items():
                for bit in (0, 1):
                    total = paid + (cost[i] if bit != cover[i] else 0.0)
                    goal = state ^ (column if bit else 0)
                    if np.isfinite(total) and total < following.get(goal, np.inf):
                        following[goal] = total
            states = following
        states = {s >> 1: paid for s, paid in states.items() if s & 1 == message[b]}
        if not states:
            return None
    return states.get(0)


def binary_bound(cost, payload_bits):
    """Return the rate-distortion bound by plain bisection."""
    cost = np.asarray(cost, np.float64)
    cost = cost[np.isfinite(cost)]

    def entropy(p):
        p = np.clip(p, 1e-300, 1 - 1e-16)
        return float((-p * np.log2(p) - (1 - p) * np.log2(1 - p)).sum())

    low, high = 0.0, 1e12
    for _ in range(200):
        middle = (low + high) / 2
        p = 1 / (1 + np.exp(np.minimum(middle * cost, 700)))
        low, high = (middle, high) if entropy(p) > payload_bits else (low, middle)
    p = 1 / (1 + np.exp(np.minimum(high * cost, 700)))
    return float((p * cost).sum())


def hill(image):
    """Return HILL by explicit windows over a mirrored image."""

    def windowed(picture, size, weights):
        padded = np.pad(picture, size // 2, mode="symmetric")
        out = np.empty_like(picture)
        for r in range(picture.shape[0]):
            for c in range(picture.shape[1]):
                out[r, c] = (padded[r : r + size, c : c + size] * weights).sum()
        return out

    kernel = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
    residual = np.abs(windowed(np.asarray(image, np.float64), 3, kernel))
    activity = windowed(residual, 3, np.full((3, 3), 1 / 9))
    return windowed(1 / np.maximum(activity, 2.0**-23), 15, np.full((15, 15), 1 / 225))


def jmipod_information(coefficients, quantization):
    """Return J-MiPOD's Fisher information of each coefficient, pixel by pixel, mode by mode."""

    def cosine(size, order, place):
        weight = np.sqrt(1 / size) if order == 0 else np.sqrt(2 / size)
        return weight * np.cos(np.pi * order * (2 * place + 1) / (2 * size))

    rows, columns = coefficients.shape[:2]
    height, width = 8 * rows, 8 * columns
    basis = np.zeros((8, 8, 8, 8))  # order down, order across, place down, place across
    for u, v, y, x in itertools.product(range(8), repeat=4):
        basis[u, v, y, x] = cosine(8, u, y) * cosine(8, v, x)
    pixels = np.zeros((height, width))
    for r, c in itertools.product(range(rows), range(columns)):
        block = np.tensordot(coefficients[r, c] * quantization, basis, 2) + 128
        pixels[8 * r : 8 * r + 8, 8 * c : 8 * c + 8] = np.clip(np.round(block), 0, 255)
    # Wiener's filter over 2x2 windows that begin at the pixel; beyond the border lie zeros.
    padded = np.pad(pixels, ((0, 1), (0, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 2))
    mean = windows.mean(axis=(2, 3))
    spread = np.maximum((windows**2).mean(axis=(2, 3)) - mean**2, 1e-8)
    noise = spread.mean()
    smooth = mean + (pixels - mean) * np.maximum(spread - noise, 0) / np.maximum(spread, noise)
    residual = np.pad(pixels - smooth, 1, mode="symmetric")
    model = np.array(
        [
            [cosine(3, u, y) * cosine(3, v, x) for y in range(3) for x in range(3)]
            for u, v in itertools.product(range(3), repeat=2)
            if u + v < 3
        ]
    ).T
    variance = np.zeros((height, width))
    for y, x in itertools.product(range(height), range(width)):
        window = residual[y : y + 3, x : x + 3].ravel()
        fit, *_ = np.linalg.lstsq(model, window, rcond=None)
        variance[y, x] = max(((window - model @ fit) ** 2).sum() / 3, 0.01)
    information = np.zeros(coefficients.shape)
    for r, c in itertools.product(range(rows), range(columns)):
        block = variance[8 * r : 8 * r + 8, 8 * c : 8 * c + 8]
        of_modes = (basis**2 * block).sum(axis=(2, 3)) / quantization**2
        information[r, c] = of_modes**-2.0
    padded = np.pad(information, ((1, 1), (1, 1), (0, 0), (0, 0)), mode="symmetric")
    mean = np.zeros(coefficients.shape)
    for dy, dx in itertools.product(range(3), repeat=2):
        weight = {0: 4, 1: 3, 2: 1}[abs(dy - 1) + abs(dx - 1)] / 20
        mean += weight * padded[dy : dy + rows, dx : dx + columns]
    return mean
