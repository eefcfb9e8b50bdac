"""Runs ``telemetry serve`` as a real process on free ports, and ends it with real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.until import until

_PATIENCE = 120.0
_LOCAL = """\
service_name = "gateway"
environment = "test"

[audit_config]
kafka_brokers = "memory:"
"""


def local_config(folder: Path, more: str = "") -> Path:
    """Write a configuration that keeps events in memory, with further lines; return its path."""
    file = folder / "gateway.toml"
    file.write_text(_LOCAL + more)
    file.chmod(0o600)
    return file


class Served:
    """A gateway that runs.

    Args:
        config: Its configuration file.
        folder: Where its output goes.
        *options: Options of ``telemetry serve``; ports may be 0.
        wait: Whether to wait until it listens.

    Attributes:
        process: The process.
    """

    def __init__(self, config: Path, folder: Path, *options: str, wait: bool = True) -> None:
        self._out, self._err = folder / "serve.out", folder / "serve.err"
        words = [sys.executable, "-m", "telemetry", "-v", "serve", "-c", str(config), "--json", *options]
        if "--admin-listen" not in options:
            words += ["--admin-listen", "http://127.0.0.1:0"]
        with self._out.open("wb") as out, self._err.open("ab") as err:
            self.process = subprocess.Popen(words, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        self._addresses: list[str] = []
        if wait:
            until(self._listens, what="telemetry serve listens", timeout=_PATIENCE, state=self.errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(_PATIENCE)

    @property
    def addresses(self) -> list[str]:
        """The addresses in the order of the options, the admin address last."""
        return self._addresses

    @property
    def url(self) -> str:
        """The first address."""
        return self._addresses[0]

    @property
    def admin(self) -> str:
        """The admin address."""
        return self._addresses[-1]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        os.kill(self.process.pid, number)
        return self.process.wait(_PATIENCE)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.process.pid, number)

    def reload(self, line: str) -> None:
        """Have it read its files again, and wait for a line of its log."""
        before = self.errors().count(line)
        self.signal(signal.SIGHUP)
        until(lambda: self.errors().count(line) > before, what=line, state=self.errors)

    def errors(self) -> str:
        """Return what it has written for people."""
        return self._err.read_text("utf-8")

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.errors()
        text = self._out.read_text("utf-8")
        if text.endswith("\n"):
            self._addresses = json.loads(text)["listening"]
        return bool(self._addresses)
