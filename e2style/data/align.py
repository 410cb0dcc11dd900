"""Alignment of a face as in FFHQ (Karras et al. 2019): cut out of a photo, and put back.

::

    photo ─► Detector.find ─► choose ─► place ─► cut ─► aligned image (S, S)
      │                                   │                    │ restored, edited
      └───────────────────────────────► paste ◄────────────────┘
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from e2style.data.detect import Detector, Face
from e2style.errors import DataError

__all__ = [
    "Aligned",
    "Placement",
    "align",
    "choose",
    "cut",
    "fills",
    "is_aligned",
    "paste",
    "place",
]

EYES = np.array([[0.38, 0.47], [0.62, 0.47]])  # of an aligned image, as fractions of its side
# An eye of an aligned image may be so far off; the detector errs by 0.011 in one of twenty.
ALIGNED_WITHIN = 0.03
# What fills an image: the side of the square that would be cut, in the image's, and how far off the
# middle its centre may be.
FILLING, OFF_CENTRE = (0.7, 1.4), 0.15
# The square that FFHQ cuts, from the distances between the eyes and from eyes to mouth.
EYES_REACH, MOUTH_REACH, LOWERED = 2.0, 1.8, 0.1
PADDED_FROM = 0.3  # of the side: how far from the photo's edge blurring may begin
SOFTENING = 0.02  # of the side: radius of that blur
# The oval that is put back, in half sides, and the share of it over which it fades out.
OVAL = (0.80, 0.94)
FADING = 0.3


@dataclasses.dataclass(frozen=True, eq=False)
class Placement:
    """Place of an aligned image in a photo: a square that may be turned.

    Attributes
    ----------
    centre : (2,) x and y in pixels of the photo
    right : (2,) from the centre to the middle of the right side
    """

    centre: NDArray[np.float64]
    right: NDArray[np.float64]

    @property
    def side(self) -> float:
        """Length of a side in pixels of the photo."""
        return 2 * float(np.hypot(*self.right))

    @property
    def corners(self) -> NDArray[np.float64]:
        """(4, 2) upper left, lower left, lower right, upper right, as Pillow counts them."""
        down = np.array([-self.right[1], self.right[0]])
        signs = ((-1, -1), (-1, 1), (1, 1), (1, -1))
        return np.array([self.centre + a * self.right + b * down for a, b in signs])

    def share_inside(self, size: tuple[int, int]) -> float:
        """Share of the square that lies inside a photo of this width and height, to a percent."""
        x, y = np.meshgrid(*2 * (np.arange(-0.95, 1, 0.1),))
        down = np.array([-self.right[1], self.right[0]])
        points = self.centre + x[..., None] * self.right + y[..., None] * down
        return float(((points >= 0) & (points < size)).all(-1).mean())

    def affine(self, size: int) -> tuple[float, ...]:
        """Six numbers that take a pixel of an image of `size` to the photo, as Pillow wants."""
        x, y = self.right * 2 / size
        start = self.corners[0]
        return (x, -y, start[0], y, x, start[1])


@dataclasses.dataclass(frozen=True, eq=False)
class Aligned:
    """An aligned image and where it comes from.

    Attributes
    ----------
    image : square, RGB
    placement : in the photo; None if the photo was aligned already and is left as it was
    faces : how many the photo has
    """

    image: Image.Image
    placement: Placement | None
    faces: int


def align(photo: Image.Image, detector: Detector, size: int, face: int | None = None) -> Aligned:
    """Find a face and cut it out.

    Parameters
    ----------
    photo : RGB, upright
    detector : see `e2style.data.detect.load_detector`
    size : side of the aligned image
    face : which one, counted from 1, the largest first; None means the largest

    Raises
    ------
    DataError : no face, or fewer than asked for
    """
    found = detector.find(photo)
    chosen = choose(found, face)
    if is_aligned(photo, chosen):
        return Aligned(photo, None, len(found))
    placement = place(chosen.landmarks)
    return Aligned(cut(photo, placement, size), placement, len(found))


def choose(found: Sequence[Face], face: int | None = None) -> Face:
    """Return one of the faces of a photo.

    Parameters
    ----------
    found : the largest first
    face : which one, counted from 1; None means the largest

    Raises
    ------
    DataError : no face, or fewer than asked for
    """
    number = 1 if face is None else face
    if not found:
        raise DataError("no face was found in the image")
    if not 1 <= number <= len(found):
        faces = "one face was" if len(found) == 1 else f"{len(found)} faces were"
        raise DataError(f"face {number}: only {faces} found in the image")
    return found[number - 1]


def is_aligned(photo: Image.Image, face: Face) -> bool:
    """Say whether an image is aligned like FFHQ already: square, with the eyes in their place."""
    if photo.width != photo.height:
        return False
    off = face.landmarks[:2] / photo.width - EYES
    return bool(np.hypot(off[:, 0], off[:, 1]).max() <= ALIGNED_WITHIN)


def fills(photo: Image.Image, face: Face) -> bool:
    """Say whether a face fills a square image about as one in FFHQ does.

    By more than `is_aligned` asks: the square that alignment would cut has .7 to 1.4 of the image's
    side, and its centre is within .15 of the middle. All of 335 aligned faces that are found have
    .84 to 1.14, and their centres are within .03; faces in scenes have .31 at most.
    """
    if photo.width != photo.height:
        return False
    placement = place(face.landmarks)
    off = placement.centre / photo.width - 0.5
    low, high = FILLING
    return bool(low <= placement.side / photo.width <= high and np.abs(off).max() <= OFF_CENTRE)


def place(landmarks: NDArray[np.float64]) -> Placement:
    """Where FFHQ would cut.

    Parameters
    ----------
    landmarks : (5, 2), as in `Face`
    """
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    between, drop = landmarks[1] - landmarks[0], mouth - eyes
    # Both the line of the eyes and the line down to the mouth say which way is right.
    right = between + np.array([drop[1], -drop[0]])
    reach = max(EYES_REACH * np.hypot(*between), MOUTH_REACH * np.hypot(*drop))
    return Placement(eyes + LOWERED * drop, right / np.hypot(*right) * reach)


def square_of(size: tuple[int, int], fit: str) -> Placement:
    """Where `e2style.data.scaling.squared` takes its square from.

    Parameters
    ----------
    size : width and height of a photo
    fit : "letterbox" or "crop"
    """
    side = max(size) if fit == "letterbox" else min(size)
    low = [-((side - n) // 2) if fit == "letterbox" else (n - side) // 2 for n in size]
    return Placement(np.array(low) + side / 2, np.array([side / 2, 0.0]))


def cut(photo: Image.Image, placement: Placement, size: int) -> Image.Image:
    """Cut an aligned image out of an RGB photo.

    What lies beyond the edge of the photo is mirrored, and fades into a blur.

    Parameters
    ----------
    photo : RGB
    placement : see `place`
    size : side of the result
    """
    side, corners = placement.side, placement.corners
    border = max(3, round(0.1 * side))
    low = np.floor(corners.min(0)).astype(int) - border
    high = np.ceil(corners.max(0)).astype(int) + border
    inside_low, inside_high = np.maximum(low, 0), np.minimum(high, photo.size)
    if (inside_low >= inside_high).any():
        raise DataError("the face lies outside of the image")
    region = photo.crop((*inside_low.tolist(), *inside_high.tolist()))
    before, after = inside_low - low, high - inside_high
    if max(*before, *after) > border - 4:
        region = _mirrored(region, before, after, side)
        inside_low = low
    shrink = max(1, int(side / size / 2))  # or a filter of four pixels would miss some
    region = region.reduce(shrink)
    moved = Placement((placement.centre - inside_low) / shrink, placement.right / shrink)
    large = size * max(1, round(moved.side / size))
    turned = region.transform(
        (large, large), Image.Transform.AFFINE, moved.affine(large), Image.Resampling.BICUBIC
    )
    return turned if large == size else turned.resize((size, size), Image.Resampling.BOX)


def _mirrored(
    region: Image.Image, before: NDArray[np.int64], after: NDArray[np.int64], side: float
) -> Image.Image:
    """Grow an image by its mirror image, which fades into a blur and then into one colour."""
    pixels = np.asarray(region)
    (left, top), (right, bottom) = before, after
    grown = np.pad(pixels, ((top, bottom), (left, right), (0, 0)), mode="reflect")
    least = PADDED_FROM * side
    depth = [
        _beyond(n, int(a), int(b), least)
        for n, a, b in ((grown.shape[0], top, bottom), (grown.shape[1], left, right))
    ]
    outside = np.maximum(depth[0][:, None], depth[1][None, :])[:, :, None]
    from PIL import ImageFilter  # only photos of which a part is missing need it

    blurred = Image.fromarray(grown).filter(ImageFilter.GaussianBlur(SOFTENING * side))
    result = grown.astype(np.float64)
    result += (np.asarray(blurred) - result) * np.clip(3 * outside + 1, 0, 1)
    result += (np.median(pixels, axis=(0, 1)) - result) * np.clip(outside, 0, 1)
    return Image.fromarray(np.rint(result).clip(0, 255).astype(np.uint8))


def _beyond(length: int, before: int, after: int, least: float) -> NDArray[np.float64]:
    """How far each row or column lies outside: 0 at the edge of the photo, 1 at the far end."""
    place = np.arange(length)
    low = (before - place) / max(before, least) if before else np.full(length, -1.0)
    high = (place - (length - 1 - after)) / max(after, least) if after else np.full(length, -1.0)
    return np.maximum(low, high)


def paste(photo: Image.Image, placement: Placement | None, face: Image.Image) -> Image.Image:
    """Put an aligned image back where it came from, within an oval that fades out.

    Parameters
    ----------
    photo : RGB
    placement : where the face was cut; None puts it over the whole photo
    face : square, RGB
    """
    if placement is None:
        return face.resize(photo.size, Image.Resampling.BICUBIC)
    corners = placement.corners
    low = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(0)).astype(int), photo.size)
    if (low >= high).any():
        raise DataError("the face lies outside of the image")
    # A face that is larger than its place is shrunk first, or its details would alias.
    size = min(face.width, max(1, round(placement.side)))
    face = face.resize((size, size), Image.Resampling.BOX) if size < face.width else face
    # The inverse of a turn and a scale is its transpose over the square of the scale.
    x, y = placement.right * 2 / size
    norm = x * x + y * y
    offset = low - corners[0]
    back = (
        x / norm, y / norm, (x * offset[0] + y * offset[1]) / norm,
        -y / norm, x / norm, (-y * offset[0] + x * offset[1]) / norm,
    )  # fmt: skip
    room = tuple((high - low).tolist())
    moved = [
        layer.transform(room, Image.Transform.AFFINE, back, Image.Resampling.BICUBIC)
        for layer in (face, _oval(size))
    ]
    result = photo.copy()
    result.paste(moved[0], tuple(low.tolist()), moved[1])
    return result


def _oval(size: int) -> Image.Image:
    """How much of each pixel is put back: all in the middle, nothing outside of an oval."""
    place = (np.arange(size) + 0.5) / size * 2 - 1
    radius = np.hypot(place[None, :] / OVAL[0], place[:, None] / OVAL[1])
    share = np.clip((1 - radius) / FADING, 0, 1)
    smooth = share * share * (3 - 2 * share)
    return Image.fromarray(np.rint(255 * smooth).astype(np.uint8))
