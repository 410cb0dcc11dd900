"""Names of stegos and of what must not be overwritten, and warnings of what lies beside them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from deephide import output
from deephide.container.key_files import PathSource
from deephide.covers import opening
from deephide.formats.files import ImageSource
from deephide.models import LazyModel
from deephide.options import EmbedOptions

__all__ = ["numbered", "paths_of", "stego_names", "stego_suffixes", "warnings_of_reuse"]


def stego_suffixes(carrier: ImageSource | bytes, options: EmbedOptions) -> tuple[str, ...]:
    """Return what the name of a stego may end in, beginning with what it ends in by rule.

    Parameters
    ----------
    carrier, options : of the embedding
    """
    if options.channel is not None:
        return output.JPEG
    if options.making is not None:
        from deephide.covers import precovers

        return precovers.suffixes(carrier, options.making)
    return opening.suffixes(carrier)


def stego_names(carriers: Sequence[ImageSource | bytes], options: EmbedOptions) -> tuple[str, ...]:
    """Return the names that `embed_files` gives to stegos: those of their carriers, or numbers.

    Parameters
    ----------
    carriers, options : of the embedding
    """
    found: list[str] = []
    for number, carrier in enumerate(carriers, 1):
        named = isinstance(carrier, str | os.PathLike)
        stem = Path(carrier).stem if named else f"stego{number}"  # type: ignore[arg-type]
        suffix = stego_suffixes(carrier, options)[0]
        name = f"{stem}{suffix}"
        found.append(f"{stem}-{number}{suffix}" if name in found else name)
    return tuple(found)


def numbered(
    carrier: ImageSource | bytes, suffix: str, folder: PathSource = "", *, taken: bool = False
) -> Path:
    """Return a name for a stego that does not tell what it is: photo-1.png, of photo.png.

    It is the first such name that no file in the folder has.

    Parameters
    ----------
    carrier : the photo; of one that is no file the name is photo, too
    suffix : of the stego, as `stego_suffixes` says
    folder : where the stego goes
    taken : return the first name even if a file has it
    """
    stem = Path(carrier).stem if isinstance(carrier, str | os.PathLike) else "photo"
    free = (Path(folder, f"{stem}-{number}{suffix}") for number in itertools.count(1))
    return next(path for path in free if taken or not os.path.lexists(path))


def warnings_of_reuse(
    carrier: ImageSource | bytes, folder: PathSource, options: EmbedOptions
) -> tuple[str, ...]:
    """Return a warning for each image in a folder that is a stego of a carrier, or the carrier."""
    from deephide.covers.reuse import earlier_uses

    return tuple(
        f"{twin} shows the carrier or an earlier stego of it: two of them give both away"
        for twin in earlier_uses(carrier, folder, options.making)
    )


def paths_of(*sources: object) -> list[Path]:
    """Return the paths among sources, which no output may replace."""
    files = (each.source if isinstance(each, LazyModel) else each for each in sources)
    return [Path(each) for each in files if isinstance(each, str | os.PathLike)]
