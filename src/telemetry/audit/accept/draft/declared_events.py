"""Checks each event by the catalogue of the service before it is written."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from opentelemetry.context import get_current

from telemetry.audit.accept.draft.adjuster import Adjuster, Unfit
from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.draft.fields import OwnEventType, checked_fields
from telemetry.audit.accept.draft.readable import encode_readable
from telemetry.catalog.catalog import AuditCatalog
from telemetry.catalog.event_type import Checked, EventType
from telemetry.catalog.scrubber import SCRUBBED
from telemetry.context import FROM_CONTEXT, context_values
from telemetry.exceptions import EventError

logger = logging.getLogger("telemetry.audit")

_MAX_WARNED = 1_024

_encode = msgspec.json.Encoder().encode


class DeclaredEvents(EventFactory):
    """The factory of a service that has a catalogue.

    Args:
        catalog: The declared types.
        personal_secret: Key of the HMAC of personal values, where a type needs one.
        **rest: As for ``EventFactory``.
    """

    def __init__(self, catalog: AuditCatalog, *, personal_secret: bytes | None = None, **rest: Any) -> None:
        super().__init__(**rest)
        self._catalog = catalog
        self._personal_secret = personal_secret
        self._warned: set[str] = set()
        self._short: dict[str, tuple[bytes, bytes, bytes]] = {}
        for kind in catalog:
            kind.prepare()

    def draft(
        self,
        event_type: str,
        payload: Any,
        user_id: Any = FROM_CONTEXT,
        fields: Mapping[str, Any] | None = None,
        unfit: Unfit = "refuse",
        *,
        caller: str | None = None,
        catalog: msgspec.Raw | None = None,
    ) -> EventDraft:
        """Return the event; arguments and errors as :meth:`EventFactory.draft`.

        Raises:
            EventError: The type is not declared and such types are refused, or the payload does not fit its class.
        """
        fields = fields or {}
        if isinstance(event_type, str) and not isinstance(event_type, OwnEventType):
            kind = self._catalog.find(str.__str__(event_type))
            if kind is None:
                self._allow_unknown(str.__str__(event_type), payload)
            else:
                checked, catalog = self._checked(kind, payload, unfit)
                payload = checked.payload
                if not fields and checked.fields is kind.given:
                    draft = self._short_draft(kind, payload, user_id)
                    if draft is not None:
                        return draft
                fields = _merged(checked.fields, fields)
        return super().draft(event_type, payload, user_id, fields, unfit, caller=caller, catalog=catalog)

    def _short_draft(self, kind: EventType, payload: Any, user_id: Any) -> EventDraft | None:
        """Return an event whose only fields are those of its type, in fewer steps; None if more is due."""
        if self._always_full or type(user_id) is not str or context_values() or get_current():
            return None
        user = self._users.get(user_id) or self._plain_user(user_id)
        if user is None:
            return None
        sealed_type, clear_tail, end = self._short.get(kind.name) or self._render(kind)
        return self._plain_draft(payload, user, sealed_type, clear_tail, end)

    def _render(self, kind: EventType) -> tuple[bytes, bytes, bytes]:
        """Return sealed type, clear tail and end of the events of a type; they are remembered, since types are few."""
        # As the full event would check and write them.
        fields = checked_fields(kind.given, Adjuster())
        fields.catalog = kind.encoded_reference
        sealed_type, _, clear_tail = self._template.of_type(kind.name, features=fields.features())
        rendered = self._short[kind.name] = sealed_type, clear_tail, self._template.end_with(_encode(fields))
        return rendered

    def _checked(self, kind: EventType, payload: Any, unfit: Unfit) -> tuple[Checked, msgspec.Raw]:
        try:
            return kind.check(payload, self._personal_secret), kind.encoded_reference
        except EventError:
            if unfit == "refuse":
                raise
        # The caller must not be refused: what can be recognized by name is masked, and the event does not claim a schema.
        self._warn_once(
            kind.name, "a payload of the type %r does not fit its class; it is logged all the same, and marked"
        )
        return _unfit(kind, payload, self._personal_secret), kind.encoded_misfit

    def _allow_unknown(self, event_type: str, payload: Any) -> None:
        if self._catalog.declares(type(payload)):
            message = f"payload is a {type(payload).__name__}, which is declared for another type; use emit()"
            raise EventError(message)
        if self._catalog.unknown == "allow":
            return
        if self._catalog.unknown == "warn":
            self._warn_once(event_type, "events of the type %r are logged, but the catalogue does not declare it")
            return
        near = difflib.get_close_matches(event_type, [kind.name for kind in self._catalog], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        message = f"event_type is not declared in the catalogue {self._catalog.name!r}{hint}"
        raise EventError(message)

    def _warn_once(self, event_type: str, message: str) -> None:
        if event_type in self._warned or len(self._warned) >= _MAX_WARNED:
            return
        self._warned.add(event_type)
        logger.warning(message, event_type[:255])


def _merged(declared: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a call; what the call says goes before what the type says."""
    if not given:
        return dict(declared)
    merged = {**declared, **{name: value for name, value in given.items() if value is not None}}
    if "adjusted" in declared and given.get("adjusted") is not None:
        merged["adjusted"] = [*declared["adjusted"], *given["adjusted"]]
    return merged


def _unfit(kind: EventType, payload: Any, secret: bytes | None) -> Checked:
    """Return what is logged of a payload that does not fit its class."""
    plain = msgspec.json.decode(encode_readable(payload))
    checked = Checked(plain if kind.rule is None else SCRUBBED, {})
    if isinstance(plain, dict):
        try:
            checked = kind.disclose(plain, secret)
        except EventError:
            checked = Checked(SCRUBBED, {})
    return Checked(checked.payload, {**checked.fields, "adjusted": ["payload"]})
