"""Builds and parses the names of stored objects: topic, day, producer and sequences, below the folder of their state.

An object that waits for replay is ``{topic}/{yyyy}/{mm}/{dd}/{uuid7}-{producer}-{first}-{last}.jsonl``. The same name below
``rejected/`` holds records that Kafka refused, and below ``quarantine/`` an object that was damaged (docs/format.md).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from telemetry.exceptions import FormatError
from telemetry.format.uuid7 import UUID_PATTERN

WAITING = ""
REJECTED = "rejected"
QUARANTINE = "quarantine"

_NUMBER = r"0|[1-9][0-9]{0,18}|none"
_NAME = re.compile(
    r"(?P<topic>[A-Za-z0-9._-]{1,249})/(?P<day>[0-9]{4}/[0-9]{2}/[0-9]{2})/"
    rf"(?P<created>{UUID_PATTERN})-(?P<producer>{UUID_PATTERN})-(?P<first>{_NUMBER})-(?P<last>{_NUMBER})\.jsonl",
    re.ASCII,
)


class ObjectName(NamedTuple):
    """The parts of an object's name.

    Attributes:
        topic: Topic to which the records belong.
        day: ``yyyy/mm/dd``, UTC.
        created: UUIDv7 of the object; in the order of these the objects were created.
        producer: Producer of the records.
        first: Smallest sequence, or None.
        last: Largest sequence, or None.
    """

    topic: str
    day: str
    created: str
    producer: str
    first: int | None
    last: int | None


class StoredName(NamedTuple):
    """The name of an object in any of the store's folders.

    Attributes:
        folder: ``WAITING``, ``REJECTED`` or ``QUARANTINE``.
        object_name: The name without the folder.
    """

    folder: str
    object_name: ObjectName


def object_name(topic: str, *, created_uuid7: str, day: str, producer: str, first: int | None, last: int | None) -> str:
    """Return an object's name, relative to the store's prefix.

    Args:
        topic: Kafka topic.
        created_uuid7: A new UUIDv7, lower case with dashes.
        day: ``yyyy/mm/dd``, UTC.
        producer: UUIDv7 of the producer, lower case with dashes.
        first: Smallest sequence; None for checkpoints only.
        last: Largest sequence; None for checkpoints only.

    Raises:
        FormatError: A part does not have its form, so that the name could not be parsed again.
    """
    name = f"{topic}/{day}/{created_uuid7}-{producer}-{_number(first)}-{_number(last)}.jsonl"
    if parse_object_name(name) is None:
        message = f"{name[:400]!r} is not the name of a fallback object"
        raise FormatError(message)
    return name


def parse_object_name(name: str) -> ObjectName | None:
    """Return the parts of ``name``, or None if it is not the name of an object that waits for replay.

    Names below ``rejected/``, ``quarantine/`` and ``locks/`` have more parts or other ends, and give None.
    """
    match = _NAME.fullmatch(name)
    # The pattern lets dots through, because a topic may contain them; as a folder these two would lead elsewhere.
    if match is None or match["topic"] in (".", ".."):
        return None
    first, last = (None if match[part] == "none" else int(match[part]) for part in ("first", "last"))
    if (first is None) != (last is None) or (first is not None and last is not None and first > last):
        return None
    return ObjectName(match["topic"], match["day"], match["created"], match["producer"], first, last)


def parse_stored_name(name: str) -> StoredName | None:
    """Return the folder and the parts of ``name``, or None if it is not the name of an object in any folder.

    A foreign object in quarantine keeps its foreign name, and gives None.
    """
    folder, slash, rest = name.partition("/")
    if slash and folder in (REJECTED, QUARANTINE):
        parts = parse_object_name(rest)
        if parts is not None:
            return StoredName(folder, parts)
    # A topic may be called like a folder: then the name has the form of one that waits.
    parts = parse_object_name(name)
    return None if parts is None else StoredName(WAITING, parts)


def below(folder: str, name: str) -> str:
    """Return ``name`` below ``folder``; as it is for ``WAITING``.

    Args:
        folder: ``WAITING``, ``REJECTED`` or ``QUARANTINE``.
        name: An object's name, or the beginning of some, such as ``topic/`` to list a topic.
    """
    return f"{folder}/{name}" if folder else name


def _number(sequence: int | None) -> str:
    return "none" if sequence is None else str(sequence)
