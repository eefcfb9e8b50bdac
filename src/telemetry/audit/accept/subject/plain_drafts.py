"""Writes events with a subject that have type, payload and a plain user alone, in fewer steps than any other event."""

from __future__ import annotations

from typing import Any

from telemetry.audit.accept.draft.json_exact import encode_exact
from telemetry.audit.accept.draft.stamps import Stamps
from telemetry.audit.accept.subject.draft import Slices, SubjectDraft
from telemetry.format.value.features import SUBJECT
from telemetry.format.value.template import EventTemplate

_MAX_TYPES = 1_024
_CONTENT = b',"user_id":%b,"payload":%b}'


class PlainSubjectDrafts:
    """The events of one service that need nothing adjusted; called by many threads at once, as the factory is.

    Args:
        template: Constant slices of the service's events.
        max_length: Most bytes of an event as JSON.
    """

    def __init__(self, template: EventTemplate, *, max_length: int) -> None:
        self._template = template
        self._max_length = max_length
        self._types: dict[str, tuple[bytes, bytes]] = {}

    def draft(
        self, event_type: str, payload: Any, user_id: str, *, user: tuple[bytes, bytes], stamps: Stamps
    ) -> SubjectDraft | None:
        """Return an event; None if its payload is no JSON or makes it too large.

        Args:
            event_type: What happened, checked; none of the library's own types.
            payload: Any value.
            user_id: The subject.
            user: JSON of the user id, and the Kafka key as it would be in the clear.
            stamps: Ids and times.
        """
        try:
            encoded = encode_exact(payload)
        except Exception:  # noqa: BLE001 - a value's own code may raise anything; why it is unfit is said where it is refused
            return None
        after_time, clear_tail = self._types.get(event_type) or self._slices_of(event_type)
        event_id, id_and_time = stamps.next()
        beside = id_and_time + after_time
        text = beside + _CONTENT % (user[0], encoded)
        if len(text) > self._max_length:
            return None
        return SubjectDraft(
            event_id,
            user[1],
            text,
            id_and_time,
            clear_tail,
            self._template.is_disclosable,
            user_id=user_id,
            content_at=len(beside),
        )

    def _slices_of(self, event_type: str) -> tuple[bytes, bytes]:
        template = self._template
        sealed_type, _, clear_tail = template.of_type(event_type, features=(SUBJECT,))
        slices = Slices(sealed_type, template.before_payload, template.end).beside(b"", b"{}"), clear_tail
        if len(self._types) < _MAX_TYPES:
            self._types[event_type] = slices
        return slices
