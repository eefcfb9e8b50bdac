"""What a process uses and has: CPU, bytes written, memory, threads, files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil


@dataclass
class Usage:
    """What a process used between two moments.

    Attributes:
        events: Events that were acknowledged.
        seconds: Time between the moments.
        cpu: Seconds of the processor, of all its threads.
        written: Bytes that it wrote to disk.
    """

    events: int
    seconds: float
    cpu: float
    written: int

    def __str__(self) -> str:
        each = self.cpu / self.events * 1e6
        return (
            f"{self.events:,} events in {self.seconds:.1f} s, {each:.1f} us of CPU an event: "
            f"{1e6 / each:,.0f} events/s a core; {self.written / self.events:,.0f} B written an event"
        )


@dataclass
class Peak:
    """The most that a process was seen to have."""

    resident: int = 0
    threads: int = 0
    files: int = 0
    children: int = 0
    spool: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watched(self, process: psutil.Process, spool: Path) -> Iterator[None]:
        """Look four times a second."""
        thread = threading.Thread(target=self._watch, args=(process, spool))
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def look(self, process: psutil.Process, spool: Path) -> None:
        """Look once."""
        self.resident = max(self.resident, process.memory_info().rss)
        self.threads = max(self.threads, process.num_threads())
        self.files = max(self.files, process.num_fds())
        self.children = max(self.children, len(process.children()))
        self.spool = max(self.spool, folder_bytes(spool))

    def _watch(self, process: psutil.Process, spool: Path) -> None:
        while not self._ended.wait(0.25):
            self.look(process, spool)

    def __str__(self) -> str:
        return (
            f"{self.resident / (1 << 20):.0f} MiB resident, {self.threads} threads, {self.files} files, "
            f"{self.children} child processes, {self.spool / (1 << 20):.1f} MiB of spool"
        )


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files in a folder; one that has just ended counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total


def used(process: psutil.Process, work: Callable[[], int]) -> Usage:
    """Return what a process uses while ``work`` runs, which returns the events."""
    cpu, written, began = _cpu(process), process.io_counters().write_bytes, time.perf_counter()
    events = work()
    seconds = time.perf_counter() - began
    return Usage(events, seconds, _cpu(process) - cpu, process.io_counters().write_bytes - written)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
