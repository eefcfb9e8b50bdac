"""Starts the process that fetches, and talks to it."""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
from collections import deque
from contextlib import suppress
from typing import BinaryIO, cast

import msgspec

from telemetry.reader.sources.fetch.frames import (
    LENGTH,
    MAX_FRAME_BYTES,
    Command,
    Ended,
    Pause,
    Report,
    Resume,
    Seek,
    Start,
    Stop,
    decode_report,
    framed,
)
from telemetry.reader.sources.fetch.session import FetchSession
from telemetry.system.deadline import Deadline
from telemetry.system.interpreter import python

logger = logging.getLogger("telemetry.kafka")

_START = "import sys; sys.path[:] = {path!r}; from telemetry.reader.sources.fetch.child import main; main()"
_SILENT_SECONDS = 60.0
"""A session reports twice a second; one that is silent for so long is not going to say anything any more."""
_PART = 1 << 20


class FetchProcess:
    """The process in which sessions run. A session that ends, for whatever reason, ends with ``Exhausted`` or ``Ended``.

    Raises:
        OSError: No process can be started.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._process = self._launch()
        self._is_running = False

    @property
    def process_id(self) -> int:
        """Id of the process; its sessions are its children."""
        return self._process.pid

    def start(self, start: Start) -> None:
        """Begin a session; one that runs is ended first."""
        if self._is_running:
            self.stop()
        if self._process.poll() is not None:
            self._kill()
            self._process = self._launch()
        self._is_running = True
        self.send(start)

    def send(self, command: Command) -> None:
        """Send a command to the session; one that has ended does not miss it."""
        try:
            pipe = cast("BinaryIO", self._process.stdin)
            pipe.write(framed(command))
            pipe.flush()
        except OSError:
            self._is_running = self._is_running and self._process.poll() is None

    def next_report(self) -> Report:
        """Return what the session says next: it says something at least twice a second."""
        deadline = Deadline(_SILENT_SECONDS)
        try:
            report = self._receive(deadline)
        except (OSError, EOFError, msgspec.MsgspecError, UnicodeDecodeError):
            # It crashed, was killed, or is silent: nothing that it might still say can be relied upon.
            self._kill()
            return Ended()
        if isinstance(report, Ended):
            self._is_running = False
        return report

    def stop(self) -> None:
        """End the session."""
        self.send(Stop())
        while self._is_running:
            self.next_report()

    def close(self) -> None:
        """End the process."""
        # A forked child has the same pipes; its owner alone may end the process.
        if self._pid == os.getpid():
            self._kill()

    def _launch(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [python(), "-c", _START.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    def _kill(self) -> None:
        """End the process and its session at once: neither has anything to finish."""
        self._is_running = False
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        if process.poll() is None:
            # Its own session of the operating system, in which nothing else is.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _receive(self, deadline: Deadline) -> Report:
        pipe = cast("BinaryIO", self._process.stdout)
        (length,) = LENGTH.unpack(self._read(pipe, LENGTH.size, deadline))
        if length > MAX_FRAME_BYTES:
            raise EOFError
        report: Report = decode_report(self._read(pipe, length, deadline))
        return report

    def _read(self, pipe: BinaryIO, size: int, deadline: Deadline) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            if not select.select([pipe], [], [], deadline.remaining)[0]:
                raise EOFError
            part = pipe.read(min(size - len(parts), _PART))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)


class LocalFetch:
    """Runs sessions in this process, without a bound: where a process cannot be started, or its memory not bounded."""

    def __init__(self) -> None:
        self._session: FetchSession | None = None
        self._reports: deque[Report] = deque()

    def start(self, start: Start) -> None:
        """Begin a session; one that runs is ended first."""
        self.stop()
        self._session = FetchSession(start)

    def send(self, command: Command) -> None:
        """Give a command to the session."""
        if self._session is not None and isinstance(command, (Seek, Pause, Resume)):
            self._session.obey(command)

    def next_report(self) -> Report:
        """Return what the session says next."""
        if self._session is None:
            return Ended()
        # A step is completed before a command takes effect, as in a process of its own.
        while not self._reports:
            self._reports.extend(self._session.step())
        return self._reports.popleft()

    def stop(self) -> None:
        """End the session."""
        self._reports.clear()
        if self._session is not None:
            self._session.close()
            self._session = None

    def close(self) -> None:
        """End the session."""
        self.stop()


def open_process() -> FetchProcess | LocalFetch:
    """Return a process that fetches; where there can be none, what fetches in this one."""
    if sys.platform == "win32":
        return LocalFetch()
    try:
        return FetchProcess()
    except OSError as exc:
        logger.warning("no process can be started to read Kafka, so its memory is not bounded: %s", exc)
        return LocalFetch()
