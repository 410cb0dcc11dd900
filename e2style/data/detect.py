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
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from e2style.checkpoints.graph_loading import load_networks
from e2style.errors import CheckpointError

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
DETECTOR = "mtcnn"  # among the files that ship
CANDIDATES = 300  # per stage; a crowd has fewer faces
REFINED, JUDGED = 24, 48  # sides of the windows of R-Net and O-Net

Floats = NDArray[np.float32]
# What a network gives for images or windows (B, 3, H, W): scores, moves of the box, landmarks.
Run = Callable[[str, Floats], Sequence[Floats]]


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
    run : runs "pnet", "rnet" or "onet" on normalised images
    """

    def __init__(self, run: Run) -> None:
        self._run = run

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
        boxes, _ = self._judge("rnet", REFINED, THRESHOLDS[1], x, boxes)
        boxes, scores = self._judge("onet", JUDGED, THRESHOLDS[2], x, boxes)
        if not len(boxes):
            return []
        # Landmarks are read where the box has come to rest, not where it was judged.
        square = _squared(boxes)
        points = self._run("onet", _windows(x, square, JUDGED))[2].astype(np.float64)
        landmarks = square[:, None, :2] + points * (square[:, None, 2:] - square[:, None, :2])
        found = [
            Face(box / scale, place / scale, float(score))
            for box, place, score in zip(boxes, landmarks, scores, strict=True)
        ]
        return sorted(found, key=lambda face: face.area, reverse=True)

    def _propose(self, x: Floats) -> Boxes:
        """Boxes (N, 4) that P-Net takes for faces in a normalised image 1 3 H W."""
        height, width = x.shape[2:]
        smallest = max(SMALLEST_PIXELS, SMALLEST * max(height, width))
        scale = PROPOSED / smallest
        found, scores = [np.empty((0, 4))], [np.empty(0)]
        while min(height, width) * scale >= PROPOSED:
            size = (round(height * scale), round(width * scale))
            score, moves = self._run("pnet", averaged(x, size))
            rows, columns = np.nonzero(score[0] >= THRESHOLDS[0])
            corner = np.stack([columns, rows], 1).astype(np.float64) * STRIDE
            boxes = np.concatenate([corner, corner + PROPOSED], 1) / scale
            boxes = _moved(boxes, moves[0][:, rows, columns].T)
            level = score[0, rows, columns].astype(np.float64)
            kept = _suppressed(boxes, level, 0.5)
            found.append(boxes[kept])
            scores.append(level[kept])
            scale *= SHRINK
        boxes, level = np.concatenate(found), np.concatenate(scores)
        return boxes[_suppressed(boxes, level, 0.7)]

    def _judge(
        self, name: str, side: int, least: float, x: Floats, boxes: Boxes
    ) -> tuple[Boxes, NDArray[np.float64]]:
        """Boxes that R-Net or O-Net keeps, corrected, and their scores."""
        if not len(boxes):
            return boxes, np.empty(0)
        square = _squared(boxes[:CANDIDATES])
        score, moves = self._run(name, _windows(x, square, side))[:2]
        kept = score >= least
        moved, scores = _moved(square[kept], moves[kept]), score[kept].astype(np.float64)
        order = _suppressed(moved, scores, 0.7, by_smaller=name == "onet")
        return moved[order], scores[order]


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
    if folder is None:
        return _shipped()
    from e2style.data.torch_cascade import cascade_of_folder

    return Detector(cascade_of_folder(Path(folder)))


@functools.cache
def _shipped() -> Detector:
    try:
        networks = load_networks(DETECTOR)
        if networks is not None:
            return Detector(networks.run)
        from e2style.data.torch_cascade import shipped_cascade

        return Detector(shipped_cascade())
    except CheckpointError as error:
        raise CheckpointError(f"the face detector of this installation: {error}") from error


def _normalised(pixels: NDArray[np.uint8]) -> Floats:
    """(H, W, 3) uint8 -> 1 3 H W as the networks want it."""
    x = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], dtype=np.float32)
    return (x - np.float32(127.5)) / np.float32(128)


def averaged(x: Floats, size: tuple[int, int]) -> Floats:
    """Image N C H W -> N C h w, each place the mean of those that it covers, in part or whole."""
    for axis, side in ((2, size[0]), (3, size[1])):
        x = _averaged(x, axis, side)
    return x


def _averaged(x: Floats, axis: int, side: int) -> Floats:
    length = x.shape[axis]
    if side == length:
        return x
    first = np.arange(side) * length // side
    behind = -(-(np.arange(side) + 1) * length // side)
    # Sums from each start to each end; every other one, between two areas, is left out. What
    # lies behind the last area is one place of nothing, so that no index is out of range.
    edges = np.stack([first, behind], 1).ravel()
    margin = [(0, int(k == axis)) for k in range(x.ndim)]
    sums = np.add.reduceat(np.pad(x, margin), edges, axis=axis)
    taken = np.take(sums, np.arange(side) * 2, axis=axis)
    shape = [side if k == axis else 1 for k in range(x.ndim)]
    found: Floats = taken / (behind - first).astype(np.float32).reshape(shape)
    return found


def _windows(x: Floats, boxes: Boxes, side: int) -> Floats:
    """Cut square boxes out of an image 1 3 H W, black where they leave it -> N 3 side side."""
    height, width = x.shape[2:]
    cut = []
    for box in np.rint(boxes).astype(np.int64):
        left, top, right, bottom = (int(v) for v in box)
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        inside = x[:, :, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        down = (max(-top, 0), max(bottom - height, 0))
        across = (max(-left, 0), max(right - width, 0))
        if any((*down, *across)):
            inside = np.pad(inside, ((0, 0), (0, 0), down, across), constant_values=-1.0)
        cut.append(averaged(inside, (side, side)))
    return np.concatenate(cut)


def _squared(boxes: Boxes) -> Boxes:
    """Boxes grown to squares about the same centres."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True) / 2
    return np.concatenate([centre - half, centre + half], 1)


def _moved(boxes: Boxes, moves: Floats) -> Boxes:
    """Boxes whose edges move by fractions (N, 4) of their widths and heights."""
    size = boxes[:, 2:] - boxes[:, :2]
    moved: Boxes = boxes + moves.astype(np.float64) * np.concatenate([size, size], 1)
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
