"""A process that does a provider's work for a forked child, in which the provider's client library is dead.

Such a library has threads, and locks held by them; a child has the locks without the threads. A call into it might never
return, and could disturb the parent, whose sockets the child shares. The new process is a plain Python that imports this
module alone; it ends when its owner's end of the connection closes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import Any, Protocol, TypeVar

from telemetry.exceptions import TelemetryError
from telemetry.system.core_dumps import are_core_dumps_disabled, disable_core_dumps
from telemetry.system.interpreter import python

_START = (
    "import sys; sys.path[:] = {path!r}; from telemetry.system.fork_relay import serve; "
    "serve({descriptor}, core_dumps={core_dumps})"
)
_START_SECONDS = 60.0
_END_SECONDS = 5.0


class Limits(Protocol):
    """What a relay must know of a configuration: how long a call may take."""

    timeout_ms: int
    max_retries: int

    def handed_over(self) -> dict[str, Any]:
        """Return what another process creates the same configuration from, with its secrets."""


Config = TypeVar("Config", bound=Limits)


class Relay:
    """The owner's end: sends calls one at a time and gives back results or raises errors.

    Args:
        provider: Class of the provider; made anew in the process.
        config: Its configuration; it goes over the connection, never on the command line or the environment.
        lost: Raised when the process ended or does not answer.
    """

    def __init__(self, provider: Callable[[Config], Any], config: Config, *, lost: type[TelemetryError]) -> None:
        self._pid = os.getpid()
        self._lost = lost
        self._guard = threading.Lock()
        self._limit = config.timeout_ms / 1_000 * (config.max_retries + 1) * 4 + _START_SECONDS
        self._connection, theirs = Pipe()
        with theirs:
            core_dumps = not are_core_dumps_disabled()
            command = _START.format(path=sys.path, descriptor=theirs.fileno(), core_dumps=core_dumps)
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                [python(), "-c", command],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self._connection.send((provider, type(config), config.handed_over()))

    def call(self, method: str, *arguments: object) -> Any:
        """Return what the method of the provider returns, or raise what it raises; only a ``TelemetryError`` is passed on."""
        with self._guard:
            try:
                self._connection.send((method, arguments))
                answer = self._connection.recv() if self._connection.poll(self._limit) else None
            except (EOFError, OSError):
                answer = None
            if answer is None:
                self._end()
                message = f"the process {self._process.pid}, which reaches the service for this forked one, has ended"
                raise self._lost(message)
        result, error = answer
        if error is not None:
            raise error
        return result

    @property
    def is_alive(self) -> bool:
        """Whether calls can still be made, by the process that started it."""
        return self._pid == os.getpid() and not self._connection.closed

    def close(self) -> None:
        """End the process, also in the middle of a call that does not return; a child of its owner leaves it alone."""
        if self._pid != os.getpid():
            return
        if not self._guard.acquire(timeout=_END_SECONDS):
            self._process.kill()
            self._guard.acquire()
        try:
            self._end()
        finally:
            self._guard.release()

    def _end(self) -> None:
        self._connection.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(descriptor: int, *, core_dumps: bool = True) -> None:
    """Do what the owner asks until it closes the connection; without core dumps, if the owner writes none."""
    if not core_dumps:
        disable_core_dumps()
    with Connection(descriptor) as connection, contextlib.suppress(EOFError, ConnectionError):
        make, kind, values = connection.recv()
        try:
            provider = make(kind(**values))
        except TelemetryError as exc:
            connection.recv()
            connection.send((None, exc))
            return
        with provider:
            while True:
                method, arguments = connection.recv()
                connection.send(_answer(provider, method, arguments))


def _answer(provider: Any, method: str, arguments: tuple[object, ...]) -> tuple[object, Exception | None]:
    try:
        return getattr(provider, method)(*arguments), None
    except TelemetryError as exc:
        return None, exc
