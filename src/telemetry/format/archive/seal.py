"""Defines a seal: what one commit did to an archive, and the state of the archive after it (docs/archive.md).

The structures are the JSON of a seal. ``seal_note.py`` signs and reads them, ``seal_form.py`` says what their values may be.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

VERSION = 1
MAX_SEAL_BYTES = 16 << 20
MAX_NUMBER = 99_999_999
"""Largest number of a seal: its name has 8 digits."""
MAX_FILE_BYTES = 256 << 20
"""Largest data file: no store of this library creates a larger object."""
MAX_CHANGED_FILES = 20_000
"""Files that one commit adds or removes."""
MAX_STREAMS = 20_000
MAX_OBJECTS = 20_000
MAX_RANGES = 20_000
MAX_REDACTIONS = 1_000
MAX_REDACTED_EVENTS = 1_000
"""Event ids of one redaction."""
MAX_TEXT = 1_000
"""Characters of a free text."""
LIVE_EVERY = 64
"""Every seal whose number is a multiple of this lists the live files, so that a reader reads no more than that many."""
MAX_LIVE_FILES = 10_000
"""With more live files, no seal lists them, and a reader begins at an earlier list."""

Positions = dict[str, dict[int, int]]
"""Next offset of each partition, by topic."""


class SealKind(StrEnum):
    """What a commit is for.

    Attributes:
        APPEND: It adds records of the topic or of the fallback store.
        COMPACT: It replaces files by fewer ones with the same rows.
        REDACT: It replaces files by ones in which the values of some events are absent.
        EXPIRE: It ends the retention of events: their values are absent, and what their proof needs is kept.
        ADOPT: It seals a snapshot that another engine wrote.
    """

    APPEND = "append"
    COMPACT = "compact"
    REDACT = "redact"
    EXPIRE = "expire"
    ADOPT = "adopt"


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a seal."""


class SealedFile(_Part, frozen=True, kw_only=True):
    """A data file.

    Attributes:
        name: Name in the archive's store.
        sha256: SHA-256 of its bytes, in hexadecimal.
        size: Its bytes.
        rows: Its rows.
        day: The day of its events, ``YYYY-MM-DD``.
    """

    name: str
    sha256: str
    size: int
    rows: int
    day: str


class SealedRange(_Part, frozen=True, kw_only=True):
    """Offsets of a partition that the commit archived.

    Attributes:
        topic: The topic.
        partition: The partition.
        first: First offset.
        end: One more than the last one.
    """

    topic: str
    partition: int
    first: int
    end: int


class OffsetGap(_Part, frozen=True, kw_only=True):
    """Offsets of a partition that retention removed from the topic before they were archived.

    Attributes:
        topic: The topic.
        partition: The partition.
        first: First offset.
        end: One more than the last one.
    """

    topic: str
    partition: int
    first: int
    end: int


class SealedStream(_Part, frozen=True, kw_only=True):
    """The largest tree that a key is said to have signed of a stream, among the checkpoints that the commit archived.

    Attributes:
        source: CloudEvents source of the stream.
        producer: UUIDv7 of the producer.
        size: Number of records in the tree.
        root: Root hash of the tree, base64.
        signer: Id of the key, 8 hexadecimal digits, as the note of the checkpoint has it.
        final: Whether the stream ends there.
    """

    source: str
    producer: str
    size: int
    root: str
    signer: str
    final: bool


class Redaction(_Part, frozen=True, kw_only=True):
    """Events whose values the commit removed. It names no user: a seal cannot be erased.

    Attributes:
        request: Name of the request, such as the number of a ticket.
        count: Number of events.
        by: Who asked for it.
        reason: Why.
        events: Ids of the events, if they were named by them.
    """

    request: str
    count: int
    by: str
    reason: str
    events: tuple[str, ...] = ()


class Ending(_Part, frozen=True, kw_only=True):
    """Rows whose retention ended.

    Attributes:
        policy: What ended them, such as ``payments.charged: 7y``.
        rows: Number of rows.
    """

    policy: str
    rows: int


class Commit(_Part, frozen=True, kw_only=True):
    """What a commit does; its lists may be in any order.

    Attributes:
        kind: What it is for.
        added: Data files that it adds.
        removed: Names of the data files that it removes.
        ranges: Offsets that it archives.
        gaps: Offsets that were removed before they could be archived.
        starts: Next offsets of partitions that no earlier seal names and that have no records yet.
        objects: Names of the fallback objects that it archives.
        streams: Largest trees among the checkpoints that it archives.
        roster: SHA-256 of the newest roster's value, in hexadecimal; empty where it archives none.
        redacted: Events whose values it removes.
        ended: Rows whose retention it ends.
        snapshot: Id of the Iceberg snapshot that it adopts; None for the other kinds.
    """

    kind: SealKind
    added: tuple[SealedFile, ...] = ()
    removed: tuple[str, ...] = ()
    ranges: tuple[SealedRange, ...] = ()
    gaps: tuple[OffsetGap, ...] = ()
    starts: Positions = {}
    objects: tuple[str, ...] = ()
    streams: tuple[SealedStream, ...] = ()
    roster: str = ""
    redacted: tuple[Redaction, ...] = ()
    ended: tuple[Ending, ...] = ()
    snapshot: int | None = None


class Seal(_Part, frozen=True, kw_only=True):
    """One commit, and the state of the archive after it.

    Attributes:
        version: 1.
        archive: UUIDv7 of the archive, which its first commit chose.
        source: CloudEvents source of the archiver, such as ``/production/telemetry-archiver``.
        number: 0 for the first commit.
        kind: What the commit is for.
        time: When it was signed, RFC 3339 in UTC.
        previous: SHA-256 of the seal before, in hexadecimal; empty for the first one.
        added: Data files that the commit added, sorted by name.
        removed: Names of the data files that it removed, sorted.
        ranges: Offsets that it archived, sorted by topic, partition and offset.
        positions: Next offset of each partition, after all commits so far.
        gaps: Offsets that retention removed from the topic before they were archived.
        objects: Names of the fallback objects that it archived, sorted.
        streams: Largest trees among the checkpoints that it archived, sorted by source, producer and signer.
        roster: SHA-256 of the value of the newest roster that was archived so far, in hexadecimal; empty without one.
        rows: Rows of the live files.
        records: Rows that were ever added as places of the topic or of the fallback store.
        redacted: Events whose values it removed.
        ended: Rows whose retention it ended.
        snapshot: Id of the Iceberg snapshot that it adopted; None for the other kinds.
        live: All live files, sorted by name, in every 64th seal; None in the others.
    """

    version: int = VERSION
    archive: str
    source: str
    number: int
    kind: SealKind
    time: str
    previous: str
    added: tuple[SealedFile, ...] = ()
    removed: tuple[str, ...] = ()
    ranges: tuple[SealedRange, ...] = ()
    positions: Positions = {}
    gaps: tuple[OffsetGap, ...] = ()
    objects: tuple[str, ...] = ()
    streams: tuple[SealedStream, ...] = ()
    roster: str = ""
    rows: int
    records: int
    redacted: tuple[Redaction, ...] = ()
    ended: tuple[Ending, ...] = ()
    snapshot: int | None = None
    live: tuple[SealedFile, ...] | None = None
