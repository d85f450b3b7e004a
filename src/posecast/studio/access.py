"""Access control: only this machine's browser, with the token from the printed address.

Pages of other sites must neither read nor start anything. `Host` is checked against DNS rebinding,
`Origin` and `Sec-Fetch-Site` against foreign pages, and every request needs the token.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def policy(framed_by: str = "'none'") -> str:
    """The Content-Security-Policy: what the page may load, and which sites may frame it."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "media-src 'self' blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors {framed_by}"
    )


SAFETY = {
    "content-security-policy": policy(),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@runtime_checkable
class Entrance(Protocol):
    """Decides on each request, and answers requests for the page."""

    def refusal(self, scope: Scope) -> Response | None:
        """The response that refuses a request; None if it is accepted."""
        ...

    def greet(self, request: Request, page: Response) -> Response:
        """The response to a request for the page."""
        ...


@dataclass(frozen=True)
class Door:
    """The names under which the server is reached, and the token that opens it."""

    port: int
    token: str

    @classmethod
    def at(cls, port: int, file: Path) -> Door:
        """A door whose token is kept in a private file, so that pages survive a restart."""
        try:
            token = file.read_text(encoding="ascii")
        except (OSError, ValueError):
            token = ""
        if not re.fullmatch(r"[A-Za-z0-9_-]{32}", token):
            token = secrets.token_urlsafe(24)
            file.unlink(missing_ok=True)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as kept:
                kept.write(token)
        return cls(port, token)

    @property
    def hosts(self) -> set[str]:
        """Accepted values of `Host`."""
        return {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}

    @property
    def origins(self) -> set[str]:
        """Accepted values of `Origin`."""
        return {f"http://{host}" for host in self.hosts}

    @property
    def cookie(self) -> str:
        """The cookie's name; it holds the port, because cookies do not distinguish ports."""
        return f"posecast-{self.port}"

    @property
    def address(self) -> str:
        """The address that is printed and opened."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    def opens(self, token: str | None) -> bool:
        """Whether a token is correct."""
        return token is not None and secrets.compare_digest(token.encode(), self.token.encode())

    def refusal(self, scope: Scope) -> Response | None:
        """The response that refuses a request; None if it is accepted."""
        headers = Headers(scope=scope)
        inside = scope["path"].startswith("/api/")
        if headers.get("host") not in self.hosts:
            return _refused("this server is reached as 127.0.0.1 only")
        origin = headers.get("origin")
        if origin is not None and origin not in self.origins:
            return _refused("pages of other sites may not use the studio")
        if inside and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return _refused("pages of other sites may not use the studio")
        if inside and not self.opens(self._token(headers)):
            return _refused("open the address that `posecast studio` printed: it holds the token")
        return None

    def _token(self, headers: Headers) -> str | None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return given.strip()
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return None
        return None if cookie is None else cookie.value

    def greet(self, request: Request, page: Response) -> Response:
        """The page; at the printed address, a redirect that moves the token into a cookie."""
        query = request.query_params
        if not self.opens(query.get("token")):
            return page
        project = query.get("project")
        response = RedirectResponse("/" if project is None else f"/?project={quote(project)}", 303)
        response.set_cookie(
            self.cookie, self.token, httponly=True, samesite="strict", path="/", max_age=30 * 86400
        )
        return response


def _refused(reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", 403)


class Guard:
    """ASGI middleware that applies the door and adds security headers."""

    def __init__(self, app: ASGIApp, door: Entrance) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFETY.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await (self._door.refusal(scope) or self._app)(scope, receive, safely)
