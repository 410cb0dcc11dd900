"""Inputs of a command: files, stdin, pipes and text, and the promise never to write over one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from cli.file_types import FileType
from deephide.errors import InputImageError, OutputError

if TYPE_CHECKING:
    from cli.render import Terminal

__all__ = [
    "STDIN",
    "check_outputs",
    "check_stdin",
    "named_inputs",
    "read_input",
    "reject_inputs",
    "reject_terminal",
]

STDIN = "-"
WRITTEN = ("output", "preview", "run_folder")


def read_input(given: str, role: str) -> str | bytes:
    """Return a file's path, or what stdin or another pipe holds; see `formats.files.lasting`.

    Parameters
    ----------
    given : a path, or - for stdin
    role : what it is, as messages call it

    Raises
    ------
    InputImageError : stdin is a terminal or closed, or the pipe is empty or holds too much
    """
    from deephide.formats.files import lasting, read_stream

    if given != STDIN:
        return lasting(given, role)
    if sys.stdin is None or sys.stdin.closed:
        raise InputImageError(f"the {role} cannot be read: stdin is closed")
    if sys.stdin.isatty():
        raise InputImageError(
            f"the {role} is to come through stdin, which is a terminal",
            hint="redirect or pipe a file into the command",
        )
    return read_stream(sys.stdin.buffer, role)


def check_stdin(**given: str | None) -> None:
    """Reject two inputs that are both to come through stdin; names are those of the options."""
    twice = [f"--{name.replace('_', '-')}" for name, value in given.items() if value == STDIN]
    if len(twice) > 1:
        raise click.UsageError(f"{' and '.join(twice)} cannot both be stdin")


def named_inputs() -> list[str]:
    """Return the files that the running command was given to read."""
    context = click.get_current_context(silent=True)
    found: list[str] = []
    for parameter in context.command.params if context is not None else ():
        if parameter.name in WRITTEN or not isinstance(parameter.type, FileType):
            continue
        value = context.params.get(parameter.name or "") if context is not None else None
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, str) and each != STDIN:
                found.append(each)
    return found


def reject_inputs(target: str | os.PathLike[str], inputs: Iterable[str] | None = None) -> None:
    """Raise OutputError if a file to be written is one that the command reads.

    Parameters
    ----------
    target : file to be written
    inputs : None means those that the running command was given
    """
    for each in named_inputs() if inputs is None else inputs:
        try:
            same = os.path.samefile(target, each)
        except OSError:
            continue
        if same:
            raise OutputError(
                f"the output {os.fspath(target)} is the input {each}", hint="choose another name"
            )


def check_outputs() -> None:
    """Raise OutputError if the running command is to write over one of its own inputs."""
    context = click.get_current_context(silent=True)
    for name in WRITTEN if context is not None else ():
        target = context.params.get(name) if context is not None else None
        if isinstance(target, str) and target != STDIN and not os.path.isdir(target):
            reject_inputs(target)


def reject_terminal(terminal: Terminal, output: str | None) -> None:
    """Refuse to write an image to stdout where that is a terminal, or is to hold JSON."""
    if output != "-":
        return
    if terminal.as_json:
        raise click.UsageError("--json and -o - both write to stdout")
    if sys.stdout.isatty():
        raise OutputError(
            "an image is not written to a terminal", hint="redirect stdout, or use -o with a path"
        )
