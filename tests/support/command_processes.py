"""Starts many processes of the command, feeds them through a pipe, and ends them with a signal."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

WORKER = Path(__file__).parent / "workers" / "command_forker.py"


class Ran(NamedTuple):
    """What a process left: exit code, output, and the bytes that it read from its pipe."""

    code: int
    out: bytes
    err: str
    read: bytes


class Started:
    """A process that runs.

    Args:
        forker: The program that started it and waits for it.
        folder: Folder of its output.
    """

    def __init__(self, forker: subprocess.Popen[str], folder: Path) -> None:
        assert forker.stdout is not None
        self._answers = forker.stdout
        self._folder = folder
        self.pid = int(self._answers.readline())

    def out(self) -> bytes:
        """Return its standard output so far."""
        return (self._folder / "out").read_bytes()

    def kill(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self) -> int:
        """Wait for its end; return the exit code, negative for a signal that ended it."""
        return int(self._answers.readline())


class CommandProcesses:
    """Starts processes that run the command.

    Args:
        folder: Folder for what they read and write.
        worker: Program that forks them.
    """

    def __init__(self, folder: Path, *, worker: Path = WORKER) -> None:
        self._folder = folder
        self._rounds = 0
        self._forker = subprocess.Popen(
            [sys.executable, str(worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forker.kill()
        self._forker.communicate()

    def start(self, stdin: Path, *arguments: str) -> tuple[Started, Path]:
        """Start a process with a file or a pipe as its input; return it and the folder of its output."""
        assert self._forker.stdin is not None
        self._rounds += 1
        folder = self._folder / f"run-{self._rounds}"
        folder.mkdir()
        for name in ("out", "err"):
            (folder / name).touch()
        files = [str(stdin), str(folder / "out"), str(folder / "err")]
        self._forker.stdin.write(json.dumps({"arguments": arguments, "files": files}) + "\n")
        self._forker.stdin.flush()
        return Started(self._forker, folder), folder

    def run(self, stdin: Path, *arguments: str) -> Ran:
        """Run a process to its end."""
        process, folder = self.start(stdin, *arguments)
        return self._ran(process.wait(), folder, b"")

    def kill_after(self, process: Started, folder: Path, *, seconds: float) -> Ran:
        """Kill a process that was started, unless it ends within so many seconds."""
        ended = threading.Event()
        killer = threading.Thread(target=_kill_later, args=(process, signal.SIGKILL, ended, False, seconds))
        killer.start()
        code = process.wait()
        ended.set()
        killer.join()
        return self._ran(code, folder, b"")

    def run_and_signal(
        self, data: bytes, *arguments: str, number: signal.Signals, dice: random.Random, after_ack: bool, within: float
    ) -> Ran:
        """Feed a process through a pipe that stays open, and send a signal at a random moment.

        Args:
            data: What is written, in small pieces.
            arguments: Words after ``telemetry``.
            number: The signal.
            dice: Chooses pieces and moment.
            after_ack: Whether the moment is counted from the first acknowledgement, or from the start.
            within: Seconds in which the moment is.
        """
        fifo = self._folder / "pipe"
        os.mkfifo(fifo)
        # Our own end for reading shows what the process did not read; it is never its only writer either.
        ours = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        try:
            process, folder = self.start(fifo, *arguments)
            writer = _Writer(ours, data, dice)
            writer.start()
            ended = threading.Event()
            killer = threading.Thread(
                target=_kill_later, args=(process, number, ended, after_ack, dice.uniform(0.0, within))
            )
            killer.start()
            code = process.wait()
            ended.set()
            killer.join()
            written = writer.finish()
            left = _drained(ours)
        finally:
            os.close(ours)
            fifo.unlink()
        return self._ran(code, folder, written[: len(written) - len(left)])

    def _ran(self, code: int, folder: Path, read: bytes) -> Ran:
        return Ran(code, (folder / "out").read_bytes(), (folder / "err").read_text(), read)


class _Writer(threading.Thread):
    """Writes to a pipe in small pieces, until it is told to stop."""

    def __init__(self, descriptor: int, data: bytes, dice: random.Random) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self._data = data
        self._dice = random.Random(dice.random())  # noqa: S311 - sizes of pieces, no secret
        self._written = 0
        self._enough = threading.Event()

    def run(self) -> None:
        while self._written < len(self._data) and not self._enough.is_set():
            size = self._dice.randrange(1, 3_000)
            with contextlib.suppress(BlockingIOError):
                self._written += os.write(self._descriptor, self._data[self._written : self._written + size])
            self._enough.wait(0.001)

    def finish(self) -> bytes:
        """Stop; return what was written."""
        self._enough.set()
        self.join()
        return self._data[: self._written]


def _kill_later(
    process: Started, number: signal.Signals, ended: threading.Event, after_ack: bool, seconds: float
) -> None:
    while after_ack and not process.out() and not ended.wait(0.005):
        pass
    if not ended.wait(seconds):
        process.kill(number)


def _drained(descriptor: int) -> bytes:
    left = b""
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(descriptor, 1 << 16):
            left += piece
    return left
