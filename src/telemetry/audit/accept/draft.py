"""Turns the arguments of ``log()`` into an event that lacks only its place in the producer's sequence."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import uuid_utils
from opentelemetry import trace
from opentelemetry.context import get_current

from telemetry.audit.accept.fields import (
    MAX_EVENT_TYPE,
    MAX_USER_ID,
    OptionalFields,
    OwnEventType,
    checked_fields,
    plain_text,
    require_unreserved,
)
from telemetry.audit.accept.json_exact import NotExactError, encode_exact, explain, jsonable, require_exact
from telemetry.exceptions import EventTooLargeError
from telemetry.format.value.features import DEDUP, HIDDEN_TYPE
from telemetry.format.value.members import Dedup
from telemetry.format.value.message import CLEAR_ATTRIBUTES
from telemetry.format.value.template import ID_AND_TIME, EventTemplate, TypeSlices

_REMEMBERED_TYPES = 1_024
_REMEMBERED_USERS = 4_096
_SECOND = 1_000_000_000

_UNFIT = (NotExactError, TypeError, ValueError, OverflowError, RecursionError, NotImplementedError)
"""What an encoder raises for a value that JSON cannot express."""

_encode_fields = msgspec.json.Encoder(enc_hook=jsonable).encode


class EventDraft(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A checked event without its place in a stream.

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


class EventFactory:
    """Checks the arguments of ``log()`` and writes the event once as JSON.

    It is called by many threads at once, without a lock: what it remembers is written in single steps, and two threads
    that render the same thing render the same bytes.

    Args:
        service_name: Name of the service.
        environment: Environment that it runs in.
        version: Version of the service.
        max_event_bytes: Limit of the event as JSON.
        hmac_secret: Set for ``key_mode="hmac"``.
        clear_fields: Event fields to project outside the sealed part.
        hide_event_type: Show a constant outside the sealed part instead of the event type.
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
        hide_event_type: bool = False,
        wall_clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._template = EventTemplate(
            service_name=service_name,
            environment=environment,
            version=version,
            features=(HIDDEN_TYPE,) if hide_event_type else (),
        )
        self._constants = {"service_name": service_name, "environment": environment, "version": version}
        self._key_end = f":{service_name}"
        self._max_length = max_event_bytes + len(b",")  # what is measured begins with a comma
        self._hmac_secret = hmac_secret
        self._clear = {name: field for name, field in CLEAR_ATTRIBUTES.items() if field in clear_fields}
        self._has_more = hmac_secret is not None or bool(self._clear)
        self._wall_clock = wall_clock
        self._last_second = (-_SECOND, b"")
        self._types: dict[str, TypeSlices] = {}
        self._users: dict[str, tuple[bytes, bytes]] = {}

    def draft(
        self, event_type: str, payload: Any, user_id: str, fields: Mapping[str, Any], dedup: Dedup | None = None
    ) -> EventDraft:
        """Return the event, checked and encoded.

        Args:
            event_type: What happened.
            payload: Any JSON value.
            user_id: User whose event it is.
            fields: The other keyword arguments of ``log()``.
            dedup: By what repeats of the call are recognized (:func:`~telemetry.audit.accept.fields.dedup_of`).

        Raises:
            EventError: The event cannot be accepted; the message names the path, never the value.
            EventTooLargeError: The event is larger than ``max_event_bytes``.
        """
        # The type is asked for first: a subclass of str may compare equal to a text and be written differently.
        slices = self._types.get(event_type) if type(event_type) is str else None
        sealed_type, clear_type, clear_tail = slices or self._checked_type(event_type)
        user = self._users.get(user_id) if type(user_id) is str else None
        sealed_user, key = user or self._checked_user(user_id)
        now = self._wall_clock()
        # Beginning and text are one value: another thread may be in another second, or the clock may go back.
        second, text = self._last_second
        if not 0 <= now - second < _SECOND:
            second, text = self._second_of(now)
        template = self._template
        event_id, end = str(uuid_utils.uuid7()), template.end
        id_and_time = ID_AND_TIME % (event_id.encode(), text, (now - second) // 1_000)
        # An empty context has no span; asking for it takes half the time of asking for the span.
        if fields or self._has_more or dedup is not None or get_current():
            optional = checked_fields(fields)
            if dedup is not None:
                optional.dedup = dedup
                plain_type = plain_text("event_type", event_type, MAX_EVENT_TYPE)
                sealed_type, clear_type, _ = template.of_type(plain_type, features=(DEDUP,))
            traceparent = _correlate(trace.get_current_span(), optional)
            key = self._key(key, optional)
            clear_tail = template.clear_tail(clear_type, traceparent, self._projected(sealed_user, optional))
            end = template.end_with(_encoded(optional))
        try:
            encoded = encode_exact(payload)
        except _UNFIT:
            # The foreign error may quote the value, so it is not chained.
            raise explain(payload, "payload") from None
        after_sequence = b"".join((id_and_time, sealed_type, sealed_user, template.before_payload, encoded, end))
        if len(after_sequence) > self._max_length:
            size, limit = len(after_sequence) - 1, self._max_length - 1
            message = f"the event has {size} bytes as JSON; max_event_bytes is {limit}"
            raise EventTooLargeError(message)
        return EventDraft(event_id, key, after_sequence, id_and_time, clear_tail)

    def _checked_type(self, event_type: Any) -> TypeSlices:
        """Check an event type and return its slices; they are remembered, since an application has few types."""
        text = plain_text("event_type", event_type, MAX_EVENT_TYPE)
        slices = self._template.of_type(text)
        if isinstance(event_type, OwnEventType):
            return slices  # not remembered: the same text of an application is refused
        require_unreserved(text)
        if len(self._types) < _REMEMBERED_TYPES:
            self._types[text] = slices
        return slices

    def _checked_user(self, user_id: Any) -> tuple[bytes, bytes]:
        """Check a user id; return it as JSON, and its Kafka key. The users of the last while are remembered."""
        text = plain_text("user_id", user_id, MAX_USER_ID)
        rendered = self._template.of_user(text), (text + self._key_end).encode()
        if len(self._users) >= _REMEMBERED_USERS:
            self._users.clear()
        self._users[text] = rendered
        return rendered

    def _projected(self, sealed_user: bytes, optional: OptionalFields) -> dict[str, Any]:
        """Return the fields to project outside, and record inside the event which they are."""
        own = {**self._constants, "user_id": msgspec.Raw(sealed_user)}
        values = {name: own.get(field, getattr(optional, field, None)) for name, field in self._clear.items()}
        clear = {name: value for name, value in values.items() if value is not None}
        optional.clear_fields = [self._clear[name] for name in clear] or None
        return clear

    def _key(self, key: bytes, optional: OptionalFields) -> bytes:
        """Return the Kafka key; in ``key_mode="hmac"`` the event carries it, since a reader cannot derive it."""
        if self._hmac_secret is None:
            return key
        optional.kafka_key = hmac.new(self._hmac_secret, key, hashlib.sha256).hexdigest()
        return optional.kafka_key.encode()

    def _second_of(self, now: int) -> tuple[int, bytes]:
        """Return the start of the present second, and its text in RFC 3339 without the zone; remember both."""
        seconds = now // _SECOND
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode()
        self._last_second = second = seconds * _SECOND, text
        return second


def _encoded(optional: OptionalFields) -> bytes:
    try:
        encoded = _encode_fields(optional)
        if optional.metadata:
            require_exact(optional.metadata)
    except _UNFIT:
        # The foreign error may quote the value, so it is not chained.
        raise explain(optional.metadata, "metadata") from None
    return encoded


def _correlate(span: trace.Span, optional: OptionalFields) -> str | None:
    """Record an OpenTelemetry span in the event; return it as W3C ``traceparent``, or None if there is no span."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    optional.trace_id = trace.format_trace_id(context.trace_id)
    optional.span_id = trace.format_span_id(context.span_id)
    optional.trace_flags = int(context.trace_flags)
    return f"00-{optional.trace_id}-{optional.span_id}-{optional.trace_flags:02x}"
