"""A process that does a store's work for a forked child, in which obstore's runtime is dead.

A call into obstore would never return there, and could disturb the parent, whose sockets the child shares. The new
process is a plain Python that imports this module alone; it ends when its owner's end of the connection closes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telemetry.exceptions import StorageUnreachableError, TelemetryError

if TYPE_CHECKING:
    from telemetry.config import StorageConfig
    from telemetry.storage.provider import StorageProvider

_START = "import sys; sys.path[:] = {path!r}; from telemetry.storage.relay import serve; serve({descriptor})"
_START_SECONDS = 60.0


class Relay:
    """The owner's end: sends calls one at a time and gives back results or raises errors.

    Args:
        provider: Class of the store; made anew in the process.
        config: Its configuration; it goes over the connection, never on the command line or the environment.
    """

    def __init__(self, provider: type[StorageProvider], config: StorageConfig) -> None:
        self.pid = os.getpid()
        self._guard = threading.Lock()
        self._limit = config.timeout_ms / 1_000 * (config.max_retries + 1) * 4 + _START_SECONDS
        self._connection, theirs = Pipe()
        with theirs:
            command = _START.format(path=sys.path, descriptor=theirs.fileno())
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                [_python(), "-c", command],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self._connection.send((provider, config))

    def call(self, method: str, *arguments: object) -> Any:
        """Return what the method of the store returns, or raise what it raises.

        Raises:
            StorageUnreachableError: The process ended or does not answer.
        """
        with self._guard:
            try:
                self._connection.send((method, arguments))
                answer = self._connection.recv() if self._connection.poll(self._limit) else None
            except (EOFError, OSError):
                answer = None
            if answer is None:
                self._end()
                message = f"the process {self._process.pid}, which reaches the store for this forked one, has ended"
                raise StorageUnreachableError(message)
        result, error = answer
        if error is not None:
            raise error
        return result

    @property
    def is_alive(self) -> bool:
        """Whether calls can still be made."""
        return not self._connection.closed

    def close(self) -> None:
        """End the process."""
        with self._guard:
            self._end()

    def _end(self) -> None:
        self._connection.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(descriptor: int) -> None:
    """Do what the owner asks until it closes the connection."""
    with Connection(descriptor) as connection, contextlib.suppress(EOFError, ConnectionError):
        make, config = connection.recv()
        try:
            provider: StorageProvider = make(config)
        except TelemetryError as exc:
            connection.recv()
            connection.send((None, exc))
            return
        with provider:
            while True:
                method, arguments = connection.recv()
                connection.send(_answer(provider, method, arguments))


def _answer(provider: StorageProvider, method: str, arguments: tuple[object, ...]) -> tuple[object, Exception | None]:
    try:
        return getattr(provider, method)(*arguments), None
    except TelemetryError as exc:
        return None, exc


def _python() -> str:
    # Inside uWSGI and other embedders sys.executable is the embedder.
    names = (sys.executable, f"{sys.exec_prefix}/bin/python3", f"{sys.base_exec_prefix}/bin/python3")
    return next((name for name in names if name and "python" in Path(name).name and Path(name).exists()), "python3")
