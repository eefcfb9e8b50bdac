"""Divides an event into what outlives its subject and what goes with the subject's key."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.fields import OptionalFields
from telemetry.format.value.subject.split import OPEN_MEMBERS, SHOWABLE_MEMBERS

_USER = b',"user_id":'
_PAYLOAD = b',"payload":'

_encode = msgspec.json.Encoder().encode


class SubjectDraft(EventDraft, frozen=True, eq=False, gc=False, kw_only=True):
    """An event with a subject, whose key it lacks as well as its place.

    ``json_after_sequence`` is the whole event, first what is beside the content; ``key`` is ``user_id:service_name``, of which
    the Kafka key is derived when the subject's key is known.

    Attributes:
        user_id: The subject.
        content_at: Where in ``json_after_sequence`` the content begins, with a comma.
    """

    user_id: str
    content_at: int

    def __repr__(self) -> str:
        return f"SubjectDraft(id={self.id!r})"


class _OpenFields(msgspec.Struct, omit_defaults=True):
    """The optional fields that may be beside the content, in the order in which they are written."""

    action: str | None = None
    outcome: str | None = None
    sensitive: bool | None = None
    trace_id: str | None = None
    span_id: str | None = None
    trace_flags: int | None = None
    clear_fields: list[str] | None = None
    occurred_at: str | None = None
    actor_type: str | None = None
    catalog: msgspec.Raw | None = None


_ALWAYS_OPEN = tuple(name for name in _OpenFields.__struct_fields__ if name in OPEN_MEMBERS)


class Slices(NamedTuple):
    """The constant slices of an event, as its template renders them.

    Attributes:
        sealed_type: From the version of the schema up to the name of the user.
        before_payload: Service and environment, and the name of the payload.
        end: The service's version and a brace.
    """

    sealed_type: bytes
    before_payload: bytes
    end: bytes

    def beside(self, id_and_time: bytes, fields: bytes) -> bytes:
        """Return the event up to its content.

        Args:
            id_and_time: Id and time as members.
            fields: Optional fields as a JSON object.
        """
        end = self.end[:-1] if fields == b"{}" else b"%b,%b" % (self.end[:-1], fields[1:-1])
        return b"".join((id_and_time, self.sealed_type[: -len(_USER)], self.before_payload[: -len(_PAYLOAD)], end))


def take_open_fields(fields: OptionalFields) -> bytes:
    """Remove the fields that are beside the content, and return them as a JSON object."""
    beside = _OpenFields()
    shown = [name for name in fields.clear_fields or () if name in SHOWABLE_MEMBERS]
    for name in (*_ALWAYS_OPEN, *shown):
        setattr(beside, name, getattr(fields, name))
        setattr(fields, name, None)
    return _encode(beside)


def content_after(beside: bytes, sealed_user: bytes, payload: bytes, fields: OptionalFields) -> bytes:
    """Return a whole event: what is beside the content, and the content as its last members.

    Args:
        beside: Everything before the content.
        sealed_user: JSON of the user id.
        payload: JSON of the payload.
        fields: The other members of the content.
    """
    rest = _encode(fields)
    others = b"}" if rest == b"{}" else b",%b" % rest[1:]
    return b"".join((beside, _USER, sealed_user, _PAYLOAD, payload, others))


def is_subject(draft: Any) -> bool:
    """Return whether an event waits for the key of a subject."""
    # Not isinstance(): of a struct it takes ten times as long.
    return type(draft) is SubjectDraft
