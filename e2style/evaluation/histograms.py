"""Histograms of what was measured of each image, as drawings that say what they mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

__all__ = ["histograms"]

_BINS = 24
_WIDTH, _HEIGHT, _LEFT, _LOW = 600, 220, 46, 44  # of the drawing, in its own units

# Of a metric: title, name of the axis, and how to read it.
_MEANINGS = {
    "psnr": (
        "How close the images are, sample by sample",
        "PSNR in dB: further to the right is closer",
        "Each image counts once. At 20 dB the samples are off by 25 of 255 levels on average (root "
        "mean square), at 26 dB by 13.",
    ),
    "ssim": (
        "How alike their structure is",
        "SSIM: 1, at the right, is the same",
        "Each image counts once. SSIM compares edges and texture in small windows; 0 means that "
        "they have nothing in common.",
    ),
}


def histograms(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield title, text and SVG drawing of each metric that can be drawn.

    Parameters
    ----------
    rows : of `Evaluation`: one per image
    """
    for key, (title, axis, text) in _MEANINGS.items():
        found = [row[key] for row in rows if key in row and math.isfinite(row[key])]
        if len(found) > 1 and min(found) < max(found):
            yield title, text, _drawing(found, title, axis)


def _drawing(values: Sequence[float], title: str, axis: str) -> str:
    counts, edges = np.histogram(values, bins=min(_BINS, len(values)))
    unit = (_HEIGHT - _LOW - 20) / counts.max()
    step = (_WIDTH - _LEFT - 10) / len(counts)
    bottom = _HEIGHT - _LOW
    bars = "".join(
        f'<rect x="{_LEFT + i * step + 1:.1f}" y="{bottom - unit * count:.1f}" '
        f'width="{step - 2:.1f}" height="{unit * count:.1f}"/>'
        for i, count in enumerate(counts.tolist())
    )
    marks = "".join(
        f'<text x="{_LEFT + share * (_WIDTH - _LEFT - 10):.1f}" y="{bottom + 16}" '
        f'text-anchor="middle">{edges[0] + share * (edges[-1] - edges[0]):.3g}</text>'
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">{bars}{marks}'
        f'<path d="M{_LEFT} 14V{bottom}H{_WIDTH - 8}"/>'
        f'<text x="{_LEFT - 6}" y="24" text-anchor="end">{counts.max()}</text>'
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end">0</text>'
        f'<text transform="translate(14 {bottom / 2 + 10:.0f}) rotate(-90)" '
        'text-anchor="middle">images</text>'
        f'<text x="{(_WIDTH + _LEFT) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{axis}</text>'
        "</svg>"
    )
