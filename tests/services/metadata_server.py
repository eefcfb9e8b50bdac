"""Runs on 127.0.0.1 the servers that give workloads on a cloud's machines their credentials."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class MetadataServer:
    """Answers each path with a fixed object, or text, and records the requests.

    Args:
        answers: From the path, without the query, to the answer.
        headers: Of every answer.

    Attributes:
        asked: Paths with their queries, and the request's headers.
    """

    def __init__(self, answers: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._answers = answers
        self._headers = dict(headers or {})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="metadata", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, dict(self.headers.items())))
                answer = server._answers.get(self.path.partition("?")[0])
                kind = "text/plain" if isinstance(answer, str) else "application/json"
                body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(404 if answer is None else 200)
                for name, text in {**server._headers, "Content-Type": kind, "Content-Length": str(len(body))}.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
                del format, arguments

        return Handler
