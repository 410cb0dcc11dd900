"""Peak signal-to-noise ratio of samples of 8 bits."""

from __future__ import annotations

__all__ = ["psnr"]


def psnr(squared_error: float, samples: int = 1) -> float:
    """Return the ratio in dB.

    Parameters
    ----------
    squared_error : summed over so many samples; the mean, if their number is left out
    samples : how many there are

    Examples
    --------
    >>> psnr(0.0), round(psnr(255.0**2 / 100), 6)
    (inf, 20.0)
    """
    from e2style.metrics.images import decibels

    return float(decibels(squared_error, samples=samples))
