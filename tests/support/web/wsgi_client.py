"""Calls a WSGI application as a server does."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

Application = Callable[..., Iterable[bytes]]


class Answer(NamedTuple):
    """What the application answered."""

    status: str
    body: bytes


def call(
    app: Application,
    method: str = "POST",
    path: str = "/",
    *,
    leaves_after: int | None = None,
    environ: Mapping[str, Any] | None = None,
) -> Answer:
    """Make a request; what the application raises is raised here.

    Args:
        app: The application.
        method: Method of the request.
        path: Its path.
        leaves_after: The client is gone after so many parts of the body; None to stay.
        environ: More of the environment.
    """
    started: list[str] = []

    def start_response(status: str, _headers: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], None]:
        started.append(status)
        return lambda _data: None

    body = app(environment(method, path) | dict(environ or {}), start_response)
    parts: list[bytes] = []
    try:
        for part in body:
            parts.append(part)
            if len(parts) == leaves_after:
                break
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return Answer(started[-1] if started else "", b"".join(parts))


def environment(method: str, path: str) -> dict[str, Any]:
    """Return the environment of a request."""
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "token=secret-in-query",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
