"""Attributes of aligned faces, measured by networks that stand beside the project.

For finding and judging editing directions; nothing of it ships. Landmarks come from the detector of
`e2style align`, areas from a small face parser, and who somebody looks like from dlib's network.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from e2style.applications import svm
from e2style.checkpoints.networks import load_state
from e2style.data.detect import load_detector
from e2style.images import to_tensor

SHARED = Path(__file__).resolve().parents[2] / "shared"
sys.path.append(str(SHARED / "tools"))
import dlib_distance  # noqa: E402

PARSED_SIDE = 256
# Classes of the parser: skin, hair, inside of the mouth.
SKIN, HAIR, MOUTH = 3, 13, 14
FOREHEAD = slice(0, 128)  # rows of the parsed picture where hair counts
LEAST_PIXELS = 500


class Attributes:
    """Measures pictures; the weights are those of ../shared.

    | name  | what it is                                                               |
    |-------|--------------------------------------------------------------------------|
    | yaw   | how far the nose is from the middle of the eyes, in distances of the eyes |
    | smile | width of the mouth in distances of the eyes                              |
    | teeth | share of the picture that is the inside of the mouth                     |
    | hair  | mean luma of the hair less that of the skin                              |
    """

    names = ("yaw", "smile", "teeth", "hair")

    def __init__(self):
        self._detector = load_detector(SHARED / "weights")
        self._parser = load_state(SmallParser(), SHARED / "weights" / "face_parsing_unet.npz")

    def __call__(self, picture: Image.Image, names: Sequence[str] = names) -> dict[str, float]:
        """Numbers by name; NaN where neither face nor hair is seen."""
        found = {}
        if {"yaw", "smile"} & set(names):
            found |= self._by_landmarks(picture)
        if {"teeth", "hair"} & set(names):
            found |= self._by_areas(picture)
        return {name: found[name] for name in names}

    def _by_landmarks(self, picture):
        faces = self._detector.find(picture)
        if not faces:
            return {"yaw": np.nan, "smile": np.nan}
        left, right, nose, *corners = faces[0].landmarks
        apart = np.hypot(*(right - left))
        yaw = (nose - (left + right) / 2) @ (right - left) / apart**2
        return {"yaw": yaw, "smile": np.hypot(*(corners[1] - corners[0])) / apart}

    @torch.inference_mode()
    def _by_areas(self, picture):
        x = to_tensor([picture], PARSED_SIDE)
        classes = self._parser.parse(x)[0].numpy()
        luma = (x[0].permute(1, 2, 0).numpy() @ [0.299, 0.587, 0.114] + 1) / 2
        hair = classes[FOREHEAD] == HAIR
        lightness = np.nan
        if hair.sum() > LEAST_PIXELS and (classes == SKIN).sum() > LEAST_PIXELS:
            # Less the skin, or the brightest hair would be that of the brightest picture.
            lightness = luma[FOREHEAD][hair].mean() - luma[classes == SKIN].mean()
        return {"teeth": (classes == MOUTH).mean(), "hair": lightness}


def likeness(picture: Image.Image) -> np.ndarray:
    """Descriptor (128,) of a face; two of one person are nearer than 0.6."""
    return dlib_distance.embed(picture).numpy()


def separating(descriptors: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, float]:
    """Normal and offset that tell two groups of descriptors (N, 128) apart, by a mask (N,)."""
    normal = svm.normal(descriptors[positive], descriptors[~positive])
    means = [(descriptors[group] @ normal).mean() for group in (positive, ~positive)]
    return normal, float(np.mean(means))
