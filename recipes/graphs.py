"""Graphs of the weights that ship without them in their header, each in a file beside.

    python recipes/graphs.py

Run it once `e2style/checkpoints/shipped.py` knows the hashes of new weights: it writes
`e2style/weights/graphs` and the table in `e2style/checkpoints/shipped_graphs.py`. A model that
`e2style export` or `e2style convert` writes has its graphs in the header and needs neither.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from e2style.checkpoints import shipped_graphs
from e2style.checkpoints.adding_graphs import listing_of
from e2style.checkpoints.graphs import HEADER_KEY, beside
from e2style.checkpoints.headers import check_digest, metadata_of
from e2style.checkpoints.shipped import OTHERS, built_in, weights_file
from e2style.errors import CheckpointError

DETECTOR_AND_RECOGNISER = ("mtcnn", "recogniser")
START = "BESIDE: dict[str, tuple[str, str]] = {\n"


def main() -> None:
    files = {name: OTHERS[name] for name in DETECTOR_AND_RECOGNISER}
    files |= {name: digest for name, (_, digest) in built_in().items()}
    rows, failures = [], []
    for name, digest in files.items():
        path = weights_file(f"{name}.safetensors")
        if HEADER_KEY in metadata_of(path):
            continue
        file = f"graphs/{name}.json"
        try:
            check_digest(path, digest)
            content = beside(digest, listing_of(path)).encode()
        except CheckpointError as error:
            failures.append(f"{name} gets no graphs, so that only torch runs it: {error}")
            continue
        weights_file(file).write_bytes(content)
        own = hashlib.sha256(content).hexdigest()
        rows.append(f'    "{digest}": (\n        "{file}",\n        "{own}",\n    ),\n')
        print(f"{file}: {len(content):,} bytes")
    table = Path(shipped_graphs.__file__)
    text = table.read_text(encoding="utf-8").partition(START)[0]
    table.write_text(f"{text}{START}{''.join(rows)}}}\n", encoding="utf-8")
    sys.exit("\n".join(failures) or None)


if __name__ == "__main__":
    main()
