"""Command that serves the local web page."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import click

from cli.deephide_group import app
from cli.options import model_option
from cli.program import command
from cli.render import Terminal
from deephide.errors import MissingExtraError

__all__ = ["ui"]


@command(
    app,
    examples=(
        "deephide ui",
        "deephide ui --port 8765 --no-browser",
    ),
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Advanced: the port to listen on.  [default: a random free one]",
)
@click.option(
    "--no-browser", is_flag=True, help="Output: print the address only, and start no browser."
)
@model_option
def ui(terminal: Terminal, port: int, no_browser: bool, model: str | None) -> None:
    """Open a web page to hide and to get back, on this computer alone.

    The page is served to this computer and asks nothing of any other one. Its address holds a
    random key: who has it can use the page. Ctrl-C ends it, and everything it held is gone.
    """
    try:
        from cli.ui.guard import Address, leading_to
        from cli.ui.server import listen, make_server
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("starlette", "uvicorn"):
            raise
        raise MissingExtraError("the page", missing, "ui") from error
    try:
        listening = listen(port)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise click.UsageError(f"port {port} cannot be used: {reason}") from error
    with listening, ExitStack() as cleaning:
        address = Address(listening.getsockname()[1])
        server = make_server(address, terminal.details, model)
        terminal.result(address.url, {"url": address.url})
        terminal.info("the page is at this address, for this computer alone; Ctrl-C ends it")
        if not no_browser and _has_screen():
            page = cleaning.enter_context(private_page(leading_to(address.url_for_once)))
            # Some browsers come back only when they are closed.
            threading.Thread(target=webbrowser.open, args=(page,), daemon=True).start()
        with suppress(KeyboardInterrupt):  # the way to end it
            server.run(sockets=[listening])
    terminal.info("ended")


@contextmanager
def private_page(content: str) -> Iterator[str]:
    """Yield the address of a file that this account alone can read, for as long as it is needed.

    The command line of a browser can be read by everybody; what it names cannot.
    """
    with tempfile.TemporaryDirectory(prefix="deephide-ui-") as folder:  # of mode 0700
        path = Path(folder) / "open.html"
        with open(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(content)
        yield path.as_uri()


def _has_screen() -> bool:
    """Return whether a browser would open a window; a text browser would take over the terminal."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
