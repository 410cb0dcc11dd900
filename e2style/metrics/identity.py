"""Identity of two faces, compared by the small recogniser that ships."""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from e2style.checkpoints.networks import SMALL_RECOGNISER, load_network
from e2style.images import COMPARED_SIDE, to_tensor
from e2style.models.recognisers import SmallRecogniser

__all__ = ["DIFFERENT", "similarity"]

# One pair of different people in a hundred is more alike (recipes/recogniser.py).
DIFFERENT = 0.69


def similarity(original: NDArray[np.uint8], generated: NDArray[np.uint8]) -> float:
    """Cosine of the embeddings of two aligned faces, (S, S, 3): 1 for the same image.

    Below `DIFFERENT` they may well be two people.

    Raises
    ------
    CheckpointError : the recogniser's file is missing or damaged
    """
    images = to_tensor([Image.fromarray(each) for each in (original, generated)], COMPARED_SIDE)
    with torch.inference_mode():
        one, other = _recogniser()(images)
    return float(one @ other)


@functools.cache
def _recogniser() -> SmallRecogniser:
    network = load_network(SMALL_RECOGNISER)
    assert isinstance(network, SmallRecogniser)
    return network
