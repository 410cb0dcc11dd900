"""The server of the page: routes, uploads, and jobs as streams of JSON lines.

    GET   /            the page, its style and script
    POST  /look/ROLE   a file as it is; what it turns out to be
    POST  /preview     JSON of `PreviewOrder`
    POST  /embed       JSON of `EmbedOrder`
    POST  /extract     JSON of `ExtractOrder`
    GET   /samples/NAME  a face or a photo to try with
    POST  /passphrase  a new passphrase, as JSON
    GET   /files/NAME  an upload or a result
    POST  /forget      JSON list of names to drop
    POST  /quit        end the server

All of it below the token that `cli.ui.guard` asks for.  A job answers with one JSON object a line:
{"stage": ...} or {"note": ...}, and at last {"result": ...} or {"error": ...}.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, fields
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cli.render import finite, problem
from cli.ui.connections import BoundedConnection
from cli.ui.files import Files
from cli.ui.guard import HOST, Address, Guard
from cli.ui.jobs import Jobs, Work
from cli.ui.orders import EmbedOrder, ExtractOrder, PreviewOrder
from cli.ui.work import ROLES, Desk, limit_of
from deephide.container.spoken import draw_words
from deephide.errors import DeephideError

if TYPE_CHECKING:
    from deephide.models import ModelSource

__all__ = ["Notice", "listen", "make_server"]

MAX_ORDER_BYTES = 1 << 17
GENERATED_WORDS = 5  # 80 bits, as those of deephide passphrase
_STATIC = {
    "": ("page.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
    "crop.js": ("crop.js", "text/javascript"),
    "viewer.js": ("viewer.js", "text/javascript"),
    "samples/face.jpg": ("sample-face.jpg", "image/jpeg"),
    "samples/photo.jpg": ("sample-photo.jpg", "image/jpeg"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}

Notice: TypeAlias = Callable[[BaseException], None]
Order = TypeVar("Order", PreviewOrder, EmbedOrder, ExtractOrder)


def listen(port: int = 0) -> socket.socket:
    """Return a socket that listens on the loopback interface; port 0 is a random free one.

    Raises
    ------
    OSError : the port is taken or not allowed
    """
    return socket.create_server((HOST, port), backlog=64)


def make_server(address: Address, notice: Notice, model: ModelSource = None) -> uvicorn.Server:
    """Return the server of the page; `server.run(sockets=[...])` runs it until it is told to exit.

    Parameters
    ----------
    address : where it will listen
    notice : called with every exception that the page is told of
    model : as for `deephide.embed`
    """
    page = _Page(notice, model)
    # Of connections that break off it would print what they sent.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    server = uvicorn.Server(
        uvicorn.Config(
            Guard(page.app(), address),
            http=BoundedConnection,
            loop="asyncio",
            ws="none",
            log_config=None,
            log_level="critical",  # addresses hold the token
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )

    def stop() -> None:
        server.should_exit = True

    page.stop = stop
    return server


class _Page:
    """What the routes share."""

    def __init__(self, notice: Notice, model: ModelSource) -> None:
        self._notice = notice
        self._files = Files()
        self._jobs = Jobs()
        self._desk = Desk(self._files, model)
        self.stop: Callable[[], None] = lambda: None

    def app(self) -> Starlette:
        routes = [
            *(Route(f"/{name}", _static(*found)) for name, found in _STATIC.items()),
            Route("/look/{role}", self.look, methods=["POST"]),
            Route("/preview", self.preview, methods=["POST"]),
            Route("/passphrase", self.passphrase, methods=["POST"]),
            Route("/embed", self.embed, methods=["POST"]),
            Route("/extract", self.extract, methods=["POST"]),
            Route("/files/{name}", self.file),
            Route("/forget", self.forget, methods=["POST"]),
            Route("/quit", self.quit, methods=["POST"]),
        ]

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            yield
            self._jobs.close()

        return Starlette(routes=routes, lifespan=lifespan)

    async def look(self, request: Request) -> Response:
        role = request.path_params["role"]
        if role not in ROLES:
            raise HTTPException(404)
        data, size = await _body(request, limit_of(role))
        return self._stream(lambda _send: self._desk.look_at(role, data, size))

    async def preview(self, request: Request) -> Response:
        order = await _order(request, PreviewOrder)
        return self._stream(lambda send: self._desk.preview(order, send))

    async def passphrase(self, _request: Request) -> Response:
        text = "-".join(draw_words(GENERATED_WORDS))
        return JSONResponse({"passphrase": text})

    async def embed(self, request: Request) -> Response:
        order = await _order(request, EmbedOrder)
        return self._stream(lambda send: self._desk.embed(order, send))

    async def extract(self, request: Request) -> Response:
        order = await _order(request, ExtractOrder)
        return self._stream(lambda send: self._desk.extract(order, send))

    async def file(self, request: Request) -> Response:
        try:
            held = self._files.get(request.path_params["name"])
        except DeephideError:
            raise HTTPException(404) from None
        # What was hidden may be any bytes: a browser saves them, and never shows them as a page.
        return Response(
            held.data, media_type=held.media_type, headers={"Content-Disposition": "attachment"}
        )

    async def forget(self, request: Request) -> Response:
        names = await _json(request)
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise HTTPException(400)
        self._files.forget(names)
        return Response(status_code=204)

    async def quit(self, _request: Request) -> Response:
        self.stop()
        return Response(status_code=204)

    def _stream(self, work: Work) -> Response:
        async def lines() -> AsyncIterator[str]:
            try:
                async for event in self._jobs.run(work):
                    yield json.dumps(finite(event)) + "\n"
            except Exception as error:
                self._notice(error)
                yield json.dumps({"error": asdict(problem(error))}) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")


def _static(name: str, media_type: str) -> Callable[[Request], Response]:
    data = resources.files("cli.ui").joinpath("static", name).read_bytes()

    def answer(_request: Request) -> Response:
        return Response(data, media_type=media_type)

    return answer


async def _body(request: Request, limit: int) -> tuple[bytes, int]:
    """Return what was sent and its size; nothing of it where it is longer than `limit`.

    It is read to its end all the same: a browser listens to no answer before that.
    """
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            parts.clear()
        else:
            parts.append(chunk)
    return b"".join(parts), size


async def _json(request: Request) -> Any:
    data, size = await _body(request, MAX_ORDER_BYTES)
    if size > MAX_ORDER_BYTES:
        raise HTTPException(413)
    try:
        return json.loads(data)
    except (ValueError, RecursionError):  # the latter where lists are nested by the thousand
        raise HTTPException(400) from None


async def _order(request: Request, kind: type[Order]) -> Order:
    found = await _json(request)
    types = {each.name: each.type for each in fields(kind)}
    try:
        order = kind(**found)
    except TypeError:
        raise HTTPException(400) from None
    if any(type(value).__name__ != types[name] for name, value in found.items()):
        raise HTTPException(400)
    return order
