"""Hide a picture of a face inside an ordinary photo, and get it back.

>>> import deephide
>>> result = deephide.embed("face.png", "photo.png", passphrase="...")  # doctest: +SKIP
>>> result.stego.save("stego.png")  # doctest: +SKIP
>>> deephide.extract("stego.png", passphrase="...").image.show()  # doctest: +SKIP

Importing this package is cheap; the codes and the networks are loaded on first use.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from deephide.errors import (
    CapacityError,
    CheckpointError,
    DeephideError,
    ExtractionError,
    FormatVersionError,
    IncompleteError,
    InputImageError,
    MissingExtraError,
    OutputError,
    PassphraseError,
)

if TYPE_CHECKING:
    from deephide.api import (
        STAGES,
        capacity,
        embed,
        embed_file,
        embed_files,
        extract,
        extract_file,
        is_compiled,
    )
    from deephide.container.key_files import keygen
    from deephide.covers.capacity import Capacity, Fit
    from deephide.options import EmbedOptions
    from deephide.results import EmbedResult, ExtractInfo, ExtractResult

__all__ = [
    "STAGES",
    "Capacity",
    "CapacityError",
    "CheckpointError",
    "DeephideError",
    "EmbedOptions",
    "EmbedResult",
    "ExtractInfo",
    "ExtractResult",
    "ExtractionError",
    "Fit",
    "FormatVersionError",
    "IncompleteError",
    "InputImageError",
    "MissingExtraError",
    "OutputError",
    "PassphraseError",
    "__version__",
    "capacity",
    "embed",
    "embed_file",
    "embed_files",
    "extract",
    "extract_file",
    "is_compiled",
    "keygen",
]

__version__ = "1.0.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name in __all__:  # all that is not defined above
        return getattr(import_module("deephide.api"), name)
    raise AttributeError(f"module 'deephide' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
