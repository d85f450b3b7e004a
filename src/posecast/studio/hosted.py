"""The studio for public visitors: the same page, with a folder and small limits for each.

There is no token. A random cookie identifies a visitor, who sees nothing of the others.
"""

from __future__ import annotations

import atexit
import re
import secrets
import shutil
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from posecast.studio.access import policy
from posecast.studio.server import create_app
from posecast.studio.service import Studio
from posecast.studio.work import Lanes, Limits

COOKIE = "posecast-visitor"
KEPT = 3 * 3600.0
"""Seconds for which projects are kept after a visitor's last request."""
MOST_VISITORS = 200
LIMITS = Limits(upload=64 * 2**20, models=("cutout",), pixels=1280 * 720, shows_folders=False)


class Visitors:
    """One studio per visitor. All share the workers and their queue."""

    def __init__(self, home: Path, limits: Limits) -> None:
        self._home, self._limits = home, limits
        self._lanes = Lanes.begin()
        # Their processes ignore signals, and the end of this one would wait for them.
        atexit.register(self._lanes.close)
        self._studios: dict[str, tuple[Studio, float]] = {}
        self._lock = threading.Lock()
        for old in home.glob("visitor-*"):
            shutil.rmtree(old, ignore_errors=True)

    def find(self, request: Request) -> Studio:
        """The studio of the visitor who sent a request.

        Raises:
            HTTPException: the request has no cookie, or there are too many visitors.
        """
        name = request.cookies.get(COOKIE, "")
        if not re.fullmatch(r"[0-9a-f]{32}", name):
            raise HTTPException(403, "open the page first; it needs a cookie")
        with self._lock:
            self._sweep()
            if name not in self._studios:
                if len(self._studios) >= MOST_VISITORS:
                    raise HTTPException(503, "too many visitors at the moment; try again later")
                folder = self._home / f"visitor-{name}"
                self._studios[name] = (Studio(folder, self._lanes, self._limits), 0.0)
            studio, _ = self._studios[name]
            self._studios[name] = (studio, time.monotonic())
            return studio

    def _sweep(self) -> None:
        for name, (studio, last) in list(self._studios.items()):
            if time.monotonic() - last > KEPT:
                del self._studios[name]
                studio.close()
                shutil.rmtree(studio.projects.home, ignore_errors=True)


class OpenDoor:
    """Accepts all visitors, but no requests from pages of other sites.

    `framed_by` is the address of a site that may show the page in a frame; None for no site.
    """

    def __init__(self, framed_by: str | None = None) -> None:
        self._framed_by = framed_by

    def refusal(self, scope: Scope) -> Response | None:
        """The response to another site's page; None if the request is accepted."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        # Pages cannot send the second header without a preflight request, which is never granted.
        ours = (headers.get("host"), headers.get("x-forwarded-host"))
        if origin is not None and urlsplit(origin).netloc not in ours:
            return PlainTextResponse("pages of other sites may not use the studio\n", 403)
        return None

    def greet(self, request: Request, page: Response) -> Response:
        """The page, with a cookie for a new visitor."""
        if self._framed_by is not None:
            page.headers["content-security-policy"] = policy(f"'self' {self._framed_by}")
        if COOKIE not in request.cookies:
            page.headers.append("set-cookie", self._cookie(request))
        return page

    def _cookie(self, request: Request) -> str:
        secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        # In another site's frame, browsers send only `SameSite=None` cookies; `Partitioned` per
        # site.
        kind = "Lax" if self._framed_by is None or not secure else "None; Partitioned"
        cookie = f"{COOKIE}={secrets.token_hex(16)}; HttpOnly; Path=/; SameSite={kind}"
        return f"{cookie}; Secure" if secure else cookie


def hosted_app(home: Path, limits: Limits = LIMITS, framed_by: str | None = None) -> Starlette:
    """The application for a public server.

    `framed_by` is the address of a site that may show the page in a frame, such as a model hub's.
    """
    visitors = Visitors(home, limits)
    return create_app(visitors.find, OpenDoor(framed_by))
