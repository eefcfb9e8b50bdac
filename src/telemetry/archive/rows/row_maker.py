"""Turns raw records into rows of the archive: nothing is opened, nothing is dropped, no value is changed.

An event is read in the steps of its text: the head, parsed once for each data key; number, key hash, id and time by one
regular expression; the tail, parsed once for each text; the beginning and the end of the JWE. Anything else is a rarer
record (``rare_rows``), or damaged.
"""

from __future__ import annotations

import hashlib
import re

from telemetry.archive.rows.columns import MICROSECONDS, Kind, Row
from telemetry.archive.rows.event_head import EventHead, EventHeads, malformed
from telemetry.archive.rows.event_tail import EventTails
from telemetry.archive.rows.kept_headers import Headers, encode_headers
from telemetry.archive.rows.moments import Moments, day_of, kafka_moment
from telemetry.archive.rows.rare_rows import Provenance, checkpoint_row, damaged_row, roster_row, unreadable_row
from telemetry.archive.rows.sealed_data import kid_of_data, require_clear_data, require_sealed_data
from telemetry.exceptions import FormatError, InputError, MalformedRecordError, TamperedError
from telemetry.format.uuid7 import UUID_PATTERN
from telemetry.format.value.message import DATA, MAX_SEQUENCE, MAX_VALUE_BYTES
from telemetry.format.value.render import key_hash
from telemetry.reader.entry import DamagedRecord, RawRecord
from telemetry.system.clock import Clock

# From the digits of the sequence up to the value of the type.
_FRONT = re.compile(
    rb'(0|[1-9][0-9]{0,15}),"keyhash":"([A-Za-z0-9_-]{21}[AQgw])","id":"(%b)",'
    rb'"time":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?Z","type":'
    % UUID_PATTERN.encode()
)
_MAX_KNOWN_KEYS = 1 << 16
_HIDDEN_KEY = re.compile(rb"[0-9a-f]{64}")
_NO_KEY = b""
"""In place of the hash of the key that was found: the record had none."""

_sha256 = hashlib.sha256
_front = _FRONT.match


class RowMaker:
    """Makes rows; not safe for several threads, and bounded in memory.

    Args:
        now: Tells the time in seconds since the epoch, for records that Kafka never had.
        keeps_keys: Whether the Kafka key is kept where it is an HMAC (``key_mode="hmac"``); any other key names a user
            and is never kept.
    """

    def __init__(self, *, now: Clock, keeps_keys: bool = False) -> None:
        self._now = now
        self._keeps_keys = keeps_keys
        self._heads = EventHeads()
        self._tails = EventTails()
        self._moments = Moments()
        self._key_hashes: dict[bytes | None, bytes] = {}
        # The head and the headers of the record before: a batch has many records of one process in a row.
        self._recent: EventHead | None = None
        self._headers: Headers = ()
        self._kept_headers: bytes | None = None

    def row_of(self, record: RawRecord | DamagedRecord) -> Row:
        """Return the row of a record.

        Args:
            record: A record of the topic, or of a fallback object.

        Raises:
            InputError: The record is the line of a file, which has no place on the topic or in the store.
        """
        if isinstance(record, DamagedRecord):
            return unreadable_row(self._provenance(record.raw, None), record)
        timestamp, value = record.timestamp, record.value
        kafka_time = None if timestamp is None else kafka_moment(timestamp)
        if value is None:
            return damaged_row(self._provenance(record, kafka_time), None, Kind.TOMBSTONE)
        try:
            return self._event(record, value, kafka_time)
        except (MalformedRecordError, ValueError):
            return self._rare(record, value, kafka_time)

    def _event(self, record: RawRecord, value: bytes, kafka_time: int | None) -> Row:
        """Return the row of an event.

        Raises:
            MalformedRecordError: The value is not an event in the form of the format.
            ValueError: Its time names no moment of the calendar.
        """
        key, _, place, _, headers, append_time, is_key_kept = record
        head = self._recent
        if head is None or not value.startswith(head.text):
            head = self._recent = self._heads.of(value)
        # 1. Number, key hash, id and time.
        front = _front(value, len(head.text))
        if front is None:
            raise malformed()
        number, keyhash, event_id, second, fraction = front.groups()
        time = self._moments.of(second, fraction)
        # 2. The tail. No text in it has the name of the data: its quotes would be escaped.
        start = front.end()
        end = value.find(DATA, start)
        tail = self._tails.get(value[start:end]) or self._tails.of(value[start:end])
        if tail.claims is not None:
            tail.require_of(head)
        # 3. The data.
        data_start = head.data_start
        if data_start and value.startswith(data_start, end):
            require_sealed_data(value, end + len(data_start))
            kid = head.kid
        else:
            kid = _kid_of_other(head, value, end)
        sequence = int(number)
        if sequence > MAX_SEQUENCE or end < 0 or len(value) > MAX_VALUE_BYTES:
            raise malformed()
        # 4. What is beside the value.
        if headers != self._headers:
            self._headers, self._kept_headers = headers, encode_headers(headers)
        hashed = (self._key_hashes.get(key) or self._hash_of(key)) if is_key_kept else keyhash
        name, offset = place.name, place.offset
        if place.partition is None:
            columns: Row = (None, None, None, None, False, _required(name), offset)
            reference: int | None = round(self._now() * MICROSECONDS)
        else:
            columns = (place.source, place.partition, offset, kafka_time, append_time is not None, None, None)
            reference = kafka_time
        return (
            day_of(time, reference), head.service, head.environment, "event", head.producer, sequence, None, time, event_id,
            *tail.columns,
            keyhash, kid, head.key_uri,
            *columns,
            _sha256(b"\x00" + value).digest(), value, self._kept_key(key) if self._keeps_keys else None,
            None if hashed == keyhash else hashed, self._kept_headers, None, None, None,
        )  # fmt: skip

    def _hash_of(self, key: bytes | None) -> bytes:
        if len(self._key_hashes) >= _MAX_KNOWN_KEYS:
            self._key_hashes.clear()
        hashed = self._key_hashes[key] = _NO_KEY if key is None else key_hash(key)
        return hashed

    def _kept_key(self, key: bytes | None) -> bytes | None:
        return key if key is not None and _HIDDEN_KEY.fullmatch(key) else None

    def _rare(self, record: RawRecord, value: bytes, kafka_time: int | None) -> Row:
        """Return the row of a value that is no event in the form of the format."""
        place = self._provenance(record, kafka_time)._replace(headers=encode_headers(record.headers))
        try:
            row = checkpoint_row(place, record, value) or roster_row(place, value)
        except (FormatError, TamperedError, ValueError) as exc:
            return damaged_row(place, value, Kind.DAMAGED, error=str(exc))
        return row or damaged_row(place, value, Kind.DAMAGED, error=str(malformed()))

    def _provenance(self, record: RawRecord, kafka_time: int | None) -> Provenance:
        place, now = record.place, round(self._now() * MICROSECONDS)
        if place.partition is None:
            return Provenance(object=_required(place.name), line=place.offset, reference=now)
        return Provenance(
            topic=place.source,
            partition=place.partition,
            offset=place.offset,
            kafka_time=kafka_time,
            append_time=record.append_time is not None,
            reference=kafka_time,
        )


def _kid_of_other(head: EventHead, value: bytes, end: int) -> str | None:
    """Return the commitment to the data key of a record whose JWE header is not that of its head, after a check of its data."""
    if head.key_uri is None:
        require_clear_data(value, end + len(DATA))
        return None
    return kid_of_data(value, end)


def _required(name: str | None) -> str:
    """Return the name of an object; a line of a file has none, and does not say where its record was."""
    if name is None:
        message = (
            "a line of a file cannot be archived: it does not say where the record was; read the topic or the store"
        )
        raise InputError(message)
    return name
