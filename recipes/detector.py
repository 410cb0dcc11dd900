"""Conversion of MTCNN's three networks, out of the package facenet-pytorch, to the file that ships.

    pip download --no-deps facenet-pytorch==2.5.3
    python recipes/detector.py facenet_pytorch-2.5.3-py3-none-any.whl

The weights stay as they are, in single precision; source and licence go into the header.
"""

import argparse
import hashlib
import tempfile
import zipfile
from pathlib import Path

from e2style.checkpoints.networks import FORMAT
from e2style.checkpoints.shipped import weights_file
from e2style.checkpoints.tensors import fill, read_content, write_tensors
from e2style.data.detect import DETECTOR
from e2style.models.mtcnn import Cascade

WHEEL = "b8002c3ee7a3af471c433cbda1fdcab9ae2d46a4aac43435ba08259c45ffc884"
LICENCE = "facenet_pytorch-2.5.3.dist-info/LICENSE.md"
SOURCE = (
    "facenet-pytorch 2.5.3 (PyPI; its wheel has the SHA-256 {}), data/pnet.pt, rnet.pt and onet.pt:"
    " MTCNN of Zhang et al. 2016, as ported by David Sandberg and Tim Esler"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="facenet_pytorch-2.5.3-py3-none-any.whl")
    parser.add_argument("-o", "--output", type=Path, default=weights_file(DETECTOR))
    options = parser.parse_args()
    found = hashlib.sha256(options.wheel.read_bytes()).hexdigest()
    if found != WHEEL:
        raise SystemExit(f"{options.wheel} has the SHA-256 {found}, expected {WHEEL}")
    cascade = Cascade()
    with zipfile.ZipFile(options.wheel) as archive, tempfile.TemporaryDirectory() as folder:
        for name, network in cascade.named_children():
            path = archive.extract(f"facenet_pytorch/data/{name}.pt", folder)
            fill(network, read_content(path), what=name)
        licence = archive.read(LICENCE).decode()
    tensors = {key: value.contiguous() for key, value in cascade.state_dict().items()}
    header = {"format": FORMAT, "kind": "mtcnn", "config": ""}
    header |= {"source": SOURCE.format(WHEEL), "licence": licence}
    write_tensors(options.output, tensors, header)
    digest = hashlib.sha256(options.output.read_bytes()).hexdigest()
    print(f"{options.output}: {options.output.stat().st_size} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
