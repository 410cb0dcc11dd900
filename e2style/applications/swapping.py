"""Face swapping: paste one face on another, and let the inversion hide the seam (Alg. 2)."""

from __future__ import annotations

from PIL import Image

from e2style.errors import ConfigError

__all__ = ["BOXES", "transplant"]

Box = tuple[float, float, float, float]

# Left, top, right and bottom as fractions of an aligned image. The paper says "the center area"
# and no more; "inner" holds eyebrows to mouth, "center" is the middle half of each side.
BOXES: dict[str, Box] = {"inner": (0.28, 0.36, 0.72, 0.84), "center": (0.25, 0.25, 0.75, 0.75)}


def transplant(
    source: Image.Image,
    target: Image.Image,
    box: Box = BOXES["inner"],
    mask: Image.Image | None = None,
) -> Image.Image:
    """Paste part of an aligned face on the same place of another.

    Parameters
    ----------
    source, target : aligned, RGB
    box : left, top, right, bottom as fractions
    mask : taken where it is white, instead of the box; of any size, mode L

    Returns
    -------
    image of the target's size, whose code is that of the swapped face

    Raises
    ------
    ConfigError : an empty box, or one that leaves the image
    """
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ConfigError(f"box: got {box}, needs 0 <= left < right <= 1 and top < bottom alike")
    size = target.size
    if mask is None:
        mask = Image.new("L", size)
        corner = (round(left * size[0]), round(top * size[1]))
        mask.paste(255, (*corner, round(right * size[0]), round(bottom * size[1])))
    result = target.copy()
    donor = source.resize(size, Image.Resampling.LANCZOS)
    result.paste(donor, (0, 0), mask.convert("L").resize(size, Image.Resampling.BILINEAR))
    return result
