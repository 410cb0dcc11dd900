"""Rows of a code by name: which layers of the generator an edit may touch.

Row k drives the same resolution in a generator of any size, so that a range with an open end means
the same layers everywhere.
"""

from __future__ import annotations

import re

from e2style.errors import ConfigError

__all__ = ["parse_rows"]


def parse_rows(text: str, n_codes: int) -> slice:
    """Range of rows: "7-17", "7-" to the last one, "-6" from the first, "3", or "all".

    Raises
    ------
    ConfigError : no such range
    """
    if text == "all":
        return slice(0, n_codes)
    found = re.fullmatch(r"(\d*)(-?)(\d*)", text)
    if found and (found[1] or found[3]):
        first = int(found[1] or 0)
        last = int(found[3] or n_codes - 1) if found[2] else first
        if first <= last < n_codes:
            return slice(first, last + 1)
    raise ConfigError(f"rows: got {text!r}, allowed are ranges like 7-11 within 0-{n_codes - 1}")
