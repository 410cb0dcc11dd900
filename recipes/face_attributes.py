"""Attributes of aligned faces, measured by networks whose weights do not ship.

For finding and judging editing directions. Landmarks come from the detector of `e2style align`,
areas from a small face parser, and descriptors of identity from dlib's network.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from e2style.applications import svm
from e2style.checkpoints.networks import load_network, load_state
from e2style.data.detect import load_detector
from e2style.images import to_tensor
from e2style.models.small_parser import SmallParser

PARSED_SIDE = 256
# Classes of the parser: skin, hair, inside of the mouth.
SKIN, HAIR, MOUTH = 3, 13, 14
FOREHEAD = slice(0, 128)  # rows of the parsed image where hair counts
LEAST_PIXELS = 500


class Attributes:
    """Attributes of images, and descriptors of who they show.

    Parameters
    ----------
    weights : folder of the detector's files, of face_parsing_unet.npz and of dlib_resnet.npz

    | name  | what it is                                                               |
    |-------|--------------------------------------------------------------------------|
    | yaw   | how far the nose is from the middle of the eyes, in distances of the eyes |
    | smile | width of the mouth in distances of the eyes                              |
    | teeth | share of the image that is the inside of the mouth                       |
    | hair  | mean luma of the hair less that of the skin                              |
    """

    names = ("yaw", "smile", "teeth", "hair")

    def __init__(self, weights: Path):
        self._detector = load_detector(weights)
        self._parser = load_state(SmallParser(), weights / "face_parsing_unet.npz")
        self._recogniser = load_network(weights / "dlib_resnet.npz")

    def __call__(self, image: Image.Image, names: Sequence[str] = names) -> dict[str, float]:
        """Numbers by name; NaN where neither face nor hair is seen."""
        found = {}
        if {"yaw", "smile"} & set(names):
            found |= self._by_landmarks(image)
        if {"teeth", "hair"} & set(names):
            found |= self._by_areas(image)
        return {name: found[name] for name in names}

    def _by_landmarks(self, image):
        faces = self._detector.find(image)
        if not faces:
            return {"yaw": np.nan, "smile": np.nan}
        left, right, nose, *corners = faces[0].landmarks
        apart = np.hypot(*(right - left))
        yaw = (nose - (left + right) / 2) @ (right - left) / apart**2
        return {"yaw": yaw, "smile": np.hypot(*(corners[1] - corners[0])) / apart}

    @torch.inference_mode()
    def _by_areas(self, image):
        x = to_tensor([image], PARSED_SIDE)
        classes = self._parser.parse(x)[0].numpy()
        luma = (x[0].permute(1, 2, 0).numpy() @ [0.299, 0.587, 0.114] + 1) / 2
        hair = classes[FOREHEAD] == HAIR
        lightness = np.nan
        if hair.sum() > LEAST_PIXELS and (classes == SKIN).sum() > LEAST_PIXELS:
            # Less the skin, or the brightest hair would be that of the brightest image.
            lightness = luma[FOREHEAD][hair].mean() - luma[classes == SKIN].mean()
        return {"teeth": (classes == MOUTH).mean(), "hair": lightness}

    @torch.inference_mode()
    def descriptor(self, image: Image.Image) -> np.ndarray:
        """Descriptor (128,) of a face; two of one person are nearer than 0.6."""
        return self._recogniser.descriptors(to_tensor([image], image.width))[0].numpy()


def separating(descriptors: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, float]:
    """Normal and offset that tell two groups of descriptors (N, 128) apart, by a mask (N,)."""
    normal = svm.normal(descriptors[positive], descriptors[~positive])
    means = [(descriptors[group] @ normal).mean() for group in (positive, ~positive)]
    return normal, float(np.mean(means))
