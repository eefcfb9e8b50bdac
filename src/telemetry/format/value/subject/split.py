"""Says which members of an event are sealed under the key of its subject, and checks that each is where it belongs."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec

from telemetry.exceptions import MalformedRecordError

CONTENT_MEMBERS = (
    *("user_id", "payload", "session_id", "actor_id", "entity", "entity_id", "source", "ip_address", "user_agent"),
    *("correlation_id", "metadata", "dedup", "tenant_id", "targets", "reason", "changes", "adjusted"),
)
"""Always in the content: what happened in detail, and everything by which a person can be recognized."""
SHOWABLE_MEMBERS = ("action", "outcome", "sensitive", "occurred_at", "actor_type")
"""In the content, except where ``clear_fields`` names them: then they are beside it, since everybody sees them outside."""
SHOWABLE_FIELDS = frozenset((*SHOWABLE_MEMBERS, "version", "service_name", "environment"))
"""What ``clear_fields`` may name in an event with a subject."""
OPEN_MEMBERS = (
    *("producer", "sequence", "schema_version", "features", "id", "time", "event_type", "service_name", "environment"),
    *("version", "trace_id", "span_id", "trace_flags", "kafka_key", "clear_fields", "recipients", "salt", "catalog"),
    "subject",
)
"""Never in the content: they outlive the subject, so that its events are still found, counted and proven."""

_ABSENT: Any = msgspec.UNSET
_Any = msgspec.Raw | msgspec.UnsetType
_OpenPart = msgspec.defstruct(
    "_OpenPart",
    [
        *((name, _Any, _ABSENT) for name in (*CONTENT_MEMBERS, *SHOWABLE_MEMBERS)),
        ("clear_fields", tuple[str, ...], ()),
    ],
)
_Content = msgspec.defstruct("_Content", [(name, _Any, _ABSENT) for name in (*OPEN_MEMBERS, *SHOWABLE_MEMBERS)])
_open_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_OpenPart)
_content_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Content)
_content_members = attrgetter(*CONTENT_MEMBERS)
_open_members = attrgetter(*OPEN_MEMBERS)
_showable_members = attrgetter(*SHOWABLE_MEMBERS)
_NO_CONTENT = (_ABSENT,) * len(CONTENT_MEMBERS)
_NO_OPEN = (_ABSENT,) * len(OPEN_MEMBERS)


def require_split(opened: bytes, content: bytes | None) -> None:
    """Check that no member is in the wrong part of an event, or in both.

    Otherwise one reader could see other values than the next one, who has no key of the subject any more.

    Args:
        opened: The part beside the content, as a JSON object.
        content: The content, as a JSON object; None where its key is destroyed.

    Raises:
        MalformedRecordError: A part is no object, or has a member of the other one.
    """
    beside = _decoded(_open_decoder, opened)
    shown = tuple(name for name in SHOWABLE_MEMBERS if name in beside.clear_fields)
    is_split = (
        _content_members(beside) == _NO_CONTENT
        and SHOWABLE_FIELDS.issuperset(beside.clear_fields)
        and tuple(_there(_showable_members(beside))) == shown
    )
    if content is not None and is_split:
        sealed = _decoded(_content_decoder, content)
        is_split = _open_members(sealed) == _NO_OPEN and not any(
            name in shown for name in _there(_showable_members(sealed))
        )
    if not is_split:
        message = "a member of the event is in the wrong part, or in both: under the key of its subject, or beside it"
        raise MalformedRecordError(message)


def _there(members: tuple[Any, ...]) -> list[str]:
    return [name for name, member in zip(SHOWABLE_MEMBERS, members, strict=True) if member is not _ABSENT]


def _decoded(decoder: msgspec.json.Decoder[Any], text: bytes) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        message = "the sealed bytes are not an audit event with a subject"
        raise MalformedRecordError(message) from exc
