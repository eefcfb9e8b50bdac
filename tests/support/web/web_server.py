"""Runs a web server as a process of its own, whose events go to an embedded Kafka."""

from __future__ import annotations

import base64
import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from websockets.sync.client import ClientConnection, connect

from telemetry.reader import KafkaSource, OpenedEvent, TrailReader
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig, AuditEvent
from tests.services.ports import free_ports
from tests.support.until import until

ROOT = Path(__file__).parents[3]
_PATIENCE = 120.0


class WebServer:
    """A server on a free port.

    Args:
        command: Its command, run as ``python -m``; ``PORT`` stands for the port.
        folder: Where it runs.
        kafka: Where its events go.
    """

    def __init__(self, command: str, *, folder: Path, kafka: EmbeddedKafka) -> None:
        self._port = free_ports(1)[0]
        self._argv = [sys.executable, "-m", *shlex.split(command.replace("PORT", str(self._port)))]
        self._folder = folder
        self._kafka = kafka
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            # A process group of its own: workers must not outlive a failed test.
            self._process = subprocess.Popen(
                self._argv, cwd=self._folder, env=self._environment(), stdout=log, stderr=log, start_new_session=True
            )
        until(self._listens, what="the server listens", timeout=_PATIENCE, state=self.output)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_PATIENCE)

    def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str = ""
    ) -> tuple[int, str]:
        """Make a request; return the status, 0 if the connection ended without an answer, and the session's cookie."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            answer.read()
        except (http.client.HTTPException, OSError):
            return 0, ""
        finally:
            connection.close()
        return answer.status, (answer.getheader("Set-Cookie") or "").partition(";")[0]

    def hang_up(self, path: str, headers: Mapping[str, str]) -> None:
        """Make a request, read the beginning of the answer, and close the connection."""
        lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 0"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        with socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200")

    def connect(self, path: str, user: str) -> AbstractContextManager[ClientConnection]:
        """Open a WebSocket."""
        return connect(f"ws://127.0.0.1:{self._port}{path}", additional_headers={"Authorization": user})

    def events(self) -> list[AuditEvent]:
        """Return what is on the topic now."""
        with KafkaSource(self._config()) as source:
            return [entry.event for entry in TrailReader(source, provider=None) if isinstance(entry, OpenedEvent)]

    def end(self) -> None:
        """Ask it to end, and wait for that."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(_PATIENCE)

    def output(self) -> str:
        """Return what it printed."""
        return self._log.read_text("utf-8", errors="replace")

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.output()
        return self.request("GET", "/none")[0] != 0

    def _config(self) -> AuditConfig:
        return AuditConfig(
            kafka_brokers=self._kafka.bootstrap_servers,
            security_protocol="PLAINTEXT",
            encryption_enabled=False,
            fallback_enabled=False,
        )

    def _environment(self) -> dict[str, str]:
        audit = "TELEMETRY_AUDIT_CONFIG__"
        return os.environ | {
            "PYTHONPATH": str(ROOT),
            "TELEMETRY_SERVICE_NAME": "shop",
            f"{audit}KAFKA_BROKERS": self._kafka.bootstrap_servers,
            f"{audit}SECURITY_PROTOCOL": "PLAINTEXT",
            f"{audit}ENCRYPTION_ENABLED": "false",
            f"{audit}FALLBACK_ENABLED": "false",
            f"{audit}BATCH_TIMEOUT_MS": "5",
        }


def basic(name: str, password: str) -> dict[str, str]:
    """Return the headers of HTTP's basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}
