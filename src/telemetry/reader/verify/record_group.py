"""The head of a record: what is the same in all records that a producer sealed with one data key."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.format.value.head import start_of_data
from telemetry.format.value.message import SEALED
from telemetry.reader.entry import Place

MAX_SIGHTINGS = 64
"""Records of which it is remembered that they do not fit their head."""


class Sighting(NamedTuple):
    """One record that was seen somewhere.

    Attributes:
        sequence: Of the record.
        place: Where it stands.
    """

    sequence: int
    place: Place


class RecordHead:
    """One head, and which records have it.

    Attributes:
        producer: The stream whose records these are.
        attributes: The CloudEvents attributes in it.
        protected: ``,"data":"`` and the JWE header that goes with it: the header commits to the data key.
        count: Records that fit.
        first: The first of them.
        strangers: Records with this head and another JWE header.
    """

    __slots__ = (
        "attributes",
        "count",
        "first",
        "producer",
        "protected",
        "strangers",
    )

    def __init__(self, attributes: dict[str, str], value: bytes) -> None:
        self.producer = attributes["producer"]
        self.attributes = attributes
        self.protected = start_of_data(value, sealed=attributes["datacontenttype"] == SEALED)
        self.count = 0
        self.first: list[Sighting] = []
        self.strangers: list[Sighting] = []

    @property
    def is_sealed(self) -> bool:
        """Whether a data key sealed the records."""
        return self.attributes["datacontenttype"] == SEALED and bool(self.protected)

    @property
    def is_outnumbered(self) -> bool:
        """Whether more records have another JWE header than the one seen first."""
        return len(self.strangers) > self.count

    def oddities(self) -> list[Sighting]:
        """Return the records that do not fit the others of this head: the smaller group is the odd one."""
        return self.first if self.is_outnumbered else self.strangers
