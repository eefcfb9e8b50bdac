"""Renders and parses the text of a checkpoint's note, line by line (docs/format.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from telemetry.exceptions import FormatError
from telemetry.format import canonical_base64
from telemetry.format.calendar_time import has_time_form, is_in_calendar
from telemetry.format.proof.key_span import KeySpan, parse_spans
from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.message import MAX_SEQUENCE

ORIGIN = "telemetry"
"""Begins the first line, before the source: by it a text says that it is a checkpoint of this format."""
MAX_LINES = 3 + 64
"""Lines of a text beside those of the data keys. Former versions count those too."""

_MAX_ORIGIN = 4_096
_FIXED_LINES = 3
_ONCE = frozenset(("time", "final", "recovered", "frontier", "topic", "interval", "old-copy", "relayed", "via"))
_BARE = frozenset(("final", "recovered"))
_KEY = "key "
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)
_SOURCE = re.compile(r"/[A-Za-z0-9._~%-]+/[A-Za-z0-9._~%-]+", re.ASCII)


class Lines(NamedTuple):
    """The lines of a text by their meaning; only their form was checked.

    Attributes:
        source: CloudEvents source of the producer's events.
        producer: UUIDv7 of the producer.
        size: Number of its records.
        root: 32 bytes.
        known: The rest of each line that this version knows, by its first word.
        keys: The data keys.
        unknown: Lines that this version does not know, unchanged.
    """

    source: str
    producer: str
    size: int
    root: bytes
    known: dict[str, str]
    keys: tuple[KeySpan, ...]
    unknown: tuple[str, ...]


def origin_of(source: str, producer: str) -> str:
    """Return the first line of a producer's checkpoints."""
    return f"{ORIGIN}{source}/{producer}"


def split_lines(text: str) -> Lines:
    """Read the lines of a checkpoint's text.

    Raises:
        FormatError: The text is not a checkpoint of this format.
    """
    lines = text.removesuffix("\n").split("\n")
    keys = [line for line in lines if line.startswith(_KEY)]
    if not _FIXED_LINES < len(lines) <= MAX_LINES + len(keys) or not all(lines):
        message = "the checkpoint does not have origin, size, root and time"
        raise FormatError(message)
    source, producer = _parse_origin(lines[0])
    root = decode_base64(lines[2], "root hash")
    if len(root) != HASH_BYTES:
        message = "the checkpoint's root hash is not 32 bytes long"
        raise FormatError(message)
    known, unknown = _sort([line for line in lines[_FIXED_LINES:] if not line.startswith(_KEY)])
    spans = parse_spans([line.removeprefix(_KEY) for line in keys])
    return Lines(source, producer, parse_size(lines[1]), root, known, spans, unknown)


def parse_size(text: str) -> int:
    """Return a number of records.

    Raises:
        FormatError: The text is not one in decimal, or it is larger than any stream.
    """
    if not _SIZE.fullmatch(text) or int(text) > MAX_SEQUENCE + 1:
        message = "the checkpoint's tree size is not a number of records"
        raise FormatError(message)
    return int(text)


def parse_time(time: str) -> str:
    """Return a time that is one of the calendar.

    Raises:
        FormatError: The text is not RFC 3339 in UTC, or there is no such day or hour.
    """
    if not has_time_form(time) or not is_in_calendar(time):
        message = "the checkpoint's time is not RFC 3339 in UTC"
        raise FormatError(message)
    return time


def parse_topic(topic: str) -> str:
    """Return the name of a Kafka topic.

    Raises:
        FormatError: The text cannot be one.
    """
    if not _TOPIC.fullmatch(topic):
        message = "the checkpoint's topic is not the name of a Kafka topic"
        raise FormatError(message)
    return topic


def parse_via(text: str) -> str:
    """Return the source of a gateway.

    Raises:
        FormatError: The text is not ``/ENVIRONMENT/SERVICE``, both percent-encoded.
    """
    if len(text) > _MAX_ORIGIN or not _SOURCE.fullmatch(text):
        message = "the checkpoint's line 'via' is not /ENVIRONMENT/SERVICE"
        raise FormatError(message)
    return text


def decode_base64(text: str, part: str) -> bytes:
    """Return what a base64 text in its canonical form stands for.

    Args:
        text: The text.
        part: Name of the part, for the error.

    Raises:
        FormatError: The text is not in that form.
    """
    data = canonical_base64.decode(text)
    if data is None:
        message = f"the checkpoint's {part} is not base64 in its canonical form"
        raise FormatError(message)
    return data


def _parse_origin(origin: str) -> tuple[str, str]:
    head, _, producer = origin.rpartition("/")
    source = head.removeprefix(ORIGIN)
    if len(origin) > _MAX_ORIGIN or head == source or not source.startswith("/") or not is_uuid(producer):
        message = "the checkpoint's origin is not telemetry/ENVIRONMENT/SERVICE/PRODUCER"
        raise FormatError(message)
    return source, producer


def _sort(lines: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    # A line that is known may occur once: with two, it would depend on the reader which one counts.
    known: dict[str, str] = {}
    unknown = []
    for line in lines:
        name, _, rest = line.partition(" ")
        if name not in _ONCE:
            unknown.append(line)
        elif name in known or (name in _BARE and line != name):
            message = f"the checkpoint's line {name!r} is repeated or malformed"
            raise FormatError(message)
        else:
            known[name] = rest
    return known, tuple(unknown)
