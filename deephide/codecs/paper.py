"""Paper codec: a face in nine bits per integer, as Algorithm 1 of E2Style writes them.

Step 1 around zero, nearest, floor or truncated; per integer one sign bit (1 is negative) and eight
bits of magnitude, the most significant first, in raster order.  A value that does not fit is
rejected: the released script lets it damage everything that follows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deephide import inference, models
from deephide.codecs import faces, fingerprints
from deephide.codecs.base import Content, Encoded, Request
from deephide.errors import ExtractionError, InputImageError
from deephide.models import LazyModel

__all__ = [
    "CODEC",
    "ROUNDINGS",
    "PaperCodec",
    "PaperFormatError",
    "pack",
    "round_code",
    "unpack",
]

# "nearest" (halves to even) is the released script's; of Algorithm 1 "floor" is what it writes, and
# "truncate" what its text says, "the integer part".
ROUNDINGS = ("nearest", "floor", "truncate")
_BITS = 9


class PaperFormatError(ValueError):
    """The payload is none that `pack` would have written."""


def round_code(code: NDArray[np.float32], rounding: str = "nearest") -> NDArray[np.int32]:
    """Return the integers of a code.

    Parameters
    ----------
    code : (n, 512) float32
    rounding : one of ROUNDINGS

    Returns
    -------
    (n, 512) int32 in -255..255

    Raises
    ------
    ValueError : unknown rounding, or a value beyond 255 or not finite
    """
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding: got {rounding!r}, allowed: {', '.join(ROUNDINGS)}")
    from e2style.quantizer import WholeNumbers

    return WholeNumbers(rounding).quantise(code)


def pack(integers: NDArray[np.int32]) -> bytes:
    """Return nine bits for each of (n, 512) integers in -255..255.

    Examples
    --------
    >>> pack(np.array([[-3, 0, 0, 0, 0, 0, 0, 1]], np.int32)).hex()
    '818000000000000001'
    """
    flat = integers.reshape(-1)
    words = np.where(flat < 0, 256 - flat, flat).astype(">u2")
    bits = np.unpackbits(words.view(np.uint8)).reshape(-1, 16)[:, 16 - _BITS :]
    return np.packbits(bits.reshape(-1)).tobytes()


def unpack(payload: bytes, n_codes: int) -> NDArray[np.int32]:
    """Invert `pack` for a code of `n_codes` rows.

    Raises
    ------
    PaperFormatError : another length, or a zero with a sign
    """
    if len(payload) * 8 != n_codes * 512 * _BITS:
        raise PaperFormatError("the integers are not as many as the model needs")
    bits = np.unpackbits(np.frombuffer(payload, np.uint8)).reshape(-1, _BITS)
    magnitude = np.packbits(bits[:, 1:], axis=1).reshape(-1).astype(np.int32)
    negative = bits[:, 0] == 1
    if np.any(negative & (magnitude == 0)):
        raise PaperFormatError("a zero has a sign")
    return np.where(negative, -magnitude, magnitude).astype(np.int32).reshape(n_codes, 512)


class PaperCodec:
    """A face to nine bits per integer of its code, and back; for the figures of the paper."""

    uses_model = True

    def encode(self, request: Request) -> Encoded:
        """Return the face's code, rounded as the options say."""
        model, rounding = request.model.load(), request.options.rounding
        cut = faces.of_request(request, model)
        face = cut.image
        code = inference.invert(model, face)
        try:
            integers = round_code(code, rounding)
        except ValueError as error:
            if rounding not in ROUNDINGS:
                raise
            raise InputImageError(
                f"the secret cannot be hidden as in the paper: {error}",
                hint="use --codec latent, whose integers have no such limit",
            ) from error
        preview = inference.generate(model, integers.astype(np.float32))
        psnr = models.agreement(face, preview)
        return Encoded(
            codec="paper",
            parameters=fingerprints.to_parameters(model),
            payload=pack(integers),
            reason=f"codec paper, {rounding} integers: the face comes back at {psnr:.1f} dB"
            f"{cut.clause}",
            preview=preview,
            shown=face,
            secret_psnr=psnr,
            model=model.name,
            integers=integers,
        )

    def decode(self, parameters: bytes, payload: bytes, model: LazyModel) -> Content:
        """Return the face that the generator makes of the integers."""
        loaded, _ = fingerprints.find_model(parameters, model)
        try:
            integers = unpack(payload, loaded.n_codes)
        except PaperFormatError as error:
            raise ExtractionError from error
        image = inference.generate(loaded, integers.astype(np.float32))
        return Content("paper", image, model=loaded.name)


CODEC = PaperCodec()
