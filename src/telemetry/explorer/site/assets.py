"""Serves what pages refer to, and says that the explorer is alive."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from telemetry.explorer.access.route import anyone
from telemetry.explorer.site.site import Site
from telemetry.pages.style import style

_NO_CONTENT, _NOT_MODIFIED = 204, 304


def routes(_site: Site) -> list[Route]:
    """Return the routes."""
    static = files("telemetry.explorer.site").joinpath("static")
    served = {
        "/style.css": _Text(style(), "text/css"),
        "/comfort.js": _Text(static.joinpath("comfort.js").read_text("utf-8"), "text/javascript"),
        # Without one, a browser asks for /favicon.ico again and again.
        "/icon.svg": _Text(static.joinpath("icon.svg").read_text("utf-8"), "image/svg+xml"),
    }

    @anyone
    async def asset(request: Request) -> Response:
        return served[request.url.path].answer(request)

    @anyone
    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    @anyone
    async def icon(_request: Request) -> Response:
        # Browsers ask for one unasked; a page of errors would be in every console.
        return Response(status_code=_NO_CONTENT)

    return [
        *(Route(path, asset, methods=["GET"]) for path in served),
        Route("/healthz", healthz, methods=["GET"]),
        Route("/favicon.ico", icon, methods=["GET"]),
    ]


class _Text:
    """A file of the program, which the browser keeps until the next version.

    Args:
        text: What is in it.
        media_type: Its media type.
    """

    def __init__(self, text: str, media_type: str) -> None:
        self._text = text
        self._media_type = media_type
        self._tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'

    def answer(self, request: Request) -> Response:
        """Return the file, or that it is the one that the browser has."""
        headers = {"ETag": self._tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == self._tag:
            return Response(status_code=_NOT_MODIFIED, headers=headers)
        return Response(self._text, media_type=self._media_type, headers=headers)
