"""Writes events that have more than type, payload and a plain user: fields, features, a span, or something to adjust."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from opentelemetry import trace

from telemetry.audit.accept.draft.adjuster import MAX_USER_ID, Adjuster, Unfit
from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.fields import RESERVED, OptionalFields, checked_fields, dedup_of, shorten
from telemetry.audit.accept.draft.json_exact import encode_exact
from telemetry.audit.accept.draft.readable import cut_json
from telemetry.audit.accept.draft.scrubbing import Scrubbing
from telemetry.audit.accept.draft.stamps import Stamps
from telemetry.audit.accept.subject.draft import Slices, SubjectDraft, content_after, take_open_fields
from telemetry.exceptions import EventTooLargeError
from telemetry.format.value.features import SUBJECT
from telemetry.format.value.message import CLEAR_ATTRIBUTES
from telemetry.format.value.template import EventTemplate, TypeSlices

ANONYMOUS = "anonymous"
"""User id of an event without a user."""

_NO_CLEAR_FIELDS: dict[str, Any] = {}
_SHORT = 256
"""Most characters of a context field of an event that would be too large otherwise."""
_MAX_SLICES = 1_024

_encode = msgspec.json.Encoder().encode


class LogCall(NamedTuple):
    """The arguments of one call of ``log()``.

    Attributes:
        event_type: What happened, checked.
        payload: Any value.
        user_id: User, or None.
        rendered_user: JSON and Kafka key of the user, where they are known.
        fields: The other keyword arguments.
        context: What the context says; an argument goes before it.
        unfit: What happens to what does not fit.
        caller: Whose ``idempotency_key`` it is.
        catalog: The event's member ``catalog``, where its type is declared.
    """

    event_type: str
    payload: Any
    user_id: Any
    rendered_user: tuple[bytes, bytes] | None
    fields: Mapping[str, Any]
    context: Mapping[str, Any]
    unfit: Unfit
    caller: str | None
    catalog: msgspec.Raw | None = None

    def all_fields(self) -> Mapping[str, Any]:
        """Return the arguments and what the context adds to them."""
        if not self.context:
            return self.fields
        return {**self.context, **{name: value for name, value in self.fields.items() if value is not None}}


class FullEvents:
    """Writes events with optional fields.

    Args:
        template: Constant slices of the service's events.
        constants: Service name, environment and version.
        max_length: Most bytes of an event as JSON.
        hmac_secret: Set for ``key_mode="hmac"``.
        clear_fields: Event fields to project outside the sealed part.
        scrubbing: Scrubs the events of which it is asked.
        has_subjects: Whether the content of events is sealed under a key of their subject.
    """

    def __init__(
        self,
        template: EventTemplate,
        *,
        constants: Mapping[str, str],
        max_length: int,
        hmac_secret: bytes | None,
        clear_fields: tuple[str, ...],
        scrubbing: Scrubbing,
        has_subjects: bool = False,
    ) -> None:
        self._has_subjects = has_subjects
        self._template = template
        self._constants = constants
        self._max_length = max_length
        self._hmac_secret = hmac_secret
        self._clear = {name: field for name, field in CLEAR_ATTRIBUTES.items() if field in clear_fields}
        self._scrubbing = scrubbing
        self._slices: dict[tuple[str, tuple[str, ...]], TypeSlices] = {}

    def draft(self, call: LogCall, stamps: Stamps) -> EventDraft:
        """Return the event.

        An event that is too large because of its context gets shorter texts; with ``unfit="repr"`` a beginning stands for
        its payload, metadata and changes as well.

        Raises:
            EventError: An argument has the wrong type or value, or the payload is no JSON and is refused.
            EventTooLargeError: The event is too large.
        """
        try:
            payload, is_exact = encode_exact(call.payload), True
        except Exception:  # noqa: BLE001 - a value's own code may raise anything
            payload, is_exact = Adjuster(unfit=call.unfit).json("payload", call.payload), False
        if self._is_scrubbed(call):
            given, payload = payload, self._scrubbing.json(payload)
            is_exact = is_exact and payload is given
        draft = self._written(call, payload, Adjuster(unfit=call.unfit), stamps, is_exact=is_exact)
        size = len(draft.json_after_sequence)
        if size > self._max_length and (call.fields or call.context):
            short = Adjuster(limit=_SHORT, unfit=call.unfit)
            draft = self._written(call, payload, short, stamps, is_exact=is_exact)
        if len(draft.json_after_sequence) > self._max_length and call.unfit == "repr":
            cut, short = msgspec.json.encode(cut_json(payload)), Adjuster(limit=_SHORT, unfit="repr")
            draft = self._written(call, cut, short, stamps, is_exact=False, is_cut=True)
        if len(draft.json_after_sequence) > self._max_length:
            message = f"the event has {size - 1} bytes as JSON; max_event_bytes is {self._max_length - 1}"
            raise EventTooLargeError(message)
        return draft

    def _written(
        self,
        call: LogCall,
        payload: bytes,
        adjuster: Adjuster,
        stamps: Stamps,
        *,
        is_exact: bool,
        is_cut: bool = False,
    ) -> EventDraft:
        template = self._template
        if not is_exact:
            adjuster.adjusted.add("payload")
        # 1. The fields, and the user; what the digest of an idempotency key covers is complete then.
        fields = self._checked(call, call.all_fields(), adjuster)
        if is_cut:
            shorten(fields, adjuster)
        sealed_user, key = call.rendered_user or self._user(call, fields, adjuster)
        if "idempotency_key" in call.fields:
            self._add_dedup(call, fields, adjuster, sealed_user + payload)
        fields.catalog = call.catalog
        if adjuster.adjusted:
            fields.adjusted = sorted(adjuster.adjusted)
        # 2. What depends on the service and on the moment.
        if self._has_subjects and not call.event_type.startswith(RESERVED):
            return self._with_subject(call, payload, fields, stamps, user=(sealed_user, key))
        if self._hmac_secret is not None:
            key = _hidden_key(key, self._hmac_secret, fields)
        traceparent = _correlate(trace.get_current_span(), fields)
        clear = self._projected(sealed_user, fields) if self._clear else _NO_CLEAR_FIELDS
        # 3. The slices, in the order of the text.
        sealed_type, clear_type, _ = self._slices_of(call.event_type, fields.features())
        event_id, id_and_time = stamps.next()
        end = template.end_with(_encode(fields))
        after_sequence = b"".join((id_and_time, sealed_type, sealed_user, template.before_payload, payload, end))
        tail = template.clear_tail(clear_type, traceparent, clear)
        return EventDraft(event_id, key, after_sequence, id_and_time, tail, template.is_disclosable)

    def _with_subject(
        self, call: LogCall, payload: bytes, fields: OptionalFields, stamps: Stamps, *, user: tuple[bytes, bytes]
    ) -> SubjectDraft:
        """Return an event whose content is sealed under the key of its subject, the user."""
        template, (sealed_user, key) = self._template, user
        traceparent = _correlate(trace.get_current_span(), fields)
        clear = self._projected(sealed_user, fields) if self._clear else _NO_CLEAR_FIELDS
        sealed_type, clear_type, _ = self._slices_of(call.event_type, (*fields.features(), SUBJECT))
        event_id, id_and_time = stamps.next()
        beside = Slices(sealed_type, template.before_payload, template.end).beside(
            id_and_time, take_open_fields(fields)
        )
        return SubjectDraft(
            event_id,
            key,
            content_after(beside, sealed_user, payload, fields),
            id_and_time,
            template.clear_tail(clear_type, traceparent, clear),
            template.is_disclosable,
            user_id=template.user_of(key),
            content_at=len(beside),
        )

    def _is_scrubbed(self, call: LogCall) -> bool:
        # The usual call says nothing of it.
        return (self._scrubbing.by_default or "scrub" in call.fields) and self._scrubbing.is_due(call.fields)

    def _checked(self, call: LogCall, given: Mapping[str, Any], adjuster: Adjuster) -> OptionalFields:
        fields = checked_fields(given, adjuster)
        if self._is_scrubbed(call):
            self._scrubbing.fields(fields, adjuster)
        return fields

    def _user(self, call: LogCall, fields: OptionalFields, adjuster: Adjuster) -> tuple[bytes, bytes]:
        """Return the JSON and the Kafka key of the user."""
        # With its full length always: the events of one user have one Kafka key.
        of_user = Adjuster(unfit=call.unfit)
        user = user_text(call.user_id, of_user)
        if call.user_id is None:
            fields.actor_type = fields.actor_type or ANONYMOUS
        adjuster.adjusted |= of_user.adjusted
        return self._template.of_user(user), self._template.key_of(user)

    def _add_dedup(self, call: LogCall, fields: OptionalFields, adjuster: Adjuster, content: bytes) -> None:
        value = call.fields.get("idempotency_key")
        if value is not None:
            # Not what the context adds: another request may repeat the call.
            own = fields
            if call.context:
                own = self._checked(call, call.fields, Adjuster(unfit=call.unfit))
                own.actor_type = fields.actor_type if call.user_id is None else own.actor_type
            given = b"%b\x00%b\x00%b" % (call.event_type.encode(), content, _encode(own))
            fields.dedup = dedup_of(value, given=given, adjuster=adjuster, caller=call.caller)

    def _projected(self, sealed_user: bytes, fields: OptionalFields) -> dict[str, Any]:
        """Return the fields to project outside, and record inside the event which they are."""
        own = {**self._constants, "user_id": msgspec.Raw(sealed_user)}
        values = {name: own.get(field, getattr(fields, field, None)) for name, field in self._clear.items()}
        clear = {name: value for name, value in values.items() if value is not None}
        fields.clear_fields = [self._clear[name] for name in clear] or None
        return clear

    def _slices_of(self, event_type: str, features: tuple[str, ...]) -> TypeSlices:
        """Return the slices of an event type and features; they are remembered, since an application has few."""
        slices = self._slices.get((event_type, features))
        if slices is None:
            slices = self._template.of_type(event_type, features=features)
            if len(self._slices) < _MAX_SLICES:
                self._slices[event_type, features] = slices
        return slices


def user_text(user_id: Any, adjuster: Adjuster | None = None) -> str:
    """Return the user id of an event as it is written.

    Args:
        user_id: As for ``log()``; None if nobody is known.
        adjuster: Makes it fit.

    Raises:
        EventError: It has no plain text form.
    """
    if user_id is None:
        return ANONYMOUS
    return (adjuster or Adjuster()).text("user_id", user_id, MAX_USER_ID)


def _hidden_key(key: bytes, secret: bytes, fields: OptionalFields) -> bytes:
    """Return the Kafka key of ``key_mode="hmac"``; the event carries it, since a reader cannot derive it."""
    fields.kafka_key = hmac.new(secret, key, hashlib.sha256).hexdigest()
    return fields.kafka_key.encode()


def _correlate(span: trace.Span, fields: OptionalFields) -> str | None:
    """Record an OpenTelemetry span in the event; return it as W3C ``traceparent``, or None if there is no span."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    fields.trace_id = trace.format_trace_id(context.trace_id)
    fields.span_id = trace.format_span_id(context.span_id)
    fields.trace_flags = int(context.trace_flags)
    return f"00-{fields.trace_id}-{fields.span_id}-{fields.trace_flags:02x}"
