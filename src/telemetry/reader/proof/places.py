"""Reads which place in which stream a record claims, without opening it."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.exceptions import MalformedRecordError
from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.value.head import parse_head, parse_loosely, parse_sequence
from telemetry.format.value.message import SEQUENCE
from telemetry.system.aged_cache import AgedCache

_HEADS_BYTES = 16 << 20
_HEAD_WEIGHT = 600
"""Bytes that a known head costs beside its own."""


class StreamPlace(NamedTuple):
    """The place that a record claims, and what it has there.

    Attributes:
        producer: UUIDv7 of the producer.
        source: CloudEvents source; empty where the record is not in the form of this format.
        sequence: Number in the producer's stream.
        leaf: Leaf hash of the value.
    """

    producer: str
    source: str
    sequence: int
    leaf: bytes


class _Owner(NamedTuple):
    producer: str
    source: str
    weight: int


class PlaceReader:
    """Reads the places of records; their heads repeat, so each one is parsed once."""

    def __init__(self) -> None:
        self._heads: AgedCache[bytes, _Owner] = AgedCache(_HEADS_BYTES)

    def read(self, value: bytes) -> StreamPlace | None:
        """Return the place that a value claims; None if it claims none."""
        end = value.find(SEQUENCE)
        owner = self._heads.get(value[:end])
        if owner is None:
            owner = self._read_head(value, end)
        sequence = parse_sequence(value, end + len(SEQUENCE)) if owner is not None else -1
        if owner is None or sequence < 0:
            loose = parse_loosely(value)
            return StreamPlace(loose.producer, "", loose.sequence, b"") if loose is not None else None
        return StreamPlace(owner.producer, owner.source, sequence, leaf_hash(value))

    def _read_head(self, value: bytes, end: int) -> _Owner | None:
        try:
            attributes = parse_head(value, end)
        except MalformedRecordError:
            return None
        owner = _Owner(attributes["producer"], attributes["source"], _HEAD_WEIGHT + end)
        self._heads.put(value[:end], owner)
        return owner
