"""Tests of randomness after NIST SP 800-22 rev. 1a, for long streams: (n,) uint8 of 0 and 1.

Each function returns p-values: uniform on 0..1 for random bits.  Section numbers are those of the
publication.
"""

import numpy as np
from scipy.special import erfc, gammaincc, ndtr


def frequency(bits):
    """2.1: as many ones as zeros."""
    total = 2 * int(bits.sum(dtype=np.int64)) - bits.size
    return [float(erfc(abs(total) / np.sqrt(2.0 * bits.size)))]


def block_frequency(bits, size=128):
    """2.2: as many ones as zeros in every block."""
    count = bits.size // size
    share = bits[: count * size].reshape(count, size).mean(axis=1)
    return [_upper(count, 4.0 * size * float(((share - 0.5) ** 2).sum()))]


def runs(bits):
    """2.3: how often neighbours differ."""
    share = float(bits.mean())
    spread = share * (1.0 - share)
    if not spread:
        return [0.0]
    found = 1 + int(np.count_nonzero(bits[1:] != bits[:-1]))
    deviation = abs(found - 2.0 * bits.size * spread)
    return [float(erfc(deviation / (2.0 * np.sqrt(2.0 * bits.size) * spread)))]


# Block size: shortest class, shares of the classes.
_LONGEST = {
    8: (1, (0.2148, 0.3672, 0.2305, 0.1875)),
    128: (4, (0.1174, 0.2430, 0.2493, 0.1752, 0.1027, 0.1124)),
    10_000: (10, (0.0882, 0.2092, 0.2483, 0.1933, 0.1208, 0.0675, 0.0727)),
}


def longest_run(bits, size=None):
    """2.4: the longest run of ones in each block."""
    size = size or (10_000 if bits.size >= 750_000 else 128 if bits.size >= 6272 else 8)
    first, shares = _LONGEST[size]
    count = bits.size // size
    columns = bits[: count * size].reshape(count, size).T
    current, longest = (np.zeros(count, dtype=np.int64) for _ in range(2))
    for column in columns:
        current = (current + 1) * column
        np.maximum(longest, current, out=longest)
    classes = np.clip(longest - first, 0, len(shares) - 1)
    return [_chi(np.bincount(classes, minlength=len(shares)), np.array(shares))]


def matrix_rank(bits):
    """2.5: ranks of 32 x 32 matrices over two elements."""
    count = bits.size // 1024
    packed = np.packbits(bits[: count * 1024].reshape(count, 32, 32), axis=2)
    rows = packed.reshape(count, 32, 4).view(">u4")[:, :, 0].astype(np.uint32)
    rank = np.zeros(count, dtype=np.int64)
    every = np.arange(count)
    for bit in range(31, -1, -1):
        mask = (rows >> np.uint32(bit) & 1).astype(bool)
        # Rows above the rank are used up.
        mask &= np.arange(32)[None, :] >= rank[:, None]
        has = mask.any(axis=1)
        pivot = mask.argmax(axis=1)
        place = np.minimum(rank, 31)
        chosen = rows[every, pivot].copy()
        swapped = rows[every, place].copy()
        rows[every[has], pivot[has]] = swapped[has]
        rows[every[has], place[has]] = chosen[has]
        below = (rows >> np.uint32(bit) & 1).astype(bool)
        below &= (np.arange(32)[None, :] > place[:, None]) & has[:, None]
        rows ^= np.where(below, chosen[:, None], np.uint32(0))
        rank += has
    full = float(np.prod(1.0 - 0.5 ** np.arange(1, 33)))
    # One less: Kovalenko's product for a deficit of one.
    less = 2.0 * full
    shares = np.array([full, less, 1.0 - full - less])
    return [_chi(np.bincount(np.minimum(32 - rank, 2), minlength=3), shares)]


def spectral(bits):
    """2.6: no peaks in the discrete Fourier transform."""
    n = bits.size
    power = np.abs(np.fft.rfft(2.0 * bits - 1.0))[: n // 2]
    below = int(np.count_nonzero(power < np.sqrt(np.log(1.0 / 0.05) * n)))
    deviation = (below - 0.95 * n / 2.0) / np.sqrt(n * 0.95 * 0.05 / 4.0)
    return [float(erfc(abs(deviation) / np.sqrt(2.0)))]


def serial(bits, length=16):
    """2.11: all patterns of some bits are as frequent; two p-values."""
    psi = [_psi(bits, length - k) for k in range(3)]
    return [
        _upper(2 ** (length - 1), psi[0] - psi[1]),
        _upper(2 ** (length - 2), psi[0] - 2.0 * psi[1] + psi[2]),
    ]


def approximate_entropy(bits, length=10):
    """2.12: one more bit is as surprising as the one before."""
    phi = []
    for size in (length, length + 1):
        share = _patterns(bits, size) / bits.size
        share = share[share > 0]
        phi.append(float((share * np.log(share)).sum()))
    entropy = phi[0] - phi[1]
    return [_upper(2**length, 2.0 * bits.size * (np.log(2.0) - entropy))]


def cumulative_sums(bits):
    """2.13: the walk does not stray, forward and backward."""
    found = []
    for walk in (bits, bits[::-1]):
        z = int(np.abs(np.cumsum(2 * walk.astype(np.int64) - 1)).max())
        root, n = np.sqrt(walk.size), walk.size
        k = np.arange((-n // z + 1) // 4, (n // z - 1) // 4 + 1)
        one = ndtr((4 * k + 1) * z / root) - ndtr((4 * k - 1) * z / root)
        k = np.arange((-n // z - 3) // 4, (n // z - 1) // 4 + 1)
        two = ndtr((4 * k + 3) * z / root) - ndtr((4 * k + 1) * z / root)
        found.append(float(np.clip(1.0 - one.sum() + two.sum(), 0.0, 1.0)))
    return found


def _upper(freedom, chi_square):
    return float(gammaincc(freedom / 2.0, max(chi_square, 0.0) / 2.0))


def _chi(counts, shares):
    expected = counts.sum() * shares
    return _upper(counts.size - 1, float(((counts - expected) ** 2 / expected).sum()))


def _patterns(bits, length):
    """How often each pattern occurs, the stream being closed to a ring."""
    ring = np.concatenate([bits, bits[: length - 1]]) if length > 1 else bits
    value = np.zeros(bits.size, dtype=np.int32)
    for k in range(length):
        value = value << 1 | ring[k : k + bits.size]
    return np.bincount(value, minlength=2**length).astype(np.float64)


def _psi(bits, length):
    if length <= 0:
        return 0.0
    return float((_patterns(bits, length) ** 2).sum()) * 2**length / bits.size - bits.size


ALL = {
    "frequency": frequency,
    "block frequency": block_frequency,
    "runs": runs,
    "longest run": longest_run,
    "matrix rank": matrix_rank,
    "spectral": spectral,
    "serial": serial,
    "approximate entropy": approximate_entropy,
    "cumulative sums": cumulative_sums,
}
