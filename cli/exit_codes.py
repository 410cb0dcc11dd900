"""Every exit status of the commands; documented and stable."""

from __future__ import annotations

from enum import IntEnum, unique

from deephide.errors import DeephideError

__all__ = ["ExitCode", "of_error"]


@unique
class ExitCode(IntEnum):
    """What a script can rely on."""

    OK = 0
    BUG = 1
    USAGE = 2
    INPUT_IMAGE = 3
    CAPACITY = 4
    EXTRACTION = 5
    FORMAT_VERSION = 6
    CHECKPOINT = 7
    OUTPUT = 8
    PASSPHRASE = 9
    INTERRUPTED = 130
    TERMINATED = 143


def of_error(error: BaseException) -> ExitCode:
    """Return the exit status that an exception becomes."""
    if isinstance(error, DeephideError):
        return ExitCode(error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return ExitCode.BUG
