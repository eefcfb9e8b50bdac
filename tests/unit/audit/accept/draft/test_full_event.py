"""Events with fields; what each argument becomes is in test_factory.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.full_event import FullEvents, LogCall
from telemetry.audit.accept.draft.scrubbing import Scrubbing
from telemetry.audit.accept.draft.stamps import Stamps
from telemetry.exceptions import EventError
from telemetry.format.value.template import EventTemplate


def drafted(call: LogCall, **changes: Any) -> EventDraft:
    values: dict[str, Any] = {
        "constants": {"service_name": "shop", "environment": "test", "version": ""},
        "max_length": 100_000,
        "hmac_secret": None,
        "clear_fields": (),
        "scrubbing": Scrubbing(),
    }
    events = FullEvents(EventTemplate(service_name="shop", environment="test", version=""), **{**values, **changes})
    return events.draft(call, Stamps())


def call(user_id: Any = "ada", **fields: Any) -> LogCall:
    return LogCall("t", {}, user_id, None, fields, {}, "refuse", None)


def test_fields_follow_the_payload() -> None:
    body = json.loads(b"{" + drafted(call(session_id="s", ticket=7)).json_after_sequence[1:])

    assert list(body)[-3:] == ["payload", "session_id", "metadata"]
    assert body["schema_version"] == 1


def test_projected_fields_are_outside_too() -> None:
    draft = drafted(call(tenant_id="acme"), clear_fields=("tenant_id", "session_id"))

    assert b'"tenantid":"acme"' in draft.clear_tail
    assert b"session" not in draft.clear_tail
    assert b'"clear_fields":["tenant_id"]' in draft.json_after_sequence


def test_key_of_an_adjusted_user_is_the_same_each_time() -> None:
    first, second = (drafted(call("x" * 2_000, session_id=str(number)), hmac_secret=b"secret") for number in range(2))

    assert first.key == second.key
    assert json.loads(b"{" + first.json_after_sequence[1:])["adjusted"] == ["user_id"]


def test_caller_names_what_it_has_changed_itself() -> None:
    body = json.loads(b"{" + drafted(call(adjusted=["payload"], session_id="")).json_after_sequence[1:])

    assert body["adjusted"] == ["payload", "session_id"]
    assert "metadata" not in body


@pytest.mark.parametrize("names", [["nothing"], "payload", 7, [{}]])
def test_unknown_name_of_a_changed_member_is_refused(names: Any) -> None:
    with pytest.raises(EventError):
        drafted(call(adjusted=names))
