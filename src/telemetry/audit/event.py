"""From the arguments of ``log()`` to an event that only lacks its place in the producer's sequence."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import uuid_utils
from opentelemetry import trace

from telemetry.audit.payload import NotExactError, explain, jsonable, require_exact
from telemetry.exceptions import EventError, EventTooLargeError
from telemetry.format.event import METADATA_FIELDS, SCHEMA_VERSION, AuditEvent
from telemetry.format.message import CLEAR_ATTRIBUTES, render_tail

__all__ = ["AuditEvent", "EventDraft", "EventFactory"]

MAX_EVENT_TYPE = 255
MAX_USER_ID = 1_024
MAX_FIELD = 4_096

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_OUTCOMES = frozenset(("success", "failure", "denied"))
_NAMED = frozenset(METADATA_FIELDS)
_SEQUENCE_PREFIX = b'{"producer":"%b","sequence":%d,'


class EventDraft(NamedTuple):
    """An accepted event without its sequence.

    Attributes:
        id: UUIDv7.
        key: Kafka key.
        body: The event as JSON without producer and sequence.
        tail: The clear part of the value that follows the sequence.
    """

    id: str
    key: bytes
    body: bytes
    tail: bytes

    def plaintext(self, producer: bytes, sequence: int) -> bytes:
        """Return the whole event as JSON: what is sealed."""
        return _SEQUENCE_PREFIX % (producer, sequence) + self.body[1:]


class _Body(msgspec.Struct, omit_defaults=True):
    """The fields of an ``AuditEvent`` that are known before its sequence, in the order they are written."""

    schema_version: int
    id: str
    time: str
    event_type: str
    user_id: str
    service_name: str
    environment: str
    payload: Any
    version: str = ""
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
        self._service_name = service_name
        self._environment = environment
        self._version = version
        self._max_bytes = max_event_bytes
        self._hmac_secret = hmac_secret
        self._clear = {name: field for name, field in CLEAR_ATTRIBUTES.items() if field in clear_fields}
        self._wall_clock = wall_clock
        self._encode = msgspec.json.Encoder(enc_hook=jsonable).encode
        self._last_second = (-1, "")

    def draft(self, event_type: str, payload: Any, user_id: str, fields: Mapping[str, Any]) -> EventDraft:
        """Return the event, checked and encoded.

        Raises:
            EventError: It cannot be accepted; the message names the path, never the value.
            EventTooLargeError: It is larger than ``max_event_bytes``.
        """
        event_type = _plain_text("event_type", event_type, MAX_EVENT_TYPE)
        user_id = _plain_text("user_id", user_id, MAX_USER_ID)
        body = _Body(
            SCHEMA_VERSION,
            str(uuid_utils.uuid7()),
            self._now(),
            event_type,
            user_id,
            self._service_name,
            self._environment,
            payload,
            self._version,
        )
        if fields:
            _apply(fields, body)
        traceparent = _correlate(body)
        key = self._key(body)
        clear = self._projected(body) if self._clear else {}
        tail = render_tail(body.id, body.time, event_type, traceparent, clear)
        return EventDraft(body.id, key, self._encoded(body), tail)

    def _encoded(self, body: _Body) -> bytes:
        try:
            encoded: bytes = self._encode(body)
            require_exact(body.payload)
            if body.metadata:
                require_exact(body.metadata)
        except (NotExactError, TypeError, ValueError, OverflowError, RecursionError, NotImplementedError):
            # The foreign error may quote the value, so it is not chained.
            raise _unfit(body) from None
        if len(encoded) > self._max_bytes:
            message = f"the event has {len(encoded)} bytes as JSON; max_event_bytes is {self._max_bytes}"
            raise EventTooLargeError(message)
        return encoded

    def _projected(self, body: _Body) -> dict[str, Any]:
        """Return what stands outside too, and note in the event which fields those are."""
        clear = {name: value for name, field in self._clear.items() if (value := getattr(body, field)) is not None}
        body.clear_fields = [self._clear[name] for name in clear] or None
        return clear

    def _key(self, body: _Body) -> bytes:
        key = f"{body.user_id}:{self._service_name}".encode()
        if self._hmac_secret is None:
            return key
        body.kafka_key = hmac.new(self._hmac_secret, key, hashlib.sha256).hexdigest()
        return body.kafka_key.encode()

    def _now(self) -> str:
        second, nanosecond = divmod(self._wall_clock(), 1_000_000_000)
        # Number and text are one value: another thread may be in another second, or the clock may go back.
        known, text = self._last_second
        if second != known:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._last_second = second, text
        return f"{text}.{nanosecond // 1_000:06d}Z"


def _correlate(body: _Body) -> str | None:
    """Note the current OpenTelemetry span in the event; return it as W3C ``traceparent``."""
    span = trace.get_current_span()
    if span is trace.INVALID_SPAN:
        return None
    context = span.get_span_context()
    if not context.is_valid:
        return None
    body.trace_id, body.span_id = trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
    body.trace_flags = int(context.trace_flags)
    return f"00-{body.trace_id}-{body.span_id}-{body.trace_flags:02x}"


def _apply(fields: Mapping[str, Any], body: _Body) -> None:
    others: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in _NAMED:
            others[name] = value
        elif value is not None:
            setattr(body, name, _checked_field(name, value))
    given = others.get("metadata")
    if isinstance(given, Mapping):
        del others["metadata"]
        others = {**given, **others}
    if others:
        body.metadata = others


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


def _unfit(body: _Body) -> EventError:
    if body.metadata is not None and _fits(body.payload):
        return explain(body.metadata, "metadata")
    return explain(body.payload, "payload")


def _fits(payload: Any) -> bool:
    try:
        msgspec.json.encode(payload, enc_hook=jsonable)
        require_exact(payload)
    except (NotExactError, TypeError, ValueError, OverflowError, RecursionError, NotImplementedError):
        return False
    return True
