"""Syndrome-trellis codes: hide bits in a vector of elements at the lowest summed cost.

Arrays in, arrays out. Importing this package is cheap: numpy and numba are loaded when a
function is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stc.errors import PayloadTooLargeError, StcError

if TYPE_CHECKING:
    from stc import costs
    from stc.batch import embed_batch, extract_batch
    from stc.bounds import bound_distortion, bound_distortion_ternary, simulate
    from stc.codec import cache_folder, embed, extract, is_compiled, path_bytes
    from stc.multilayer import embed_ternary, extract_ternary
    from stc.pieces import embed_ternary_from
    from stc.syndrome import extract_ternary_from

__all__ = [
    "PayloadTooLargeError",
    "StcError",
    "bound_distortion",
    "bound_distortion_ternary",
    "cache_folder",
    "costs",
    "embed",
    "embed_batch",
    "embed_ternary",
    "embed_ternary_from",
    "extract",
    "extract_batch",
    "extract_ternary",
    "extract_ternary_from",
    "is_compiled",
    "path_bytes",
    "simulate",
]

_HOME = {
    "bound_distortion": "stc.bounds",
    "bound_distortion_ternary": "stc.bounds",
    "cache_folder": "stc.codec",
    "embed": "stc.codec",
    "embed_batch": "stc.batch",
    "embed_ternary": "stc.multilayer",
    "embed_ternary_from": "stc.pieces",
    "extract": "stc.codec",
    "extract_batch": "stc.batch",
    "extract_ternary": "stc.multilayer",
    "extract_ternary_from": "stc.syndrome",
    "is_compiled": "stc.codec",
    "path_bytes": "stc.codec",
    "simulate": "stc.bounds",
}


def __getattr__(name: str) -> Any:
    if name == "costs":
        return import_module("stc.costs")
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'stc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
