"""Guard of the server: it answers one page, in one browser, at one address.

Other programs of this computer can connect to the loopback interface, and any web site can make a
browser connect to it.  So every path starts with a random token, the name of the host must be
ours (a site may give its own name the address 127.0.0.1: DNS rebinding), and whatever changes
something must come from our own page.  The token is part of the path and no cookie, because
cookies do not tell the ports of a host apart.
"""

from __future__ import annotations

import secrets
import urllib.parse
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Address", "Guard", "leading_to"]

HOST = "127.0.0.1"

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass
class Address:
    """Where the page is, and what opens it.

    `ticket` opens the page once.  A browser is started with a private file that leads to it: the
    other accounts of a computer can read the command line of a program.
    """

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    @property
    def url_for_once(self) -> str:
        """An address that leads to the page the first time it is used."""
        return f"http://{HOST}:{self.port}/{self.ticket}"

    def punch(self, ticket: str) -> bool:
        """Tell whether a ticket is good, and make it useless."""
        good = _equal(ticket, self.ticket)
        if good:
            self.ticket = secrets.token_urlsafe(32)
        return good


class Guard:
    """Lets through what our own page asks, without the token in its path.

    Parameters
    ----------
    app : what answers
    address : where we are
    """

    def __init__(self, app: ASGIApp, address: Address) -> None:
        self._app = app
        self._address = address
        self._hosts = {f"{name}:{address.port}" for name in (HOST, "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        answer = self._rejection(scope) or self._wrong_path(scope)
        if answer is not None:
            await answer(scope, receive, send_with_headers)
            return
        path = scope["path"][1 + len(self._address.token) :]
        await self._app({**scope, "path": path}, receive, send_with_headers)

    def _rejection(self, scope: Scope) -> Response | None:
        headers, method = Headers(scope=scope), scope["method"]
        host = headers.get("host", "")
        if host not in self._hosts:
            return _reject(403, "This server answers to its own address alone.")
        reading = method in ("GET", "HEAD")
        if not reading and headers.get("origin") != f"http://{host}":
            return _reject(403, "Only the page of this server may send something to it.")
        if method == "GET" and _equal(scope["path"][1:], self._address.ticket):
            return None  # the private file that leads here has no origin
        # Browsers tell who made the request; none is a person who typed or opened the address.
        allowed = ("same-origin", "none") if reading else ("same-origin",)
        if headers.get("sec-fetch-site", "same-origin") not in allowed:
            return _reject(403, "Other pages may not ask this server.")
        return None

    def _wrong_path(self, scope: Scope) -> Response | None:
        first, slash, _ = scope["path"][1:].partition("/")
        if _equal(first, self._address.token) and slash:
            return None
        if scope["method"] == "GET" and not slash and self._address.punch(first):
            # A page of ours, so that the browser takes the next step for one of ours.
            return HTMLResponse(leading_to(urllib.parse.urlsplit(self._address.url).path))
        return _reject(404, "There is nothing here: open the address that deephide ui printed.")


def leading_to(url: str) -> str:
    """Return a page that leads on to an address of ours at once."""
    refresh = f'<meta http-equiv="refresh" content="0; url={url}">'
    return f"<!doctype html><title>deephide</title>{refresh}"


def _reject(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status_code=status)


def _equal(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())
