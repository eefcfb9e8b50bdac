"""Says which values a seal may have: every number, name and list of it is bounded, and there is one order of each list."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from telemetry.exceptions import FormatError
from telemetry.format import canonical_base64
from telemetry.format.archive.seal import (
    LIVE_EVERY,
    MAX_CHANGED_FILES,
    MAX_FILE_BYTES,
    MAX_LIVE_FILES,
    MAX_NUMBER,
    MAX_OBJECTS,
    MAX_RANGES,
    MAX_REDACTED_EVENTS,
    MAX_REDACTIONS,
    MAX_STREAMS,
    MAX_TEXT,
    VERSION,
    Ending,
    OffsetGap,
    Redaction,
    Seal,
    SealedFile,
    SealedRange,
    SealedStream,
    SealKind,
)
from telemetry.format.calendar_time import has_time_form, is_in_calendar
from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.message import MAX_SEQUENCE

DATA = "events/data/"
"""Begins the name of every data file."""

_MAX_NUMBER = (1 << 63) - 1
_MAX_PARTITION = (1 << 31) - 1
_MAX_SOURCE = 4_096
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SIGNER = re.compile(r"[0-9a-f]{8}", re.ASCII)
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)
_SOURCE = re.compile(r"/[A-Za-z0-9._~%-]+/[A-Za-z0-9._~%-]+", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_FILE = re.compile(
    r"events/data/day=([0-9]{4}-[0-9]{2}-[0-9]{2})/[A-Za-z0-9_-][A-Za-z0-9._=-]{0,240}\.parquet", re.ASCII
)


def require_form(seal: Seal) -> None:
    """Raise ``FormatError`` unless a seal has values that this version of the format allows."""
    for is_allowed, name in (
        (seal.version == VERSION, "version"),
        (is_uuid(seal.archive), "archive"),
        (_is_source(seal.source), "source"),
        (0 <= seal.number <= MAX_NUMBER, "number"),
        (has_time_form(seal.time) and is_in_calendar(seal.time), "time"),
        (_is_digest(seal.previous) if seal.number else not seal.previous, "previous"),
        (_are_files(seal.added, MAX_CHANGED_FILES), "added"),
        (_are_names(seal.removed), "removed"),
        (_are_ranges(seal.ranges), "ranges"),
        (_are_positions(seal.positions), "positions"),
        (_are_ranges(seal.gaps), "gaps"),
        (_are_objects(seal.objects), "objects"),
        (_are_streams(seal.streams), "streams"),
        (not seal.roster or _is_digest(seal.roster), "roster"),
        (0 <= seal.rows <= _MAX_NUMBER, "rows"),
        (0 <= seal.records <= _MAX_NUMBER, "records"),
        (_are(seal.redacted, MAX_REDACTIONS, _is_redaction), "redacted"),
        (_are(seal.ended, MAX_REDACTIONS, _is_ending), "ended"),
        (seal.snapshot is None or abs(seal.snapshot) <= _MAX_NUMBER, "snapshot"),
        (seal.live is None or _is_live_list(seal.number, seal.live), "live"),
    ):
        if not is_allowed:
            message = f"the seal's {name} is not what version {VERSION} of the format allows"
            raise FormatError(message)
    _require_kind(seal)


def _require_kind(seal: Seal) -> None:
    """Check that a seal does no more than its kind may do."""
    kind = seal.kind
    reads = bool(seal.ranges or seal.gaps or seal.objects or seal.streams)
    if kind is SealKind.APPEND and seal.removed:
        message = "a seal of kind append removes files"
    elif kind in (SealKind.COMPACT, SealKind.REDACT, SealKind.EXPIRE) and reads:
        message = f"a seal of kind {kind} archives records"
    elif bool(seal.redacted) != (kind is SealKind.REDACT):
        message = f"a seal of kind {kind} does not say what was redacted, or redacts without being of that kind"
    elif bool(seal.ended) != (kind is SealKind.EXPIRE):
        message = f"a seal of kind {kind} does not say whose retention ended, or ends it without being of that kind"
    elif (seal.snapshot is not None) != (kind is SealKind.ADOPT):
        message = f"a seal of kind {kind} names no snapshot that it adopts, or adopts one without being of that kind"
    else:
        return
    raise FormatError(message)


def is_data_file(name: str, day: str) -> bool:
    """Return whether a name is that of a data file of a day; it cannot lead out of that day's folder."""
    match = _FILE.fullmatch(name)
    return match is not None and match[1] == day


def _is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def _is_source(text: str) -> bool:
    return len(text) <= _MAX_SOURCE and _SOURCE.fullmatch(text) is not None


def _is_text(text: str, *, least: int = 1) -> bool:
    # Printable: no control characters, and none that turn the direction of the line in a terminal.
    return least <= len(text) <= MAX_TEXT and text.isprintable()


def _is_day(text: str) -> bool:
    return _DAY.fullmatch(text) is not None and is_in_calendar(f"{text}T00:00:00")


def _is_file(file: SealedFile) -> bool:
    return (
        _is_day(file.day)
        and is_data_file(file.name, file.day)
        and _is_digest(file.sha256)
        and 0 < file.size <= MAX_FILE_BYTES
        and 0 <= file.rows <= _MAX_PARTITION
    )


def _are(parts: Sequence[Any], most: int, is_one: Callable[[Any], bool]) -> bool:
    return len(parts) <= most and all(map(is_one, parts))


def _rise(keys: Iterable[Any]) -> bool:
    """Return whether each key is larger than the one before: sorted, and none twice."""
    listed = list(keys)
    return all(before < after for before, after in pairwise(listed))


def _are_files(files: Sequence[SealedFile], most: int) -> bool:
    return _are(files, most, _is_file) and _rise(file.name for file in files)


def _are_names(names: Sequence[str]) -> bool:
    return _are(names, MAX_CHANGED_FILES, lambda name: _FILE.fullmatch(name) is not None) and _rise(names)


def _is_live_list(number: int, live: Sequence[SealedFile]) -> bool:
    return number % LIVE_EVERY == 0 and _are_files(live, MAX_LIVE_FILES)


def _is_range(part: SealedRange | OffsetGap) -> bool:
    return (
        _TOPIC.fullmatch(part.topic) is not None
        and 0 <= part.partition <= _MAX_PARTITION
        and 0 <= part.first < part.end <= _MAX_NUMBER
    )


def _are_ranges(ranges: Sequence[SealedRange | OffsetGap]) -> bool:
    return _are(ranges, MAX_RANGES, _is_range) and _rise((part.topic, part.partition, part.first) for part in ranges)


def _are_positions(positions: dict[str, dict[int, int]]) -> bool:
    return (
        sum(map(len, positions.values())) <= MAX_RANGES
        and _rise(positions)
        and all(_TOPIC.fullmatch(topic) and partitions and _rise(partitions) for topic, partitions in positions.items())
        and all(
            0 <= partition <= _MAX_PARTITION and 0 <= offset <= _MAX_NUMBER
            for partitions in positions.values()
            for partition, offset in partitions.items()
        )
    )


def _are_objects(names: Sequence[str]) -> bool:
    return _are(names, MAX_OBJECTS, _is_text) and _rise(names)


def is_stream(stream: SealedStream) -> bool:
    """Return whether a seal may name a stream so: what a checkpoint says of itself can be anything."""
    root = canonical_base64.decode(stream.root)
    return (
        _is_source(stream.source)
        and is_uuid(stream.producer)
        and 0 <= stream.size <= MAX_SEQUENCE + 1
        and root is not None
        and len(root) == HASH_BYTES
        and _SIGNER.fullmatch(stream.signer) is not None
    )


def _are_streams(streams: Sequence[SealedStream]) -> bool:
    return _are(streams, MAX_STREAMS, is_stream) and _rise(
        (stream.source, stream.producer, stream.signer) for stream in streams
    )


def _is_redaction(redaction: Redaction) -> bool:
    return (
        _is_text(redaction.request)
        and 0 <= redaction.count <= _MAX_NUMBER
        and _is_text(redaction.by)
        and _is_text(redaction.reason, least=0)
        and _are(redaction.events, MAX_REDACTED_EVENTS, is_uuid)
        and _rise(redaction.events)
    )


def _is_ending(ending: Ending) -> bool:
    return _is_text(ending.policy) and 0 <= ending.rows <= _MAX_NUMBER
