"""Reads what all records of one data key have in common: the attributes before the sequence, and the JWE header."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.exceptions import MalformedRecordError
from telemetry.format.value.head import parse_head, start_of_data
from telemetry.format.value.jwe import kid_in
from telemetry.format.value.message import CLEAR, DATA, SEALED, SEQUENCE, context_of, source_of
from telemetry.system.aged_cache import AgedCache

_ROOM = 32 << 20
_OVERHEAD = 1 << 10
_SEALED_DATA = DATA + b'"'


class EventHead(NamedTuple):
    """A head in the one form of the format.

    Attributes:
        text: The head with the name of the sequence, up to its digits.
        service: Name of the service.
        environment: Environment of the service.
        producer: UUIDv7 of the producer.
        key_uri: URI of the KEK; None where events are in the clear.
        data_start: The data's name, and the JWE up to the initialization vector; empty where the record that was read first
            has no JWE in its form.
        kid: Commitment to the data key; None where ``data_start`` is empty.
    """

    text: bytes
    service: str
    environment: str
    producer: str
    key_uri: str | None
    data_start: bytes
    kid: str | None

    @property
    def weight(self) -> int:
        """Bytes of memory, roughly."""
        return 2 * len(self.text) + _OVERHEAD


class EventHeads:
    """The heads that were read, each parsed once; not safe for several threads."""

    def __init__(self) -> None:
        self._known: AgedCache[bytes, EventHead] = AgedCache(_ROOM)

    def of(self, value: bytes) -> EventHead:
        """Return the head of an event's value.

        Raises:
            MalformedRecordError: The value does not begin as the format prescribes.
        """
        end = value.find(SEQUENCE)
        text = value[: end + len(SEQUENCE)] if end > 0 else b""
        known = self._known.get(text)
        if known is None:
            known = _parse(value, end)
            self._known.put(text, known)
        return known


def _parse(value: bytes, end: int) -> EventHead:
    attributes = parse_head(value, end)
    source, key_uri = attributes["source"], attributes.get("keyid")
    context = context_of(source)
    is_sealed = attributes["datacontenttype"] == SEALED
    # Percent-encoding has one form here: another spelling of a source would be another producer of the same name.
    if source != source_of(context["environment"], context["service"]) or is_sealed is (key_uri is None):
        raise malformed()
    if not is_sealed and attributes["datacontenttype"] != CLEAR:
        raise malformed()
    start, kid = _data_start(value) if is_sealed else (b"", None)
    return EventHead(
        text=value[: end + len(SEQUENCE)],
        service=context["service"],
        environment=context["environment"],
        producer=attributes["producer"],
        key_uri=key_uri,
        data_start=start,
        kid=kid,
    )


def _data_start(value: bytes) -> tuple[bytes, str | None]:
    # The first record of a head may be forged, and must not make the others with this head look damaged.
    try:
        start = start_of_data(value, sealed=True)
        return start + b".", kid_in(start[len(_SEALED_DATA) : -1])
    except MalformedRecordError:
        return b"", None


def malformed() -> MalformedRecordError:
    """Return the error for a value in another form."""
    return MalformedRecordError("the record is not in the form this format prescribes")
