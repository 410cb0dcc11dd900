"""Rounding of codes that training sees through."""

from __future__ import annotations

from torch import Tensor

LEANING = 0.1  # in steps: 0.6 is rounded to 1, and less to 0


def rounded(codes: Tensor, steps: Tensor) -> Tensor:
    """Codes B n 512 -> multiples of B steps, the nearest but for a leaning to 0; straight through.

    A value that is cheap to leave out is left out when it is sent, so it is in training.
    """
    scaled = codes / steps[:, None, None]
    integers = scaled.sign() * (scaled.abs() + (0.5 - LEANING)).floor()
    return codes + (integers * steps[:, None, None] - codes).detach()
