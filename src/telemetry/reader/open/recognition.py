"""Recognizes copies, conflicts and repeats (docs/format.md, "Copies, conflicts, repeats")."""

from __future__ import annotations

import hashlib
import os

from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import DATA, source_of
from telemetry.reader.entry import OpenedEvent, Proven, RawRecord, RedactedEvent
from telemetry.reader.open.fingerprints import CONTENT_BYTES, PLACE_BYTES, Fingerprints, Sighting

_KEY_BYTES = 32

_sha256 = hashlib.sha256


class Recognition:
    """Says whether a record or a call was seen before.

    It rests on sealed bytes alone: where a record was not opened, only a record with the same bytes is a copy.
    """

    def __init__(self) -> None:
        # A key of this run: nobody who writes records can aim at a bucket, or at two records with one fingerprint.
        self._key = os.urandom(_KEY_BYTES)
        self._seen = Fingerprints()

    def of_event(self, opened: OpenedEvent, leaf: bytes) -> Sighting:
        """Return whether a record of the same place was seen: the same one, or another.

        Args:
            opened: The event.
            leaf: Leaf hash of its record. The Kafka key need not be a part: it was compared with its hash in the value.

        Raises:
            StorageError: What does not fit into memory cannot be written or read.
        """
        event = opened.event
        place = self._hash(b"%b %b %d" % (_kind(opened).encode(), event.producer.encode(), event.sequence), PLACE_BYTES)
        return self._seen.add(place, self._hash(leaf, CONTENT_BYTES))

    def of_redacted(self, redacted: RedactedEvent) -> Sighting:
        """Return whether an event without its value was seen at its place, with the same leaf hash or another.

        Raises:
            StorageError: See :meth:`of_event`.
        """
        name = b"sealed %b %d" % (redacted.producer.encode(), redacted.sequence)
        return self._seen.add(self._hash(name, PLACE_BYTES), self._hash(redacted.leaf, CONTENT_BYTES))

    def of_bytes(self, raw: RawRecord) -> Sighting:
        """Return whether a record with the same bytes was seen; for records that stay sealed.

        Raises:
            StorageError: See :meth:`of_event`.
        """
        value, key = raw.value or b"", raw.key or b""
        both = self._hash(b"bytes %d %b%b" % (len(key), key, value), PLACE_BYTES + CONTENT_BYTES)
        seen = self._seen.add(both[:PLACE_BYTES], both[PLACE_BYTES:])
        return seen if seen is Sighting.SAME else Sighting.NEW

    def of_call(self, event: AuditEvent, proven: Proven) -> Sighting:
        """Return whether the call that logged an event was seen; for events with a ``dedup`` value.

        A proven event is no repeat of one that is not: a forged one must not take its place.

        Raises:
            StorageError: See :meth:`of_event`.
        """
        dedup = event.dedup
        if dedup is None:
            return Sighting.NEW
        source = source_of(event.environment, event.service_name)
        name = "\0".join(("call", "proven" if proven is Proven.YES else "", source, dedup.caller or "", dedup.value))
        place = self._hash(name.encode("utf-8", "surrogatepass"), PLACE_BYTES)
        return self._seen.add(place, self._hash(dedup.digest.encode(), CONTENT_BYTES))

    def of_row(self, opened: OpenedEvent) -> Sighting:
        """Return whether the same row of an outbox was relayed before; for events with the feature ``relayed``.

        A relay that was killed before it could delete a row sends it again, in another place. Whether an event is proven
        counts as for :meth:`of_call`.

        Raises:
            StorageError: See :meth:`of_event`.
        """
        event, value = opened.event, opened.raw.value or b""
        kind = "\0".join(("row", "proven" if opened.proven is Proven.YES else "", _kind(opened)))
        name = "\0".join((kind, source_of(event.environment, event.service_name), event.id))
        place = self._hash(name.encode("utf-8", "surrogatepass"), PLACE_BYTES)
        # What is sealed, and by which key. Everything outside follows from it but the place, which is another one.
        return self._seen.add(place, self._hash(value[value.find(DATA) :], CONTENT_BYTES))

    def close(self) -> None:
        """Forget everything."""
        self._seen.close()

    def _hash(self, data: bytes, size: int) -> bytes:
        # Nobody sees the result, so that a prefix is key enough; most processors compute this hash themselves.
        return _sha256(self._key + data).digest()[:size]


def _kind(opened: OpenedEvent) -> str:
    # Nothing protects the place that an event in the clear names, so it says nothing about sealed ones.
    return "sealed" if opened.sealed else "clear"
