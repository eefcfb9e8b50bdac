"""Calls an ASGI application as a server does, in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, NamedTuple

Application = Callable[..., Any]
Headers = Iterable[tuple[str | bytes, str | bytes]]


class Answer(NamedTuple):
    """What the application sent; the status is None if it sent nothing."""

    status: int | None
    body: bytes


def http_scope(method: str, path: str, headers: Headers = (), **more: Any) -> dict[str, Any]:
    """Return the scope of a request."""
    raw = [(_bytes(name).lower(), _bytes(value)) for name, value in headers]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"token=secret-in-query",
        "root_path": "",
        "headers": raw,
        "client": ("192.0.2.7", 4711),
        "server": ("127.0.0.1", 80),
        "state": {},
        **more,
    }


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


async def call(
    app: Application, method: str = "POST", path: str = "/", headers: Headers = (), body: bytes = b"", **scope: Any
) -> Answer:
    """Make a request; what the application raises is raised here."""
    exchange = Exchange(body)
    await app(http_scope(method, path, headers, **scope), exchange.receive, exchange.send)
    return exchange.answer


class Exchange:
    """The server's side of one request.

    Args:
        body: Body of the request.
        leaves_after: The client is gone once the application has sent so many messages; None to stay.
    """

    def __init__(self, body: bytes = b"", *, leaves_after: int | None = None) -> None:
        self._body: bytes | None = body
        self._leaves_after = leaves_after
        self._gone = asyncio.Event()
        self.sent: list[MutableMapping[str, Any]] = []
        if leaves_after == 0:
            self._gone.set()

    @property
    def answer(self) -> Answer:
        """What was sent."""
        status = next((message["status"] for message in self.sent if message["type"] == "http.response.start"), None)
        return Answer(status, b"".join(message.get("body", b"") for message in self.sent))

    async def receive(self) -> dict[str, Any]:
        """Return the body, then wait until the client is gone."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Take a message of the application; raise as uvicorn does if the client is gone."""
        if self._gone.is_set():
            raise OSError
        self.sent.append(message)
        if self._leaves_after is not None and len(self.sent) >= self._leaves_after:
            self._gone.set()
