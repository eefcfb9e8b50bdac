"""Hashes the events of an archive into compact ranges, which neighbours can be merged with: the map of a verification."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from telemetry.exceptions import FormatError, MalformedRecordError
from telemetry.format.proof.compact_range import CompactRange
from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.format.value.head import parse_head, parse_number_and_key
from telemetry.format.value.message import SEQUENCE, source_of
from telemetry.reader.mappings.arrow.library import pa

RANGES_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("producer", pa.string()),
        pa.field("first", pa.int64()),
        pa.field("range", pa.binary()),
        pa.field("events", pa.int64()),
        pa.field("ended", pa.int64()),
        pa.field("problem", pa.string()),
    ]
)
"""A range of a stream's leaves (``CompactRange.to_bytes``), a problem of one place in it, or neither: events that have ended."""

Stream = tuple[str, str]
"""Source and producer."""

_NEEDED = ("service", "environment", "producer", "sequence", "until", "value", "leaf")
_MAX_HEADS = 10_000

_sha256 = hashlib.sha256


class _Leaf(NamedTuple):
    """One event's place in its stream, and the hash that stands for it there."""

    stream: Stream
    sequence: int
    leaf: bytes


def verify_ranges(
    batches: Iterable[pa.RecordBatch], *, cuts: Mapping[Stream, Sequence[int]]
) -> Iterator[pa.RecordBatch]:
    """Yield the ranges of the events' leaves, cut where a checkpoint was signed, so that each interval can be proven alone.

    Each value is hashed again, and its place is read from itself: no column is believed but the leaf of an event that was
    redacted, which the signed root confirms or refutes. The fewer events come out of their order, the fewer ranges there are.

    Args:
        batches: Rows of the archive of the kinds ``event`` and ``ended``, with these columns: ``kind``, ``environment``, ``service``,
            ``producer``, ``sequence``, ``until``, ``value``, ``leaf``; sorted by service, producer and sequence, as compacted files are.
        cuts: The signed sizes of each stream, rising: ``{stream: [c.size for c in found]}`` of :func:`signed_checkpoints`.

    Raises:
        FormatError: A column is missing.
    """
    heads = _Heads()
    for batch in batches:
        pieces = _Pieces(cuts)
        for place in _leaves(batch, heads):
            pieces.add(place)
        rows = [*pieces.close(), *_ended(batch)]
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=RANGES_SCHEMA)


class _Heads:
    """Parses each head once: all records that one data key sealed begin with it."""

    def __init__(self) -> None:
        self._known: dict[bytes, Stream] = {}

    def stream_of(self, value: bytes, end: int) -> Stream:
        head = value[:end]
        known = self._known.get(head)
        if known is None:
            attributes = parse_head(value, end)
            if len(self._known) >= _MAX_HEADS:
                self._known.clear()
            known = self._known[head] = (attributes["source"], attributes["producer"])
        return known


def _leaves(batch: pa.RecordBatch, heads: _Heads) -> Iterator[_Leaf | None]:
    """Yield each event's place and leaf; None for a value that is not in the form of an event."""
    missing = [name for name in ("kind", *_NEEDED) if name not in batch.schema.names]
    if missing:
        message = f"the batch has no column {', '.join(missing)}: select the columns of the archive's table"
        raise FormatError(message)
    kinds, values = batch.column("kind").to_pylist(), batch.column("value").to_pylist()
    for number, (kind, value) in enumerate(zip(kinds, values, strict=True)):
        if kind != "event":
            continue
        yield _redacted(batch, number) if value is None else _leaf(value, heads)


def _leaf(value: bytes, heads: _Heads) -> _Leaf | None:
    end = value.find(SEQUENCE)
    try:
        stream = heads.stream_of(value, end)
    except MalformedRecordError:
        return None
    sequence, _ = parse_number_and_key(value, end + len(SEQUENCE))
    return None if sequence < 0 else _Leaf(stream, sequence, _sha256(b"\x00" + value).digest())


def _ended(batch: pa.RecordBatch) -> Iterator[dict[str, object]]:
    """Yield the runs of events whose retention has ended, with their leaves where these are kept."""
    for number, kind in enumerate(batch.column("kind").to_pylist()):
        if kind != "ended":
            continue
        service, environment, producer, first, until, leaves = (
            batch.column(name)[number].as_py()
            for name in ("service", "environment", "producer", "sequence", "until", "value")
        )
        stream = source_of(environment or "", service or ""), producer or ""
        if first is None or until is None or not 0 <= first < until:
            yield _row(
                stream, first or 0, problem="its retention has ended, and its row does not say which events it was"
            )
        elif leaves is None:
            yield _row(stream, first, ended=until - first)
        elif len(leaves) != (until - first) * HASH_BYTES:
            yield _row(stream, first, problem="its retention has ended, and the leaf hashes are not those of its row")
        else:
            yield _row(stream, first, part=CompactRange.of(first, leaves).to_bytes(), ended=until - first)


def _redacted(batch: pa.RecordBatch, number: int) -> _Leaf | None:
    service, environment, producer, sequence, leaf = (
        batch.column(name)[number].as_py() for name in ("service", "environment", "producer", "sequence", "leaf")
    )
    if None in (service, environment, producer, sequence, leaf) or len(leaf) != HASH_BYTES or sequence < 0:
        return None
    return _Leaf((source_of(environment, service), producer), sequence, leaf)


class _Pieces:
    """Collects the leaves of a batch in runs of consecutive numbers.

    Args:
        cuts: The signed sizes of each stream, at which a run ends.
    """

    def __init__(self, cuts: Mapping[Stream, Sequence[int]]) -> None:
        self._cuts = cuts
        self._rows: list[dict[str, object]] = []
        self._stream: Stream = ("", "")
        self._first = self._next = self._limit = 0
        self._run = bytearray()

    def add(self, place: _Leaf | None) -> None:
        """Add a leaf."""
        if place is None:
            self._note(("", ""), 0, "its value is not in the form of an event")
            return
        if place.stream == self._stream and place.sequence == self._next - 1 and self._run:
            # The same event once more: delivery is at least once.
            if self._run[-HASH_BYTES:] != place.leaf:
                self._note(place.stream, place.sequence, "two different events claim this place")
            return
        if place.stream != self._stream or place.sequence != self._next or place.sequence == self._limit:
            self._end()
            self._begin(place)
        self._run += place.leaf
        self._next = place.sequence + 1

    def close(self) -> list[dict[str, object]]:
        """Return the ranges and the problems."""
        self._end()
        return self._rows

    def _begin(self, place: _Leaf) -> None:
        sizes = self._cuts.get(place.stream, ())
        following = bisect_right(sizes, place.sequence)
        self._stream, self._first = place.stream, place.sequence
        self._limit = sizes[following] if following < len(sizes) else -1

    def _end(self) -> None:
        if self._run:
            part = CompactRange.of(self._first, self._run)
            self._rows.append(
                _row(self._stream, self._first, part=part.to_bytes(), events=len(self._run) // HASH_BYTES)
            )
        self._run = bytearray()

    def _note(self, stream: Stream, sequence: int, problem: str) -> None:
        self._rows.append(_row(stream, sequence, problem=problem))


def _row(
    stream: Stream,
    first: int,
    *,
    part: bytes | None = None,
    events: int = 0,
    ended: int = 0,
    problem: str | None = None,
) -> dict[str, object]:
    source, producer = stream
    return {
        "source": source,
        "producer": producer,
        "first": first,
        "range": part,
        "events": events,
        "ended": ended,
        "problem": problem,
    }
