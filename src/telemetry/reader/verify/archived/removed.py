"""Remembers which events of one stream were removed on purpose: redacted on request, or ended by a policy."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.reader.entry import EndedRun, RedactedEvent
from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.verdicts import Finding, Verdict

MAX_REDACTED = 1 << 20
"""Redacted events of one stream that are remembered by their number; further ones are counted."""
MAX_RUNS = 1 << 16
"""Ended runs of one stream that are remembered; the events of further ones count as missing."""


class _Run(NamedTuple):
    """Events that ended together."""

    first: int
    end: int
    policy: str
    has_leaves: bool


class RemovedEvents:
    """The events of one stream whose values are gone on purpose.

    A run without leaf hashes is believed only where it is whole signed intervals: the stream is proven up to its first event
    and continues from the signed tree after its last one.

    Attributes:
        redacted: How many events were redacted.
    """

    __slots__ = ("_redacted", "_runs", "redacted")

    def __init__(self) -> None:
        self.redacted = 0
        self._redacted = array("Q")
        self._runs: list[_Run] = []

    def note_redacted(self, sequence: int) -> None:
        """Remember an event that was redacted."""
        self.redacted += 1
        if len(self._redacted) < MAX_REDACTED:
            self._redacted.append(sequence)

    def note_run(self, first: int, end: int, policy: str, *, has_leaves: bool) -> None:
        """Remember events that ended; runs that follow each other under one policy are one.

        Args:
            first: Sequence of the first event.
            end: One more than that of the last.
            policy: Text of the policy.
            has_leaves: Their leaf hashes are in the archive.
        """
        at = bisect_right(self._runs, first, key=_first)
        before = self._runs[at - 1] if at else None
        # Joined only at the end: an earlier run would have to be looked for on both sides.
        if before is not None and before.end == first and before[2:] == (policy, has_leaves):
            self._runs[at - 1] = before._replace(end=end)
        elif len(self._runs) < MAX_RUNS:
            self._runs.insert(at, _Run(first, end, policy, has_leaves))

    def lies_in_run(self, size: int) -> bool:
        """Return whether a checkpoint of this size ends an interval whose events have ended without leaf hashes.

        Args:
            size: Size of the tree that was signed.
        """
        run = self._at(size - 1) if self._runs and size else None
        return run is not None and not run.has_leaves

    def outside(self, first: int, last: int, roots: Mapping[int, bytes]) -> Iterator[tuple[int, int]]:
        """Yield the parts of a gap that no believed run covers, as first and last sequence.

        Args:
            first: First sequence of the gap.
            last: Its last sequence.
            roots: The roots that were signed, by size.
        """
        at = first
        while at <= last:
            run = self._at(at)
            if run is not None and _is_whole(run, roots):
                at = run.end
                continue
            following = bisect_right(self._runs, at, key=_first)
            end = min(self._runs[following].first if following < len(self._runs) else last + 1, last + 1)
            yield at, end - 1
            at = end

    def ended(self, roots: Mapping[int, bytes]) -> int:
        """Return how many events have ended.

        Args:
            roots: The roots that were signed, by size.
        """
        return sum(run.end - run.first for run in self._runs if run.has_leaves or _is_whole(run, roots))

    def findings(self, tree: StreamTree) -> Iterator[Finding]:
        """Yield what was removed on purpose; it is harmless.

        Args:
            tree: The stream's tree.
        """
        if self.redacted:
            unproven = sum(not tree.is_proven(sequence) for sequence in self._redacted)
            proof = f"{unproven} of their leaf hashes are not proven" if unproven else "their leaf hashes are proven"
            yield Finding(Verdict.COMPLETE, f"redacted: {self.redacted} events; {proof}")
        roots = tree.signed.roots
        for run in self._runs:
            if run.has_leaves or _is_whole(run, roots):
                count = run.end - run.first
                proof = "its leaf hashes are" if run.has_leaves else "nothing of them is"
                reason = f"ended by policy: {count} events; {proof} in the archive ({run.policy})"
                yield Finding(Verdict.COMPLETE, reason, run.first, run.end - 1)

    def _at(self, sequence: int) -> _Run | None:
        at = bisect_right(self._runs, sequence, key=_first) - 1
        return self._runs[at] if at >= 0 and sequence < self._runs[at].end else None


def is_sound(record: RedactedEvent | EndedRun) -> bool:
    """Return whether numbers and leaf hashes fit together; they come from outside."""
    if isinstance(record, RedactedEvent):
        return record.sequence >= 0 and len(record.leaf) == HASH_BYTES
    count = record.end - record.first
    return record.first >= 0 and count > 0 and (record.leaves is None or len(record.leaves) == count * HASH_BYTES)


def _is_whole(run: _Run, roots: Mapping[int, bytes]) -> bool:
    return not run.has_leaves and run.first in roots and run.end in roots


def _first(run: _Run) -> int:
    return run.first
