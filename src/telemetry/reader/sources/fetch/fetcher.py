"""Fetches partitions to their ends: past every batch that cannot be read, with its place and the reason."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterator, Mapping
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
from telemetry.reader.sources.fetch.guard import Guard
from telemetry.reader.sources.fetch.lookahead import Lookahead
from telemetry.reader.sources.fetch.process import open_process

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

    Usually that is one session. After a batch that cannot be read, or that ended the session, its partition is read
    carefully until enough good batches came: with sessions that fetch one batch at a time, and never one that can be
    seen to be a bomb before it is unpacked.

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
        self._guards = {partition: Guard() for partition in self._next}
        self._progress_at = 0.0

    def __iter__(self) -> Iterator[Records | BadRange]:
        """Yield records, and the ranges that are none; at least every half second something, if only empty records.

        Raises:
            TransportError: The listener's, for an error after which reading cannot continue.
        """
        self._begin_quickly()
        while self._open:
            report = self._process.next_report()
            yield from self._handle(report)
            suspects = self._suspects(report)
            waiting = [partition for partition in self._waiting() if partition not in suspects]
            if suspects or waiting:
                # It may be unpacking the next bomb by now.
                self._process.stop()
                yield from self._examine(suspects)
                for partition in waiting:
                    yield from self._read_carefully(partition)
                self._begin_quickly()

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

    def _begin_quickly(self) -> None:
        """Read what is not read carefully. A session without partitions says twice a second that it has nothing."""
        if self._open:
            self._begin({one for one in self._open if not self._guards[one].is_waiting}, is_careful=False)

    def _begin(self, partitions: Collection[int], *, is_careful: bool) -> None:
        starts = [(partition, self._next[partition]) for partition in sorted(partitions)]
        self._process.start(msgspec.structs.replace(self._template, starts=starts, is_careful=is_careful))
        self._progress_at = time.monotonic()
        self._fetching = set(partitions)
        if held := self._held & self._fetching:
            self._process.send(Pause(sorted(held)))

    def _suspects(self, report: Report) -> list[int]:
        """Return the partitions that a report makes worth reading carefully."""
        if isinstance(report, Unreadable):
            return [report.partition] if report.partition in self._open else []
        return sorted(self._open) if isinstance(report, (Exhausted, Ended)) or self._is_stalled() else []

    def _waiting(self) -> list[int]:
        """Return the partitions that are read carefully and have something new; none most of the time."""
        wanted = sorted(self._open - self._held)
        return [one for one in wanted if self._guards[one].is_due() and self._may_go_on(one)]

    def _may_go_on(self, partition: int) -> bool:
        """Return whether a partition that waits has something new; a client finds that out where the broker cannot be asked."""
        try:
            return self._ends is not None or self._peek.at(partition, self._next[partition]) is not None
        except PeekError:
            return True

    def _examine(self, suspects: list[int]) -> Iterator[Records | BadRange]:
        """Read partitions carefully; the next time, it is done for longer where it was right, or right nowhere."""
        counts = {}
        for partition in suspects:
            self._guards[partition].begin()
            counts[partition] = yield from self._read_carefully(partition)
        found = [partition for partition, count in counts.items() if count]
        for partition in found or suspects:
            self._guards[partition].prolong()

    def _read_carefully(self, partition: int) -> Generator[Records | BadRange, None, int]:
        """Read a partition until enough good batches came; return how many ranges were passed over."""
        bad, guard, lookahead = 0, self._guards[partition], Lookahead(self._peek, largest=self._template.largest)
        guard.stop_waiting()
        while partition in self._open - self._held and guard.left:
            start, end = self._next[partition], None if self._ends is None else self._ends[partition]
            ahead = lookahead.stretch(partition, start, most=guard.left, end=end)
            if ahead.until > start:
                faults = yield from self._read_stretch(partition, ahead.until)
                guard.count(ahead.batches, faults=faults)
                bad += faults
            position = self._next[partition]
            if position == start and ahead.bomb is None and partition not in self._held:
                # The end, or only what a client does not pass on. Someone who follows meets the next bomb here.
                guard.is_waiting = self._ends is None and not ahead.batches
                return bad
            # A stretch that did not end where it was expected is looked at again.
            if ahead.bomb is not None and position == ahead.until and partition in self._open:
                yield self._passed_over(partition, position, ahead.bomb.reason, base=ahead.bomb.base)
                guard.count(0, faults=1)
                bad += 1
        # One of which nothing is wanted for now may have more bombs.
        guard.is_waiting = partition in self._open and guard.left > 0
        return bad

    def _read_stretch(self, partition: int, until: int) -> Generator[Records | BadRange, None, int]:
        """Read a partition batch by batch up to an offset; return how many ranges were passed over."""
        self._begin([partition], is_careful=True)
        crashes = faults = 0
        while partition in self._open - self._held and self._next[partition] < until:
            report = self._process.next_report()
            yield from self._handle(report)
            crashes += isinstance(report, Ended)
            faults += isinstance(report, Unreadable)
            reason = self._fault(report, crashes)
            if reason is not None:
                yield self._passed_over(partition, self._next[partition], reason)
                crashes, faults = 0, faults + 1
            if (reason is not None or isinstance(report, Ended)) and partition in self._open:
                self._begin([partition], is_careful=True)
            elif isinstance(report, Records) and not report.records and self._is_at_end(partition):
                break
        # The client is already fetching what comes next, which may be a bomb.
        self._process.stop()
        return faults

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

    def _passed_over(self, partition: int, offset: int, reason: str, *, base: int = 0) -> BadRange:
        """Continue after the batch at an offset, or after the one with a base; return what is left out."""
        limit = self._ends[partition] if self._ends is not None else 1 << 62
        try:
            batch = self._peek.at(partition, max(offset, base))
            if batch is not None:
                # What is before a known base is left out visibly, even if it is only the end of a transaction.
                offset = offset if base else max(offset, batch.base)
                reason = f"{reason} ({batch.codec}, {batch.size} bytes)"
            after = self._peek.end_of(partition, max(offset, base), limit=limit)
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
