"""Judges the records of one producer by what trusted keys have signed for it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.format.proof.merkle import HASH_BYTES, Frontier
from telemetry.reader.entry import Proven
from telemetry.reader.proof.bare_interval import MAX_RIVALS, BareInterval, signed_at_of
from telemetry.reader.proof.signed_leaves import SignedLeafStore
from telemetry.reader.verify.tree.leaf_window import LeafWindow

_MAX_BARE = 1_024


class StreamProof:
    """The signed leaf hashes of one producer.

    A checkpoint that brings the leaf hashes of its interval along proves them at once. Of any other, the records since
    the checkpoint before are held until all of them were read, and lead to its root.

    Args:
        window: Holds leaf hashes of records that nothing proves yet.
        store: Keeps those that are signed.

    Attributes:
        size: The largest size that was signed.
        via: Source of the gateway that logged the events, as the first checkpoint says; None where the service did.
    """

    __slots__ = (
        "_bare",
        "_closed",
        "_ends",
        "_found",
        "_is_final",
        "_last",
        "_positions",
        "_rivals",
        "_signed_at",
        "_starts",
        "_store",
        "_window",
        "size",
        "via",
    )

    # attributes: five columns of one table, and what is not in it yet
    def __init__(self, window: LeafWindow, store: SignedLeafStore) -> None:
        self._window = window
        self._store = store
        # Intervals whose leaf hashes are signed, in order: where they start and end, where the store has them, when they
        # were signed, and how many of their records were read.
        self._starts, self._ends, self._positions = array("Q"), array("Q"), array("Q")
        self._signed_at, self._found = array("d"), array("Q")
        self._bare: list[BareInterval] = []
        self._rivals: dict[int, list[bytes]] = {}
        self._last = Frontier()
        self._closed: int | None = None
        self._is_final = False
        self.size = 0
        self.via: str | None = None

    def find(self, sequence: int) -> None:
        """Count a proven record, once."""
        self._found[bisect_right(self._starts, sequence) - 1] += 1

    def lacking(self, since: float, ended: Sequence[tuple[int, int]] = ()) -> int:
        """Return how many records are absent from the intervals that were signed at some time or later.

        Args:
            since: The time, in seconds since the epoch.
            ended: Runs whose retention has ended, as first sequence and the one after the last: they may be absent.
        """
        intervals = zip(self._signed_at, self._starts, self._ends, self._found, strict=True)
        absent = [(start, end, end - start - found) for at, start, end, found in intervals if at >= since]
        absent += [(each.start, each.end, each.absent) for each in self._bare if each.signed_at >= since]
        return sum(max(count - _overlap(start, end, ended), 0) for start, end, count in absent)

    def add_checkpoint(self, checkpoint: Checkpoint, leaves: IntervalLeaves | None) -> None:
        """Add what a trusted key signed.

        Args:
            checkpoint: The checkpoint.
            leaves: The leaf hashes of its interval, which its root proves; None if it brought none.
        """
        if not self.size:
            self.via = checkpoint.via
        if leaves is not None:
            self._prove(leaves.start, leaves.leaves, signed_at_of(checkpoint))
        elif checkpoint.size > self._last.size and len(self._bare) < _MAX_BARE:
            self._add_bare(checkpoint)
        tree = checkpoint.tree()
        if tree is not None and tree.size > self._last.size:
            self._last = tree
        self.size = max(self.size, checkpoint.size)
        if checkpoint.is_closing:
            self._closed = max(self._closed or 0, checkpoint.size)
        self._is_final = self._is_final or checkpoint.final

    def add_record(self, sequence: int, leaf: bytes) -> bool:
        """Add a record; return whether it made others provable."""
        if self._position(sequence) is not None:
            return False
        known = self._window.get(sequence)
        if known is None:
            return self._window.put(sequence, leaf) and self._arrived(sequence)
        if known == leaf:
            return False
        rivals = self._rivals.setdefault(sequence, [])
        if leaf in rivals or sum(map(len, self._rivals.values())) >= MAX_RIVALS:
            return False
        rivals.append(leaf)
        interval = self._bare_at(sequence)
        return interval is not None and self._try(interval)

    def judge(self, sequence: int, leaf: bytes) -> Proven | None:
        """Return whether a record is proven; None while nothing that was read says so.

        Raises:
            StorageError: The leaf hash cannot be read.
        """
        position = self._position(sequence)
        if position is not None:
            signed = self._store.leaf(position)
            return None if signed is None else Proven.YES if signed == leaf else Proven.NO
        is_after_end = self._closed is not None and sequence >= max(self._closed, self.size)
        return Proven.NO if is_after_end else None

    def is_after_final(self, sequence: int) -> bool:
        """Return whether a record comes after the end that its own process has signed."""
        # A recovery knows what the spool had: where the disk did not answer, more may have been sent.
        return self._is_final and sequence >= self.size

    def _add_bare(self, checkpoint: Checkpoint) -> None:
        start, end = self._last.size, checkpoint.size
        held = self._window.count_in(start, end)
        interval = BareInterval(self._last, checkpoint, end - start - held)
        self._bare.append(interval)
        self._try(interval)

    def _arrived(self, sequence: int) -> bool:
        """Count a record that was read for the first time."""
        interval = self._bare_at(sequence)
        if interval is None:
            return False
        interval.absent -= 1
        return self._try(interval)

    def _bare_at(self, sequence: int) -> BareInterval | None:
        return next((each for each in reversed(self._bare) if each.start <= sequence < each.end), None)

    def _try(self, interval: BareInterval) -> bool:
        leaves = interval.prove(self._window, self._rivals)
        if leaves is None:
            return False
        self._bare.remove(interval)
        self._prove(interval.start, leaves, interval.signed_at)
        return True

    def _prove(self, start: int, leaves: bytes, signed_at: float) -> None:
        """Keep signed leaf hashes; where two checkpoints sign one place, the one that was read first counts."""
        end = start + len(leaves) // HASH_BYTES
        for first, after in list(self._uncovered(start, end)):
            part = leaves[(first - start) * HASH_BYTES : (after - start) * HASH_BYTES]
            at = bisect_right(self._starts, first)
            self._starts.insert(at, first)
            self._ends.insert(at, after)
            self._positions.insert(at, self._store.append(part))
            self._signed_at.insert(at, signed_at)
            self._found.insert(at, 0)
        self._window.take(start, end)
        for sequence in [number for number in self._rivals if start <= number < end]:
            del self._rivals[sequence]
        # An interval without leaf hashes that others cover says nothing more.
        self._bare = [each for each in self._bare if any(True for _ in self._uncovered(each.start, each.end))]

    def _uncovered(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the parts of a range of which no leaf hash is known yet, as first sequence and the one after the last."""
        at = max(bisect_right(self._starts, start) - 1, 0)
        while start < end:
            if at < len(self._starts) and self._starts[at] <= start:
                start, at = max(start, self._ends[at]), at + 1
                continue
            stop = min(end, self._starts[at]) if at < len(self._starts) else end
            yield start, stop
            start = stop

    def _position(self, sequence: int) -> int | None:
        """Return where the store has the leaf hash of a sequence; None if it has none."""
        at = bisect_right(self._starts, sequence) - 1
        if at < 0 or sequence >= self._ends[at]:
            return None
        return self._positions[at] + (sequence - self._starts[at]) * HASH_BYTES


def _overlap(start: int, end: int, runs: Sequence[tuple[int, int]]) -> int:
    return sum(max(min(end, after) - max(start, first), 0) for first, after in runs)
