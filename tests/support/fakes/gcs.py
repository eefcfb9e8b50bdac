"""A Cloud Storage of one's own, in memory: the part of its XML API that the fallback store uses.

What it does follows the service's reference: objects are created under ``x-goog-if-generation-match: 0`` or the answer
is 412 (cloud.google.com/storage/docs/request-preconditions), a missing object or bucket is 404 with the codes NoSuchKey
and NoSuchBucket (cloud.google.com/storage/docs/xml-api/reference-status), and listings are sorted and paged
(cloud.google.com/storage/docs/xml-api/get-bucket-list).
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import itertools
import re
import secrets
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_PAGE = 1_000
_MAX_BODY = 512 << 20


class _Stored(NamedTuple):
    data: bytes
    generation: int
    made: float

    @property
    def etag(self) -> str:
        return f'"{self.generation:x}"'


@dataclass
class _State:
    """What the server holds."""

    token: str
    buckets: dict[str, dict[str, _Stored]]
    guard: threading.Lock = field(default_factory=threading.Lock)
    generations: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    overwrites: bool = False


class FakeGcs:
    """A server on 127.0.0.1 that lives as long as its context.

    Args:
        bucket: Name of the bucket that exists.
        token: The only bearer token that it accepts; a random one if empty.
        tls: Serve https with this context.
    """

    def __init__(self, bucket: str = "fake-bucket", *, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.bucket = bucket
        self.token = token or secrets.token_hex(16)
        self._state = _State(self.token, {bucket: {}})
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.state = self._state
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="fake-gcs", daemon=True)

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def names(self) -> list[str]:
        """The names of all objects in the bucket."""
        with self._state.guard:
            return sorted(self._state.buckets[self.bucket])

    def replace_token(self, token: str) -> None:
        """Accept another token only."""
        with self._state.guard:
            self.token = self._state.token = token

    def refuse(self, operation: str, *, status: int = 403, code: str = "AccessDenied") -> None:
        """Answer every ``put``, ``get``, ``list`` or ``delete`` with an error from now on."""
        self._state.refusals[operation] = (status, code)

    def allow_all(self) -> None:
        """Take back every refusal."""
        self._state.refusals.clear()

    def ignore_preconditions(self) -> None:
        """Overwrite objects although the request forbids it, as some stores of this protocol do."""
        self._state.overwrites = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    state: _State

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - the one that makes this handler
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Say nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MAX_BODY))
        path, _, query = self.path.partition("?")
        bucket, _, name = unquote(urlsplit(path).path.lstrip("/")).partition("/")
        state = self.server.state
        with state.guard:
            objects = state.buckets.get(bucket)
            if self.headers.get("Authorization") != f"Bearer {state.token}":
                answer = _error(401, "AuthenticationRequired")
            elif (operation := _operation(self.command, name)) in state.refusals:
                answer = _error(*state.refusals[operation])
            elif objects is None:
                answer = _error(404, "NoSuchBucket")
            elif not name:
                answer = _listing(bucket, objects, parse_qs(query, keep_blank_values=True))
            else:
                answer = self._object(objects, name, body)
        self._send(answer)

    def _object(self, objects: dict[str, _Stored], name: str, body: bytes) -> _Answer:
        stored = objects.get(name)
        wanted = self.headers.get("x-goog-if-generation-match")
        if (
            wanted is not None
            and not self.server.state.overwrites
            and int(wanted) != (stored.generation if stored else 0)
        ):
            return _error(412, "PreconditionFailed")
        if self.command == "PUT":
            objects[name] = stored = _Stored(body, next(self.server.state.generations), time.time())
            return _Answer(200, b"", _headers(stored))
        if stored is None:
            return _error(404, "NoSuchKey")
        if self.command == "DELETE":
            del objects[name]
            return _Answer(204, b"", {})
        headers = {**_headers(stored), "Content-Type": "application/octet-stream"}
        wanted_range = _RANGE.fullmatch(self.headers.get("Range") or "")
        return _Answer(200, stored.data, headers) if wanted_range is None else _part(stored.data, wanted_range, headers)

    def _send(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        for name, text in answer.headers.items():
            self.send_header(name, text)
        if answer.status != _NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


class _Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


_NO_CONTENT = 204
_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]+)")


def _part(data: bytes, wanted: re.Match[str], headers: dict[str, str]) -> _Answer:
    start, last = int(wanted[1]), min(int(wanted[2]), len(data) - 1)
    if start >= len(data):
        return _error(416, "InvalidRange")
    found = {**headers, "Content-Range": f"bytes {start}-{last}/{len(data)}"}
    return _Answer(206, data[start : last + 1], found)


def _operation(method: str, name: str) -> str:
    return {"PUT": "put", "DELETE": "delete"}.get(method, "get") if name else "list"


def _headers(stored: _Stored) -> dict[str, str]:
    digest = base64.b64encode(hashlib.md5(stored.data, usedforsecurity=False).digest()).decode()
    return {
        "ETag": stored.etag,
        "Last-Modified": email.utils.formatdate(stored.made, usegmt=True),
        "x-goog-generation": str(stored.generation),
        "x-goog-metageneration": "1",
        "x-goog-hash": f"md5={digest}",
    }


def _error(status: int, code: str) -> _Answer:
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return _Answer(status, body.encode(), {"Content-Type": "application/xml; charset=UTF-8"})


def _listing(bucket: str, objects: dict[str, _Stored], query: dict[str, list[str]]) -> _Answer:
    prefix = query.get("prefix", [""])[0]
    after = max(query.get("continuation-token", [""])[0], query.get("start-after", [""])[0])
    limit = min(int(query.get("max-keys", [str(_PAGE)])[0]), _PAGE)
    found = sorted(name for name in objects if name.startswith(prefix) and name > after)
    page, more = found[:limit], len(found) > limit
    entries = "".join(_entry(name, objects[name]) for name in page)
    token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
    body = (
        "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult>"
        f"<Name>{escape(bucket)}</Name><IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}</ListBucketResult>"
    )
    return _Answer(200, body.encode(), {"Content-Type": "application/xml; charset=UTF-8"})


def _entry(name: str, stored: _Stored) -> str:
    made = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(stored.made))
    return (
        f"<Contents><Key>{escape(name)}</Key><Generation>{stored.generation}</Generation>"
        f"<LastModified>{made}</LastModified><ETag>{escape(stored.etag)}</ETag><Size>{len(stored.data)}</Size></Contents>"
    )
