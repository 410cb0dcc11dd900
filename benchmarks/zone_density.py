"""Density of changes in the public zone beside that of the other zones.

    python benchmarks/zone_density.py [--repeats 20] [--cover NAME] [--json PATH]

Sizes of zones are fixed before anything is known of the body, so that they suit one length of it.
For bodies of several lengths in photos of several sizes, the changes per element of the public
zone over those of all other elements, with costs that do not depend on the place.
"""

import argparse
import os

import numpy as np
from stc_common import machine, report

from deephide.container import crypto, hiding, keys, layout
from deephide.container.layout import Zones
from deephide.container.zones import public_zone

ELEMENTS = {"512 x 512 gray": 1 << 18, "512 x 512 RGB": 3 << 18, "12 megapixels RGB": 36_000_000}
BYTES = (20, 100, 300, 1000, 2000)
LARGE = 1 << 23  # of which one repeat is enough


def density(elements, payload, repeats):
    """Return the ratio of both densities, over all repeats."""
    n = elements.size
    zone = public_zone(Zones(n)).places()
    inside, everywhere = 0, 0
    costs = np.ones(n)
    for _ in range(repeats):
        key = keys.SharedKey(os.urandom(16)).at(bytes(16))
        plaintext = layout.pack(layout.Header(3, bytes(8)), os.urandom(payload))
        stego = hiding.hide(elements, costs, costs.copy(), key, plaintext, b"").elements
        changed = stego != elements
        inside += int(changed[zone].sum())
        everywhere += int(changed.sum())
    return (inside / zone.size) / ((everywhere - inside) / (n - zone.size))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--cover", choices=ELEMENTS, action="append", help="these alone")
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    crypto.ARGON2_MEMORY_KIB = 32  # keys of any origin will do
    rng = np.random.default_rng(7)
    rows = []
    for name, n in ELEMENTS.items():
        if options.cover and name not in options.cover:
            continue
        elements = rng.integers(1, 255, n).astype(np.uint8)
        for payload in BYTES:
            repeats = 1 if n > LARGE else options.repeats
            ratio = density(elements, payload, repeats)
            rows.append({"cover": name, "payload": payload, "repeats": repeats, "ratio": ratio})
            print(rows[-1], flush=True)
    title = "changes per element of the public zone over those elsewhere"
    report("zone_density", machine(), {title: rows}, options.json)


if __name__ == "__main__":
    main()
