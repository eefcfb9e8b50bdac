"""An event in fewer steps is the event that all steps give."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.draft.fields import OwnEventType
from telemetry.audit.accept.subject.draft import SubjectDraft
from telemetry.context import audit_context
from telemetry.exceptions import EventError, EventTooLargeError


def factory_of(*features: str, limit: int = 1_024) -> EventFactory:
    # A clock that stays: only the ids differ.
    return EventFactory(
        service_name="shop",
        environment="production",
        version="3",
        max_event_bytes=limit,
        features=("subject", *features),
        hmac_secret=b"of the library's own events",
        wall_clock=lambda: 1_700_000_000_000_000_000,
    )


def without_id(draft: SubjectDraft) -> tuple[Any, ...]:
    text = draft.json_after_sequence.replace(draft.id.encode(), b"ID")
    return text, draft.key, draft.clear_tail, draft.user_id, draft.content_at, draft.is_disclosable


@pytest.mark.parametrize("features", [(), ("hidden-type",), ("disclosable",)])
@pytest.mark.parametrize("payload", [None, {}, {"a": [1, "ü"]}, "text", 1.5])
@pytest.mark.parametrize("user_id", ["ada", "ü:shop", 'a"b'])
def test_same_event_in_fewer_steps(features: tuple[str, ...], payload: Any, user_id: str) -> None:
    factory = factory_of(*features)
    # The first event of a type takes all steps.
    full, plain = (factory.draft("order.paid", payload, user_id) for _ in range(2))

    assert isinstance(full, SubjectDraft)
    assert isinstance(plain, SubjectDraft)
    assert without_id(full) == without_id(plain)


def test_what_needs_more_steps_gets_them() -> None:
    factory = factory_of()
    factory.draft("order.paid", 1, "ada")

    with audit_context(session_id="s-1"):
        assert b'"session_id":"s-1"' in factory.draft("order.paid", 1, "ada").json_after_sequence
    assert b'"actor_type":"anonymous"' in factory.draft("order.paid", 1, None).json_after_sequence
    with pytest.raises(EventError, match="payload"):
        factory.draft("order.paid", object(), "ada")
    with pytest.raises(EventTooLargeError):
        factory.draft("order.paid", "x" * 1_000, "ada")


def test_own_type_is_no_subjects_event() -> None:
    factory = factory_of()
    for _ in range(2):
        assert not isinstance(factory.draft(OwnEventType("telemetry.read"), 1, "ada"), SubjectDraft)
    with pytest.raises(EventError, match="begins with"):
        factory.draft("telemetry.read", 1, "ada")
