"""Defines the audit event, field by field, and decodes it from the sealed bytes."""

from __future__ import annotations

import re
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec

from telemetry.exceptions import MalformedRecordError
from telemetry.format.calendar_time import is_in_calendar
from telemetry.format.value.features import (
    HIDDEN_EVENT_TYPE,
    HIDDEN_TYPE,
    MEMBERS,
    PLAIN_VERSION,
    require_known,
)
from telemetry.format.value.members import CatalogReference, Change, Dedup, SubjectReference, Target

Outcome = Literal["success", "failure", "denied"]

ActorType = Literal["user", "service", "system", "anonymous"]

_Digest = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]
_Moment = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z\Z")
]


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One audit event, as it is sealed and as the reader returns it.

    Attributes:
        id: UUIDv7 (RFC 9562), set by the library.
        time: When it was logged: UTC with microseconds, RFC 3339, set by the library.
        event_type: What happened, such as ``user_login``.
        user_id: User whose event it is; the events of one user stay in order.
        payload: Any JSON value.
        service_name: Service that logged it.
        environment: Environment in which that service ran.
        version: Version of that service.
        producer: UUIDv7 of the process stream that logged it.
        sequence: Number within that stream, from 0 without holes.
        schema_version: Version of this structure: 1, or 2 if the event uses features.
        features: What a reader must know to read the event, sorted (``features.py``); empty in version 1.
        session_id: Session of the user.
        actor_id: Person or program that acted, if not the user.
        entity: Kind of the thing acted upon.
        entity_id: Id of that thing.
        action: What was done to it.
        outcome: ``success``, ``failure`` or ``denied``.
        source: Part of the application.
        ip_address: Address from which the request came.
        user_agent: Program that sent the request.
        correlation_id: Common to all events of one request.
        sensitive: Whether the payload needs special care.
        metadata: All other keyword arguments of ``log()``.
        trace_id: OpenTelemetry trace, 32 hexadecimal digits.
        span_id: OpenTelemetry span, 16 hexadecimal digits.
        trace_flags: W3C trace flags.
        kafka_key: The Kafka key, if it is not ``user_id:service_name``.
        clear_fields: Fields that are projected outside the sealed part.
        dedup: By what repeated calls are recognized, if the caller said so.
        recipients: Digest of the further wraps of the data key, in a record that names them.
        occurred_at: When it happened, if the caller said so: UTC with at most nine decimals, RFC 3339.
        actor_type: Kind of who acted.
        tenant_id: Tenant, customer or organization that the event concerns.
        targets: The things acted upon, if there are several.
        reason: Why it was done, as the one who acted says.
        changes: How the thing changed, by the name of the attribute.
        adjusted: Names of the members that are not what the caller gave, sorted: cut, escaped, or replaced by a text.
        catalog: Catalogue that declares the type, with the schema that the payload passed, and how long to keep the event.
        subject: Key of the subject under which the content was sealed inside, if there is one.
    """

    id: str
    time: str
    event_type: str
    user_id: str
    payload: Any
    service_name: str
    environment: str
    version: str = ""
    producer: str
    sequence: int
    schema_version: int
    features: tuple[str, ...] = ()
    session_id: str | None = None
    actor_id: str | None = None
    entity: str | None = None
    entity_id: str | None = None
    action: str | None = None
    outcome: Outcome | None = None
    source: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    correlation_id: str | None = None
    sensitive: bool | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    trace_id: str | None = None
    span_id: str | None = None
    trace_flags: int | None = None
    kafka_key: str | None = None
    clear_fields: tuple[str, ...] = ()
    dedup: Dedup | None = None
    recipients: _Digest | None = None
    occurred_at: _Moment | None = None
    actor_type: ActorType | None = None
    tenant_id: str | None = None
    targets: tuple[Target, ...] = ()
    reason: str | None = None
    changes: dict[str, Change] = msgspec.field(default_factory=dict)
    adjusted: tuple[str, ...] = ()
    catalog: CatalogReference | None = None
    subject: SubjectReference | None = None

    def __repr__(self) -> str:
        return f"AuditEvent(id={self.id!r}, event_type={self.event_type!r}, sequence={self.sequence})"

    @property
    def traceparent(self) -> str | None:
        """The span as W3C Trace Context, or None."""
        if self.trace_id is None or self.span_id is None:
            return None
        return f"00-{self.trace_id}-{self.span_id}-{self.trace_flags or 0:02x}"

    @property
    def key(self) -> str:
        """The Kafka key."""
        return self.kafka_key if self.kafka_key is not None else f"{self.user_id}:{self.service_name}"

    @property
    def is_forgotten(self) -> bool:
        """Whether the subject was forgotten: user id, payload and everything that identifies are gone for good."""
        return self.subject is not None and self.subject.forgotten

    @property
    def clear_type(self) -> str:
        """The event type as it is outside the sealed part."""
        return HIDDEN_EVENT_TYPE if HIDDEN_TYPE in self.features else self.event_type

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, as plain values."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


class _Version(msgspec.Struct):
    """The members that say which reader an event needs; every version has them in this form."""

    schema_version: int
    features: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(AuditEvent)
_version_decoder = msgspec.json.Decoder(_Version)
_members = attrgetter(*MEMBERS.values())
# What an event of version 1 has instead of them.
_NO_MEMBERS: tuple[Any, ...] = (None, None, None, (), None, {}, None, None, None, (), None)
# Id and time are rendered outside without escapes: a text with quotes could pass for other attributes.
_PLAIN = re.compile(r"[0-9A-Za-z:.+-]+", re.ASCII)


def decode_event(plaintext: bytes) -> AuditEvent:
    """Return the event of a record's plaintext.

    Raises:
        NewerReaderNeededError: The event is of a later version, or uses features that only later versions know.
        MalformedRecordError: The bytes are not an event.
    """
    try:
        event = _decoder.decode(plaintext)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        # A later version may define members that this one cannot decode: then the version is the reason.
        require_known_version(plaintext)
        message = "the sealed bytes are not an audit event"
        raise MalformedRecordError(message) from exc
    if event.schema_version != PLAIN_VERSION or event.features or _members(event) != _NO_MEMBERS:
        _require_known_features(event)
    if not _PLAIN.fullmatch(event.id + event.time):
        message = "the event's id or time contains a character that neither can have"
        raise MalformedRecordError(message)
    return event


def require_known_version(plaintext: bytes) -> None:
    """Check that this version can read an event, as far as its plaintext says what it needs.

    Raises:
        NewerReaderNeededError: It is of a later version, or uses features that only later versions know.
        MalformedRecordError: No version writes such a combination.
    """
    try:
        version = _version_decoder.decode(plaintext)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    require_known(version.schema_version, version.features)


def _require_known_features(event: AuditEvent) -> None:
    require_known(event.schema_version, event.features)
    has_member = zip(MEMBERS, map(bool, _members(event)), strict=True)
    # Of a forgotten subject's event only what was beside the content is left.
    if any(
        (feature in event.features) != is_there and (is_there or not event.is_forgotten)
        for feature, is_there in has_member
    ):
        message = "the event's features do not say what it contains"
        raise MalformedRecordError(message)
    if event.occurred_at is not None and not is_in_calendar(event.occurred_at):
        message = "the event's occurred_at is no time of the calendar"
        raise MalformedRecordError(message)
