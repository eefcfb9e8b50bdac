"""Fetches partitions to their ends: past every batch that cannot be read, with its place and the reason."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple, Protocol

import msgspec

from telemetry.kafka.peek.batches import BatchPeek
from telemetry.kafka.peek.connection import PeekError
from telemetry.reader.sources.fetch.frames import (
    Ended,
    Exhausted,
    Failure,
    LogLine,
    Pause,
    Records,
    Report,
    Resume,
    Seek,
    Start,
    Unreadable,
)
from telemetry.reader.sources.fetch.process import open_process

_CAREFUL_REPORTS = 32
"""Reports of records after which a careful session found nothing; doubled each time it was too early."""
_STALLED_SECONDS = 10.0
"""How long records may not come although the broker has some, before the batch there counts as unreadable."""
_MAX_CRASHES = 3
_MEMORY = "it does not fit into the memory that a reader has when it is unpacked"
_CRASH = "the client ends at it"
_REWOUND = "a batch states a last offset that it does not have"
_SILENCE = "the client makes nothing of it"


class BadRange(NamedTuple):
    """Offsets that cannot be read.

    Attributes:
        partition: Number of the partition.
        first: The first offset.
        after: The offset after the last one.
        reason: Why they cannot be read.
    """

    partition: int
    first: int
    after: int
    reason: str


class FetchListener(Protocol):
    """Hears what the client says beside its records."""

    def failed(self, failure: Failure) -> None:
        """Judge an error of the client.

        Raises:
            TransportError: Reading cannot continue.
        """

    def logged(self, line: LogLine) -> None:
        """Pass on a line of the client's log."""


class Fetcher:
    """Reads partitions with as many sessions as it takes. It is used by one thread.

    Usually that is one session. A batch of which the client says that it cannot be read is passed over in it. One
    that ends the session is found by careful sessions: one partition, one batch at a time.

    Args:
        template: What to fetch, and how; its starts are where it begins.
        ends: Where each partition ends; None for a stream without end.
        peek: Finds out where a batch ends.
        listener: Hears what else the client says.
    """

    def __init__(
        self, template: Start, *, ends: Mapping[int, int] | None, peek: BatchPeek, listener: FetchListener
    ) -> None:
        self._template = template
        self._next = dict(template.starts)
        self._ends = ends
        self._open = {partition for partition, start in template.starts if ends is None or start < ends[partition]}
        # Those that the session fetches, and those of which nothing is wanted for now.
        self._fetching: set[int] = set()
        self._held: set[int] = set()
        self._peek = peek
        self._listener = listener
        self._process = open_process()
        # Ends of the bad ranges that were passed over last.
        self._passed: dict[int, int] = {}
        self._patience = _CAREFUL_REPORTS
        self._progress_at = 0.0

    def __iter__(self) -> Iterator[Records | BadRange]:
        """Yield records, and the ranges that are none; at least every half second something, if only empty records.

        Raises:
            TransportError: The listener's, for an error after which reading cannot continue.
        """
        self._begin(self._open, is_careful=False)
        while self._open:
            report = self._process.next_report()
            yield from self._handle(report)
            if isinstance(report, (Exhausted, Ended)) or self._is_stalled():
                for partition in sorted(self._open):
                    yield from self._read_carefully(partition)
                # If nothing was found, it is further on than was looked.
                self._patience *= 2
                self._begin(self._open, is_careful=False)

    def hold(self, partitions: Collection[int]) -> None:
        """Fetch nothing from these partitions for now, and from all others; what is on its way still comes."""
        held = self._open.intersection(partitions)
        paused, resumed = held - self._held, (self._held - held) & self._open
        self._held = held
        for command, changed in ((Pause, paused & self._fetching), (Resume, resumed & self._fetching)):
            if changed:
                self._process.send(command(sorted(changed)))

    def close(self) -> None:
        """End the process that fetches."""
        self._process.close()

    def _begin(self, partitions: Collection[int], *, is_careful: bool) -> None:
        starts = [(partition, self._next[partition]) for partition in sorted(partitions)]
        if starts:
            self._process.start(msgspec.structs.replace(self._template, starts=starts, is_careful=is_careful))
            self._progress_at = time.monotonic()
            self._fetching = set(partitions)
            if held := self._held & self._fetching:
                self._process.send(Pause(sorted(held)))

    def _read_carefully(self, partition: int) -> Iterator[Records | BadRange]:
        """Read a partition batch by batch until the one that ended a session is passed, or enough was read."""
        if partition in self._held:
            return
        self._begin([partition], is_careful=True)
        crashes = quiet = 0
        while partition in self._open - self._held and quiet < self._patience:
            report = self._process.next_report()
            yield from self._handle(report)
            crashes += isinstance(report, Ended)
            quiet += isinstance(report, Records) and bool(report.records)
            reason = self._fault(report, crashes)
            if reason is not None:
                yield self._passed_over(partition, self._next[partition], reason)
                crashes, self._patience = 0, _CAREFUL_REPORTS
            if reason is not None or isinstance(report, Ended):
                quiet = 0
                self._begin(self._open & {partition}, is_careful=True)
            elif isinstance(report, Records) and not report.records and self._is_at_end(partition):
                break

    def _fault(self, report: Report, crashes: int) -> str | None:
        """Return why the batch at the position of a careful session is unreadable; None if nothing says so."""
        if isinstance(report, Exhausted):
            return _MEMORY
        if crashes == _MAX_CRASHES:
            return _CRASH
        return _SILENCE if self._is_stalled() else None

    def _handle(self, report: Report) -> Iterator[Records | BadRange]:
        if isinstance(report, Records):
            yield from self._without_rewound(report)
            self._advance(report.positions)
            yield report
        elif isinstance(report, Unreadable):
            yield from self._skip(report)
        elif isinstance(report, Failure):
            self._listener.failed(report)
        elif isinstance(report, LogLine):
            self._listener.logged(report)

    def _without_rewound(self, report: Records) -> Iterator[BadRange]:
        """Drop records that were read before, and pass over the batch that sent the client back to them.

        A batch that lies about its last offset leads the client past the end, and from there to the beginning.
        """
        rewound = {partition for partition, position in report.positions.items() if position <= self._next[partition]}
        rewound &= {record[0] for record in report.records} if rewound else set()
        if not rewound:
            return
        report.records = [record for record in report.records if record[0] not in rewound]
        for partition in rewound:
            del report.positions[partition]
            if partition in self._open:
                yield self._passed_over(partition, self._next[partition], _REWOUND)
                self._process.send(Seek(partition, self._next[partition]))

    def _skip(self, report: Unreadable) -> Iterator[BadRange]:
        partition = report.partition
        if partition not in self._open:
            return
        if not report.is_batch:
            self._advance({partition: report.offset + 1})
            yield BadRange(partition, report.offset, report.offset + 1, report.reason)
            return
        # The client may have repeated itself before it heard where to continue.
        if report.offset >= self._passed.get(partition, 0):
            yield self._passed_over(partition, max(report.offset, self._next[partition]), report.reason)
        self._process.send(Seek(partition, self._next[partition]))

    def _passed_over(self, partition: int, offset: int, reason: str) -> BadRange:
        """Continue after the batch at an offset; return it."""
        limit = self._ends[partition] if self._ends is not None else 1 << 62
        try:
            batch = self._peek.at(partition, offset)
            if batch is not None:
                offset = max(offset, batch.base)
                reason = f"{reason} ({batch.codec}, {batch.size} bytes)"
            after = self._peek.end_of(partition, offset, limit=limit)
        except PeekError as exc:
            # One offset after the other, then: slow, but no record after the batch is lost.
            reason = f"{reason}; its end is not known: {exc}"
            after = offset + 1
        after = max(after, offset + 1)
        self._advance({partition: after})
        self._passed[partition] = after
        return BadRange(partition, offset, after, reason)

    def _advance(self, positions: Mapping[int, int]) -> None:
        """Remember how far the partitions were read; those that were read to their ends are fetched no more."""
        finished = []
        for partition, position in positions.items():
            if partition not in self._open or position < self._next[partition]:
                continue
            self._next[partition] = position
            self._progress_at = time.monotonic()
            if self._ends is not None and position >= self._ends[partition]:
                finished.append(partition)
        if finished:
            self._open.difference_update(finished)
            self._process.send(Pause(finished))

    def _is_stalled(self) -> bool:
        """Return whether records have not come for a while although the broker has some."""
        if time.monotonic() - self._progress_at < _STALLED_SECONDS:
            return False
        self._progress_at = time.monotonic()
        return any(not self._is_at_end(partition) for partition in self._open - self._held)

    def _is_at_end(self, partition: int) -> bool:
        """Return whether the broker has nothing more of a partition, or cannot be asked: waiting is right then."""
        try:
            return self._peek.at(partition, self._next[partition]) is None
        except PeekError:
            return True
