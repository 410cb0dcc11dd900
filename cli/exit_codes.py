"""Exit statuses of the commands: documented and stable."""

from __future__ import annotations

import errno
from enum import IntEnum, unique

from deephide.errors import DeephideError
from e2style.errors import ConfigError, DataError, E2StyleError, OutputError

__all__ = ["ExitCode", "of_error"]


@unique
class ExitCode(IntEnum):
    """Exit status that a script can rely on."""

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
    INCOMPLETE = 10
    HANGUP = 129
    INTERRUPTED = 130
    QUIT = 131
    PIPE = 141
    TERMINATED = 143


# Errors that the `e2style` command meets without `deephide` in between.
_OF_E2STYLE: dict[type[Exception], ExitCode] = {
    ConfigError: ExitCode.USAGE,
    DataError: ExitCode.INPUT_IMAGE,
    OutputError: ExitCode.OUTPUT,
    E2StyleError: ExitCode.CHECKPOINT,
}


def of_error(error: BaseException) -> ExitCode:
    """Return the exit status that an exception becomes."""
    if isinstance(error, DeephideError):
        return ExitCode(error.exit_code)
    for kind, code in _OF_E2STYLE.items():
        if isinstance(error, kind):
            return code
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, OSError) and error.errno is not None and error.errno != errno.ENOMEM:
        return ExitCode.OUTPUT
    return ExitCode.BUG
