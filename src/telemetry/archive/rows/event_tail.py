"""Reads the members of an event's value between its time and its data: the type, the trace and the projected fields."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec

from telemetry.archive.rows.columns import CLEAR_COLUMNS
from telemetry.archive.rows.event_head import EventHead, malformed
from telemetry.format.value.message import CLEAR_ATTRIBUTES, COMMITMENT

MAX_TAIL_BYTES = 1 << 20

_MAX_TAILS = 4_096
_KEPT_BYTES = 512
"""Longer tails are not remembered: hardly two events share one."""
_COMMITMENT = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]

# In the order of the text, so that a tail in any other order is recognized: it is not what encoding gives back.
_Members = msgspec.defstruct(
    "_Members",
    [
        ("type", str),
        ("traceparent", str | None, None),
        *((name, (bool if name == "sensitive" else str) | None, None) for name in CLEAR_ATTRIBUTES),
        (COMMITMENT, _COMMITMENT | None, None),
    ],
    omit_defaults=True,
    forbid_unknown_fields=True,
)
_decode = msgspec.json.Decoder(_Members).decode
_encode = msgspec.json.Encoder().encode
_columns = attrgetter("type", *CLEAR_COLUMNS)
_claims = attrgetter("servicename", "environment", COMMITMENT)
_NO_CLAIMS = (None, None, None)


class EventTail(NamedTuple):
    """The members that an event has after its time.

    Attributes:
        columns: Type, trace and projected fields, in the order of the columns ``type`` and ``CLEAR_COLUMNS``.
        claims: What else it says: service and environment once more, and the commitment; None if it says none of it.
    """

    columns: tuple[Any, ...]
    claims: tuple[str | None, str | None, str | None] | None

    def require_of(self, head: EventHead) -> None:
        """Check what it says once more.

        Raises:
            MalformedRecordError: It is not what the head says, or the event is in the clear and commits to its content.
        """
        service, environment, commitment = self.claims or (None, None, None)
        is_other = service not in (None, head.service) or environment not in (None, head.environment)
        if is_other or (commitment is not None and head.key_uri is None):
            raise malformed()


class EventTails:
    """The tails that were read: most events of a type have the same one; not safe for several threads.

    Attributes:
        get: Returns a tail that was read, or None.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, EventTail] = {}
        self.get = self._known.get

    def of(self, text: bytes) -> EventTail:
        """Return the tail that a text is.

        Args:
            text: From the value of ``type`` on, up to the comma before the data.

        Raises:
            MalformedRecordError: It is not in the form of the format.
        """
        tail = _parse(text)
        if len(text) <= _KEPT_BYTES:
            if len(self._known) >= _MAX_TAILS:
                self._known.clear()
            self._known[text] = tail
        return tail


def _parse(text: bytes) -> EventTail:
    if len(text) > MAX_TAIL_BYTES:
        raise malformed()
    whole = b'{"type":%b}' % text
    try:
        members = _decode(whole)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise malformed() from exc
    if _encode(members) != whole:
        raise malformed()
    claims = _claims(members)
    return EventTail(_columns(members), None if claims == _NO_CLAIMS else claims)
