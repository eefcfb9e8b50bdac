"""Events of a service that has a catalogue."""

from __future__ import annotations

import json
import logging
from typing import Any, Literal

import pytest

from telemetry.audit.accept.draft.declared_events import DeclaredEvents
from telemetry.audit.accept.draft.fields import OwnEventType
from telemetry.catalog import AuditCatalog, Event
from telemetry.catalog.scrubber import SCRUBBED
from telemetry.context import audit_context
from telemetry.exceptions import EventError
from tests.unit.catalog.shop_catalog import MailSent, OrderRefunded, catalog


class Plain(Event):
    number: int = 0


def factory(declared: AuditCatalog = catalog) -> DeclaredEvents:
    return DeclaredEvents(declared, service_name="shop", environment="test", version="", max_event_bytes=100_000)


def written(
    event_type: Any,
    payload: Any,
    *,
    unfit: Literal["refuse", "repr"] = "refuse",
    drafts: DeclaredEvents | None = None,
    **fields: Any,
) -> Any:
    draft = (drafts or factory()).draft(event_type, payload, "ada", fields, unfit)
    return json.loads(b"{" + draft.json_after_sequence[1:])


def open_catalog(unknown: Literal["warn", "allow", "refuse"]) -> AuditCatalog:
    declared = AuditCatalog("open", version=1, unknown=unknown)
    declared.event("plain")(Plain)
    return declared


def test_declared_event_names_its_catalogue() -> None:
    event = written("order.refunded", {"order_id": 7, "amount": "9.90", "why": "ticket"})
    kind = catalog.find("order.refunded")

    assert kind is not None
    assert event["payload"] == {"order_id": 7, "amount": "9.90"}
    assert (event["entity"], event["entity_id"], event["reason"]) == ("order", "7", "ticket")
    assert event["catalog"] == {
        "name": "shop",
        "version": "3",
        "schema": kind.reference.schema,
        "retention": "7y",
    }
    assert (event["schema_version"], event["features"]) == (2, ["catalog", "reason"])


def test_call_says_more_than_the_type() -> None:
    event = written("order.refunded", {"order_id": 7, "amount": "1", "why": "a"}, reason="b", entity=None, source="job")

    assert (event["reason"], event["entity"], event["source"]) == ("b", "order", "job")


def test_misfit_is_refused_and_not_logged() -> None:
    with pytest.raises(EventError, match=r"payload\.order_id"):
        written("order.refunded", {"order_id": "7", "amount": "1"})


def test_misfit_that_must_be_logged_is_masked_and_marked(caplog: pytest.LogCaptureFixture) -> None:
    drafts = factory()
    payload = {"to": "ada@example.com", "copies": 7, "canary": 1}
    with caplog.at_level(logging.WARNING, "telemetry.audit"):
        for _ in range(3):
            draft = drafts.draft("mail.sent", payload, "ada", {"adjusted": ["reason"]}, "repr")
    event = json.loads(b"{" + draft.json_after_sequence[1:])

    assert event["payload"] == {"to": "****", "copies": 7, "canary": 1}
    assert event["adjusted"] == ["payload", "reason"]
    assert event["catalog"] == {"name": "shop", "version": "3"}
    assert len(caplog.records) == 1
    assert "ada" not in caplog.text


@pytest.mark.parametrize("payload", ["ada@example.com", ["ada@example.com"], Plain(), None])
def test_misfit_without_names_is_not_shown(payload: Any) -> None:
    assert written("mail.sent", payload, unfit="repr")["payload"] == SCRUBBED


def test_misfit_with_a_forbidden_secret_is_not_shown() -> None:
    event = written("profile.viewed", {"profile": 1, "code": "canary"}, unfit="repr")

    assert event["payload"] == SCRUBBED


def test_undeclared_type_is_refused_with_a_hint() -> None:
    with pytest.raises(EventError, match=r"not declared in the catalogue 'shop'; did you mean 'order.refunded'\?"):
        written("order.refundet", {})


def test_undeclared_type_is_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    drafts = factory(open_catalog("warn"))
    with caplog.at_level(logging.WARNING, "telemetry.audit"):
        for _ in range(3):
            event = json.loads(b"{" + drafts.draft("other", {"a": 1}, "ada").json_after_sequence[1:])

    assert event["payload"] == {"a": 1}
    assert event["schema_version"] == 1
    assert len(caplog.records) == 1


def test_undeclared_type_is_allowed_silently(caplog: pytest.LogCaptureFixture) -> None:
    assert factory(open_catalog("allow")).draft("other", {"a": 1}, "ada").id
    assert caplog.records == []


def test_typed_event_of_another_type_is_refused() -> None:
    with pytest.raises(EventError, match="declared for another type"):
        factory(open_catalog("allow")).draft("other", Plain(), "ada")
    with pytest.raises(EventError):
        written("order.refunded", MailSent(to="ada"))


def test_own_events_need_no_declaration() -> None:
    assert factory().draft(OwnEventType("telemetry.started"), {}, "telemetry").id


@pytest.mark.parametrize("event_type", [None, 7, "", "x" * 256])
def test_unfit_type_is_refused_as_without_a_catalogue(event_type: Any) -> None:
    with pytest.raises(EventError):
        written(event_type, {})


def test_repeat_is_recognized_across_versions_of_a_catalogue() -> None:
    def dedup(version: int) -> Any:
        declared = AuditCatalog("c", version=version)
        declared.event("plain")(Plain)
        draft = factory(declared).draft("plain", {"number": 1}, "ada", {"idempotency_key": "k"})
        return json.loads(b"{" + draft.json_after_sequence[1:])["dedup"]

    assert dedup(1) == dedup(2)


def test_typed_event_is_checked_when_it_is_logged() -> None:
    with pytest.raises(EventError, match=r"payload\.order_id"):
        written("order.refunded", OrderRefunded(order_id="7", amount=1))  # type: ignore[arg-type]


def test_event_in_fewer_steps_is_the_same_event() -> None:
    def event(**fields: Any) -> Any:
        body = written("constant", {"number": 1}, drafts=drafts, **fields)
        for name in ("id", "time"):
            del body[name]
        return body

    declared = AuditCatalog("c", version=1)
    declared.event("constant", entity="order", action="update", outcome="success", retention="1y")(Plain)
    drafts = factory(declared)
    short, full = event(), event(sensitive=None)

    assert short == full
    assert list(short) == list(full)
    assert (short["outcome"], short["features"]) == ("success", ["catalog"])
    with audit_context(reason="ticket"):
        assert event()["reason"] == "ticket"
