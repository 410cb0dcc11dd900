"""Style mixing and interpolation of codes (paper, Algorithms 3 and 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from e2style.errors import ConfigError

if TYPE_CHECKING:
    from e2style.model import InversionModel

__all__ = ["FRAMES", "MIX_PRESETS", "interpolate", "mix", "with_styles"]

Code = NDArray[np.float32]

# Rows that the style gives: "the last 11 layers" of 18, and the default of the released script.
MIX_PRESETS = {"paper": "7-", "script": "10-"}
FRAMES = 7  # of the released script: both ends and five between


def mix(content: Code, style: Code, rows: slice, strength: float = 1.0) -> Code:
    """Give a code the rows of another (Alg. 3).

    Parameters
    ----------
    content, style : (..., n, 512); of a model with base styles `with_styles` makes them say more
    rows : that come from the style; see `parse_rows`
    strength : 0 leaves the content, 1 takes the style, each to the last bit
    """
    mixed = content.copy()
    if strength == 1:
        mixed[..., rows, :] = style[..., rows, :]
        return mixed
    if strength != 0:
        mixed[..., rows, :] += np.float32(strength) * (style - content)[..., rows, :]
    return mixed


def with_styles(model: InversionModel, codes: Code) -> Code:
    """Codes (..., n, 512) as `mix` needs them; see `InversionModel.with_styles`."""
    import torch

    flat = torch.from_numpy(codes.reshape(-1, *codes.shape[-2:]))
    told: Code = model.with_styles(flat).cpu().numpy()
    return told.reshape(codes.shape)


def interpolate(first: Code, last: Code, frames: int = FRAMES) -> Code:
    """Codes on the straight line between two (Alg. 4), ends included.

    Parameters
    ----------
    first, last : (n, 512)
    frames : how many, at least 2

    Returns
    -------
    (frames, n, 512)

    Raises
    ------
    ConfigError : fewer than two frames
    """
    if frames < 2:
        raise ConfigError(f"frames: got {frames}, at least 2 are needed")
    share = np.linspace(0, 1, frames, dtype=np.float32)[:, None, None]
    return (1 - share) * first + share * last
