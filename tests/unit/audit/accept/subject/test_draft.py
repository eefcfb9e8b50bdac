"""A draft has the whole event, divided where its content begins."""

from __future__ import annotations

import json
from typing import Any

import pytest

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.subject.draft import SubjectDraft
from telemetry.exceptions import EventTooLargeError

CLEAR = ("action", "outcome", "sensitive", "actor_type", "occurred_at", "version", "environment", "service_name")


def drafted(user_id: Any = "ada", payload: Any = None, *, clear: tuple[str, ...] = (), **fields: Any) -> SubjectDraft:
    factory = EventFactory(
        service_name="shop",
        environment="production",
        version="3",
        max_event_bytes=1_024,
        features=("subject",),
        clear_fields=clear,
    )
    draft = factory.draft("order.paid", payload, user_id, fields)
    assert isinstance(draft, SubjectDraft)
    return draft


def parts(draft: SubjectDraft) -> tuple[dict[str, Any], dict[str, Any]]:
    text, at = draft.json_after_sequence, draft.content_at
    return json.loads(b"{" + text[1:at] + b"}"), json.loads(b"{" + text[at + 1 :])


def test_smallest_event() -> None:
    beside, content = parts(drafted())

    assert content == {"user_id": "ada", "payload": None}
    assert list(beside) == [
        *("id", "time", "schema_version", "features", "event_type", "service_name", "environment", "version")
    ]


def test_shown_fields_are_beside_the_content() -> None:
    fields: dict[str, Any] = {
        "action": "read",
        "outcome": "success",
        "sensitive": True,
        "actor_type": "user",
        "occurred_at": 1,
    }
    beside, content = parts(drafted(clear=CLEAR, **fields))
    assert content == {"user_id": "ada", "payload": None}
    assert set(fields) < set(beside)

    beside, content = parts(drafted(**fields))
    assert set(content) == {"user_id", "payload", *fields}


def test_adjusted_user_is_the_subject() -> None:
    for given, written in ((7, "7"), (None, "anonymous"), ("", None)):
        draft = drafted(given)
        _, content = parts(draft)
        assert draft.user_id == content["user_id"]
        assert written is None or draft.user_id == written
        assert draft.key == f"{draft.user_id}:shop".encode()


def test_limit_counts_the_whole_event() -> None:
    drafted(payload="x" * 600)
    with pytest.raises(EventTooLargeError):
        drafted(payload="x" * 1_000)


def test_repr_has_no_content() -> None:
    assert "ada" not in repr(drafted())
