"""Identity of two faces, compared by the small recogniser that ships."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from e2style.checkpoints.graph_loading import load_networks

__all__ = ["DIFFERENT", "similarity"]

Image8 = NDArray[np.uint8]
Floats = NDArray[np.float32]

COMPARED_SIDE = 256
# One pair of different people in a hundred is more alike (recipes/recogniser.py).
DIFFERENT = 0.69


def similarity(original: Image8, generated: Image8) -> float:
    """Cosine of the embeddings of two aligned faces, (S, S, 3): 1 for the same image.

    Below `DIFFERENT` they may well be two people.

    Raises
    ------
    CheckpointError : the recogniser's file is missing or damaged
    """
    pair = [_normalised(each) for each in (original, generated)]
    one, other = _recogniser()(np.stack(pair))
    return float(one @ other)


def _normalised(image: Image8) -> Floats:
    """(S, S, 3) uint8 -> (3, 256, 256) in [-1, 1]."""
    side = (COMPARED_SIDE, COMPARED_SIDE)
    small = Image.fromarray(image).resize(side, Image.Resampling.LANCZOS)
    array = np.asarray(small, dtype=np.float32).transpose(2, 0, 1)
    return array / np.float32(127.5) - np.float32(1)


@functools.cache
def _recogniser() -> Callable[[Floats], Floats]:
    """Images (B, 3, 256, 256) in [-1, 1] -> embeddings (B, 128) of unit length."""
    networks = load_networks("recogniser")
    if networks is not None:
        return lambda images: networks.run("recognise", images)[0]
    import torch

    from e2style.checkpoints.networks import SMALL_RECOGNISER, load_network

    network = load_network(SMALL_RECOGNISER)

    def run(images: Floats) -> Floats:
        with torch.inference_mode():
            found: Floats = network(torch.from_numpy(images)).numpy()
        return found

    return run
