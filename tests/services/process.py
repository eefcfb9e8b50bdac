"""Runs a server of the tests as a child process that never outlives the test run."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import psutil

from tests.services import environment
from tests.services.required import ServiceUnavailableError

_LAUNCHER = Path(__file__).with_name("launcher.py")
_LOG_TAIL_BYTES = 4_000
_POLL_SECONDS = 0.05
_SIGNAL_SECONDS = 60.0
# The kernel's parent-death signal follows the thread that created the child: one lasting thread creates them all.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="service-spawner")


class ServiceProcess:
    """One server process: started, signalled and awaited by its process id.

    Args:
        command: Program and arguments.
        log: File to which stdout and stderr are appended.
        folder: Working directory.
    """

    def __init__(self, command: Sequence[str], *, log: Path, folder: Path) -> None:
        self._command = list(command)
        self._log = log
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        _ALL.add(self)

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._process is None:
            message = f"{self._command[0]} is not running"
            raise RuntimeError(message)
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server in a session of its own, so that Ctrl-C in the terminal does not reach it."""
        if self.running:
            message = f"{self._command[0]} runs already"
            raise RuntimeError(message)
        self._process = _SPAWNER.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*launcher, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=environment.for_service(),
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool], *, timeout: float) -> None:
        """Wait for a condition while the server lives.

        Raises:
            ServiceUnavailableError: The server ended, or the condition did not come true within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running:
                self._give_up("ended instead of starting")
            if time.monotonic() > deadline:
                self._give_up(f"was not ready within {timeout:g} s")
            time.sleep(_POLL_SECONDS)

    def _give_up(self, what: str) -> None:
        message = f"{self._command[0]} {what}; the end of {self._log}:\n{self.log_tail()}"
        raise ServiceUnavailableError(message)

    def log_tail(self) -> str:
        """Return the end of the server's output."""
        try:
            return self._log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
        except OSError:
            return "(no output)"

    def stop(self, *, timeout: float = _SIGNAL_SECONDS) -> None:
        """End the server with SIGTERM, and with SIGKILL if it has not ended within ``timeout`` seconds."""
        if not self.running:
            return
        self.thaw()
        self._signal(signal.SIGTERM)
        try:
            self._await(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        self._await(_SIGNAL_SECONDS)

    def freeze(self) -> None:
        """Stop the server's threads (SIGSTOP): its connections stay open and nobody answers. Returns when they are stopped."""
        self._signal(signal.SIGSTOP)
        server = psutil.Process(self.pid)
        self.wait_until(lambda: server.status() == psutil.STATUS_STOPPED, timeout=_SIGNAL_SECONDS)

    def thaw(self) -> None:
        """Let a frozen server go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        # The session's whole group: a server may have children of its own.
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _await(self, timeout: float) -> None:
        if self._process is not None:
            self._process.wait(timeout)


class SharedProcess(ServiceProcess):
    """A server that another process of this test run started: tests may watch it, and may not stop it.

    Args:
        pid: Process id of the server.
        name: Name of its program, for messages.
        log: File with its output.
        folder: Its working directory.
    """

    def __init__(self, pid: int, *, name: str, log: Path, folder: Path) -> None:
        super().__init__([name], log=log, folder=folder)
        self._pid = pid

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._pid

    @property
    def running(self) -> bool:
        """Whether the server has not ended."""
        return psutil.pid_exists(self._pid)

    def start(self) -> None:
        """Refuse: the server belongs to all tests."""
        self._refuse()

    def stop(self, *, timeout: float = _SIGNAL_SECONDS) -> None:  # noqa: ARG002 - the signature of the base class
        """Refuse: the server belongs to all tests."""
        self._refuse()

    def kill(self) -> None:
        """Refuse: the server belongs to all tests."""
        self._refuse()

    def _signal(self, number: signal.Signals) -> None:  # noqa: ARG002 - the signature of the base class
        self._refuse()

    def _refuse(self) -> NoReturn:
        message = f"all tests share {self._command[0]}: start one of the test's own, for example with own_kafka"
        raise RuntimeError(message)


_ALL: weakref.WeakSet[ServiceProcess] = weakref.WeakSet()


@atexit.register
def _kill_all() -> None:
    for process in list(_ALL):
        if not isinstance(process, SharedProcess):
            process.kill()
