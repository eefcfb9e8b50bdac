"""Keeps a stream for each producer that a trusted key has signed for, and young ones, in bounded memory, for the others.

A stream is a producer under one source. It is young until its first checkpoint that is believed is read. Anyone can
invent producers, so only the newest few stay whole; the records of the others wait outside, and come back if a checkpoint
makes their stream trusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple, NoReturn

from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value.message import SEQUENCE
from telemetry.reader.entry import Place
from telemetry.reader.verify.key_order import KeyOrder
from telemetry.reader.verify.parted.streams_part import StreamsPart
from telemetry.reader.verify.record_group import FEW_SIGHTINGS, MAX_SIGHTINGS, RecordGroup
from telemetry.reader.verify.stream_check import StreamCheck
from telemetry.reader.verify.tree.digests import DigestBudget, ProvenDigests
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow
from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.tree.youth import NOWHERE
from telemetry.reader.verify.unproven.held_objects import HeldObjects
from telemetry.reader.verify.unproven.stream_name import UNKNOWN_SOURCE, StreamName
from telemetry.reader.verify.unproven.waiting import WaitingRecord, WaitingRecords

MAX_YOUNG = 256
"""Streams without a trusted checkpoint that are in memory."""
MAX_YOUNG_EVENTS = 500_000
"""Leaf hashes of all young streams together, 16 MB; beyond it, the records wait outside."""
MAX_RIVALS = 1 << 16
"""Records outside of memory that a part of the streams hands over; far more than findings are kept of one stream."""
MAX_SAVED_RECORDS = 1 << 14
"""Records of streams without a trusted checkpoint that a state carries on: about 1 MB."""

_MAX_HEADS = 1 << 15
_MAX_YOUNG_GROUPS = 16
_MAX_GROUPS = 4_096
_MANY_HEADS = 1 << 9
"""Heads from which on few records of each are remembered with their places."""
_MAX_SOURCES = 20


class KnownHead(NamedTuple):
    """A head that was parsed, and whose records it begins.

    Attributes:
        text: The head with the name of the sequence, up to its digits.
        length: Bytes of the text.
        group: The records with this head.
        stream: Their stream.
    """

    text: bytes
    length: int
    group: RecordGroup
    stream: StreamCheck


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
        order: Knows in which order the records were read; None for the order of arrival.

    Attributes:
        trusted: Streams with a checkpoint that is believed.
        young: Streams without one; at most ``MAX_YOUNG``.
        heads: The heads of all streams in memory.
        waiting: Records of streams that are not in memory, and those that found no room.
        held: What sealed fallback objects say they hold.
        evicted: How many young streams had to leave memory.
    """

    def __init__(
        self, *, held_events: int, remembered: int, keys: Iterable[PublicKey] = (), order: KeyOrder | None = None
    ) -> None:
        self.trusted: dict[StreamName, StreamCheck] = {}
        self.young: dict[StreamName, StreamCheck] = {}
        self.heads: dict[bytes, KnownHead] = {}
        self.waiting = WaitingRecords()
        self.held = HeldObjects(keys)
        self.evicted = 0
        self._numbers = 0
        # Per producer, the stream that was trusted first: it has the records whose source is not known.
        self._first: dict[str, StreamName] = {}
        # What anyone can write must not use up the room of what a trusted key has signed.
        self._room = _Room(LeafBudget(held_events), DigestBudget(remembered))
        self._young_room = _Room(LeafBudget(min(held_events, MAX_YOUNG_EVENTS)), DigestBudget(0))
        self._young_order = order or KeyOrder()
        self._order = order or KeyOrder(before=self._young_order)

    def of(self, name: StreamName) -> StreamCheck:
        """Return a stream; a new one is young."""
        return self.trusted.get(name) or self.young.get(name) or self._add(name)

    def of_unknown_source(self, producer: str) -> StreamCheck:
        """Return the stream for records that name a producer and no source: another one of the producer, if there is one."""
        first = self._first.get(producer)
        if first is None:
            first = next((name for name in self.young if name.producer == producer), None)
        return self.of(first or StreamName(producer, UNKNOWN_SOURCE))

    def trust(self, name: StreamName) -> StreamCheck:
        """Return a stream for which a trusted key has signed."""
        stream = self.trusted.get(name)
        if stream is None:
            stream = self.of(name)
            del self.young[name]
            self.trusted[name] = stream
            stream.tree.settle(self._room.leaves, self._room.digests)
            stream.order = self._order
            if self._first.setdefault(name.producer, name) == name:
                self._adopt_unknown(stream)
        return stream

    def group(self, attributes: dict[str, str], value: bytes, head: bytes, stream: StreamCheck) -> RecordGroup:
        """Return a new group of a stream, known by its head from now on.

        Args:
            attributes: The CloudEvents attributes of the head.
            value: The first record with this head.
            head: The head.
            stream: The stream.
        """
        most = MAX_SIGHTINGS if len(self.heads) < _MANY_HEADS else FEW_SIGHTINGS
        group = RecordGroup(attributes, value, head, most=most)
        if stream.name not in self.trusted and len(stream.groups) >= _MAX_YOUNG_GROUPS:
            return group
        # Data keys come and go, and anyone can write records that name others. The newest are in use.
        if len(stream.groups) >= _MAX_GROUPS:
            self._retire(stream.groups[: _MAX_GROUPS // 2])
        if len(self.heads) >= _MAX_HEADS:
            self._retire([known.group for known in islice(self.heads.values(), _MAX_HEADS // 2)])
        text = head + SEQUENCE
        self.heads[head] = KnownHead(text, len(text), group, stream)
        stream.groups.append(group)
        return group

    def recall(self) -> None:
        """Give the waiting records of trusted streams to them, so that they are judged; may be called again."""
        if self.waiting.is_empty:
            return
        for name, stream in self.trusted.items():
            self._recall(stream, name)
            if self._first.get(name.producer) == name:
                self._recall(stream, StreamName(name.producer, UNKNOWN_SOURCE))

    def rivals(self, stream: StreamCheck) -> Iterator[WaitingRecord]:
        """Yield the records of a stream's producer that are not signed for, and name another source than the stream."""
        for name, other in self.young.items():
            if name.producer == stream.producer and other is not stream:
                yield from (WaitingRecord(*record) for record in other.tree.records())
        for name, record in self.waiting.of_producer(stream.producer):
            if name.is_of_known_source and name != stream.name and name not in self.trusted:
                yield record

    def largest_of(self, producer: str) -> StreamCheck | None:
        """Return the young stream of a producer with most records."""
        streams = (stream for stream in self.young.values() if stream.producer == producer)
        return max(streams, key=lambda stream: stream.tree.counts.records, default=None)

    def saved(self) -> dict[str, Any]:
        """Return the records that a later verification may find signed, as members of a state."""
        records = [(*name, record.sequence, record.leaf) for name, record in self.newest_records(MAX_SAVED_RECORDS)]
        if not records:
            return {}
        forgot = len(records) < self.young_records()
        return {"unsigned": records} | ({"forgot": True} if forgot else {})

    def restore(self, records: Iterable[tuple[StreamName, int, bytes]]) -> None:
        """Continue with the records that an earlier verification could not judge."""
        # The newest streams come first in a state, and are the last to leave memory again.
        for name, sequence, leaf in reversed(list(records)):
            self.of(name).tree.add(sequence, leaf, NOWHERE)

    def young_records(self) -> int:
        """Return how many records of young streams were read, copies not counted; those of others that wait included."""
        return sum(stream.tree.counts.records for stream in self.young.values()) + self.waiting.count

    def young_sources(self) -> tuple[tuple[str, int], ...]:
        """Return the sources that young streams in memory name, with how many do; the most frequent first."""
        counts = Counter(stream.source for stream in self.young.values() if stream.source)
        return tuple(counts.most_common(_MAX_SOURCES))

    def newest_records(self, most: int) -> Iterator[tuple[StreamName, WaitingRecord]]:
        """Yield records of streams that are not trusted yet, with their streams; those of the newest streams first."""
        count = 0
        for name, stream in reversed(self.young.items()):
            for record in stream.tree.records():
                if count >= most:
                    return
                count += 1
                yield name, WaitingRecord(*record)
        yield from self.waiting.newest(most - count)

    def part(self) -> StreamsPart:
        """Return all streams, to be joined with those of other producers; nothing may be added to them afterwards."""
        self.recall()
        producers = dict.fromkeys(name.producer for name in self.trusted) if not self.waiting.is_empty else {}
        rivals = (each for producer in producers for each in self.waiting.of_producer(producer))
        others = (each for each in rivals if each[0].is_of_known_source and each[0] not in self.trusted)
        return StreamsPart(
            trusted=self.trusted,
            young=self.young,
            rivals=tuple(islice(others, MAX_RIVALS)),
            waiting=self.waiting.count,
            dropped=self.waiting.dropped,
            evicted=self.evicted,
        )

    def join(self, part: StreamsPart) -> None:
        """Add the streams of other producers."""
        self.trusted.update(part.trusted)
        self.young.update(part.young)
        for name in part.trusted:
            self._first.setdefault(name.producer, name)
        for name, record in part.rivals:
            self.waiting.add(name, *record)
        self.waiting.count_elsewhere(part.waiting - len(part.rivals), dropped=part.dropped)
        self.evicted += part.evicted

    def _add(self, name: StreamName) -> StreamCheck:
        if len(self.young) >= MAX_YOUNG:
            self._evict(next(iter(self.young)))
        self._numbers += 1
        tree = StreamTree(
            LeafWindow(self._young_room.leaves),
            ProvenDigests(self._young_room.digests),
            _Outside(self.waiting, name),
        )
        stream = self.young[name] = StreamCheck(name, self._numbers, tree, self._young_order)
        return stream

    def _retire(self, groups: Iterable[RecordGroup]) -> None:
        """Forget groups; a stream has one in the clear at most, which stays, since it is a finding by itself."""
        streams: dict[StreamName, StreamCheck] = {}
        retired = set()
        for group in groups:
            if not group.is_clear:
                stream = self.heads.pop(group.head).stream
                streams[stream.name] = stream
                retired.add(group)
        for stream in streams.values():
            stream.groups = [group for group in stream.groups if group not in retired]

    def _evict(self, name: StreamName) -> None:
        self.evicted += 1
        self._move_out(name)

    def _move_out(self, name: StreamName) -> StreamCheck:
        stream = self.young.pop(name)
        for group in stream.groups:
            del self.heads[group.head]
        stream.tree.move_out()
        return stream

    def _adopt_unknown(self, stream: StreamCheck) -> None:
        """Give the records whose source is not known to the stream of their producer that is trusted first."""
        name = StreamName(stream.producer, UNKNOWN_SOURCE)
        if name not in self.young:
            return
        stream.suspicions.restore(self._move_out(name).suspicions.undecided())
        for record in self.waiting.take(name):
            stream.tree.add(record.sequence, record.leaf, record.place or NOWHERE)

    def _recall(self, stream: StreamCheck, name: StreamName) -> None:
        """Give waiting records to a stream."""
        compared, earlier = stream.suspicions.compared(), set()
        for record in self.waiting.take(name):
            stream.tree.recall(record.sequence, record.leaf, record.place)
            if record.sequence in compared:
                earlier.add(record.sequence)
        # A record that waited was read before its copy, which therefore is not out of order.
        stream.suspicions.forgive(earlier)


class _Outside:
    """The place outside of memory for the records of one stream.

    Args:
        waiting: Keeps the records of all streams.
        name: The stream.
    """

    __slots__ = ("_name", "_waiting")

    def __init__(self, waiting: WaitingRecords, name: StreamName) -> None:
        self._waiting = waiting
        self._name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return _Nowhere, ()

    def put(self, sequence: int, leaf: bytes, place: Place | None) -> None:
        """Keep a record until it can be judged."""
        self._waiting.add(self._name, sequence, leaf, place)


class _Nowhere:
    """Stands for the place outside of memory where the stream is in another process than that place."""

    __slots__ = ()

    def put(self, sequence: int, leaf: bytes, place: Place | None) -> NoReturn:  # noqa: ARG002 - of the protocol
        """Refuse a record: it would be lost."""
        message = "a stream that was handed over takes no further records"
        raise ValueError(message)
