"""Scaling of input images: one filter for training, evaluation and use.

A network that was trained on images of one filter sees others when another one scales what it is
given: of photos scaled from 1024 to 256 pixels by Lanczos' filter, by areas and by an antialiased
bilinear one, samples in [-1, 1] differ by up to .05 in root mean square. So every image that a
network is shown, and every one that is compared with what it generated, ends here. Faces in photos
are cut out by `e2style.data.align` at the side that is needed, for data and in use alike.
"""

from __future__ import annotations

from PIL import Image

__all__ = ["FILTER", "scaled", "squared"]

FILTER = Image.Resampling.LANCZOS


def scaled(image: Image.Image, side: int) -> Image.Image:
    """Image at (side, side), by FILTER up and down; of that size already, the image itself.

    Parameters
    ----------
    image : RGB or gray (mode L)
    side : in pixels
    """
    return image if image.size == (side, side) else image.resize((side, side), FILTER)


def squared(image: Image.Image, fit: str) -> Image.Image:
    """Square image; one that is to be stretched stays as it is.

    Parameters
    ----------
    image : of any mode
    fit : one of `e2style.config.FITS`: "letterbox" puts it between black bars (class 0), "crop"
        takes its middle
    """
    width, height = image.size
    if fit == "stretch" or width == height:
        return image
    if fit == "crop":
        side = min(image.size)
        left, top = (width - side) // 2, (height - side) // 2
        return image.crop((left, top, left + side, top + side))
    side = max(image.size)
    whole = Image.new(image.mode, (side, side))  # black, or class 0
    if image.mode == "P":
        whole.putpalette(image.getpalette() or [])
    whole.paste(image, ((side - width) // 2, (side - height) // 2))
    return whole
