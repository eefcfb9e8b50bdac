"""From the arguments of ``log()`` to an event that only lacks its place in the producer's sequence."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import uuid_utils
from opentelemetry import trace
from opentelemetry.context import get_current

from telemetry.audit.accept.json_exact import NotExactError, encode_exact, explain, jsonable, require_exact
from telemetry.exceptions import EventError, EventTooLargeError
from telemetry.format.value.event import METADATA_FIELDS, SCHEMA_VERSION, AuditEvent
from telemetry.format.value.message import CLEAR_ATTRIBUTES, render_rest

__all__ = ["AuditEvent", "EventDraft", "EventFactory"]

MAX_EVENT_TYPE = 255
MAX_USER_ID = 1_024
MAX_FIELD = 4_096

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_OUTCOMES = frozenset(("success", "failure", "denied"))
_NAMED = frozenset(METADATA_FIELDS)
_REMEMBERED_TYPES = 1_024
_REMEMBERED_USERS = 4_096
_SECOND = 1_000_000_000

_UNFIT = (NotExactError, TypeError, ValueError, OverflowError, RecursionError, NotImplementedError)

_encode = msgspec.json.Encoder().encode
_encode_extras = msgspec.json.Encoder(enc_hook=jsonable).encode


class EventDraft(msgspec.Struct, frozen=True, eq=False, gc=False):
    """An accepted event without its place in a stream.

    Attributes:
        id: UUIDv7.
        key: Kafka key.
        json_after_sequence: The event as JSON, from the comma after its sequence to the end.
        id_and_time_json: Id and time as JSON members, each after its comma.
        clear_tail: The clear part of the value that follows them, up to the data.
    """

    id: str
    key: bytes
    json_after_sequence: bytes
    id_and_time_json: bytes
    clear_tail: bytes

    def __repr__(self) -> str:
        return f"EventDraft(id={self.id!r})"


def beginning_of(producer: str) -> bytes:
    """Return how every event of a stream begins, with ``%d`` where its sequence belongs."""
    return b'{"producer":"%b","sequence":%%d' % producer.encode()


class _Extras(msgspec.Struct, omit_defaults=True):
    """The fields of an ``AuditEvent`` that most events lack, in the order they are written."""

    session_id: str | None = None
    actor_id: str | None = None
    entity: str | None = None
    entity_id: str | None = None
    action: str | None = None
    outcome: str | None = None
    source: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    correlation_id: str | None = None
    sensitive: bool | None = None
    metadata: dict[str, Any] | None = None
    trace_id: str | None = None
    span_id: str | None = None
    trace_flags: int | None = None
    kafka_key: str | None = None
    clear_fields: list[str] | None = None


class EventFactory:
    """Checks the arguments of ``log()`` and writes the event once as JSON.

    Args:
        service_name: Name of the service.
        environment: Where it runs.
        version: Its version.
        max_event_bytes: Limit of the event as JSON.
        hmac_secret: Set for ``key_mode="hmac"``.
        clear_fields: Event fields to project outside the sealed part.
        wall_clock: Nanoseconds since the epoch.
    """

    def __init__(
        self,
        *,
        service_name: str,
        environment: str,
        version: str,
        max_event_bytes: int,
        hmac_secret: bytes | None = None,
        clear_fields: tuple[str, ...] = (),
        wall_clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._key_end = f":{service_name}"
        self._constants = {"service_name": service_name, "environment": environment, "version": version}
        self._before_payload = b',"service_name":%b,"environment":%b,"payload":' % (
            _encode(service_name),
            _encode(environment),
        )
        self._end = b',"version":%b}' % _encode(version) if version else b"}"
        self._max_length = max_event_bytes + len(b",")  # what is measured begins with a comma
        self._hmac_secret = hmac_secret
        self._clear = {name: field for name, field in CLEAR_ATTRIBUTES.items() if field in clear_fields}
        self._has_more = hmac_secret is not None or bool(self._clear)
        self._wall_clock = wall_clock
        self._last_second = (-_SECOND, b"")
        self._types: dict[str, tuple[bytes, bytes, bytes]] = {}
        self._users: dict[str, tuple[bytes, bytes]] = {}

    def draft(self, event_type: str, payload: Any, user_id: str, fields: Mapping[str, Any]) -> EventDraft:
        """Return the event, checked and encoded.

        Raises:
            EventError: It cannot be accepted; the message names the path, never the value.
            EventTooLargeError: It is larger than ``max_event_bytes``.
        """
        known = self._types.get(event_type) if type(event_type) is str else None
        sealed_type, clear_type, tail = known or self._checked_type(event_type)
        user = self._users.get(user_id) if type(user_id) is str else None
        sealed_user, key = user or self._checked_user(user_id)
        now = self._wall_clock()
        # Beginning and text are one value: another thread may be in another second, or the clock may go back.
        second, text = self._last_second
        if not 0 <= now - second < _SECOND:
            second, text = self._second_of(now)
        event_id, end = str(uuid_utils.uuid7()), self._end
        stamp = b',"id":"%b","time":"%b.%06dZ"' % (event_id.encode(), text, (now - second) // 1_000)
        # An empty context, which has no span, is told in half the time of asking for the span.
        if fields or self._has_more or get_current():
            extras = _given(fields)
            traceparent = _correlate(trace.get_current_span(), extras)
            key = self._key(key, extras)
            tail = clear_type + render_rest(traceparent, self._projected(sealed_user, extras))
            end = self._encoded_extras(extras)
        try:
            written = encode_exact(payload)
        except _UNFIT:
            # The foreign error may quote the value, so it is not chained.
            raise explain(payload, "payload") from None
        rest = b"".join((stamp, sealed_type, sealed_user, self._before_payload, written, end))
        if len(rest) > self._max_length:
            message = f"the event has {len(rest) - 1} bytes as JSON; max_event_bytes is {self._max_length - 1}"
            raise EventTooLargeError(message)
        return EventDraft(event_id, key, rest, stamp, tail)

    def _encoded_extras(self, extras: _Extras) -> bytes:
        """Return the end of the event as JSON: what follows the payload."""
        try:
            encoded = _encode_extras(extras)
            if extras.metadata:
                require_exact(extras.metadata)
        except _UNFIT:
            raise explain(extras.metadata, "metadata") from None
        return self._end if encoded == b"{}" else b"%b,%b" % (self._end[:-1], encoded[1:])

    def _checked_type(self, event_type: Any) -> tuple[bytes, bytes, bytes]:
        """Check an event type; return how it stands inside, and outside without and with what most events have behind it.

        An application has few types: they are remembered.
        """
        text = _plain_text("event_type", event_type, MAX_EVENT_TYPE)
        encoded = _encode(text)
        sealed_type = b',"schema_version":%d,"event_type":%b,"user_id":' % (SCHEMA_VERSION, encoded)
        clear_type = b',"type":%b' % encoded
        written = sealed_type, clear_type, clear_type + render_rest(None, None)
        if len(self._types) < _REMEMBERED_TYPES:
            self._types[text] = written
        return written

    def _checked_user(self, user_id: Any) -> tuple[bytes, bytes]:
        """Check a user; return the JSON of its id, and its Kafka key. Who is busy now is remembered."""
        text = _plain_text("user_id", user_id, MAX_USER_ID)
        written = _encode(text), (text + self._key_end).encode()
        if len(self._users) >= _REMEMBERED_USERS:
            self._users.clear()
        self._users[text] = written
        return written

    def _projected(self, sealed_user: bytes, extras: _Extras) -> dict[str, Any]:
        """Return what stands outside too, and note in the event which fields those are."""
        own = {**self._constants, "user_id": msgspec.Raw(sealed_user)}
        values = {name: own.get(field, getattr(extras, field, None)) for name, field in self._clear.items()}
        clear = {name: value for name, value in values.items() if value is not None}
        extras.clear_fields = [self._clear[name] for name in clear] or None
        return clear

    def _key(self, key: bytes, extras: _Extras) -> bytes:
        if self._hmac_secret is None:
            return key
        extras.kafka_key = hmac.new(self._hmac_secret, key, hashlib.sha256).hexdigest()
        return extras.kafka_key.encode()

    def _second_of(self, now: int) -> tuple[int, bytes]:
        """Return when the second began that it is now, and how RFC 3339 has it, without the zone; remember both."""
        seconds = now // _SECOND
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode()
        self._last_second = found = seconds * _SECOND, text
        return found


def _correlate(span: trace.Span, extras: _Extras) -> str | None:
    """Note an OpenTelemetry span in the event; return it as W3C ``traceparent``."""
    context = span.get_span_context()
    if not context.is_valid:  # there is no span
        return None
    extras.trace_id, extras.span_id = trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
    extras.trace_flags = int(context.trace_flags)
    return f"00-{extras.trace_id}-{extras.span_id}-{extras.trace_flags:02x}"


def _given(fields: Mapping[str, Any]) -> _Extras:
    """Return the keyword arguments of ``log()``, checked."""
    extras, others = _Extras(), {}
    for name, value in fields.items():
        if name not in _NAMED:
            others[name] = value
        elif value is not None:
            setattr(extras, name, _checked_field(name, value))
    given = others.get("metadata")
    if isinstance(given, Mapping):
        del others["metadata"]
        others = {**given, **others}
    if others:
        extras.metadata = others
    return extras


def _checked_field(name: str, value: Any) -> Any:
    if name == "sensitive":
        if not isinstance(value, bool):
            message = f"sensitive must be True or False, not of type {type(value).__name__}"
            raise EventError(message)
        return value
    text = value if isinstance(value, str) else _as_text(name, value)
    text = _plain_text(name, text, MAX_FIELD)
    if name == "outcome" and text not in _OUTCOMES:
        message = 'outcome must be "success", "failure" or "denied"'
        raise EventError(message)
    return text


def _as_text(name: str, value: Any) -> str:
    """Accept what obviously stands for a text: numbers and objects such as ``UUID`` or ``IPv4Address``."""
    module = type(value).__module__
    if module in {"uuid", "uuid_utils", "ipaddress"} or type(value) is int:
        return str(value)
    message = f"{name} must be a text, not of type {type(value).__name__}"
    raise EventError(message)


def _plain_text(name: str, value: Any, limit: int) -> str:
    """Return a text that is checked and of no subclass: an enum's member is written in more than one way."""
    if type(value) is not str and not isinstance(value, str):
        message = f"{name} must be a text, not of type {type(value).__name__}"
        raise EventError(message)
    if not 0 < len(value) <= limit or value.isspace():
        reason = f"has {len(value)} characters; the limit is {limit}" if len(value) > limit else "is empty"
        message = f"{name} {reason}"
        raise EventError(message)
    if not value.isprintable() and _CONTROL.search(value):
        message = f"{name} holds a control character or a lone surrogate"
        raise EventError(message)
    return value if type(value) is str else str.__str__(value)
