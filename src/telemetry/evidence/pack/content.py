"""Encodes and reads the file of an event's content: what the exporter's process saw when it opened the sealed record."""

from __future__ import annotations

from typing import Any

import msgspec

from telemetry.exceptions import FormatError, TelemetryError
from telemetry.format.value.event import AuditEvent, decode_event

FORMAT = "telemetry-evidence-event"
VERSION = 1


class EventContent(msgspec.Struct, frozen=True, kw_only=True):
    """The content of an event.

    Attributes:
        attested_by: Name and id of the key that vouches for it; None where nobody does.
        event: The event as JSON.
    """

    attested_by: str | None
    event: bytes

    def decoded(self) -> AuditEvent:
        """Return the event.

        Raises:
            FormatError: The JSON is not an event.
        """
        return decode_event(self.event)


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    version: int
    attested_by: str | None
    event: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(_File)


def encode_content(event: AuditEvent, *, attested_by: str | None) -> bytes:
    """Return the file of an event's content.

    Args:
        event: The event, as it was opened.
        attested_by: Name and id of the key that signs the manifest.
    """
    return _render(event_json(event), attested_by)


def event_json(event: AuditEvent) -> bytes:
    """Return an event as the one JSON text that a pack has of it."""
    return _encode(event)


def decode_content(data: bytes) -> EventContent:
    """Read the file of an event's content; nothing of it is compared with a proof.

    Raises:
        FormatError: The bytes are not in the one form of this version, so that two programs could read different events.
    """
    try:
        file = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _other() from exc
    if (file.format, file.version) != (FORMAT, VERSION):
        raise _other()
    content = EventContent(attested_by=file.attested_by, event=bytes(file.event))
    try:
        event = content.decoded()
    except TelemetryError as exc:
        message = f"its content is not an event: {exc}"
        raise FormatError(message) from exc
    # Repeated members and spaces could hide something from one of two readers.
    if event_json(event) != content.event or _render(content.event, file.attested_by) != data:
        raise _other()
    return content


def _render(event: bytes, attested_by: str | None) -> bytes:
    file: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "attested_by": attested_by,
        "event": msgspec.Raw(event),
    }
    return _encode(file) + b"\n"


def _other() -> FormatError:
    return FormatError(f"it is not the content of an event in the form of version {VERSION}")
