"""Turns the arguments of ``log()`` into an event that lacks only its place in the producer's sequence."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
from opentelemetry.context import get_current

from telemetry.audit.accept.draft.adjusted import is_fit
from telemetry.audit.accept.draft.adjuster import MAX_USER_ID, Adjuster, Unfit
from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.fields import OwnEventType, checked_event_type, require_unreserved
from telemetry.audit.accept.draft.full_event import FullEvents, LogCall, user_text
from telemetry.audit.accept.draft.json_exact import encode_exact
from telemetry.audit.accept.draft.scrubbing import Scrubbing
from telemetry.audit.accept.draft.stamps import Stamps
from telemetry.audit.accept.subject.plain_drafts import PlainSubjectDrafts
from telemetry.context import FROM_CONTEXT, context_values
from telemetry.exceptions import EventError
from telemetry.format.value.features import SUBJECT
from telemetry.format.value.template import EventTemplate, TypeSlices

_REMEMBERED_TYPES = 1_024
_REMEMBERED_USERS = 4_096

_NO_FIELDS: Mapping[str, Any] = {}


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
        features: Features that every event uses; ``subject`` alone is not in the library's own events.
        scrubbing: Scrubs events; None scrubs those of calls that ask for it.
        wall_clock: Nanoseconds since the epoch.
        remembered_users: Users that are remembered as they are written, 256 bytes each.
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
        features: Collection[str] = (),
        scrubbing: Scrubbing | None = None,
        wall_clock: Callable[[], int] = time.time_ns,
        remembered_users: int = _REMEMBERED_USERS,
    ) -> None:
        self._remembered_users = remembered_users
        self._template = EventTemplate(
            service_name=service_name,
            environment=environment,
            version=version,
            features=frozenset(features) - {SUBJECT},
        )
        self._max_length = max_event_bytes + len(b",")  # what is measured begins with a comma
        self._stamps = Stamps(wall_clock)
        self._full = FullEvents(
            self._template,
            constants={"service_name": service_name, "environment": environment, "version": version},
            max_length=self._max_length,
            hmac_secret=hmac_secret,
            clear_fields=clear_fields,
            scrubbing=scrubbing or Scrubbing(),
            has_subjects=SUBJECT in features,
        )
        self._has_subjects = SUBJECT in features
        is_scrubbed = scrubbing is not None and scrubbing.by_default
        self._always_full = hmac_secret is not None or bool(clear_fields) or is_scrubbed or SUBJECT in features
        is_plain = SUBJECT in features and not clear_fields and not is_scrubbed
        self._plain_subjects = PlainSubjectDrafts(self._template, max_length=self._max_length) if is_plain else None
        self._types: dict[str, TypeSlices] = {}
        self._users: dict[str, tuple[bytes, bytes]] = {}

    def draft(
        self,
        event_type: str,
        payload: Any,
        user_id: Any,
        fields: Mapping[str, Any] = _NO_FIELDS,
        unfit: Unfit = "refuse",
        *,
        caller: str | None = None,
        catalog: msgspec.Raw | None = None,
    ) -> EventDraft:
        """Return the event, checked and encoded.

        Args:
            event_type: What happened.
            payload: Any JSON value.
            user_id: User whose event it is; None if nobody is known; ``FROM_CONTEXT`` if the context names it.
            fields: The other keyword arguments of ``log()``.
            unfit: What happens to values that JSON cannot express, and to an event that is too large: it is refused, or
                a text stands for what does not fit.
            caller: Whose ``idempotency_key`` it is, if several callers may give the same one.
            catalog: The event's member ``catalog``, where its type is declared.

        Raises:
            EventError: The event cannot be accepted; the message names the path, never the value.
            EventTooLargeError: The event is larger than ``max_event_bytes``.
        """
        context = _NO_FIELDS if isinstance(event_type, OwnEventType) else context_values()
        if context or user_id is FROM_CONTEXT:
            user_id, context = _resolved(user_id, fields, context)
        # The type is asked for first: a subclass of str may compare equal to a text and be written differently.
        slices = self._types.get(event_type) if type(event_type) is str else None
        sealed_type, _, clear_tail = slices or self._checked_type(event_type)
        user = (self._users.get(user_id) if type(user_id) is str else None) or self._plain_user(user_id)
        # An empty context has no span; asking for it takes half the time of asking for the span.
        if not (fields or context or catalog or self._always_full or user is None or get_current()):
            draft = self._plain_draft(payload, user, sealed_type, clear_tail, self._template.end)
            if draft is not None:
                return draft
        checked_type = event_type if slices is not None else checked_event_type(event_type)
        plain = self._plain_subjects
        if plain is not None and not (fields or context or catalog or user is None or get_current()):
            # Those of the library itself have no subject, and are not remembered either.
            subject_draft = (
                plain.draft(event_type, payload, user_id, user=user, stamps=self._stamps)
                if slices is not None
                else None
            )
            if subject_draft is not None:
                return subject_draft
        call = LogCall(checked_type, payload, user_id, user, fields, context, unfit, caller, catalog)
        return self._full.draft(call, self._stamps)

    def subject_of(self, user_id: Any) -> str | None:
        """Return the subject of an event with this user, as :meth:`draft` writes it; None where subjects have no keys.

        Args:
            user_id: As for :meth:`draft`.
        """
        if not self._has_subjects:
            return None
        if user_id is FROM_CONTEXT:
            user_id = context_values().get("user_id", FROM_CONTEXT)
        return None if user_id is FROM_CONTEXT else user_text(user_id, Adjuster(unfit="repr"))

    def _plain_draft(
        self, payload: Any, user: tuple[bytes, bytes], sealed_type: bytes, clear_tail: bytes, end: bytes
    ) -> EventDraft | None:
        """Return an event without fields of its own; None if its payload is no JSON or makes it too large."""
        try:
            encoded = encode_exact(payload)
        except Exception:  # noqa: BLE001 - a value's own code may raise anything; why it is unfit is said where it is refused
            return None
        sealed_user, key = user
        event_id, id_and_time = self._stamps.next()
        template = self._template
        after_sequence = b"".join((id_and_time, sealed_type, sealed_user, template.before_payload, encoded, end))
        if len(after_sequence) > self._max_length:
            return None
        return EventDraft(event_id, key, after_sequence, id_and_time, clear_tail, template.is_disclosable)

    def _checked_type(self, event_type: Any) -> TypeSlices:
        """Check an event type and return its slices; they are remembered, since an application has few types."""
        text = checked_event_type(event_type)
        slices = self._template.of_type(text)
        if isinstance(event_type, OwnEventType):
            return slices  # not remembered: the same text of an application is refused
        require_unreserved(text)
        if len(self._types) < _REMEMBERED_TYPES:
            self._types[text] = slices
        return slices

    def _plain_user(self, user_id: Any) -> tuple[bytes, bytes] | None:
        """Return the JSON and the Kafka key of a user id that needs no adjusting, else None.

        The users of the last while are remembered.
        """
        if type(user_id) is not str or not is_fit(user_id, MAX_USER_ID):
            return None
        rendered = self._template.of_user(user_id), self._template.key_of(user_id)
        if len(self._users) >= self._remembered_users:
            self._users.clear()
        self._users[user_id] = rendered
        return rendered


def _resolved(user_id: Any, fields: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """Return the user, and the other fields of the context; the context's user is the actor of another user's event."""
    others = {name: value for name, value in context.items() if name != "user_id"}
    named = context.get("user_id", FROM_CONTEXT)
    if user_id is FROM_CONTEXT:
        if named is FROM_CONTEXT:
            message = "user_id is missing: give it, or log inside `with audit_context(user_id=...)`"
            raise EventError(message)
        return named, others
    has_actor = fields.get("actor_id") is not None or others.get("actor_id") is not None
    if not has_actor and named is not FROM_CONTEXT and named is not None and not _is_same(named, user_id):
        others["actor_id"] = named
    return user_id, others


def _is_same(one: Any, other: Any) -> bool:
    if one is other or other is None:
        return one is other
    text = Adjuster(unfit="repr").text
    return text("user_id", one, MAX_USER_ID) == text("user_id", other, MAX_USER_ID)
