"""The bridge to `e2style`: one model in, NumPy arrays and pictures out; torch is loaded here."""

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
    from e2style.quantizer import Quantizer

__all__ = [
    "CodeSizes",
    "LazyModel",
    "Model",
    "ModelSource",
    "agreement",
    "are_two_people",
    "code_sizes",
    "doubt",
    "from_e2style",
    "invert",
    "invert_exactly",
    "likeness",
    "load_model",
    "paint",
    "paint_code",
    "quantizer_of",
    "round_code",
]


class Model(Protocol):
    """What this package asks of a model that `e2style.load` returns."""

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
        """Side at which pictures are handed to `invert`."""

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
        """Below this PSNR in dB at 64 x 64 a secret is no face to the model."""

    @property
    def accept_likeness(self) -> float:
        """Below this correlation of edges a secret is no face to the model."""

    @property
    def accept_bits(self) -> float:
        """Above this length of its code in bits a secret is no face to the model."""

    def invert(self, images: Any) -> Any:
        """Map (B, 3, S, S) in [-1, 1] to (B, n, 512)."""

    def synthesize(self, codes: Any) -> Any:
        """Map (B, n, 512) to (B, 3, R, R), [-1, 1] nominal."""


ModelSource: TypeAlias = "Model | LazyModel | str | os.PathLike[str] | None"


def from_e2style(error: Exception) -> DeephideError:
    """Return the error of this package that an `e2style` error becomes."""
    return CheckpointError(f"the model cannot be used: {' '.join(str(error).split())}")


@contextmanager
def _translated() -> Iterator[None]:
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

        with _translated():
            return cast(Model, e2style.load_model(model))
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

    def fingerprint(self) -> bytes:
        """Return its fingerprint, 32 bytes; no network is loaded for it.

        Raises
        ------
        CheckpointError : missing or damaged
        """
        source = self.source
        if self._loaded is None and (source is None or isinstance(source, str | os.PathLike)):
            import e2style

            with _translated():
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

    `usual` is the median, `nearly_all` the 95th percentile; what takes more than `most` is no face
    to "auto".
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

        with _translated():
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


def invert(model: Model, secret: Image.Image) -> NDArray[np.int32]:
    """Return the integers that stand for a square RGB picture, in the usual quality.

    Parameters
    ----------
    model : loaded
    secret : square RGB picture

    Returns
    -------
    integers : (n, 512) int32
    """
    quantizer = quantizer_of(model)
    return round_code(quantizer, invert_exactly(model, secret))


def round_code(quantizer: Quantizer, code: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the integers of a W+ code, (n, 512) float32."""
    with _translated():
        return quantizer.quantise(code)


def invert_exactly(model: Model, secret: Image.Image) -> NDArray[np.float32]:
    """Return the W+ code, (n, 512) float32, of a square RGB picture."""
    import torch

    size = (model.image_size, model.image_size)
    resized = secret.resize(size, Image.Resampling.LANCZOS)
    array = np.asarray(resized, dtype=np.float32) / np.float32(127.5) - np.float32(1.0)
    images = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1))[None])
    with torch.no_grad(), _translated():
        code: NDArray[np.float32] = _numpy(model.invert(images))[0]
        return code


def paint(model: Model, integers: NDArray[np.int32], quality: int | None = None) -> Image.Image:
    """Return the picture that the generator paints from integers of some quality."""
    return paint_code(model, quantizer_of(model, quality).dequantise(integers))


def paint_code(model: Model, code: NDArray[np.float32]) -> Image.Image:
    """Return the picture that the generator paints from a W+ code, (n, 512).

    Raises
    ------
    CheckpointError : the model paints what is no picture
    """
    import torch

    codes = torch.from_numpy(np.ascontiguousarray(code)[None])
    with torch.no_grad(), _translated():
        faces = _numpy(model.synthesize(codes))
    if not np.isfinite(faces).all():
        raise CheckpointError("the model cannot be used: it paints values that are no numbers")
    levels = np.rint((faces[0].transpose(1, 2, 0) + 1.0) * 127.5)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def _numpy(tensor: Any) -> NDArray[np.float32]:
    return cast("NDArray[np.float32]", tensor.detach().cpu().float().numpy())


def agreement(secret: Image.Image, painted: Image.Image) -> float:
    """Return the PSNR in dB of two pictures, both area-averaged to 64 x 64."""
    from e2style.model import agreement as compare

    return compare(np.asarray(secret), np.asarray(painted))


def likeness(secret: Image.Image, shown: Image.Image) -> float:
    """Return the correlation of the edges of two pictures at 64 x 64, where a face has its own."""
    from e2style.model import likeness as compare

    return compare(np.asarray(secret), np.asarray(shown))


def are_two_people(face: Image.Image, painted: Image.Image) -> bool:
    """Say whether a recogniser takes two aligned faces for different people.

    Raises
    ------
    CheckpointError : the recogniser that ships is missing or damaged
    """
    with _translated():
        from e2style.metrics.faces import DIFFERENT, similarity

        return similarity(np.asarray(face), np.asarray(painted)) < DIFFERENT


def doubt(
    model: Model,
    secret: Image.Image,
    painted: Image.Image,
    psnr: float,
    integers: NDArray[np.int32],
) -> str:
    """Say why a secret does not look like a face that the model can paint; empty if it does.

    Parameters
    ----------
    model : loaded
    secret, painted : square pictures
    psnr : their `agreement` in dB
    integers : the secret's code in the usual quality

    Returns
    -------
    str, a clause to follow "because"
    """
    alike = likeness(secret, painted)
    bits = float(quantizer_of(model).ideal_bits(integers[None])[0])
    if psnr < model.accept_psnr:
        reason = f"{psnr:.1f} dB, at least {model.accept_psnr:.1f} dB are expected"
    elif alike < model.accept_likeness:
        reason = f"its edges agree to {alike:.2f}, at least {model.accept_likeness:.2f} is expected"
    elif bits > model.accept_bits:
        reason = f"its code takes {bits:.0f} bits, at most {model.accept_bits:.0f} are expected"
    elif are_two_people(secret, painted):
        return "what the model paints may be taken for somebody else"
    else:
        return ""
    return f"the secret does not look like an aligned face that the model can paint ({reason})"
