"""Runs the files and commands of ``docs/operations.md`` as real processes on a free port."""

from __future__ import annotations

import http.client
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from telemetry.config import TelemetryConfig
from telemetry.types import AuditConfig
from tests.services.ports import free_ports
from tests.support.until import until

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
_PATIENCE = 120.0


class Logged(NamedTuple):
    """The receipt of the event that a request logged."""

    event_id: str
    producer: str
    sequence: int


def blocks(language: str) -> list[str]:
    """Return the code blocks of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[str]:
    """Return the commands of the page that run a program."""
    lines = (line for block in blocks("sh") for line in block.splitlines())
    return [line for line in lines if line.startswith(f"{program} ")]


def lay_out(folder: Path, brokers: str) -> AuditConfig:
    """Write the page's files into a folder, and return their configuration for that broker."""
    for block in blocks("toml") + blocks("python"):
        named = re.match(r"# ([\w.]+)\n", block)
        if named is not None:
            (folder / named[1]).write_text(block.replace("localhost:9092", brokers))
    audit = TelemetryConfig.load(folder / "telemetry.toml").audit_config
    assert audit.encryption_config is not None
    assert audit.storage_config is not None
    return audit.model_copy(
        update={
            "encryption_config": audit.encryption_config.model_copy(update={"key_path": folder / "audit.key"}),
            "storage_config": audit.storage_config.model_copy(update={"base_path": folder / "fallback"}),
        }
    )


class Server:
    """One command of the page, on its own port.

    Args:
        folder: Where its files are.
        command: As the page has it.

    Attributes:
        process: The running process.
        logged: What every answered request logged, the probes for readiness too.
    """

    def __init__(self, folder: Path, command: str) -> None:
        self._port = free_ports(1)[0]
        self._log = folder / "server.log"
        self._folder = folder
        words = shlex.split(command.replace("8000", str(self._port)))
        self._argv = [sys.executable, "-m", *words] if words[0] != "python" else [sys.executable, *words[1:]]
        self.process: subprocess.Popen[bytes] | None = None
        self.logged: list[Logged] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            # It leads a process group of its own: workers must not outlive a failed test.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(_PATIENCE)

    def start(self) -> None:
        """Run it until it answers."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._argv, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        if self._argv[1] == "-m":
            until(self._listens, what=f"the server; {self._argv}")

    def request(self, path: str) -> Logged:
        """Make a request that logs an event."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200, self.output()
            event_id, producer, sequence = answer.read().decode().split()
        finally:
            connection.close()
        logged = Logged(event_id, producer, int(sequence))
        self.logged.append(logged)
        return logged

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(_PATIENCE)

    def output(self) -> str:
        """Return the server's output."""
        return self._log.read_text("utf-8")

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output()
        try:
            self.request("/ready")
        except OSError:
            return False
        return True
