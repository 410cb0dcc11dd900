"""Images for people to look at: small copies, and the differences between stego and cover."""

from __future__ import annotations

from PIL import Image, ImageChops

__all__ = ["differences", "small_copy"]


def small_copy(image: Image.Image, side: int) -> Image.Image:
    """Return an image in RGB whose longer side has at most `side` pixels; a small one as it is.

    Parameters
    ----------
    image : any mode
    side : pixels, at least 1
    """
    copy = image.convert("RGB")
    copy.thumbnail((side, side), Image.Resampling.LANCZOS)
    return copy


def differences(cover: Image.Image, stego: Image.Image, side: int) -> Image.Image:
    """Draw where two images differ: white on black, no change too small to be seen.

    Parameters
    ----------
    cover, stego : RGB images of one size
    side : pixels that the longer side may have; of a larger image, every block of pixels that
        has a change becomes a white one

    Returns
    -------
    image : mode L, values 0 and 255

    Examples
    --------
    >>> before = Image.new("RGB", (4, 2))
    >>> after = before.copy()
    >>> after.putpixel((3, 1), (0, 1, 0))
    >>> list(differences(before, after, 2).getdata())
    [0, 255]
    """
    red, green, blue = ImageChops.difference(cover, stego).split()
    changed = _whitened(ImageChops.lighter(ImageChops.lighter(red, green), blue))
    factor = -(-max(cover.size) // side)
    # The average of a block with a change is 255 / factor**2 or more, which must not vanish.
    while factor > 1:
        step = min(factor, 8)
        changed = _whitened(changed.reduce(step))
        factor = -(-factor // step)
    return changed


def _whitened(image: Image.Image) -> Image.Image:
    return image.point(lambda level: 255 if level else 0)
