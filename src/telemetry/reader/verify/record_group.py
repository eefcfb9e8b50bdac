"""Groups records by their head: what is the same in all records that a producer sealed with one data key."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.exceptions import MalformedRecordError
from telemetry.format import canonical_base64
from telemetry.format.value.head import start_of_data
from telemetry.format.value.message import SEALED
from telemetry.reader.entry import Place

MAX_SIGHTINGS = 64
"""Records of a group that are remembered with their places, of each of its two kinds."""
FEW_SIGHTINGS = 2
"""The same of the groups that come when there are many: a place has 200 bytes, and rows of an outbox have data keys of many."""


class Sighting(NamedTuple):
    """One record and where it was read.

    Attributes:
        sequence: Sequence of the record.
        place: Place of the record.
    """

    sequence: int
    place: Place


class RecordGroup:
    """The records of one head: the same producer, source and data key.

    The head names the data key in the clear, and the JWE header commits to it. All records of a head must therefore
    have the same JWE header; a record with another one was moved to this head, or its head was altered.

    Args:
        attributes: The CloudEvents attributes of the head.
        value: The first record with this head.
        head: The head.
        most: Records of each kind that are remembered with their places.

    Attributes:
        head: The head.
        most: Records of each kind that are remembered with their places.
        producer: The stream that the head names.
        attributes: The CloudEvents attributes of the head.
        data_start: ``,"data":"`` and the JWE header of the first record; empty where it has none.
        count: How many records have this JWE header.
        first: The first of them.
        mismatched: The first records with another JWE header.
    """

    __slots__ = ("attributes", "count", "data_start", "first", "head", "mismatched", "most", "producer")

    def __init__(
        self, attributes: dict[str, str], value: bytes, head: bytes = b"", *, most: int = MAX_SIGHTINGS
    ) -> None:
        self.head = head
        self.most = most
        self.producer = attributes["producer"]
        self.attributes = attributes
        self.data_start = start_of_data(value, sealed=attributes["datacontenttype"] == SEALED)
        self.count = 0
        self.first: list[Sighting] = []
        self.mismatched: list[Sighting] = []

    def add(self, sequence: int, value: bytes, place: Place) -> None:
        """Add a record: compare its JWE header with that of the first record."""
        # Without a JWE header nothing matches, although every value contains the empty text.
        if self.data_start in value and self.data_start:
            self.count += 1
            if self.count <= self.most:
                self.first.append(Sighting(sequence, place))
        elif len(self.mismatched) < self.most:
            self.mismatched.append(Sighting(sequence, place))

    @property
    def is_sealed(self) -> bool:
        """Whether a data key sealed the records."""
        return self.attributes["datacontenttype"] == SEALED and bool(self.data_start)

    @property
    def is_clear(self) -> bool:
        """Whether the records say that they are not sealed."""
        return self.attributes["datacontenttype"] != SEALED

    @property
    def mismatches_dominate(self) -> bool:
        """Whether more records have another JWE header than have that of the first record."""
        return len(self.mismatched) > self.count

    def minority(self) -> list[Sighting]:
        """Return the smaller of the two groups: its records do not belong to the head."""
        # An attacker who writes the first record of a head must not turn suspicion on all that follow.
        return self.first if self.mismatches_dominate else self.mismatched


def kid_of(data_start: bytes) -> str:
    """Return the commitment to the data key in the JWE header that the data begin with; empty if there is none."""
    _, _, protected = data_start.partition(b'"data":"')
    try:
        decoded = canonical_base64.decode_url(protected.rstrip(b"."))
    except MalformedRecordError:
        return ""
    _, _, kid = decoded.partition(b'"kid":"')
    return kid.partition(b'"')[0].decode("ascii", "replace")
