"""Output streams of a command: results, messages and progress; their only writer.

stdout   the result alone: a path, the bytes for `-o -`, or one JSON object
stderr   `PROGRAM: error: lower case, no full stop`, hints, warnings, progress
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import click

from cli.exit_codes import ExitCode, of_error
from deephide.errors import DeephideError, MissingExtraError, OutputError
from e2style.errors import E2StyleError

__all__ = ["LOGGERS", "SCHEMA", "Problem", "Terminal", "finite", "problem"]

SCHEMA = 1

_SMALLER = "close other programs, or take a smaller image"
# What torch and the loader of libraries say of it; theirs is no MemoryError.
_MEMORY = re.compile(
    "can't allocate memory|cannot allocate memory|failed to map segment|not enough memory",
    re.IGNORECASE,
)
LOGGERS = ("deephide", "stc", "e2style")
# Packages that some commands or machines need, and the extra that brings each.
_BROUGHT_BY = {"torch": "train", "numba": "kernels"}
_PACKAGES = ("deephide", "numpy", "pillow", "cryptography", "constriction", "torch", "numba")


@dataclass(frozen=True)
class Problem:
    """An error as it is reported to people and programs, in the fields of --json."""

    code: ExitCode
    name: str
    message: str
    hint: str | None = None


def problem(error: BaseException) -> Problem:
    """Return the report of an exception."""
    code, name = of_error(error), type(error).__name__
    package = (getattr(error, "name", None) or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and package in _BROUGHT_BY:
        error = MissingExtraError("this", package, _BROUGHT_BY[package])
        code, name = of_error(error), type(error).__name__
    if isinstance(error, DeephideError):
        return Problem(code, name, str(error), error.hint)
    if isinstance(error, E2StyleError):
        return Problem(code, name, str(error))
    if code is ExitCode.INTERRUPTED:
        return Problem(code, name, "interrupted")
    if any(isinstance(each, MemoryError) or _MEMORY.search(str(each)) for each in _chain(error)):
        return Problem(code, "MemoryError", "there is not enough memory for this", _SMALLER)
    if code is ExitCode.OUTPUT:  # an OSError that nobody met before
        return Problem(code, name, in_words(error))
    message = f"unexpected {name}: {_first_line(error)}"
    return Problem(code, name, message, "rerun with --debug and report what it prints")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it: a library's loader may not pass on its own reason."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def in_words(error: BaseException) -> str:
    """Return an error of the system as a sentence, without its number.

    Examples
    --------
    >>> in_words(FileNotFoundError(2, "No such file or directory", "a.txt"))
    'a.txt: no such file or directory'
    """
    reason = (getattr(error, "strerror", None) or _first_line(error)).lower()
    name = getattr(error, "filename", None)
    if isinstance(name, str | bytes):
        return f"{click.format_filename(name)}: {reason}"
    return "the current folder no longer exists" if _is_nowhere() else f"the system said: {reason}"


def _is_nowhere() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False


class Terminal:
    """The streams of one run of one command.

    Parameters
    ----------
    program : name in front of every message
    quiet : nothing but errors
    verbose : log what the library does
    debug : as verbose, and tracebacks and versions with errors
    as_json : one JSON object on stdout and nothing else
    """

    def __init__(
        self,
        program: str,
        *,
        quiet: bool = False,
        verbose: bool = False,
        debug: bool = False,
        as_json: bool = False,
    ) -> None:
        self.program = program
        self.quiet = quiet
        self.verbose = verbose or debug
        self.debug = debug
        self.as_json = as_json
        self.warnings: list[str] = []

    def result(self, text: str, fields: dict[str, Any]) -> None:
        """Print the result: `text`, or with --json the fields."""
        if self.as_json:
            _print_json({"ok": True, **fields})
        else:
            _print(click.format_filename(text))

    def binary(self, data: bytes) -> None:
        """Write bytes to stdout."""
        with _to_stdout():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def help(self, text: str) -> None:
        """Print the help of a program that was called without a command."""
        if self.as_json:
            self.report(Problem(ExitCode.USAGE, "UsageError", "missing command", "see --help"))
        else:
            _tell(text)

    def hung_up(self) -> ExitCode:
        """Stay quiet after the reader of stdout has gone, also when Python flushes it at exit."""
        _forget_stdout()
        return ExitCode.PIPE

    def info(self, text: str) -> None:
        """Print a message that needs no action."""
        if not self.quiet and not self.as_json:
            _tell(f"{self.program}: {text}")

    def warning(self, text: str) -> None:
        """Print a message that may need action; with --json it joins the object."""
        self.warnings.append(text)
        if not self.quiet and not self.as_json:
            _tell(f"{self.program}: warning: {text}")

    def outcome(self, text: str, fields: dict[str, Any], found: Problem | None) -> ExitCode:
        """Print a result whose parts may have failed, and the problem of the first that did.

        Parameters
        ----------
        text, fields : as in `result`
        found : gives the exit status; None if nothing failed
        """
        if found is None or (text and not self.as_json):
            self.result(text, fields)
        if found is None:
            return ExitCode.OK
        self.report(found, fields)
        return found.code

    def failure(self, error: BaseException) -> ExitCode:
        """Report an exception and return the exit status for it."""
        found = problem(error)
        self.report(found)
        self.details(error)
        return found.code

    def details(self, error: BaseException) -> None:
        """Print the traceback of an exception, with --debug."""
        if self.debug and not isinstance(error, KeyboardInterrupt):
            _tell(_details(error).rstrip())

    def report(self, found: Problem, fields: dict[str, Any] | None = None) -> None:
        """Print one error, as text or as JSON, there beside the fields of what was done."""
        if self.as_json:
            _print_json({"ok": False, "error": asdict(found), **(fields or {})})
            return
        _tell(f"{self.program}: error: {found.message}")
        if found.hint:
            _tell(f"{self.program}: hint: {found.hint}")

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Show the library's log records as messages while the command runs."""
        handler = _Handler(self)
        level = logging.DEBUG if self.debug else logging.INFO if self.verbose else logging.WARNING
        loggers = [logging.getLogger(name) for name in LOGGERS]
        before = [logger.level for logger in loggers]
        for logger in loggers:
            logger.addHandler(handler)
            logger.setLevel(level)
        # Pillow's messages about damaged files would reach stderr unformatted.
        silent = logging.NullHandler()
        logging.getLogger("PIL").addHandler(silent)
        try:
            yield
        finally:
            logging.getLogger("PIL").removeHandler(silent)
            for logger, old in zip(loggers, before, strict=True):
                logger.removeHandler(handler)
                logger.setLevel(old)

    @contextmanager
    def progress(
        self, stages: Sequence[str], weights: Sequence[float] | None = None
    ) -> Iterator[Callable[[int, int], None]]:
        """Show the stage on a terminal, if the work takes longer than half a second.

        Parameters
        ----------
        stages : names in order
        weights : share of the time that each takes, in any unit; with them the time left is shown
        """
        if not self._shows_progress():
            yield lambda done, total: None
            return
        from cli.progress import StageLine

        line = StageLine(stages, weights)
        try:
            yield line.update
        finally:
            line.close()

    @contextmanager
    def bar(self, label: str, unit: str) -> Iterator[Callable[[int, int], None]]:
        """Show counted work on a terminal: a bar, the rate and what is left."""
        if not self._shows_progress():
            yield lambda done, total: None
            return
        from cli.progress import counted_bar

        with counted_bar(label, unit) as update:
            yield update

    def _shows_progress(self) -> bool:
        if self.quiet or self.as_json or sys.stderr is None:
            return False
        return sys.stderr.isatty()


class _Handler(logging.Handler):
    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self._terminal.warning(text)
        else:
            self._terminal.info(f"{record.levelname.lower()}: {text}")


def _print_json(fields: dict[str, Any]) -> None:
    _print(json.dumps(finite({"schema": SCHEMA, **fields})))


def _print(text: str) -> None:
    with _to_stdout():
        click.echo(text)


def _tell(text: str) -> None:
    """Write to stderr what nothing depends on: where that is closed or full, it is lost."""
    with suppress(OSError, ValueError):
        click.echo(text, err=True)


@contextmanager
def _to_stdout() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        _forget_stdout()
        reason = (error.strerror or "unknown reason").lower()
        raise OutputError(f"the result cannot be written: {reason}") from error


def _forget_stdout() -> None:
    """Let nothing that is still to be written to stdout fail when Python ends."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def finite(value: Any) -> Any:
    """Return a value for JSON, which has no infinity: the PSNR of equal images becomes null."""
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else "no message"


def _details(error: BaseException) -> str:
    import platform
    import traceback
    from importlib import metadata

    versions = [f"python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return "".join(traceback.format_exception(error)) + ", ".join(versions) + "\n"
