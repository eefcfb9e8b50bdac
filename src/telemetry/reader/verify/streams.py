"""Keeps a stream for each producer that a trusted key has signed for, and young ones, in bounded memory, for the others.

Every producer is young until its first checkpoint that is believed is read. Anyone can invent producers, so only the
newest few stay whole; the records of the others wait outside, and come back if a checkpoint makes their producer trusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.entry import Place
from telemetry.reader.verify.key_order import KeyOrder
from telemetry.reader.verify.record_group import RecordGroup
from telemetry.reader.verify.stream_check import StreamCheck
from telemetry.reader.verify.tree.digests import DigestBudget, ProvenDigests
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow
from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.tree.youth import NOWHERE
from telemetry.reader.verify.unproven.held_objects import HeldObjects
from telemetry.reader.verify.unproven.waiting import WaitingRecord, WaitingRecords

MAX_YOUNG = 256
"""Producers without a trusted checkpoint that are in memory as streams."""
MAX_YOUNG_EVENTS = 500_000
"""Leaf hashes of all young streams together, 16 MB; beyond it, the records wait outside."""
MAX_SAVED_RECORDS = 1 << 14
"""Records of producers without a trusted checkpoint that a state carries on: about 1 MB."""

_MAX_HEADS = 1 << 15
_MAX_YOUNG_GROUPS = 16
_MAX_GROUPS = 4_096
_MAX_SOURCES = 20


class _Room(NamedTuple):
    """What some streams may keep together."""

    leaves: LeafBudget
    digests: DigestBudget


class Streams:
    """The producers of one verification.

    Args:
        held_events: Leaf hashes that trusted streams hold together.
        remembered: Proven records that trusted streams remember together.
        keys: Keys that may have signed.

    Attributes:
        trusted: Streams with a checkpoint that is believed, by producer.
        young: Streams without one; at most ``MAX_YOUNG``.
        groups: Groups of records and their streams by head, of all streams in memory.
        waiting: Records of streams that are not in memory, and those that found no room.
        held: What sealed fallback objects say they hold.
        evicted: How many young streams had to leave memory.
    """

    def __init__(self, *, held_events: int, remembered: int, keys: Iterable[PublicKey] = ()) -> None:
        self.trusted: dict[str, StreamCheck] = {}
        self.young: dict[str, StreamCheck] = {}
        self.groups: dict[bytes, tuple[RecordGroup, StreamCheck]] = {}
        self.waiting = WaitingRecords()
        self.held = HeldObjects(keys)
        self.evicted = 0
        self._numbers = 0
        # What anyone can write must not use up the room of what a trusted key has signed.
        self._room = _Room(LeafBudget(held_events), DigestBudget(remembered))
        self._young_room = _Room(LeafBudget(min(held_events, MAX_YOUNG_EVENTS)), DigestBudget(0))
        self._young_order = KeyOrder()
        self._order = KeyOrder(before=self._young_order)

    def of(self, producer: str) -> StreamCheck:
        """Return the stream of a producer; a new one is young."""
        return self.trusted.get(producer) or self.young.get(producer) or self._add(producer)

    def trust(self, producer: str) -> StreamCheck:
        """Return the stream of a producer for which a trusted key has signed."""
        stream = self.trusted.get(producer)
        if stream is None:
            stream = self.of(producer)
            del self.young[producer]
            self.trusted[producer] = stream
            stream.tree.settle(self._room.leaves, self._room.digests)
            stream.order = self._order
        return stream

    def register(self, group: RecordGroup, stream: StreamCheck) -> None:
        """Remember a group by its head, if there is room for one more of its stream."""
        most = _MAX_GROUPS if stream.producer in self.trusted else _MAX_YOUNG_GROUPS
        if len(self.groups) < _MAX_HEADS and len(stream.groups) < most:
            self.groups[group.head] = group, stream
            stream.groups.append(group)

    def recall(self) -> None:
        """Give the waiting records of trusted streams to them, so that they are judged; may be called again."""
        if self.waiting.is_empty:
            return
        for producer, stream in self.trusted.items():
            compared, earlier = stream.suspicions.compared(), set()
            for record in self.waiting.take(producer):
                stream.tree.recall(record.sequence, record.leaf, record.place)
                if record.sequence in compared:
                    earlier.add(record.sequence)
            # A record that waited was read before its copy, which therefore is not out of order.
            stream.suspicions.forgive(earlier)

    def saved(self) -> dict[str, Any]:
        """Return the records that a later verification may find signed, as members of a state."""
        records = [
            (producer, record.sequence, record.leaf) for producer, record in self.newest_records(MAX_SAVED_RECORDS)
        ]
        if not records:
            return {}
        forgot = len(records) < self.young_records()
        return {"waiting": records} | ({"forgot": True} if forgot else {})

    def restore(self, records: Iterable[tuple[str, int, bytes]]) -> None:
        """Continue with the records that an earlier verification could not judge."""
        # The newest streams come first in a state, and are the last to leave memory again.
        for producer, sequence, leaf in reversed(list(records)):
            self.of(producer).tree.add(sequence, leaf, NOWHERE)

    def young_records(self) -> int:
        """Return how many records of young streams were read, copies not counted; those of others that wait included."""
        return sum(stream.tree.counts.records for stream in self.young.values()) + self.waiting.count

    def young_sources(self) -> tuple[tuple[str, int], ...]:
        """Return the sources that young streams in memory name, with how many do; the most frequent first."""
        counts = Counter(stream.source for stream in self.young.values() if stream.source)
        return tuple(counts.most_common(_MAX_SOURCES))

    def newest_records(self, most: int) -> Iterator[tuple[str, WaitingRecord]]:
        """Yield records of producers that are not trusted yet, with their producers; those of the newest streams first."""
        count = 0
        for producer, stream in reversed(self.young.items()):
            for sequence, leaf in stream.tree.leaves():
                if count >= most:
                    return
                count += 1
                yield producer, WaitingRecord(sequence, leaf, None)
        yield from self.waiting.newest(most - count)

    def _add(self, producer: str) -> StreamCheck:
        if len(self.young) >= MAX_YOUNG:
            self._evict(next(iter(self.young)))
        self._numbers += 1
        tree = StreamTree(
            LeafWindow(self._young_room.leaves),
            ProvenDigests(self._young_room.digests),
            _Outside(self.waiting, producer),
        )
        stream = self.young[producer] = StreamCheck(producer, self._numbers, tree, self._young_order)
        return stream

    def _evict(self, producer: str) -> None:
        stream = self.young.pop(producer)
        self.evicted += 1
        for group in stream.groups:
            del self.groups[group.head]
        stream.tree.move_out()


class _Outside:
    """The place outside of memory for the records of one producer.

    Args:
        waiting: Keeps the records of all producers.
        producer: The producer.
    """

    __slots__ = ("_producer", "_waiting")

    def __init__(self, waiting: WaitingRecords, producer: str) -> None:
        self._waiting = waiting
        self._producer = producer

    def put(self, sequence: int, leaf: bytes, place: Place | None) -> None:
        """Keep a record until it can be judged."""
        self._waiting.add(self._producer, sequence, leaf, place)
