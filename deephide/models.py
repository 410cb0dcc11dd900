"""Models and what is known of them: the bridge to `e2style`, loaded when it is needed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.errors import CheckpointError, DeephideError

if TYPE_CHECKING:
    from e2style.model import InversionModel
    from e2style.quantizer import Quantizer

__all__ = [
    "CodeSizes",
    "LazyModel",
    "Model",
    "ModelSource",
    "agreement",
    "code_sizes",
    "dequantise",
    "from_e2style",
    "least_similarity",
    "likeness",
    "load_model",
    "quantizer_of",
    "round_code",
    "short_fingerprint",
    "similarity",
    "translated",
]


class Model(Protocol):
    """A model as `e2style.load` returns it, as far as this package uses it."""

    @property
    def name(self) -> str:
        """Name in the zoo."""

    @property
    def fingerprint(self) -> bytes:
        """32 bytes, SHA-256 of generator and quantizer."""

    @property
    def n_codes(self) -> int:
        """Rows n of a code."""

    @property
    def image_size(self) -> int:
        """Side at which images are handed to `invert`."""

    @property
    def quantizer(self) -> Quantizer | None:
        """Steps and tables of the usual quality, or None where none was fitted."""

    @property
    def quantizers(self) -> Sequence[Quantizer]:
        """Those of all qualities, from the fewest bits to the most."""

    @property
    def quality(self) -> int:
        """Number of the usual one, from 1."""

    @property
    def accept_psnr(self) -> float:
        """Least PSNR in dB at 64 x 64 between a face and its reconstruction."""

    @property
    def accept_likeness(self) -> float:
        """Least correlation of edges between a face and its reconstruction."""

    @property
    def accept_face(self) -> bool:
        """Whether a face must fill the image, as the detector of faces says."""

    @property
    def accept_bits(self) -> float:
        """Greatest length of the code of a face in bits."""

    def invert(self, images: Any) -> Any:
        """Map (B, 3, S, S) in [-1, 1] to (B, n, 512)."""

    def synthesize(self, codes: Any) -> Any:
        """Map (B, n, 512) to (B, 3, R, R), [-1, 1] nominal."""


ModelSource: TypeAlias = "Model | LazyModel | str | os.PathLike[str] | None"


def from_e2style(error: Exception) -> DeephideError:
    """Return the error of this package that an `e2style` error becomes."""
    return CheckpointError(f"the model cannot be used: {' '.join(str(error).split())}")


@contextmanager
def translated() -> Iterator[None]:
    """Turn the errors of `e2style`, and of reading its files, into this package's own."""
    import e2style

    try:
        yield
    except e2style.E2StyleError as error:
        raise from_e2style(error) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CheckpointError(f"the model cannot be read: {reason}") from error


def load_model(model: ModelSource) -> Model:
    """Load a model by name or path; None means the default one; a loaded one is passed through.

    Raises
    ------
    CheckpointError : missing, damaged or incompatible
    """
    if isinstance(model, LazyModel):
        return model.load()
    if model is None or isinstance(model, str | os.PathLike):
        import e2style

        with translated():
            return cast(Model, e2style.load_for_inference(model))
    return model


class LazyModel:
    """A model that is loaded when it is needed, and may not be; for several calls once.

    Parameters
    ----------
    source : name, path or loaded model; None means the default one
    """

    def __init__(self, source: Model | str | os.PathLike[str] | None) -> None:
        self.source = source
        self._loaded: Model | None = None
        self._of_torch: InversionModel | None = None
        self._others: dict[str, LazyModel] = {}

    @classmethod
    def of(cls, source: ModelSource) -> LazyModel:
        """Return a source as a lazy model; one that is lazy already is passed through."""
        return source if isinstance(source, LazyModel) else cls(source)

    def load(self) -> Model:
        """Return the model; see `load_model`."""
        if self._loaded is None:
            self._loaded = load_model(self.source)
        return self._loaded

    def with_torch(self) -> InversionModel:
        """Return the model as torch runs it; it is loaded once, beside the one that `load` gives.

        Raises
        ------
        CheckpointError : missing, damaged, no model, or loaded for something else than torch
        """
        import e2style

        found, source = self.load(), self.source
        if hasattr(found, "network"):
            return cast("InversionModel", found)
        if source is not None and not isinstance(source, str | os.PathLike):
            raise CheckpointError(f"{self.name()} was not loaded with torch: give its name")
        if self._of_torch is None:
            with translated():
                self._of_torch = e2style.load_model(source)
        return self._of_torch

    def release(self, unless: ModelSource) -> None:
        """Let go of a model that is not the caller's own, and is loaded anew if it is needed."""
        if self is not unless:
            self._loaded = self._of_torch = None

    def fingerprint(self) -> bytes:
        """Return its fingerprint, 32 bytes; no network is loaded for it.

        Raises
        ------
        CheckpointError : missing or damaged
        """
        source = self.source
        if self._loaded is None and (source is None or isinstance(source, str | os.PathLike)):
            import e2style

            with translated():
                return e2style.fingerprint_of(source)
        return self.load().fingerprint

    def candidates(self) -> Iterator[tuple[bytes, LazyModel]]:
        """Yield fingerprint and model: this one, and where nobody chose it, all that are here.

        Raises
        ------
        CheckpointError : missing or damaged
        """
        yield self.fingerprint(), self
        if self.source is None:
            import e2style
            from e2style.checkpoints.shipped import DEFAULT

            for name in e2style.names():
                if name != DEFAULT:
                    yield self._other(name).fingerprint(), self._other(name)
            for added in e2style.added_models():
                yield bytes.fromhex(added.fingerprint), self._other(added.name)

    def _other(self, name: str) -> LazyModel:
        return self._others.setdefault(name, LazyModel(name))

    def name(self) -> str:
        """Return what to call it in a message."""
        source = self.source
        if source is None:
            return "the built-in model"
        return os.fspath(source) if isinstance(source, str | os.PathLike) else source.name


@dataclass(frozen=True)
class CodeSizes:
    """Bytes that the codes of faces take; None where nothing is known.

    `usual` is the mean, `nearly_all` the 95th percentile; "auto" takes a code of more than `most`
    for no face.
    """

    usual: int | None = None
    nearly_all: int | None = None
    most: int | None = None


def code_sizes(source: ModelSource) -> CodeSizes:
    """Return what is known of the sizes of a model's codes; no network is loaded for it.

    Raises
    ------
    CheckpointError : missing or damaged
    """
    from e2style.checkpoints.shipped import TYPICAL_BYTES

    source = source.source if isinstance(source, LazyModel) else source
    if source is None or isinstance(source, str | os.PathLike):
        import e2style

        with translated():
            header = e2style.header_of(source)
            limit = float(header.get("accept_bits", "inf"))
            # The files of others are known to nobody, and slow to take apart.
            fingerprint = e2style.fingerprint_of(source) if header else bytes(32)
    else:
        limit, fingerprint = source.accept_bits, source.fingerprint
    most = math.ceil(limit / 8) if math.isfinite(limit) else None
    usual, nearly_all = TYPICAL_BYTES.get(fingerprint.hex(), (None, None))
    return CodeSizes(usual, nearly_all, most)


def quantizer_of(model: Model, quality: int | None = None) -> Quantizer:
    """Return the quantizer of a model.

    Parameters
    ----------
    model : loaded
    quality : from 1, for the fewest bits; None means the usual one

    Raises
    ------
    CheckpointError : it has none, or not so many
    """
    if model.quantizer is None:
        raise CheckpointError(
            f"the model {model.name} has no quantizer, so its codes cannot be hidden",
            hint="fit one with `e2style calibrate`, or use --codec paper",
        )
    if quality is None:
        return model.quantizer
    if not 1 <= quality <= len(model.quantizers):
        raise CheckpointError(
            f"the model {model.name} has no quality {quality}",
            hint=f"give one from 1 to {len(model.quantizers)}",
        )
    return model.quantizers[quality - 1]


def round_code(quantizer: Quantizer, code: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the integers of a W+ code, (n, 512) float32."""
    with translated():
        return quantizer.quantise(code)


def dequantise(
    model: Model, integers: NDArray[np.int32], quality: int | None = None
) -> NDArray[np.float32]:
    """Return the W+ code, (n, 512), that integers of some quality stand for; None is the usual."""
    return quantizer_of(model, quality).dequantise(integers)


def short_fingerprint(fingerprint: bytes | str) -> str:
    """Return a fingerprint as messages show it: 16 hexadecimal digits, as many as a payload has.

    Parameters
    ----------
    fingerprint : 32 bytes, or their hexadecimal text
    """
    return (fingerprint if isinstance(fingerprint, str) else fingerprint.hex())[:16]


def agreement(face: Image.Image, reconstruction: Image.Image) -> float:
    """Return the PSNR in dB of two images, both area-averaged to 64 x 64."""
    from e2style.metrics.agreement import agreement as measure

    return measure(np.asarray(face), np.asarray(reconstruction))


def likeness(face: Image.Image, shown: Image.Image) -> float:
    """Return the correlation of the edges of two images at 64 x 64, where a face has its own."""
    from e2style.metrics.agreement import likeness as measure

    return measure(np.asarray(face), np.asarray(shown))


def similarity(face: Image.Image, reconstruction: Image.Image) -> float:
    """Return how alike a recogniser finds two aligned faces, 1 for the same image.

    Raises
    ------
    CheckpointError : the recogniser that ships is missing or damaged
    """
    with translated():
        from e2style.metrics.identity import similarity as measure

        return measure(np.asarray(face), np.asarray(reconstruction))


def least_similarity() -> float:
    """Return the `similarity` below which two faces may be two people's."""
    from e2style.metrics.identity import DIFFERENT

    return DIFFERENT
