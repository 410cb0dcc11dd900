"""Rows of a list: the work of one, done in whatever process, and its outcome."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cli.encoding import arguments, keyed
from cli.exit_codes import ExitCode
from cli.manifest import Row
from cli.passphrase import WEAK, Secrets, read_passphrase_file
from cli.render import LOGGERS, Problem, problem
from deephide.errors import DeephideError

if TYPE_CHECKING:
    from deephide.options import EmbedOptions

__all__ = ["LOST", "Outcome", "Task", "extract_row", "hide_row"]

# Of this process, loaded once for all rows; by name or path.
_models: dict[str | None, Any] = {}


@dataclass(frozen=True)
class Task:
    """A row, and what is the same for all rows.

    `options` have neither keys nor model; `hygiene` are arguments of `deephide.embed_file` about
    the file of the stego.  Both are for embedding alone, and `max_pixels` for extraction.
    """

    row: Row
    secrets: Secrets
    model: str | None
    force: bool
    options: EmbedOptions | None = None
    hygiene: dict[str, Any] = field(default_factory=dict)
    max_pixels: int | None = None

    def keys(self) -> Secrets:
        """Return the keys of the row, or if it has none those of all."""
        if not self.row.has_keys:
            return self.secrets
        files = self.row.files
        passphrase = None
        if "passphrase_file" in files:
            passphrase = read_passphrase_file(files["passphrase_file"])
        key_file, identity = files.get("key_file"), files.get("identity")
        return Secrets(passphrase, key_file, self.row.recipients, identity)


@dataclass(frozen=True)
class Outcome:
    """Outcome of a row: its report, or the problem, and all warnings."""

    report: dict[str, Any] | None
    problem: Problem | None = None
    warnings: tuple[str, ...] = ()


def hide_row(task: Task) -> Outcome:
    """Embed what a row says; the report is a part of what `embed --json` says."""
    import deephide

    options = task.options or deephide.EmbedOptions()
    with _caught() as warnings:
        try:
            keys = task.keys()
            if task.row.has_keys and keys.weak:  # those of all rows were looked at before
                warnings.append(WEAK)
            result = deephide.embed_file(
                task.row.files["secret"],
                task.row.files["carrier"],
                task.row.output,
                force=task.force,
                **arguments(keyed(options, keys, _model(task.model))),
                **task.hygiene,
            )
        except Exception as error:
            return Outcome(None, _problem_of(error), tuple(warnings))
    report = {
        "payload_bits": result.payload_bits,
        "alpha": result.alpha,
        "change_rate": result.change_rate,
        "psnr": result.psnr,
        "secret_psnr": result.secret_psnr,
        "codec": result.codec,
        "model": result.model,
        "safe_bits": result.safe_bits,
    }
    return Outcome(report, warnings=tuple(warnings))


def extract_row(task: Task) -> Outcome:
    """Extract what a row says; the report is a part of what `extract --json` says."""
    import deephide

    with _caught() as warnings:
        try:
            keys = task.keys()
            found = deephide.extract_file(
                task.row.files["stego"],
                task.row.output,
                keys.passphrase,
                _model(task.model),
                force=task.force,
                key_file=keys.key_file,
                identity=keys.identity,
                max_pixels=task.max_pixels,
            )
        except Exception as error:
            return Outcome(None, _problem_of(error), tuple(warnings))
    report = {
        "codec": found.info.codec,
        "model": found.info.model,
        "payload_bits": found.info.payload_bits,
    }
    return Outcome(report, warnings=tuple(warnings))


LOST = Outcome(
    None,
    Problem(
        ExitCode.BUG,
        "ProcessError",
        "the process that worked on it was killed, perhaps because memory ran out",
        "run the command again with fewer --jobs",
    ),
)


def _problem_of(error: Exception) -> Problem:
    found = problem(error)
    if found.code is ExitCode.BUG and not isinstance(error, DeephideError):
        # A traceback would have to come from another process.
        return replace(
            found, hint="run the command for one, with the files of this row and --debug"
        )
    return found


def _model(name: str | None) -> Any:
    from deephide.models import LazyModel

    return _models.setdefault(name, LazyModel(name))


@contextmanager
def _caught() -> Iterator[list[str]]:
    """Collect the warnings of the libraries, to be reported with the row they belong to."""
    warnings: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warnings.append(record.getMessage())

    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [Collector(logging.WARNING)], False
    try:
        yield warnings
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
