"""Answers as a test says, over HTTPS with client certificates, and remembers what it was sent."""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import trustme


@dataclass(frozen=True)
class Sent:
    """One request.

    Attributes:
        path: Its path.
        headers: Its headers, by name in lower case.
        events: Its body.
        caller: Common name of the client's certificate.
    """

    path: str
    headers: dict[str, str]
    events: list[Any]
    caller: str


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        status: HTTP status; 0 cuts the connection after the request was read.
        body: A JSON value; None stands for every event at the level durable.
        retry_after: The header.
    """

    status: int = 202
    body: Any = None
    retry_after: str | None = None


class ScriptedServer:
    """Gives these answers one after the other, then accepts everything.

    Args:
        folder: Where certificates are written.
        answers: What to answer.

    Attributes:
        requests: What was sent.
    """

    def __init__(self, folder: Path, *answers: Answer) -> None:
        self.requests: list[Sent] = []
        self._answers = list(answers)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        client = authority.issue_cert(common_name="payments")
        client.cert_chain_pems[0].write_to_path(folder / "client.crt")
        client.private_key_pem.write_to_path(folder / "client.key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.variables = {
            "GATEWAY": f"https://127.0.0.1:{self._server.server_address[1]}",
            "GATEWAY_CA": str(folder / "ca.pem"),
            "GATEWAY_CERTIFICATE": str(folder / "client.crt"),
            "GATEWAY_KEY": str(folder / "client.key"),
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                subject = dict(entry[0] for entry in self.connection.getpeercert()["subject"])
                headers = {name.lower(): value for name, value in self.headers.items()}
                events = json.loads(body)
                script.requests.append(Sent(self.path, headers, events, subject["commonName"]))
                answer = script._answers.pop(0) if script._answers else Answer()
                if not answer.status:
                    self.close_connection = True
                    return
                said = {"events": [{"level": "durable"}] * len(events)} if answer.body is None else answer.body
                data = json.dumps(said, separators=(",", ":")).encode()
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                if answer.retry_after is not None:
                    self.send_header("Retry-After", answer.retry_after)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        return Handler
