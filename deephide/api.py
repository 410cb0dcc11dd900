"""Hide a face in a photo and get it back: the steps in their order, and nothing else."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

import stc
from deephide import container, hiding, image_io, keys, latent_codec, models, output
from deephide.cover_capacity import Capacity, measure_capacity
from deephide.cover_costs import cover_costs, cover_warnings
from deephide.errors import (
    CapacityError,
    CheckpointError,
    DeephideError,
    ExtractionError,
    FormatVersionError,
    InputImageError,
)
from deephide.image_io import Cover, ImageSource
from deephide.key_files import KeySource, keygen
from deephide.models import Model, ModelSource
from deephide.results import EmbedResult, ExtractInfo, ExtractResult

__all__ = [
    "STAGES",
    "EmbedResult",
    "ExtractInfo",
    "ExtractResult",
    "capacity",
    "embed",
    "embed_file",
    "extract",
    "extract_file",
    "keygen",
]

STAGES = ("inverting", "costs", "embedding", "verifying")
CODECS = ("auto", "latent")

Progress: TypeAlias = "Callable[[int, int], None] | None"
PathSource: TypeAlias = "str | os.PathLike[str]"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Job:
    """An embedding that is done but not verified."""

    result: EmbedResult
    cover: Cover = field(repr=False)
    samples: NDArray[np.uint8] = field(repr=False)
    plaintext: bytes = field(repr=False)
    key: keys.Sealer = field(repr=False)


def embed(
    secret: ImageSource,
    carrier: ImageSource,
    passphrase: str | None = None,
    model: ModelSource = None,
    cost: str = "hill",
    codec: str = "auto",
    progress: Progress = None,
    *,
    key_file: KeySource = None,
    recipients: Sequence[str] = (),
    pad: bool = False,
    _random: Callable[[int], bytes] = os.urandom,
) -> EmbedResult:
    """Hide a face in a photo.

    Parameters
    ----------
    secret : PIL image or path, an aligned face; its central square is used
    carrier : PIL image of mode L, RGB or RGBA, or path of a PNG, BMP or TIFF file
    passphrase : any text; if there is no key at all, it is derived from the model, so that anyone
        who has the model can extract
    model : name, path or loaded model; None means the default one
    cost : "hill", or another cost function of `stc.costs`
    codec : "auto" refuses a secret that the model paints badly, "latent" does not
    progress : called with (stages done, stages in all); STAGES names them
    key_file : path of a file of random bytes, or its content; needed besides the passphrase, if
        there is one, or instead of it
    recipients : public keys as `keygen` returns them, 1 to 16; excludes passphrase and key file
    pad : fill the payload up to a size class, so that its length says less

    Returns
    -------
    EmbedResult; its stego has been extracted from once already

    Raises
    ------
    DeephideError : see `deephide.errors` for what each class means
    ValueError : an unknown cost or codec
    """
    access = keys.Access(passphrase, key_file, recipients, pad, _random)
    job = _hide(secret, carrier, access, model, cost, codec, progress)
    _verify(job, job.result.stego)
    _report(progress, 4)
    return job.result


def embed_file(
    secret: ImageSource,
    carrier: ImageSource,
    destination: PathSource,
    passphrase: str | None = None,
    model: ModelSource = None,
    cost: str = "hill",
    codec: str = "auto",
    progress: Progress = None,
    *,
    preview: PathSource | None = None,
    force: bool = False,
    key_file: KeySource = None,
    recipients: Sequence[str] = (),
    pad: bool = False,
) -> EmbedResult:
    """Hide a face in a photo and write the stego as a PNG file.

    No file appears under its name before the face was extracted from the stego; any
    failure leaves no file.

    Parameters
    ----------
    secret, carrier, passphrase, model, cost, codec, progress : as in `embed`
    destination : path of the PNG file to write
    preview : path of a second PNG file, for the face as the receiver will see it
    force : replace existing files
    key_file, recipients, pad : as in `embed`

    Returns
    -------
    EmbedResult

    Raises
    ------
    OutputError : a file exists, is one of the inputs or the other output, or cannot be written
    DeephideError : as in `embed`
    """
    path = Path(destination)
    inputs = _paths(secret, carrier, model, key_file)
    output.check_output(path, inputs, force=force)
    if preview is not None:
        output.check_output(Path(preview), inputs, [path], force=force)
    access = keys.Access(passphrase, key_file, recipients, pad)
    job = _hide(secret, carrier, access, model, cost, codec, progress)
    files = [(path, image_io.encode_png(job.cover, job.samples))]
    if preview is not None:
        files.append((Path(preview), output.png_bytes(job.result.preview)))
    output.write_together(files, force=force, verify=lambda file: _verify(job, file))
    _report(progress, 4)
    return job.result


def extract(
    stego: ImageSource,
    passphrase: str | None = None,
    model: ModelSource = None,
    *,
    key_file: KeySource = None,
    identity: PathSource | None = None,
) -> ExtractResult:
    """Get a hidden face back.

    Parameters
    ----------
    stego : PIL image or path, exactly as it was written
    passphrase : the one it was embedded with, or None if there was none
    model : the one it was embedded with
    key_file : the one it was embedded with, or None if there was none
    identity : path of a file that `keygen` wrote; excludes passphrase and key file

    Returns
    -------
    ExtractResult

    Raises
    ------
    ExtractionError : nothing hidden, wrong passphrase or altered picture; deliberately one error
    FormatVersionError : made by a newer program
    CheckpointError : made with another model
    """
    elements = image_io.load_cover(stego, "stego")
    loaded = models.load_model(model)
    key = keys.choose_opener(passphrase, key_file, identity, loaded.fingerprint)
    plaintext = _reveal(elements, key)
    header, payload = container.unpack(plaintext)
    if header.codec != container.CODEC_LATENT:
        raise FormatVersionError(
            f"the hidden container uses codec {header.codec}, which this program does not know",
            hint="install a newer deephide",
        )
    if header.fingerprint_prefix != loaded.fingerprint[: container.PREFIX_BYTES]:
        raise CheckpointError(
            f"the hidden face was made with model {header.fingerprint_prefix.hex()}, "
            f"not with {loaded.name} ({loaded.fingerprint[: container.PREFIX_BYTES].hex()})",
            hint="give the model it was made with; `deephide models` lists fingerprints",
        )
    try:
        integers = latent_codec.decode(payload, models.quantizer_of(loaded))
    except latent_codec.LatentFormatError as error:
        raise ExtractionError from error
    image = models.paint(loaded, integers)
    payload_bits = hiding.message_bits(len(plaintext), key)
    return ExtractResult(image, ExtractInfo(header.version, "latent", loaded.name, payload_bits))


def extract_file(
    stego: ImageSource,
    destination: PathSource,
    passphrase: str | None = None,
    model: ModelSource = None,
    *,
    force: bool = False,
    key_file: KeySource = None,
    identity: PathSource | None = None,
) -> ExtractResult:
    """Get a hidden face back and write it as a PNG file; any failure leaves no file.

    Parameters
    ----------
    stego, passphrase, model : as in `extract`
    destination : path of the PNG file to write
    force : replace an existing file
    key_file, identity : as in `extract`

    Returns
    -------
    ExtractResult

    Raises
    ------
    OutputError : the file exists, is the input, or cannot be written
    DeephideError : as in `extract`
    """
    path = Path(destination)
    output.check_output(path, _paths(stego, model, key_file, identity), force=force)
    found = extract(stego, passphrase, model, key_file=key_file, identity=identity)
    output.write_png(path, found.image, force=force)
    return found


def capacity(carrier: ImageSource, cost: str = "hill") -> Capacity:
    """Say how much a photo can take, in bits that compare with `EmbedResult.payload_bits`.

    Parameters
    ----------
    carrier : as in `embed`
    cost : as in `embed`

    Returns
    -------
    Capacity

    Raises
    ------
    InputImageError : the carrier cannot be used
    """
    cover = image_io.load_cover(carrier)
    return measure_capacity(
        cover.samples.reshape(-1), *cover_costs(cover, cost), cover_warnings(cover)
    )


def _hide(
    secret: ImageSource,
    carrier: ImageSource,
    access: keys.Access,
    model: ModelSource,
    cost: str,
    codec: str,
    progress: Progress,
) -> _Job:
    if codec not in CODECS:
        raise ValueError(f"codec: got {codec!r}, allowed: {', '.join(CODECS)}")
    cover = image_io.load_cover(carrier)
    face = image_io.load_secret(secret)
    _report(progress, 0)
    loaded = models.load_model(model)
    key = access.sealer(loaded.fingerprint)
    integers = models.invert(loaded, face)
    preview = models.paint(loaded, integers)
    secret_psnr = models.agreement(face, preview)
    if codec == "auto":
        _require_face(loaded, secret_psnr, integers)
    payload = latent_codec.encode(integers, models.quantizer_of(loaded))
    header = container.Header(
        container.CODEC_LATENT, loaded.fingerprint[: container.PREFIX_BYTES], padded=access.pad
    )
    plaintext = container.pack(header, payload)

    _report(progress, 1)
    message_bits = hiding.message_bits(len(plaintext), key)
    associated = container.associated_data(*cover.shape)
    try:
        cost_p1, cost_m1 = cover_costs(cover, cost, message_bits)
        _report(progress, 2)
        hidden = hiding.hide(
            cover.samples.reshape(-1),
            cost_p1,
            cost_m1,
            key,
            plaintext,
            associated,
            random=access.random,
        )
    except stc.StcError as error:
        raise from_stc(error, message_bits) from error
    _report(progress, 3)

    samples = hidden.elements.reshape(cover.samples.shape)
    notes = cover_warnings(cover)
    for note in notes:
        _log.warning("%s", note)
    result = EmbedResult(
        stego=image_io.to_pil(cover, samples),
        preview=preview,
        payload_bits=hidden.message_bits,
        elements=samples.size,
        changes=hidden.changes,
        distortion=hidden.distortion,
        psnr=_psnr_of_changes(hidden.changes, samples.size),
        secret_psnr=secret_psnr,
        codec="latent",
        model=loaded.name,
        integers=integers,
        warnings=notes,
    )
    return _Job(result, cover, samples, plaintext, key)


def _psnr_of_changes(changes: int, elements: int) -> float:
    # Every change is by exactly one level.
    return float("inf") if not changes else float(10 * np.log10(255.0**2 * elements / changes))


def _require_face(model: Model, secret_psnr: float, integers: NDArray[np.int32]) -> None:
    bits = float(models.quantizer_of(model).ideal_bits(integers[None])[0])
    if secret_psnr < model.accept_psnr:
        reason = f"{secret_psnr:.1f} dB, at least {model.accept_psnr:.1f} dB are expected"
    elif bits > model.accept_bits:
        reason = f"its code takes {bits:.0f} bits, at most {model.accept_bits:.0f} are expected"
    else:
        return
    raise InputImageError(
        f"the secret does not look like an aligned face that the model can paint ({reason})",
        hint="crop it to one upright frontal face, or use --codec latent to hide it anyway",
    )


def _reveal(stego: Cover, key: keys.Opener) -> bytes:
    associated = container.associated_data(*stego.shape)
    return hiding.reveal(stego.samples.reshape(-1), key, associated)


def _verify(job: _Job, stego: ImageSource) -> None:
    """Extract as the receiver will; a difference here is a bug, never a user's mistake."""
    try:
        found = _reveal(image_io.load_cover(stego, "stego"), job.key)
    except DeephideError as error:
        raise DeephideError("the stego failed its own verification and was discarded") from error
    if found != job.plaintext:
        raise DeephideError("the stego failed its own verification and was discarded")


def from_stc(error: Exception, needed_bits: int) -> DeephideError:
    """Return the error of this package that an `stc` error becomes."""
    if isinstance(error, stc.PayloadTooLargeError):
        return CapacityError(
            f"the carrier cannot take the payload: {error}",
            needed_bits=needed_bits,
            capacity_bits=error.capacity_bits or 0,
            hint="take a larger photo with more texture",
        )
    return DeephideError(f"the coder failed: {error}")


def _paths(*sources: object) -> list[Path]:
    return [Path(each) for each in sources if isinstance(each, str | os.PathLike)]


def _report(progress: Progress, done: int) -> None:
    if progress is not None:
        progress(done, len(STAGES))
