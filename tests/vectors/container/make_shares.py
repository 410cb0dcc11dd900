"""Generator of the vectors of shares, section 9.5.  They are frozen, as those of `make.py` are.

python make_shares.py
"""

import json
from pathlib import Path

from deephide.container import layout, shares
from deephide.errors import ExtractionError, IncompleteError

FILE = Path(__file__).parent / "shares.json"
SET, OTHER = b"\x10\x20\x30\x40", b"\x11\x20\x30\x40"
CONTENT = layout.pack_content(layout.Header(3, bytes((0, 5, 0, 0, 0, 0, 0, 0))), b"hello")


def made(content, needed, total, set_id=SET):
    return [(each.parameters, each.row) for each in shares.split(content, needed, total, set_id)]


def changed(share, place, value):
    parameters = bytearray(share[0])
    parameters[place] = value
    return bytes(parameters), share[1]


def cases():
    """Return name, shares, and the content or the class of the error; faults are one each."""
    three = made(CONTENT, 3, 5)
    row = three[1][1]
    yield "all five", three, CONTENT
    yield "the content itself", three[:3], CONTENT
    yield "the last three", three[2:], CONTENT
    yield "in another order, one twice", [three[4], three[0], three[4], three[3]], CONTENT
    yield "one of one", made(CONTENT, 1, 1), CONTENT
    yield "any one of three", made(CONTENT, 1, 3)[2:], CONTENT
    yield "longer than the field", made(CONTENT * 30, 2, 64)[62:], CONTENT * 30
    yield "two sets, one complete", [*made(CONTENT, 2, 3, OTHER)[:1], *three[:3]], CONTENT
    yield "too few", three[:2], "IncompleteError"
    yield "two sets, none complete", [*made(CONTENT, 3, 5, OTHER)[:2], three[2]], "IncompleteError"
    one = three[0]
    for name, place, value in (
        ("none needed", 4, 0),
        ("more needed than made", 4, 6),
        ("more than 64 made", 5, 65),
        ("a number beyond those made", 6, 5),
        ("more padding than rows", 7, 3),
    ):
        yield name, [changed(one, place, value), *three[1:3]], "ExtractionError"
    yield "an empty row", [(one[0], b""), *three[1:3]], "ExtractionError"
    flipped = bytes((row[0] ^ 1, *row[1:]))
    yield "one number twice", [*three[:3], (three[1][0], flipped)], "ExtractionError"
    padded = bytes((*three[2][1][:-1], 1))
    yield "padding that is not zero", [*three[:2], (three[2][0], padded)], "ExtractionError"


def main():
    found = []
    for name, given, expected in cases():
        try:
            content = shares.join(shares.Share.of(*each) for each in given)
        except (IncompleteError, ExtractionError) as error:
            content = type(error).__name__
        assert content == expected, name
        found.append(
            {
                "name": name,
                "shares": [[parameters.hex(), row.hex()] for parameters, row in given],
                "expect": "ok" if isinstance(expected, bytes) else expected,
                "content": expected.hex() if isinstance(expected, bytes) else None,
            }
        )
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
