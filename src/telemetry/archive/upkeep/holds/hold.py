"""Writes and reads the signed notes of a legal hold and of its release (docs/archive.md)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TypeVar

import msgspec

from telemetry.exceptions import FormatError
from telemetry.format.calendar_time import has_time_form, is_in_calendar
from telemetry.format.proof.signed_note import MAX_NOTE_BYTES, Note, Signer, parse_note, sign_note
from telemetry.format.uuid7 import created_at, is_uuid

HOLD_LINE = "telemetry archive hold v1"
RELEASE_LINE = "telemetry archive release v1"
MAX_TEXT = 1_000
"""Characters of a person, a reason, a service or an event type."""

_HASH = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_VERSION = 1


class Hold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Events that stay as they are. A part that is empty narrows nothing.

    Attributes:
        id: UUIDv7 of the hold.
        archive: The archive that it concerns.
        time: When it was signed, RFC 3339 in UTC.
        by: Person who ordered it.
        reason: Why, such as the number of a case; never a user's name.
        keyhashes: Hashes of the Kafka keys of the person whose events stay, as ``keyhash`` of the events has them.
        service: Service of the events.
        event_type: Type of the events.
        since: Events from this time on, RFC 3339 in UTC.
        until: Events before this time, RFC 3339 in UTC.
        version: Version of this form.
    """

    id: str
    archive: str
    time: str
    by: str
    reason: str
    keyhashes: tuple[str, ...] = ()
    service: str = ""
    event_type: str = ""
    since: str = ""
    until: str = ""
    version: int = _VERSION

    @property
    def scope(self) -> str:
        """What stays, in words; the user is not named."""
        parts = [
            *(["one user"] if self.keyhashes else []),
            *([f"service {self.service}"] if self.service else []),
            *([f"type {self.event_type}"] if self.event_type else []),
            *([f"since {self.since}"] if self.since else []),
            *([f"until {self.until}"] if self.until else []),
        ]
        return ", ".join(parts) or "everything"


class Release(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The end of a hold.

    Attributes:
        id: The hold.
        archive: The archive that it concerns.
        time: When it was signed, RFC 3339 in UTC.
        by: Person who ordered it.
        reason: Why.
        version: Version of this form.
    """

    id: str
    archive: str
    time: str
    by: str
    reason: str
    version: int = _VERSION


_Kind = TypeVar("_Kind", Hold, Release)
_LINES: dict[type[Hold | Release], str] = {Hold: HOLD_LINE, Release: RELEASE_LINE}


def sign_statement(statement: Hold | Release, signer: Signer) -> bytes:
    """Return the signed note of a hold or a release.

    Raises:
        FormatError: A field is empty, too long or not of its form.
    """
    _require_form(statement)
    body = msgspec.json.encode(statement).decode()
    return sign_note(f"{_LINES[type(statement)]}\n{body}\n", signer).encode()


def parse_statement(data: bytes, kind: type[_Kind]) -> tuple[Note, _Kind]:
    """Return note and statement; no signature is verified.

    Args:
        data: The note's bytes, from outside.
        kind: ``Hold`` or ``Release``.

    Raises:
        FormatError: It is no note of this kind.
    """
    try:
        if len(data) > MAX_NOTE_BYTES:
            raise _no_note(kind)
        note = parse_note(data.decode())
        first, _, body = note.text.removesuffix("\n").partition("\n")
        if first != _LINES[kind]:
            raise _no_note(kind)
        statement = msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise _no_note(kind) from exc
    _require_form(statement)
    return note, statement


def parsed_time(text: str) -> datetime | None:
    """Return a time of a hold; None where it has none."""
    return datetime.fromisoformat(text) if text else None


def _require_form(statement: Hold | Release) -> None:
    """Check the fields of a statement.

    1. Both ids are UUIDs, that of the hold one that says when it was made.
    2. The texts are there, and short.
    3. The times are times of the calendar.
    4. What narrows the hold has its form.
    """
    # 1.
    if statement.version != _VERSION or not is_uuid(statement.id) or not is_uuid(statement.archive):
        message = "a hold is named by the UUIDs of itself and of its archive, in version 1"
        raise FormatError(message)
    if created_at(statement.id) is None:
        message = "the id of a hold is no UUIDv7"
        raise FormatError(message)
    # 2.
    for name in ("by", "reason"):
        text = getattr(statement, name)
        if not text.strip() or len(text) > MAX_TEXT:
            message = f"the part {name!r} of a hold is a text of 1 to {MAX_TEXT} characters"
            raise FormatError(message)
    # 3.
    _require_times([statement.time])
    # 4.
    if isinstance(statement, Hold):
        _require_times([text for text in (statement.since, statement.until) if text])
        if not all(_HASH.fullmatch(text) for text in statement.keyhashes):
            message = "a hold names a user by the hash of the Kafka key alone"
            raise FormatError(message)
        if max(len(statement.service), len(statement.event_type)) > MAX_TEXT:
            message = f"service and type of a hold have at most {MAX_TEXT} characters"
            raise FormatError(message)


def _require_times(times: list[str]) -> None:
    if not all(has_time_form(text) and is_in_calendar(text) for text in times):
        message = "a time of a hold is not RFC 3339 in UTC"
        raise FormatError(message)


def _no_note(kind: type[Hold | Release]) -> FormatError:
    message = f"this is no note that begins with {_LINES[kind]!r}"
    return FormatError(message)
