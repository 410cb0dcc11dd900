"""Embedding in several photos that share one secret, as `embed` does it with several carriers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.encoding import arguments
from cli.inputs import STDIN, read_input
from cli.render import Terminal
from cli.reports import announce_compilation, embed_fields, photo_fields

if TYPE_CHECKING:
    from deephide import EmbedResult
    from deephide.options import EmbedOptions

__all__ = ["embed_in_several"]


@dataclass(frozen=True)
class _Together:
    """What `embed` says of one photo, for all of them."""

    results: Sequence[EmbedResult]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.results[0], name)  # what was encoded is the same for all

    @property
    def payload_bits(self) -> int:
        return sum(each.payload_bits for each in self.results)

    @property
    def safe_bits(self) -> int:
        return sum(each.safe_bits for each in self.results)

    @property
    def alpha(self) -> float:
        return self.payload_bits / sum(each.elements for each in self.results)

    @property
    def change_rate(self) -> float:
        elements = sum(each.elements for each in self.results)
        return sum(each.changes for each in self.results) / elements

    @property
    def psnr(self) -> float:
        return min(each.psnr for each in self.results)

    @property
    def detector_error(self) -> float:
        return min(each.detector_error for each in self.results)


def embed_in_several(
    terminal: Terminal,
    secret: str | bytes,
    carriers: Sequence[str],
    needed: int | None,
    output: str | None,
    options: EmbedOptions,
    more: dict[str, Any],
    start: float,
) -> None:
    """Hide a secret in several photos, and report each.

    Parameters
    ----------
    terminal : where to report
    secret : path, or bytes
    carriers : paths
    needed : photos that are to be enough, or None for all
    output : the folder of the stegos
    options : everything that was chosen
    more : of `deephide.embed_files`
    start : in seconds of the monotonic clock

    Raises
    ------
    click.UsageError : one photo alone, stdin, or no folder to write to
    """
    if len(carriers) == 1:
        raise click.UsageError("--needed is for several photos: give --carrier more than once")
    if needed is not None and needed > len(carriers):
        raise click.UsageError(f"--needed {needed} is more than the {len(carriers)} photos given")
    if STDIN in carriers:
        raise click.UsageError("stdin holds one photo: several have to be files")
    dry_run = more["dry_run"]
    if not dry_run and (output is None or not Path(output).is_dir()):
        raise click.UsageError("several stegos need a folder that exists: -o FOLDER")
    import deephide
    from deephide.naming import stego_names

    photos = [read_input(each, "carrier") for each in carriers]
    announce_compilation(terminal, photos)
    with terminal.progress(deephide.STAGES) as progress:
        results = deephide.embed_files(
            secret,
            photos,
            output or "",
            needed=needed,
            progress=progress,
            **more,
            **arguments(options),
        )
    names = [str(Path(output or "", name)) for name in stego_names(carriers, options)]
    for carrier, result in zip(carriers, results, strict=True):
        terminal.info(
            f"hid {result.payload_bits} bits in {result.elements} {result.element_name} of "
            f"{carrier}; {result.changes} of them changed by one level ({result.psnr:.1f} dB)"
        )
    together = _Together(results)
    fields = embed_fields(terminal, together, None if dry_run else output, start)
    fields["photos"] = [
        photo_fields(carrier, None if dry_run else name, result)
        for carrier, name, result in zip(carriers, names, results, strict=True)
    ]
    reasons = "\n".join(result.reason for result in results)
    terminal.result(reasons if dry_run else "\n".join(names), fields)
