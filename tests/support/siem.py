"""Runs targets of ``telemetry forward`` as real HTTP servers on 127.0.0.1, with every fault that one can have."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse


class Reply(NamedTuple):
    """An answer; ``cut`` closes the connection without it, after the request was taken in."""

    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False


class Post(NamedTuple):
    """A request as it came, its body inflated."""

    path: str
    headers: dict[str, str]
    body: bytes


class Siem:
    """A server that keeps what it accepts.

    A subclass says what a body contains. ``faults`` are asked in turn before a request is accepted: each returns a reply
    instead, or None.

    Attributes:
        posts: Every request.
        accepted: Ids of the events that were accepted, in their order, repeats included.
        faults: Called with a request and the ids in it.
        delay: Seconds before an answer.
    """

    token = "s3cret-t0ken"

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.posts: list[Post] = []
        self.accepted: list[str] = []
        self.documents: list[Any] = []
        self.faults: list[Callable[[Post, list[str]], Reply | None]] = []
        self.delay = 0.0
        self._server = _server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def documents_in(self, post: Post) -> list[Any]:
        """Return the events of a body."""
        body = post.body.strip()
        if post.headers.get("Content-Type") == "application/x-ndjson":
            return [json.loads(line) for line in body.splitlines()]
        found: list[Any] = json.loads(body)
        return found

    def id_of(self, document: Any) -> str:
        return str(document.get("id") or document.get("offset"))

    def answer(self, post: Post) -> Reply:
        documents = self.documents_in(post)
        ids = [self.id_of(document) for document in documents]
        with self.lock:
            self.posts.append(post)
            for fault in self.faults:
                reply = fault(post, ids)
                if reply is not None and not reply.cut:
                    return reply
                if reply is not None:
                    self._accept(documents, ids)
                    return reply
            self._accept(documents, ids)
            return self.accepting()

    def _accept(self, documents: list[Any], ids: list[str]) -> None:
        self.accepted += ids
        self.documents += documents

    def accepting(self) -> Reply:
        return Reply()


class FakeHec(Siem):
    """Splunk's collector, with acknowledgement of its indexers.

    Attributes:
        acknowledges: Whether indexers acknowledge; while they do not, an event is not accepted.
        has_acks: Whether the token has acknowledgement enabled.
    """

    def __init__(self) -> None:
        super().__init__()
        self.acknowledges = True
        self.has_acks = True
        self.ack_polls = 0
        self._acks = 0
        self.indexed: list[str] = []
        self._waiting: dict[int, list[str]] = {}
        self._last: list[str] = []

    def documents_in(self, post: Post) -> list[Any]:
        return [json.loads(line) for line in post.body.splitlines()]

    def id_of(self, document: Any) -> str:
        return str(document["fields"]["event_id"])

    def _accept(self, documents: list[Any], ids: list[str]) -> None:
        super()._accept(documents, ids)
        self._last = ids

    def answer(self, post: Post) -> Reply:
        if post.headers.get("Authorization") != f"Splunk {self.token}":
            return Reply(403, b'{"text":"Invalid token","code":4}')
        if "X-Splunk-Request-Channel" not in post.headers:
            return Reply(400, b'{"text":"Data channel is missing","code":10}')
        if urlsplit(post.path).path == "/services/collector/ack":
            return self._polled(post)
        return super().answer(post)

    def _polled(self, post: Post) -> Reply:
        assert parse_qs(urlsplit(post.path).query)["channel"] == [post.headers["X-Splunk-Request-Channel"]]
        with self.lock:
            self.ack_polls += 1
            acks = {}
            for number in json.loads(post.body)["acks"]:
                ready = self.acknowledges and number in self._waiting
                if ready:
                    # Splunk answers true once and forgets it.
                    self.indexed += self._waiting.pop(number)
                acks[str(number)] = ready
        return Reply(200, json.dumps({"acks": acks}).encode())

    def accepting(self) -> Reply:
        if not self.has_acks:
            return Reply(200, b'{"text":"Success","code":0}')
        self._acks += 1
        self._waiting[self._acks] = self._last
        return Reply(200, json.dumps({"text": "Success", "code": 0, "ackId": self._acks}).encode())


class FakeCollector(Siem):
    """A receiver of OTLP logs."""

    def documents_in(self, post: Post) -> list[Any]:
        request = ExportLogsServiceRequest.FromString(post.body)
        return [
            (logs.resource, record)
            for logs in request.resource_logs
            for s in logs.scope_logs
            for record in s.log_records
        ]

    def id_of(self, document: Any) -> str:
        _, record = document
        return str(next(each.value.string_value for each in record.attributes if each.key == "log.record.uid"))

    def accepting(self) -> Reply:
        return Reply(200, b"", (("Content-Type", "application/x-protobuf"),))


def partly(count: int) -> Reply:
    """Return the answer of a receiver that refused some records."""
    response = ExportLogsServiceResponse()
    response.partial_success.rejected_log_records = count
    response.partial_success.error_message = "a text that may quote an event"
    return Reply(200, response.SerializeToString(), (("Content-Type", "application/x-protobuf"),))


def times(count: int, reply: Reply) -> Callable[[Post, list[str]], Reply | None]:
    """Return a fault that is there for so many requests."""
    left = iter(range(count))

    def fault(_post: Post, _ids: list[str]) -> Reply | None:
        return None if next(left, None) is None else reply

    return fault


def of_event(wanted: Callable[[str], bool], reply: Reply) -> Callable[[Post, list[str]], Reply | None]:
    """Return a fault of every request with an event of some kind in it."""

    def fault(_post: Post, ids: list[str]) -> Reply | None:
        return reply if any(map(wanted, ids)) else None

    return fault


Kind = TypeVar("Kind", bound=Siem)


@contextmanager
def running(siem: Kind) -> Iterator[Kind]:
    siem.start()
    try:
        yield siem
    finally:
        siem.stop()


def _server(siem: Siem) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            time.sleep(siem.delay)
            reply = siem.answer(Post(self.path, dict(self.headers.items()), body))
            if reply.cut:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in (*reply.headers, ("Content-Length", str(len(reply.body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            pass  # a client that was killed

    return Server(("127.0.0.1", 0), Handler)
