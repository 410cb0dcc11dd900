"""Features of JPEG stegos against slow readings of the papers."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import fft, signal

from deephide.lab import jpeg_features


@pytest.fixture
def samples():
    """Luma about zero, 24 x 32."""
    y, x = np.mgrid[0:24, 0:32]
    return 20 * np.sin(x / 3) * np.cos(y / 4) + np.random.default_rng(2).normal(0, 6, (24, 32))


def histogram(samples, kernel, step):
    """Magnitudes by place in the block, places that mirror one another together, (25, 5)."""
    residual = signal.correlate2d(samples, kernel, "valid") / step
    counts = np.zeros((25, 5))
    for (y, x), value in np.ndenumerate(residual):
        down, across = min(y % 8, 8 - y % 8), min(x % 8, 8 - x % 8)
        counts[5 * down + across, min(int(abs(value) + 0.5 + 1e-6), 4)] += 1
    return counts


@pytest.mark.parametrize(("quality", "step"), [(75, 4.0), (95, 0.8), (100, 0.2), (40, 10.0)])
def test_dctr_as_the_paper_says(samples, quality, step):
    basis = fft.dct(np.eye(8), axis=0, norm="ortho")
    found = jpeg_features.dctr(samples, quality).reshape(64, 25, 5)
    assert found.size == jpeg_features.DCTR_SIZE
    for k, j in ((0, 0), (0, 3), (5, 2), (7, 7)):
        counts = histogram(samples, np.outer(basis[k], basis[j]), step)
        assert found[8 * k + j] == pytest.approx(counts / counts.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("quality", "first"), [(75, 2.0), (95, 0.5)])
def test_gfr_as_the_paper_says(samples, quality, first):
    found = jpeg_features.gfr(samples, quality).reshape(4, 2, 17, 25, 5)
    assert found.size == jpeg_features.GFR_SIZE

    def kernel(i, phase, k):
        scale, angle = (0.5, 0.75, 1.0, 1.25)[i], np.pi * k / 32
        y, x = np.mgrid[-3.5:4, -3.5:4]
        u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
        wave = np.cos(2 * np.pi * u / (scale / 0.56) + phase * np.pi / 2)
        out = np.exp(-(u**2 + v**2 / 4) / (2 * scale**2)) * wave
        return out - out.mean()

    for i, phase, k in ((0, 0, 0), (2, 1, 5), (3, 0, 16)):
        counts = sum(
            histogram(samples, kernel(i, phase, each), first * (i + 1)) for each in {k, -k % 32}
        )
        wanted = counts / counts.sum(axis=1, keepdims=True)
        assert found[i, phase, k] == pytest.approx(wanted)


def test_luma_is_decoded_without_rounding():
    rng = np.random.default_rng(3)
    photo = Image.fromarray(rng.integers(60, 190, (24, 32), dtype=np.uint8))
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=90)
    found = jpeg_features.luma(buffer.getvalue())
    theirs = np.asarray(Image.open(io.BytesIO(buffer.getvalue())), float)
    assert np.abs(found + 128 - theirs).max() < 1.2
    assert not np.array_equal(found, np.rint(found))
