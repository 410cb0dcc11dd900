"""Graphs of the weights that ship without them in their header, each in a file beside.

    python recipes/graphs.py

Prints what `BESIDE` of `e2style/checkpoints/shipped.py` has to say. A model that `e2style export`
or `e2style convert` writes has its graphs in the header and needs no such file.
"""

from __future__ import annotations

import hashlib

from e2style.checkpoints.adding_graphs import listing_of
from e2style.checkpoints.graphs import HEADER_KEY, beside
from e2style.checkpoints.headers import metadata_of
from e2style.checkpoints.shipped import OTHERS, built_in, weights_file

DETECTOR_AND_RECOGNISER = ("mtcnn", "recogniser")


def main() -> None:
    files = {name: digest for name, digest in OTHERS.items() if name in DETECTOR_AND_RECOGNISER}
    files |= {name: digest for name, (_, digest) in built_in().items()}
    for name, digest in files.items():
        path = weights_file(f"{name}.safetensors")
        if HEADER_KEY in metadata_of(path):
            continue
        target = weights_file(f"graphs/{name}.json")
        content = beside(digest, listing_of(path)).encode()
        target.write_bytes(content)
        own = hashlib.sha256(content).hexdigest()
        print(f'    "{digest}": (\n        "graphs/{name}.json",\n        "{own}",\n    ),')


if __name__ == "__main__":
    main()
