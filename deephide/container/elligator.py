"""Public keys that look like random bytes: Elligator 2 on curve25519, in plain integers.

A raw X25519 key is easy to tell from noise: half of all 32-byte strings are no u-coordinate of a
point of the curve, and its last bit is zero.  Elligator 2 (Bernstein, Hamburg, Krasnova and Lange
2013, Sec. 5; the map is RFC 9380, Sec. 6.7.1) sends every string to a point, so that the sender
can look for a string that is sent to the key.  Every u-coordinate that has such strings has the
same number of them: if the point is random in the *whole* group, the string is uniform.  Ordinary
keys lie in the subgroup of prime order, and anyone could multiply by that order and see; hence
`add_low_order`.

Everything here handles the sender's ephemeral *public* key, never a private one, and may
therefore take a time that depends on it.

::

    v^2 = u^3 + A u^2 + u    over the integers modulo p = 2^255 - 19, with A = 486662
"""

from __future__ import annotations

from functools import cache

__all__ = ["BYTES", "add_low_order", "from_representative", "to_representative"]

BYTES = 32

P = 2**255 - 19
A = 486662
_SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)
# u-coordinate of a point of order 8; the tests check the order.
_U_ORDER_8 = 325606250916557431795983626356110631294008115727848805560023387167927233504

Point = tuple[int, int]


def _is_square(x: int) -> bool:
    return pow(x, (P - 1) // 2, P) != P - 1


def _sqrt(x: int) -> int:
    """Return the root of a square whose lowest bit is 0; p is 5 modulo 8."""
    root = pow(x, (P + 3) // 8, P)
    if root * root % P != x % P:
        root = root * _SQRT_MINUS_1 % P
    return P - root if root & 1 else root


def _curve(u: int) -> int:
    return u * (u * (u + A) + 1) % P


def from_representative(data: bytes) -> bytes:
    """Return the u-coordinate that 32 bytes stand for; the two highest bits do not matter.

    Parameters
    ----------
    data : 32 bytes, any

    Returns
    -------
    bytes, 32 : little-endian as in RFC 7748, always of a point of the curve

    Examples
    --------
    >>> from_representative(bytes(32)).hex()[-4:]
    '0000'
    """
    r = int.from_bytes(data, "little") & (1 << 254) - 1
    # 1 + 2 r^2 is never 0: -1/2 is no square.
    u = -A * pow(1 + 2 * r * r, -1, P) % P
    if not _is_square(_curve(u)):
        u = (-u - A) % P
    return u.to_bytes(BYTES, "little")


def to_representative(u: bytes, tweak: int) -> bytes | None:
    """Return 32 bytes that `from_representative` sends to `u`, or None if there are none.

    About every other point has some, and then two up to the sign.

    Parameters
    ----------
    u : 32 bytes, the u-coordinate of a point of the curve, below p
    tweak : a random byte; bit 0 chooses between the two, bits 6 and 7 become the highest bits

    Returns
    -------
    bytes, 32, uniform if the point is; or None
    """
    x = int.from_bytes(u, "little")
    if x * (x + A) % P == 0 or not _is_square(-2 * x * (x + A)):
        return None
    above, below = (x + A, x) if tweak & 1 else (x, x + A)
    r = _sqrt(-above * pow(2 * below, -1, P) % P)
    # Of the two roots the one up to (p - 1) / 2, which 254 bits hold.
    return (min(r, P - r) | (tweak >> 6 & 3) << 254).to_bytes(BYTES, "little")


def add_low_order(u: bytes, k: int) -> bytes:
    """Return the u-coordinate of the point plus k times a point of order 8.

    Whoever multiplies it by a multiple of 8, as X25519 does, gets the same as for `u`.  The sign of
    the point is not known here and does not matter: with random k both are as likely.

    Parameters
    ----------
    u : 32 bytes, the u-coordinate of a point of the curve that is not itself of low order
    k : 0 to 7

    Returns
    -------
    bytes, 32
    """
    x = int.from_bytes(u, "little")
    total = _add((x, _sqrt(_curve(x))), _low_order_points()[k])
    assert total is not None
    return total[0].to_bytes(BYTES, "little")


@cache
def _low_order_points() -> tuple[Point | None, ...]:
    """Return 0 to 7 times a point of order 8; None is the neutral element."""
    generator = (_U_ORDER_8, _sqrt(_curve(_U_ORDER_8)))
    points: list[Point | None] = [None]
    for _ in range(7):
        points.append(_add(points[-1], generator))
    return tuple(points)


def _add(one: Point | None, other: Point | None) -> Point | None:
    """Add two points of the curve: the chord, or the tangent (RFC 7748, Sec. 4.1)."""
    if one is None or other is None:
        return one or other
    (u1, v1), (u2, v2) = one, other
    if u1 != u2:
        slope = (v2 - v1) * pow(u2 - u1, -1, P)
    elif (v1 + v2) % P:
        slope = (3 * u1 * u1 + 2 * A * u1 + 1) * pow(2 * v1, -1, P)
    else:
        return None
    u3 = (slope * slope - A - u1 - u2) % P
    return u3, (slope * (u1 - u3) - v1) % P
