"""Sums up what the checkpoints of one producer say that trusted keys signed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.key_span import KeySpan
from telemetry.reader.sequence_ranges import SequenceRanges

MAX_SPANS = 4_096
"""Spans of data keys that are kept of one producer."""
MAX_RECOVERIES = 16
"""Recoveries that are kept of one producer; there is one, unless old copies of its spool segment are put back."""
MAX_GATEWAYS = 8
"""Gateways that are kept of one producer; there is one at most, unless a key is misused."""
_CLOCK_SET = timedelta(minutes=5)
"""Step back that is accepted of version 1, whose times were those of the host's clock."""


class Recovery(NamedTuple):
    """An end of a stream that the process signed which adopted the spool of a dead one.

    Attributes:
        size: Number of records that were signed.
        time: Time of the signature.
        old_copy: Records of the older copy of a segment for which it was signed; None where it was the segment itself.
    """

    size: int
    time: str
    old_copy: int | None


class TrustedCheckpoints:
    """The checkpoints of one producer that trusted keys signed.

    Attributes:
        keys: Labels of the keys.
        believed: For each label, why the key is believed.
        spans: The data keys that were signed for, with the records that they sealed.
        relayed: The records that came from an outbox, and may be older than the producer.
        gateways: The gateways that they name, each once; None for the service itself.
        count: How many different checkpoints they signed.
        latest: The largest checkpoint; None before the first.
        last_end: The largest end that was signed, by the process itself or in a recovery; None while there is none.
        ended: The first end that the process itself signed, which nothing may come after; None while there is none.
        recoveries: The ends that were signed for a dead process, the last ones of each size.
        delay: Least time between the signing of a checkpoint and the appending of its record; None where no broker says.
    """

    __slots__ = (
        "_times",
        "believed",
        "count",
        "delay",
        "ended",
        "gateways",
        "keys",
        "last_end",
        "latest",
        "recoveries",
        "relayed",
        "spans",
    )

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.believed: dict[str, str] = {}
        self.spans: list[KeySpan] = []
        self.relayed = SequenceRanges()
        self.gateways: dict[str | None, None] = {}
        # Earliest and latest time that was signed for each size, and whether all of them are of version 2.
        self._times: dict[int, tuple[str, str, bool]] = {}
        self.count = 0
        self.delay: timedelta | None = None
        self.latest: Checkpoint | None = None
        self.last_end: Checkpoint | None = None
        self.ended: Checkpoint | None = None
        self.recoveries: dict[int, Recovery] = {}

    @property
    def size(self) -> int:
        """Size of the largest tree that was signed; 0 before the first."""
        return self.latest.size if self.latest is not None else 0

    @property
    def closing(self) -> Checkpoint | None:
        """The checkpoint that ends the stream; None while there is none.

        A recovery of fewer records than were signed ends nothing: an older copy of a spool segment had less than the
        process, and what came after the last checkpoint is not known.
        """
        end = self.last_end
        return None if end is not None and end.recovered and end.size < self.size else end

    def add(self, checkpoint: Checkpoint, keys: Iterable[str], *, is_new: bool) -> None:
        """Add a checkpoint.

        Args:
            checkpoint: What was signed.
            keys: Labels of the keys.
            is_new: It is not a copy of a checkpoint that was counted.
        """
        self.keys.update(keys)
        self.count += is_new
        # A heartbeat signs the last size again, at a later time.
        latest = self.latest
        if latest is None or (checkpoint.size, checkpoint.time) >= (latest.size, latest.time):
            self.latest = checkpoint
        if checkpoint.recovered:
            self._note_recovery(checkpoint)
        else:
            self._note_time(checkpoint)
        if is_new and len(self.spans) < MAX_SPANS:
            self.spans += checkpoint.keys
        for run in checkpoint.relayed:
            self.relayed.add(run.first, run.last + 1)
        if checkpoint.is_closing and (self.last_end is None or checkpoint.size >= self.last_end.size):
            self.last_end = checkpoint
        self._note_end(checkpoint)

    def note_gateway(self, checkpoint: Checkpoint) -> None:
        """Remember the gateway that a checkpoint names, also where the checkpoint contradicts another one."""
        # Two are a finding already, and more of them say no more.
        if len(self.gateways) < MAX_GATEWAYS:
            self.gateways.setdefault(checkpoint.via)

    def note_append(self, checkpoint: Checkpoint, append_time: float) -> None:
        """Remember how long after its signing a checkpoint was appended.

        Args:
            checkpoint: The checkpoint.
            append_time: LogAppendTime of its record, in seconds since the epoch.
        """
        with suppress(OverflowError, ValueError):  # any number of 64 bits, from outside
            delay = timedelta(seconds=append_time - _moment(checkpoint.time).timestamp())
            self.delay = delay if self.delay is None else min(delay, self.delay)

    def backward(self) -> Iterator[tuple[int, str, str]]:
        """Yield where the times run back: a size, its time, and the later time that was signed for fewer records."""
        before = ""
        for size, (earliest, latest, is_strict) in sorted(self._times.items()):
            if before and _moment(earliest) < _moment(before) - (timedelta(0) if is_strict else _CLOCK_SET):
                yield size, earliest, before
            before = max(before, latest, key=_moment) if before else latest

    @property
    def first_time(self) -> str:
        """Earliest time that was signed; empty before the first checkpoint."""
        earliest = [earliest for earliest, _, _ in self._times.values()]
        return min([*earliest, *(recovery.time for recovery in self.recoveries.values())], default="", key=_moment)

    @property
    def last_time(self) -> str:
        """Latest time that was signed; empty before the first checkpoint."""
        latest = [latest for _, latest, _ in self._times.values()]
        return max([*latest, *(recovery.time for recovery in self.recoveries.values())], default="", key=_moment)

    def _note_recovery(self, checkpoint: Checkpoint) -> None:
        # Its time is that of the adoption, after everything that the process itself may have signed for more records.
        before = self.recoveries.pop(checkpoint.size, None)
        old_copy = checkpoint.old_copy if before is None or before.old_copy is None else before.old_copy
        self.recoveries[checkpoint.size] = Recovery(checkpoint.size, checkpoint.time, old_copy)
        if len(self.recoveries) > MAX_RECOVERIES:
            del self.recoveries[next(iter(self.recoveries))]

    def _note_time(self, checkpoint: Checkpoint) -> None:
        time, is_strict = checkpoint.time, checkpoint.topic is not None
        earliest, latest, was_strict = self._times.get(checkpoint.size, (time, time, is_strict))
        self._times[checkpoint.size] = (
            min(earliest, time, key=_moment),
            max(latest, time, key=_moment),
            is_strict and was_strict,
        )

    def _note_end(self, checkpoint: Checkpoint) -> None:
        # A recovery ends a stream as far as a spool had it, and another spool may have more.
        if checkpoint.final and not checkpoint.recovered and (self.ended is None or checkpoint.size < self.ended.size):
            self.ended = checkpoint

    def restore(
        self, keys: Iterable[str], *, count: int, latest: Checkpoint | None, last_end: Checkpoint | None
    ) -> None:
        """Continue with what an earlier verification counted."""
        self.keys.update(keys)
        self.count = count
        self.latest, self.last_end = latest, last_end
        for checkpoint in (latest, last_end):
            if checkpoint is not None:
                self.note_gateway(checkpoint)
            if checkpoint is not None and checkpoint.recovered:
                self._note_recovery(checkpoint)
            elif checkpoint is not None:
                self._note_time(checkpoint)


def _moment(time: str) -> datetime:
    # The format accepts no time that is not on the calendar.
    return datetime.fromisoformat(time)
