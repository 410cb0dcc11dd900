"""Embedding in several photos at once, from files to files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

from deephide import output, pipeline, several
from deephide.container.key_files import PathSource
from deephide.formats.files import ImageSource, lasting
from deephide.formats.limits import pixel_limit
from deephide.models import ModelSource
from deephide.naming import paths_of, stego_names, stego_suffixes, warnings_of_reuse
from deephide.options import EmbedOptions, Keywords
from deephide.pipeline import Progress, report
from deephide.results import EmbedResult

__all__ = ["embed_files"]


def embed_files(
    secret: ImageSource | bytes,
    carriers: Sequence[ImageSource | bytes],
    folder: PathSource,
    passphrase: str | None = None,
    model: ModelSource = None,
    cost: str = "auto",
    codec: str = "auto",
    progress: Progress = None,
    *,
    needed: int | None = None,
    preview: PathSource | None = None,
    force: bool = False,
    dry_run: bool = False,
    strip_metadata: bool = False,
    keep_times: bool = False,
    compare_with: PathSource | None = None,
    **options: Unpack[Keywords],
) -> tuple[EmbedResult, ...]:
    """Hide one secret in several photos, any `needed` of which are enough to get it back.

    Either all stegos appear under their names, or none.

    Parameters
    ----------
    secret, passphrase, model, cost, codec, progress : as in `embed`
    carriers : 2 to 64 photos, each as in `embed`
    folder : where the stegos go, under the names of their carriers; `stego_names` has these
    needed : photos that are to be enough; None means all of them, which hides least in each
    preview, force, dry_run, strip_metadata, keep_times, compare_with : as in `embed_file`
    options : as in `embed`; a budget counts what all photos hold

    Returns
    -------
    EmbedResult of each photo, in the order of the carriers

    Raises
    ------
    OutputError, DeephideError : as in `embed_file`
    ValueError : fewer photos than needed, or too many
    """
    chosen = EmbedOptions(passphrase=passphrase, model=model, cost=cost, codec=codec, **options)
    several.check_needed(needed, len(carriers))
    inputs = paths_of(secret, *carriers, model, chosen.key_file)
    secret = lasting(secret, "secret")
    photos = [lasting(each, "carrier") for each in carriers]
    paths = [Path(folder, name) for name in stego_names(carriers, chosen)]
    for number, (path, photo) in enumerate(zip(paths, photos, strict=True)):
        if not dry_run:
            suffixes = stego_suffixes(photo, chosen)
            output.check_output(path, inputs, paths[:number], force=force, suffixes=suffixes)
    if preview is not None:
        output.check_output(Path(preview), inputs, paths, force=force)
    with pixel_limit(chosen.max_pixels):
        jobs = several.hide(
            secret,
            photos,
            chosen,
            needed,
            progress,
            suffixes=[None if dry_run else path.suffix.lower() for path in paths],
            strip_metadata=strip_metadata,
            notes=[
                () if compare_with is None else warnings_of_reuse(photo, compare_with, chosen)
                for photo in photos
            ],
        )

    def check(number: int, written: Path) -> None:
        pipeline.verify(jobs[number], written)
        source = photos[number]
        if keep_times and isinstance(source, str | os.PathLike):
            output.copy_times(Path(source), written)

    files = [output.File(path, job.result.file) for path, job in zip(paths, jobs, strict=True)]
    checks = [partial(check, number) for number in range(len(jobs))]
    first = jobs[0].result
    if preview is not None and first.preview is not None:
        seen = output.png_bytes(first.preview)
        files.append(output.File(Path(preview), seen, private=True))
    if dry_run:
        for job in jobs:
            pipeline.verify(job)
        output.write_together(files[len(jobs) :], force=force)
    else:
        output.write_together(files, force=force, verify=checks)
    report(progress, 4)
    return tuple(job.result for job in jobs)
