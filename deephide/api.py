"""Public functions of the package: hiding in a photo and getting back, in memory and in files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import stc
from deephide import models, output, pipeline
from deephide.container.key_files import KeySource, PathSource, keygen
from deephide.covers import opening
from deephide.covers.base import Cover
from deephide.covers.capacity import Capacity, Fit, measure_capacity
from deephide.formats.files import ImageSource, lasting
from deephide.formats.limits import pixel_limit
from deephide.making import Making
from deephide.models import ModelSource
from deephide.naming import paths_of, stego_suffixes, warnings_of_reuse
from deephide.options import EmbedOptions, Keywords
from deephide.pipeline import STAGES, Progress, report
from deephide.results import EmbedResult, ExtractInfo, ExtractResult

if TYPE_CHECKING:
    from deephide.several_files import embed_files

__all__ = [
    "STAGES",
    "Capacity",
    "EmbedOptions",
    "EmbedResult",
    "ExtractInfo",
    "ExtractResult",
    "Fit",
    "capacity",
    "embed",
    "embed_file",
    "embed_files",
    "extract",
    "extract_file",
    "is_compiled",
    "keygen",
]


def __getattr__(name: str) -> Any:
    """Load what shares a secret among photos, which most commands do without."""
    if name == "embed_files":
        from deephide.several_files import embed_files

        return embed_files
    raise AttributeError(f"module 'deephide.api' has no attribute {name!r}")


def embed(
    secret: ImageSource | bytes,
    carrier: ImageSource | bytes,
    passphrase: str | None = None,
    model: ModelSource = None,
    cost: str = "auto",
    codec: str = "auto",
    progress: Progress = None,
    *,
    _random: Callable[[int], bytes] = os.urandom,
    **options: Unpack[Keywords],
) -> EmbedResult:
    """Hide a face, another image or a file in a photo.

    Parameters
    ----------
    secret : PIL image, path or bytes of a file; a pipe's path is read to its end
    carrier : PIL image of mode L, RGB or RGBA, or path of a PNG, BMP, TIFF, lossless WebP or JPEG
        file, or its bytes; a JPEG file gives a JPEG stego, all others a PNG
    passphrase, model, cost, codec : as in `EmbedOptions`
    progress : called with (stages done, stages in all); STAGES names them
    options : any others of `EmbedOptions`

    Returns
    -------
    EmbedResult; its stego has been extracted from once already

    Raises
    ------
    DeephideError : see `deephide.errors` for what each class means
    ValueError : an unknown cost, codec, rounding or face, or a budget below 1
    """
    chosen = EmbedOptions(passphrase=passphrase, model=model, cost=cost, codec=codec, **options)
    secret, carrier = lasting(secret, "secret"), lasting(carrier, "carrier")
    with pixel_limit(chosen.max_pixels):
        job = pipeline.hide(secret, carrier, chosen, progress, random=_random)
        pipeline.verify(job)
    report(progress, 4)
    return job.result


def embed_file(
    secret: ImageSource | bytes,
    carrier: ImageSource | bytes,
    destination: PathSource,
    passphrase: str | None = None,
    model: ModelSource = None,
    cost: str = "auto",
    codec: str = "auto",
    progress: Progress = None,
    *,
    preview: PathSource | None = None,
    force: bool = False,
    dry_run: bool = False,
    strip_metadata: bool = False,
    keep_times: bool = False,
    compare_with: PathSource | None = None,
    **options: Unpack[Keywords],
) -> EmbedResult:
    """Hide a face, another image or a file in a photo and write the stego.

    The stego is a file of the carrier's format, with the rest of the carrier's file around it; of a
    BMP, TIFF or WebP carrier it may be a PNG file too.

    No file appears under its name before the secret was extracted from the stego; any
    failure leaves no file.

    Parameters
    ----------
    secret, carrier, passphrase, model, cost, codec, progress : as in `embed`
    destination : path of the file to write; its suffix says PNG, BMP, TIFF, WebP or JPEG.  A folder
        gets a file called stego in it
    preview : path of a second PNG file, for the image as the receiver will see it
    force : replace existing files
    dry_run : do everything but write the stego; a preview is written
    strip_metadata : leave out what the carrier's file says besides what the image looks like
    keep_times : give the stego the carrier's times of access and change
    compare_with : folder in which to look for earlier stegos of the carrier, to warn of them
    options : as in `embed`

    Returns
    -------
    EmbedResult

    Raises
    ------
    OutputError : a file exists, is one of the inputs or the other output, or cannot be written
    DeephideError : as in `embed`
    """
    chosen = EmbedOptions(passphrase=passphrase, model=model, cost=cost, codec=codec, **options)
    inputs = paths_of(secret, carrier, model, chosen.key_file)
    secret, carrier = lasting(secret, "secret"), lasting(carrier, "carrier")
    suffixes = stego_suffixes(carrier, chosen)
    path = output.within(destination, f"stego{suffixes[0]}")
    suffix = None if dry_run else path.suffix.lower()
    if not dry_run:
        output.check_output(path, inputs, force=force, suffixes=suffixes)
    if preview is not None:
        output.check_output(Path(preview), inputs, [path], force=force)
    if preview is not None and codec == "file":
        raise ValueError("preview: a file has none")
    with pixel_limit(chosen.max_pixels):
        job = pipeline.hide(
            secret,
            carrier,
            chosen,
            progress,
            suffix=suffix,
            strip_metadata=strip_metadata,
            notes=() if compare_with is None else warnings_of_reuse(carrier, compare_with, chosen),
        )

    def check(written: Path) -> None:
        pipeline.verify(job, written)
        if keep_times and isinstance(carrier, str | os.PathLike):
            output.copy_times(Path(carrier), written)

    # Also encoded if it is not written: a dry run fails where the real one would.
    files = [output.File(path, job.result.file)]
    if preview is not None and job.result.preview is not None:
        seen = output.png_bytes(job.result.preview)
        files.append(output.File(Path(preview), seen, private=True))
    if dry_run:
        pipeline.verify(job)
        output.write_together(files[1:], force=force)
    else:
        output.write_together(files, force=force, verify=check)
    report(progress, 4)
    return job.result


def extract(
    stego: ImageSource | bytes | Sequence[ImageSource | bytes],
    passphrase: str | None = None,
    model: ModelSource = None,
    *,
    key_file: KeySource = None,
    identity: KeySource = None,
    max_pixels: int | None = None,
) -> ExtractResult:
    """Get back what was hidden; a model is loaded only if the sender used one.

    Parameters
    ----------
    stego : PIL image, path, or bytes of a file, exactly as it was written; of a JPEG file not the
        PIL image, which no longer knows its coefficients.  A stego for a channel may have come
        back as any JPEG, PNG or WebP file.  Of photos that share a secret, a list of enough of
        them, in any order; those in which nothing is found are left out
    passphrase : the one it was embedded with, or None if there was none
    model : the one it was embedded with; None means whichever of those that are here it was
    key_file : the one it was embedded with, or None if there was none
    identity : path of a file that `keygen` wrote, or its content; excludes passphrase and key file
    max_pixels : an image of more is refused before it is decoded; None means 2**26, the most

    Returns
    -------
    ExtractResult

    Raises
    ------
    ExtractionError : nothing hidden, wrong passphrase or altered image; deliberately one error
    FormatVersionError : made by a newer program, or an image format not supported here
    CheckpointError : made with another model
    IncompleteError : too few of the photos that share a secret
    """
    given = [lasting(each, "stego") for each in _listed(stego)]
    with pixel_limit(max_pixels):
        return pipeline.extract(given, passphrase, model, key_file, identity)


def _listed(
    stego: ImageSource | bytes | Sequence[ImageSource | bytes],
) -> Sequence[ImageSource | bytes]:
    return stego if isinstance(stego, list | tuple) else [stego]  # type: ignore[list-item]


def extract_file(
    stego: ImageSource | bytes | Sequence[ImageSource | bytes],
    destination: PathSource | None,
    passphrase: str | None = None,
    model: ModelSource = None,
    *,
    force: bool = False,
    key_file: KeySource = None,
    identity: KeySource = None,
    max_pixels: int | None = None,
) -> ExtractResult:
    """Get back what was hidden and write it; any failure leaves no file.

    Images are written as PNG, files as they were.

    Parameters
    ----------
    stego, passphrase, model : as in `extract`
    destination : path of the file to write, which for an image must end in .png, or a folder;
        None means the current one.  In a folder the file gets the name that travelled with it, or
        else is called secret.png, secret.txt or secret.bin
    force : replace an existing file, but never one that the sender named
    key_file, identity, max_pixels : as in `extract`

    Returns
    -------
    ExtractResult

    Raises
    ------
    OutputError : the file exists, is the input, or cannot be written
    DeephideError : as in `extract`
    """
    inputs = paths_of(*_listed(stego), model, key_file, identity)
    folder = None
    if destination is None or output.is_folder(destination):
        folder = Path(destination or "")
        output.check_output(folder / "secret.png", inputs, force=True)
    else:
        output.check_output(Path(destination), inputs, force=force, any_kind=True)
    found = extract(
        stego,
        passphrase,
        model,
        key_file=key_file,
        identity=identity,
        max_pixels=max_pixels,
    )
    path = Path(destination or "") if folder is None else folder / found.usual_name
    if folder is not None and found.name is not None:
        force = False
    # What a name must end in is known only now.
    output.check_output(path, inputs, force=force, any_kind=found.data is not None)
    output.write_atomically(path, found.file, force=force, private=True)
    return replace(found, path=path)


def capacity(
    carrier: ImageSource | bytes,
    cost: str = "auto",
    model: ModelSource = None,
    *,
    channel: str | None = None,
    shrink: float | str | None = None,
    quality_jpeg: int | None = None,
    max_pixels: int | None = None,
) -> Capacity:
    """Say how much a photo can take, in bits that compare with `EmbedResult.payload_bits`.

    Parameters
    ----------
    carrier : as in `embed`
    cost : as in `embed`; those of "mipod" and "jmipod" are for one bit per hundred elements
    model : whose codes are to fit; no network is loaded for it
    channel : as in `EmbedOptions`: what a stego for it carries, of which no detector's error is
        known (NaN)
    shrink, quality_jpeg : as in `EmbedOptions`: what a cover that is made of the photo holds
    max_pixels : as in `extract`

    Returns
    -------
    Capacity

    Raises
    ------
    InputImageError : the carrier cannot be used
    """
    carrier = lasting(carrier, "carrier")
    with pixel_limit(max_pixels):
        if channel is not None:
            from deephide.channels import profiles, sending

            asked = profiles.parse(channel, shrink)
            return sending.capacity(carrier, asked, models.code_sizes(model))
        cover: Cover
        making = Making.of(shrink, quality_jpeg)
        if making is None:
            cover = opening.open_cover(carrier)
        else:
            from deephide.covers import precovers

            cover, _ = precovers.make(carrier, making)
    return measure_capacity(cover, cost, models.code_sizes(model))


def is_compiled(carrier: ImageSource | bytes | None = None) -> bool:
    """Return whether `embed` starts at once; on a new machine the first call compiles.

    Parameters
    ----------
    carrier : as in `embed`; JPEG files need more code than others

    Returns
    -------
    compiled : bool, by what lies in numba's cache
    """
    return stc.is_compiled() and (carrier is None or opening.is_compiled(carrier))
