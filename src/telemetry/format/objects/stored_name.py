"""Builds and parses the names of stored objects: topic, day, producer and sequences, below the folder of their state.

A sealed object that waits for replay is ``=sealed/waiting/{topic}/{yyyy}/{mm}/{dd}/{uuid7}-{producer}-{first}-{last}.tobj``.
The same name below ``=sealed/rejected/`` holds records that Kafka refused, and below ``=sealed/quarantine/`` an object that
was damaged. What earlier versions stored, and what a service without any key stores, is ``{topic}/...jsonl``, with the
folders ``rejected/`` and ``quarantine/`` (docs/format.md). No topic is called ``=sealed``, so earlier versions list none of
the former.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from telemetry.exceptions import FormatError
from telemetry.format.uuid7 import UUID_PATTERN

WAITING = ""
REJECTED = "rejected"
QUARANTINE = "quarantine"

_NUMBER = r"0|[1-9][0-9]{0,18}|none"
_STEM = re.compile(
    r"(?P<topic>[A-Za-z0-9._-]{1,249})/(?P<day>[0-9]{4}/[0-9]{2}/[0-9]{2})/"
    rf"(?P<created>{UUID_PATTERN})-(?P<producer>{UUID_PATTERN})-(?P<first>{_NUMBER})-(?P<last>{_NUMBER})",
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


@dataclass(frozen=True, slots=True)
class Shelf:
    """A part of a store that holds objects of one format.

    Attributes:
        root: Beginning of every name on it.
        waiting: Folder of the objects that wait for replay, with its slash.
        suffix: End of every name on it.
        lock: Beginning of the name of the lock that its replay holds; the topic follows.
    """

    root: str
    waiting: str
    suffix: str
    lock: str

    def below(self, folder: str, name: str) -> str:
        """Return ``name`` below a folder of this shelf.

        Args:
            folder: ``WAITING``, ``REJECTED`` or ``QUARANTINE``.
            name: An object's name, or the beginning of some, such as ``topic/`` to list a topic.
        """
        return f"{self.root}{folder}/{name}" if folder else f"{self.root}{self.waiting}{name}"

    def parse(self, name: str) -> ObjectName | None:
        """Return the parts of a name without the folder of its state, or None if it has another form."""
        return parse_object_name(name, self)


PLAIN = Shelf(root="", waiting="", suffix=".jsonl", lock="replay-")
"""Objects of format version 1, whose records' clear attributes can be read."""
SEALED = Shelf(root="=sealed/", waiting="waiting/", suffix=".tobj", lock="=sealed-")
"""Objects of format version 2."""
SHELVES = (PLAIN, SEALED)
"""In the order of their replay: what earlier versions stored comes before what this one stored after them."""


class StoredName(NamedTuple):
    """The name of an object in any of the store's folders.

    Attributes:
        folder: ``WAITING``, ``REJECTED`` or ``QUARANTINE``.
        object_name: The name without the folder.
        shelf: The part of the store that holds it.
    """

    folder: str
    object_name: ObjectName
    shelf: Shelf = PLAIN


def object_name(
    topic: str,
    *,
    created_uuid7: str,
    day: str,
    producer: str,
    first: int | None,
    last: int | None,
    shelf: Shelf = PLAIN,
) -> str:
    """Return an object's name without the folder of its state; ``Shelf.below`` adds that.

    Args:
        topic: Kafka topic.
        created_uuid7: A new UUIDv7, lower case with dashes.
        day: ``yyyy/mm/dd``, UTC.
        producer: UUIDv7 of the producer, lower case with dashes.
        first: Smallest sequence; None for checkpoints only.
        last: Largest sequence; None for checkpoints only.
        shelf: The part of the store that will hold it.

    Raises:
        FormatError: A part does not have its form, so that the name could not be parsed again.
    """
    name = f"{topic}/{day}/{created_uuid7}-{producer}-{_number(first)}-{_number(last)}{shelf.suffix}"
    if parse_object_name(name, shelf) is None:
        message = f"{name[:400]!r} is not the name of a fallback object"
        raise FormatError(message)
    return name


def parse_object_name(name: str, shelf: Shelf = PLAIN) -> ObjectName | None:
    """Return the parts of ``name``, or None if it is not the name of an object without the folder of its state.

    Names below ``rejected/``, ``quarantine/`` and ``locks/`` have more parts or other ends, and give None.
    """
    if not name.endswith(shelf.suffix):
        return None
    match = _STEM.fullmatch(name, 0, len(name) - len(shelf.suffix))
    # The pattern lets dots through, because a topic may contain them; as a folder these two would lead elsewhere.
    if match is None or match["topic"] in (".", ".."):
        return None
    first, last = (None if match[part] == "none" else int(match[part]) for part in ("first", "last"))
    if (first is None) != (last is None) or (first is not None and last is not None and first > last):
        return None
    return ObjectName(match["topic"], match["day"], match["created"], match["producer"], first, last)


def parse_stored_name(name: str) -> StoredName | None:
    """Return shelf, folder and parts of ``name``, or None if it is not the name of an object in any folder.

    A foreign object in quarantine keeps its foreign name, and gives None.
    """
    shelf = SEALED if name.startswith(SEALED.root) else PLAIN
    for folder in (REJECTED, QUARANTINE, WAITING):
        # A topic may be called like a folder: then the name has the form of one that waits.
        begin = shelf.below(folder, "")
        parts = parse_object_name(name[len(begin) :], shelf) if name.startswith(begin) else None
        if parts is not None:
            return StoredName(folder, parts, shelf)
    return None


def below(folder: str, name: str) -> str:
    """Return ``name`` below ``folder`` of the shelf of format version 1; as it is for ``WAITING``."""
    return PLAIN.below(folder, name)


def _number(sequence: int | None) -> str:
    return "none" if sequence is None else str(sequence)
