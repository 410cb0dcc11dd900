"""Output streams of a command: results, messages and progress; their only writer.

stdout   the result alone: a path, the bytes for `-o -`, or one JSON object
stderr   `PROGRAM: error: lower case, no full stop`, hints, warnings, progress
"""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import click

from cli.exit_codes import ExitCode, of_error
from deephide.errors import DeephideError
from e2style.errors import E2StyleError

__all__ = ["LOGGERS", "SCHEMA", "Problem", "Terminal", "finite", "problem"]

SCHEMA = 1

LOGGERS = ("deephide", "stc", "e2style")
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
    if isinstance(error, DeephideError):
        return Problem(code, name, str(error), error.hint)
    if isinstance(error, E2StyleError):
        return Problem(code, name, str(error))
    if code is ExitCode.INTERRUPTED:
        return Problem(code, name, "interrupted")
    message = f"unexpected {name}: {_first_line(error)}"
    return Problem(code, name, message, "rerun with --debug and report what it prints")


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
            click.echo(click.format_filename(text))

    def binary(self, data: bytes) -> None:
        """Write bytes to stdout."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def help(self, text: str) -> None:
        """Print the help of a program that was called without a command."""
        if self.as_json:
            self.report(Problem(ExitCode.USAGE, "UsageError", "missing command", "see --help"))
        else:
            click.echo(text, err=True)

    def hung_up(self) -> ExitCode:
        """Stay quiet after the reader of stdout has gone, also when Python flushes it at exit."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        return ExitCode.PIPE

    def info(self, text: str) -> None:
        """Print a message that needs no action."""
        if not self.quiet and not self.as_json:
            click.echo(f"{self.program}: {text}", err=True)

    def warning(self, text: str) -> None:
        """Print a message that may need action; with --json it joins the object."""
        self.warnings.append(text)
        if not self.quiet and not self.as_json:
            click.echo(f"{self.program}: warning: {text}", err=True)

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
            click.echo(_details(error), err=True, nl=False)

    def report(self, found: Problem, fields: dict[str, Any] | None = None) -> None:
        """Print one error, as text or as JSON, there beside the fields of what was done."""
        if self.as_json:
            _print_json({"ok": False, "error": asdict(found), **(fields or {})})
            return
        click.echo(f"{self.program}: error: {found.message}", err=True)
        if found.hint:
            click.echo(f"{self.program}: hint: {found.hint}", err=True)

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
        return not (self.quiet or self.as_json) and sys.stderr.isatty()


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
    click.echo(json.dumps(finite({"schema": SCHEMA, **fields})))


def finite(value: Any) -> Any:
    """Return a value for JSON, which has no infinity: the PSNR of equal pictures becomes null."""
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else "no message"


def _details(error: BaseException) -> str:
    versions = [f"python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return "".join(traceback.format_exception(error)) + ", ".join(versions) + "\n"
