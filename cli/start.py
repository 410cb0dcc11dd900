"""Entry points of the commands, which a Ctrl-C ends quietly from the first import on.

Nothing is imported here that takes time: until a command runs there is nothing to tidy up, so an
interrupt prints its line and ends the process on the spot.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from types import FrameType

__all__ = ["deephide", "e2style", "end_at_once"]

_INTERRUPTED = 130


def deephide() -> None:
    """Run `deephide`; the entry point of the installed script."""
    _run("deephide")


def e2style() -> None:
    """Run `e2style`; the entry point of the installed script."""
    _run("e2style")


def _run(program: str) -> None:
    end_at_once(program)
    for descriptor in (0, 1, 2):
        _keep_open(descriptor)
    import_module(f"cli.{program}_app").main()


def end_at_once(program: str) -> None:
    """Let a Ctrl-C print one line and end the process, without unwinding the stack."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        line, stream = f"{program}: error: interrupted\n", 2
        if "--json" in sys.argv:
            error = f'"code": {_INTERRUPTED}, "name": "KeyboardInterrupt"'
            error += ', "message": "interrupted", "hint": null'
            line, stream = f'{{"schema": 1, "ok": false, "error": {{{error}}}}}\n', 1
        try:
            os.write(stream, line.encode())
        finally:
            os._exit(_INTERRUPTED)

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, leave)


def _keep_open(descriptor: int) -> None:
    """Put nothing in the place of a stream that is closed, or the next file would get its place."""
    try:
        os.fstat(descriptor)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != descriptor:
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
