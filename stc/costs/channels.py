"""Colour: changes of one pixel's channels that go the same way."""

import numpy as np
import numpy.typing as npt

__all__ = ["sync_channels"]


def sync_channels(
    cost_p1: npt.ArrayLike,
    cost_m1: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    strength: float = 5.0,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Make the channels of a pixel change in the same direction, for one trellis over all.

    Channels of a photo move together, and changes that do not are what detectors for colour
    look for. Tang, Li, Luo and Huang, "Clustering Steganographic Modification Directions for
    Color Images", 2016, embed channel after channel and make the direction cheap that earlier
    channels took. One trellis over all channels knows no earlier ones: here `rng` draws one
    direction per pixel beforehand, and the other costs `strength` times as much in all its
    channels. Where saturation forbids a direction to more channels than the other, the pixel
    takes the other.

    A change whose direction is known beforehand carries up to a bit less, so that a payload takes
    more changes: docs/stc.md states what `strength` buys and what it costs. The receiver needs
    neither `rng` nor `strength`. Who knew the directions could look for changes along them, so
    that `rng` should be seeded from the operating system.

    Parameters
    ----------
    cost_p1, cost_m1 : (..., C) float, >= 0; inf marks a forbidden change
        as `wet` returns them, channels last
    rng : numpy.random.Generator
        draws the directions
    strength : float, >= 1; 1 changes nothing, inf forbids the other direction

    Returns
    -------
    cost_p1, cost_m1 : (..., C) float64; the arguments are not modified

    Raises
    ------
    ValueError : shapes differ, fewer than two dimensions, or strength is under 1

    Examples
    --------
    >>> import numpy as np, stc
    >>> p1, m1 = stc.costs.sync_channels(
    ...     np.ones((1000, 3)), np.ones((1000, 3)), np.random.default_rng(1), strength=2
    ... )
    >>> bool((p1 * m1 == 2).all() and (p1 == p1[:, :1]).all())
    True

    """
    up, down = np.asarray(cost_p1, dtype=np.float64), np.asarray(cost_m1, dtype=np.float64)
    if up.shape != down.shape or up.ndim < 2:
        raise ValueError(
            f"cost_p1, cost_m1: got shapes {up.shape} and {down.shape}; "
            "allowed: two alike, channels last"
        )
    if not strength >= 1:
        raise ValueError(f"strength: got {strength}; allowed: 1 or more")
    favour = np.isfinite(up).sum(axis=-1) - np.isfinite(down).sum(axis=-1) + 0.0
    favour += rng.uniform(-0.5, 0.5, favour.shape)
    rises = (favour > 0)[..., None]
    # Nothing times infinity has no value; a free change in the wrong direction is forbidden too.
    floor = 0.0 if np.isfinite(strength) else np.finfo(np.float64).tiny
    return (
        np.where(rises, up, np.maximum(up, floor) * strength),
        np.where(rises, np.maximum(down, floor) * strength, down),
    )
