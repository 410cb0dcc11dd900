"""Latent codec: a face as the integers of its W+ code, behind an entropy coder.

The receiver only ever handles integers.  Symbols are coded with asymmetric numeral systems
(rANS; `constriction`'s stack coder: 64-bit state, 32-bit words, 24-bit frequencies) under the
integer tables that travel with the model.  Value v is symbol 2v - 1 if v > 0, else -2v, so that
the value 0 is symbol 0; the state starts at 1, which symbol 0 leaves as it is: the zeros that
are coded first cost nothing, and bytes that are missing or left over do not lead back to 1.

Why no rounding can differ between machines: `constriction` builds a table of k symbols from
float weights by giving each symbol one unit and sharing the remaining 2**24 - k units in
proportion.  The weights handed over here are freq - 1, whose sum is exactly 2**24 - k, so the
scale factor is exactly 1.0 and every partial sum is an integer below 2**53: all the float
arithmetic is exact, and the coder's table is the model's table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import constriction
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide import inference, models
from deephide.codecs import faces, fingerprints
from deephide.codecs.base import Content, Encoded, Request, over_budget
from deephide.errors import ExtractionError
from deephide.models import LazyModel, Model

if TYPE_CHECKING:
    from e2style.quantizer import Quantizer

__all__ = [
    "CODEC",
    "CodedFace",
    "LatentCodec",
    "LatentFormatError",
    "compress",
    "decompress",
    "fit_quality",
]

FREQUENCY_BITS = 24
_WORD_BYTES = 4
_START = np.array([1], dtype=np.uint32)


class LatentFormatError(ValueError):
    """The bytes are not what `compress` would have written."""


def _groups(quantizer: Quantizer) -> list[tuple[NDArray[np.int64], object]]:
    """Return the flat places and the coder's model of each table in use, last row first.

    Rows are sorted by spread, so the most certain symbols are decoded last and coded first.
    """
    flat = quantizer.table_index.ravel()
    tables = np.asarray(quantizer.tables, dtype=np.int64)
    columns = _values(np.arange(tables.shape[1])) + quantizer.radius
    groups = []
    for row in range(len(tables) - 1, -1, -1):
        places = np.flatnonzero(flat == row)
        if places.size:
            weights = (tables[row, columns] - 1).astype(np.float64)
            model = constriction.stream.model.Categorical(weights, perfect=False)
            groups.append((places, model))
    return groups


def _symbols(values: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.where(values > 0, 2 * values - 1, -2 * values).astype(np.int32)


def _values(symbols: NDArray[np.int64] | NDArray[np.int32]) -> NDArray[np.int32]:
    return np.where(symbols % 2 == 1, (symbols + 1) // 2, -(symbols // 2)).astype(np.int32)


def compress(integers: NDArray[np.int32], quantizer: Quantizer) -> bytes:
    """Compress the integers.

    Parameters
    ----------
    integers : (n, 512) int32 in -r..r
    quantizer : the model's

    Returns
    -------
    bytes that never end in a zero byte; their length is part of the code

    Raises
    ------
    ValueError : wrong shape, or an integer outside the range of the tables
    """
    radius = quantizer.radius
    if integers.shape != quantizer.table_index.shape:
        raise ValueError(
            f"integers: got shape {integers.shape}, expected {quantizer.table_index.shape}"
        )
    if np.any(np.abs(integers.astype(np.int64)) > radius):
        raise ValueError(f"integers: allowed -{radius}..{radius}")
    symbols = _symbols(integers.ravel())
    coder = constriction.stream.stack.AnsCoder(_START)
    # The coder is a stack: what goes in last comes out first.
    for places, model in reversed(_groups(quantizer)):
        coder.encode_reverse(symbols[places], model)
    words = np.asarray(coder.get_compressed(), dtype="<u4")
    return words.tobytes().rstrip(b"\x00")


def decompress(data: bytes, quantizer: Quantizer) -> NDArray[np.int32]:
    """Invert `compress`, and accept nothing that `compress` would not have written.

    Raises
    ------
    LatentFormatError : bytes are missing, left over or not in canonical form
    """
    symbols = np.empty(quantizer.table_index.size, dtype=np.int32)
    # No symbol can take more than 24 bits, and the final state adds at most 8 bytes.
    if len(data) > symbols.size * FREQUENCY_BITS // 8 + 2 * _WORD_BYTES:
        raise LatentFormatError("the compressed code is longer than any code can be")
    if data.endswith(b"\x00"):
        raise LatentFormatError("the compressed code ends in a zero byte")
    padded = data + bytes(-len(data) % _WORD_BYTES)
    words = np.frombuffer(padded, dtype="<u4").astype(np.uint32)
    coder = constriction.stream.stack.AnsCoder(words)
    for places, model in _groups(quantizer):
        symbols[places] = coder.decode(model, int(places.size))
    integers = _values(symbols).reshape(quantizer.table_index.shape)
    # Whatever is missing or left over shows as a difference when the integers are coded again.
    if compress(integers, quantizer) != data:
        raise LatentFormatError("the compressed code is not in canonical form")
    return integers


def fit_quality(
    model: Model,
    code: NDArray[np.float32],
    *,
    wanted: int | None,
    ceiling: int | None,
    most: int | None,
) -> tuple[int, NDArray[np.int32], bytes]:
    """Round and compress a code, in the highest quality that fits.

    Parameters
    ----------
    model : with a quantizer
    code : (n, 512) float32
    wanted : the quality to take, from 1; None leaves the choice
    ceiling : bytes that may be used up: the choice begins with the highest quality, not the usual
    most : bytes beyond which a lower quality is chosen, as long as there is one

    Returns
    -------
    quality, integers (n, 512), payload

    Raises
    ------
    CheckpointError : no quantizer, or none of the quality that is wanted
    """
    models.quantizer_of(model, wanted)
    first = wanted or (model.quality if ceiling is None else len(model.quantizers))
    for quality in range(first, (wanted or 1) - 1, -1):
        quantizer = models.quantizer_of(model, quality)
        integers = models.round_code(quantizer, code)
        payload = compress(integers, quantizer)
        if most is None or len(payload) <= most:
            break
    return quality, integers, payload


@dataclass(frozen=True, eq=False)
class CodedFace:
    """A face, the code it is inverted to, and the quality in which that was encoded."""

    encoded: Encoded
    face: Image.Image
    code: NDArray[np.float32]
    quality: int

    @property
    def preview(self) -> Image.Image | None:
        """The face as the receiver will see it."""
        return self.encoded.preview


class LatentCodec:
    """A face to the entropy-coded integers of its code, and back."""

    uses_model = True

    def encode(self, request: Request) -> Encoded:
        """Return the code of the secret's face, within the budget if there is one.

        Raises
        ------
        CapacityError : no code of the face is so short
        """
        allowed = request.allowed()
        found = self.code(request, allowed).encoded
        if allowed is not None and len(found.payload) > allowed:
            raise over_budget("the face's code", len(found.payload), request)
        return found

    def code(self, request: Request, most: int | None) -> CodedFace:
        """Return the face's code in at most so many bytes, if that can be.

        Raises
        ------
        CheckpointError : the model has no quantizer, or none of the quality that was asked for
        InputImageError : the secret shows no face that can be cut out
        """
        model, options = request.model.load(), request.options
        cut = faces.of_request(request, model)
        face = cut.image
        code = inference.invert(model, face)
        quality, integers, payload = fit_quality(
            model, code, wanted=options.quality, ceiling=options.budget, most=most
        )
        refined = ""
        if options.refine and options.features is not None:
            better = inference.refine(
                request.model, face, code, quality, options.refine, options.features
            )
            _, others, again = fit_quality(model, better, wanted=quality, ceiling=None, most=None)
            if most is None or len(again) <= most:
                integers, payload = others, again
                steps = "one step" if options.refine == 1 else f"{options.refine} steps"
                refined = f", refined in {steps}"
            else:
                refined = ", not refined, since that would not fit"
        preview = inference.generate(model, models.dequantise(model, integers, quality))
        psnr = models.agreement(face, preview)
        hidden = request.carrier.hidden_bytes(len(payload))
        chosen = f", quality {quality} of {len(model.quantizers)}"
        encoded = Encoded(
            codec="latent",
            parameters=fingerprints.to_parameters(model, quality),
            payload=payload,
            reason=f"codec latent{chosen if len(model.quantizers) > 1 else ''}{refined}: "
            f"the model reconstructs the face at {psnr:.1f} dB, in {hidden} bytes{cut.clause}",
            preview=preview,
            shown=face,
            secret_psnr=psnr,
            model=model.name,
            integers=integers,
            cut_out=cut.placement is not None,
        )
        return CodedFace(encoded, face, code, quality)

    def decode(self, parameters: bytes, payload: bytes, model: LazyModel) -> Content:
        """Return the face that the generator makes of the integers."""
        loaded, quality = fingerprints.find_model(parameters, model)
        try:
            integers = decompress(payload, models.quantizer_of(loaded, quality))
        except LatentFormatError as error:
            raise ExtractionError from error
        code = models.dequantise(loaded, integers, quality)
        return Content("latent", inference.generate(loaded, code), model=loaded.name)


CODEC = LatentCodec()
