"""Detection of faces and their landmarks in a photo with MTCNN (Zhang et al. 2016).

::

    photo ─► pyramid ─► P-Net ─► boxes ─► R-Net ─► boxes ─► O-Net ─► boxes
                                                                   │
                                       landmarks ◄─ O-Net ◄────────┘

The weights are those of the package facenet-pytorch (MIT, 2 MB), and ship; recipes/detector.py
converts them.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from e2style.checkpoints.networks import load_network
from e2style.checkpoints.shipped import weights_file
from e2style.checkpoints.tensors import fill, read_content
from e2style.errors import CheckpointError
from e2style.models.inversion import weightless
from e2style.models.mtcnn import Cascade, OutputNetwork

__all__ = ["Detector", "Face", "load_detector"]

Boxes = NDArray[np.float64]  # (N, 4) as x0, y0, x1, y1
Points = NDArray[np.float64]  # (5, 2) as x, y

WORK_SIDE = 1024  # photos are searched at no more than this
SMALLEST = 1 / 24  # of the longer side: the smallest face that is looked for
SMALLEST_PIXELS = 20
SHRINK = 0.709  # from one level of the pyramid to the next
THRESHOLDS = (0.6, 0.7, 0.9)  # scores of P-Net, R-Net and O-Net
PROPOSED = 12  # side of P-Net's window
STRIDE = 2
CANDIDATES = 300  # per stage; a crowd has fewer faces

DETECTOR = "mtcnn.safetensors"


@dataclasses.dataclass(frozen=True, eq=False)
class Face:
    """A face in a photo.

    Attributes
    ----------
    box : (4,) left, top, right, bottom in pixels of the photo
    landmarks : (5, 2) x and y of the eyes, the nose and the corners of the mouth, left ones first
        as seen by whoever looks at the image
    score : of the last network, 0 to 1
    """

    box: NDArray[np.float64]
    landmarks: Points
    score: float

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))


class Detector:
    """The cascade, ready to use; see `load_detector`.

    Parameters
    ----------
    cascade : the three networks with their weights
    """

    def __init__(self, cascade: Cascade) -> None:
        networks = cascade.eval().requires_grad_(False)
        self._proposal, self._refinement = networks.pnet, networks.rnet
        self._output = networks.onet

    @torch.inference_mode()
    def find(self, photo: Image.Image) -> list[Face]:
        """Return the faces of an RGB photo, the largest first.

        Parameters
        ----------
        photo : upright; faces smaller than 1/24 of its longer side are not looked for
        """
        scale = min(1.0, WORK_SIDE / max(photo.size))
        small = photo
        if scale < 1:
            size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
            small = photo.resize(size, Image.Resampling.BOX)
        x = _normalised(np.asarray(small))
        boxes = self._propose(x)
        for network in (self._refinement, self._output):
            boxes, scores = _judged(network, x, boxes)
        if not len(boxes):
            return []
        # Landmarks are read where the box has come to rest, not where it was judged.
        square = _squared(boxes)
        points = self._output(_windows(x, square, OutputNetwork.side))[2].double().numpy()
        landmarks = square[:, None, :2] + points * (square[:, None, 2:] - square[:, None, :2])
        found = [
            Face(box / scale, place / scale, float(score))
            for box, place, score in zip(boxes, landmarks, scores, strict=True)
        ]
        return sorted(found, key=lambda face: face.area, reverse=True)

    def _propose(self, x: Tensor) -> Boxes:
        """Boxes (N, 4) that P-Net takes for faces in a normalised image 1 3 H W."""
        height, width = x.shape[2:]
        smallest = max(SMALLEST_PIXELS, SMALLEST * max(height, width))
        scale = PROPOSED / smallest
        found, scores = [np.empty((0, 4))], [np.empty(0)]
        while min(height, width) * scale >= PROPOSED:
            size = (round(height * scale), round(width * scale))
            score, moves = self._proposal(F.interpolate(x, size=size, mode="area"))
            rows, columns = torch.nonzero(score[0] >= THRESHOLDS[0], as_tuple=True)
            corner = torch.stack([columns, rows], 1).double().numpy() * STRIDE
            boxes = np.concatenate([corner, corner + PROPOSED], 1) / scale
            boxes = _moved(boxes, moves[0, :, rows, columns].T)
            level = score[0, rows, columns].double().numpy()
            kept = _suppressed(boxes, level, 0.5)
            found.append(boxes[kept])
            scores.append(level[kept])
            scale *= SHRINK
        boxes, level = np.concatenate(found), np.concatenate(scores)
        return boxes[_suppressed(boxes, level, 0.7)]


def load_detector(folder: str | os.PathLike[str] | None = None) -> Detector:
    """Load the three networks.

    Parameters
    ----------
    folder : holds pnet, rnet and onet as `.pt`, or as `mtcnn_*.npz`; None means those that ship,
        which are loaded once

    Raises
    ------
    CheckpointError : no such files, or they are damaged
    """
    return _shipped() if folder is None else Detector(_of_folder(Path(folder)))


@functools.cache
def _shipped() -> Detector:
    try:
        cascade = load_network(weights_file(DETECTOR))
    except CheckpointError as error:
        raise CheckpointError(f"the face detector of this installation: {error}") from error
    assert isinstance(cascade, Cascade)
    return Detector(cascade)


def _of_folder(place: Path) -> Cascade:
    with weightless():
        cascade = Cascade()
    for name, network in cascade.named_children():
        path = _file(place, name)
        if path is None:
            raise CheckpointError(f"detector {place}: there is no {name}.pt or mtcnn_{name}.npz")
        fill(network, read_content(path), what=f"detector {path.name}")
    return cascade


def _file(folder: Path, name: str) -> Path | None:
    files = (folder / f"{name}.pt", folder / f"mtcnn_{name}.npz")
    return next((file for file in files if file.is_file()), None)


def _normalised(pixels: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) uint8 -> 1 3 H W as the networks want it."""
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()
    return (x - 127.5) / 128


def _judged(network: nn.Module, x: Tensor, boxes: Boxes) -> tuple[Boxes, NDArray[np.float64]]:
    """Boxes that R-Net or O-Net keeps, corrected, and their scores."""
    if not len(boxes):
        return boxes, np.empty(0)
    square = _squared(boxes[:CANDIDATES])
    last = isinstance(network, OutputNetwork)
    score, moves = network(_windows(x, square, network.side))[:2]  # type: ignore[arg-type]
    scores = score.double().numpy()
    kept = scores >= THRESHOLDS[2 if last else 1]
    moved = _moved(square[kept], moves[torch.from_numpy(kept)])
    scores = scores[kept]
    order = _suppressed(moved, scores, 0.7, by_smaller=last)
    return moved[order], scores[order]


def _windows(x: Tensor, boxes: Boxes, side: int) -> Tensor:
    """Cut square boxes out of an image 1 3 H W, black where they leave it -> N 3 side side."""
    height, width = x.shape[2:]
    cut = []
    for box in np.rint(boxes).astype(np.int64):
        left, top, right, bottom = (int(v) for v in box)
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        inside = x[:, :, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        margins = (max(-left, 0), max(right - width, 0), max(-top, 0), max(bottom - height, 0))
        if any(margins):
            inside = F.pad(inside, margins, value=-1.0)
        cut.append(F.interpolate(inside, size=(side, side), mode="area"))
    return torch.cat(cut)


def _squared(boxes: Boxes) -> Boxes:
    """Boxes grown to squares about the same centres."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True) / 2
    return np.concatenate([centre - half, centre + half], 1)


def _moved(boxes: Boxes, moves: Tensor) -> Boxes:
    """Boxes whose edges move by fractions (N, 4) of their widths and heights."""
    size = boxes[:, 2:] - boxes[:, :2]
    moved: Boxes = boxes + moves.double().numpy() * np.concatenate([size, size], 1)
    return moved


def _suppressed(
    boxes: Boxes, scores: NDArray[np.float64], limit: float, *, by_smaller: bool = False
) -> NDArray[np.int64]:
    """Indices of boxes to keep, best first: none overlaps a better one by more than `limit`.

    The overlap counts as a share of the union or, `by_smaller`, of the smaller box.
    """
    area = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        corner = np.maximum(boxes[best, :2], boxes[rest, :2])
        size = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - corner
        shared = np.maximum(size, 0).prod(1)
        whole = (
            np.minimum(area[best], area[rest]) if by_smaller else area[best] + area[rest] - shared
        )
        order = rest[shared <= limit * np.maximum(whole, 1e-9)]
    return np.array(kept, dtype=np.int64)
