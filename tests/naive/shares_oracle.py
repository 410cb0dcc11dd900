"""A second way to put shares together, slow and written from docs/format.md, section 9.5."""


class RejectedError(Exception):
    """The one error."""


class IncompleteError(Exception):
    """Authentic, but too few."""


def times(a, b):
    """The product in the field of 0x11d, bit by bit."""
    out = 0
    while b:
        if b & 1:
            out ^= a
        a <<= 1
        if a & 0x100:
            a ^= 0x11D
        b >>= 1
    return out


def inverse(a):
    return next(b for b in range(1, 256) if times(a, b) == 1)


def at(x, points, values):
    total = 0
    for point, value in zip(points, values, strict=True):
        for other in points:
            if other != point:
                value = times(value, times(x ^ other, inverse(point ^ other)))  # noqa: PLW2901
        total ^= value
    return total


def join(found):
    """Return the content; `found` are pairs of parameters and payload of codec 5."""
    sets = {}
    for parameters, row in found:
        k, n, i, r = parameters[4:]
        if not (1 <= k <= n <= 64 and i < n and r < k and row):
            raise RejectedError
        rows = sets.setdefault((parameters[:4], k, n, r, len(row)), {})
        if rows.setdefault(i, row) != row:
            raise RejectedError
    for (_, k, _, r, length), rows in sets.items():
        points = sorted(rows)[:k]
        if len(points) < k:
            continue
        content = bytes(
            at(x, points, [rows[i][column] for i in points])
            for x in range(k)
            for column in range(length)
        )
        end = len(content) - r
        if end < 1 or any(content[end:]):
            raise RejectedError
        content = content[:end]
        return content
    raise IncompleteError
