"""Colour: changes of one pixel's channels that go the same way."""

import numpy as np
import numpy.typing as npt

from stc.gibbs import check_payload, rough_multiplier

__all__ = ["sync_channels"]


def sync_channels(
    cost_p1: npt.ArrayLike,
    cost_m1: npt.ArrayLike,
    payload_bits: float,
    rng: np.random.Generator,
    *,
    strength: float = 8.0,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Make the channels of a pixel change in the same direction, for one trellis over all.

    Channels of a photo move together, and changes that do not are what detectors for colour
    look for. Tang, Li, Luo and Huang, "Clustering Steganographic Modification Directions for
    Color Images", 2016, embed channel after channel and make the direction cheap that earlier
    channels took. One trellis over all channels knows no earlier ones: here `rng` draws one
    direction per pixel beforehand, and a change in the other becomes exp(strength * p) times
    rarer, where p is the probability that another channel of the pixel changes as well. That
    spends next to nothing on pixels where one channel changes alone. Where saturation forbids a
    direction to more channels than the other, the pixel takes the other.

    A change whose direction is known beforehand carries up to a bit less, so that distortion
    grows: docs/stc.md states what `strength` buys and what it costs. The receiver needs none of
    these arguments. Who knew the directions could look for changes along them, so that `rng`
    should be seeded from the operating system.

    Parameters
    ----------
    cost_p1, cost_m1 : (..., C) float, >= 0; inf marks a forbidden change
        as `wet` returns them, channels last
    payload_bits : float, >= 0
        what the trellis over all channels will carry, in bits
    rng : numpy.random.Generator
        draws the directions
    strength : float, >= 0, finite; 0 changes nothing

    Returns
    -------
    cost_p1, cost_m1 : (..., C) float64; the arguments are not modified

    Raises
    ------
    PayloadTooLargeError : the payload is above the entropy of free changes
    ValueError : names the parameter, what was got and what is allowed

    Examples
    --------
    >>> import numpy as np, stc
    >>> p1, m1 = stc.costs.sync_channels(
    ...     np.ones((1000, 3)), np.ones((1000, 3)), 600, np.random.default_rng(1)
    ... )
    >>> bool((p1 == p1[:, :1]).all() and (p1 + m1 > 2).all() and (np.minimum(p1, m1) == 1).all())
    True

    """
    up, down = np.array(cost_p1, dtype=np.float64), np.array(cost_m1, dtype=np.float64)
    if up.shape != down.shape or up.ndim < 2:
        raise ValueError(
            f"cost_p1, cost_m1: got shapes {up.shape} and {down.shape}; "
            "allowed: two alike, channels last"
        )
    if not (up >= 0).all() or not (down >= 0).all():
        raise ValueError("cost_p1, cost_m1: got negative or NaN; allowed: 0 or more")
    if not 0 <= strength < np.inf:
        raise ValueError(f"strength: got {strength}; allowed: 0 or more, finite")
    flat = (up.reshape(-1), down.reshape(-1))
    check_payload(flat, payload_bits)
    multiplier = rough_multiplier(flat, payload_bits) if payload_bits else 0.0
    if not 0 < multiplier < np.inf:  # hardly a change, or changes that are free
        return up, down
    odds = np.exp(-multiplier * up) + np.exp(-multiplier * down)
    stay = 1.0 / (1.0 + odds)
    # 1 - product over the pixel / own share: the chance that one of the others changes.
    others = np.maximum(1.0 - np.prod(stay, axis=-1, keepdims=True) / stay, 0.0)
    others *= strength / multiplier
    favour = np.isfinite(up).sum(axis=-1) - np.isfinite(down).sum(axis=-1) + 0.0
    favour += rng.uniform(-0.5, 0.5, favour.shape)
    rises = (favour > 0)[..., None]
    np.add(up, others, out=up, where=~rises)
    np.add(down, others, out=down, where=rises)
    return up, down
