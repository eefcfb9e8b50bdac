"""What a type requires of its events, and what happens where that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from telemetry import Telemetry
from telemetry.audit.service import AuditService
from telemetry.catalog import AuditCatalog, Event
from telemetry.config.event_policy import EventPolicyConfig
from telemetry.exceptions import ConfigurationError, EventError, LifecycleError
from telemetry.sync import Telemetry as BlockingTelemetry
from telemetry.testing import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig
from tests.unit.catalog.shop_catalog import MailSent, OrderRefunded, ProfileViewed, catalog

CONFIG = TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))


class Large(Event):
    text: str


strict = AuditCatalog("strict", version=1, unknown="allow")
strict.event("counted", on_failure="count")(type("Counted", (Large,), {}))
strict.event("in_outbox", delivery="transactional")(type("InOutbox", (Large,), {}))
strict.event("delivered", delivery="delivered")(type("Delivered", (Large,), {}))


@pytest.fixture
def started(captured_events: CapturedEvents) -> Iterator[BlockingTelemetry]:
    with BlockingTelemetry(CONFIG, catalog=catalog) as telemetry:
        yield telemetry


def test_emitted_event_is_as_its_class_says(started: BlockingTelemetry, captured_events: CapturedEvents) -> None:
    started.audit.emit(OrderRefunded(order_id=7, amount=1), "ada")  # type: ignore[arg-type]
    started.audit.emit(MailSent(to="ada@example.com"), user_id="ada", tenant_id="acme")

    captured_events.one("order.refunded", entity="order", entity_id=7, user_id="ada")
    event = captured_events.one("mail.sent", payload={"to": "****"}, tenant_id="acme")
    assert event.catalog is not None
    assert event.catalog.name == "shop"


async def test_emit_is_awaited_like_a_log(captured_events: CapturedEvents) -> None:
    async with Telemetry(CONFIG, catalog=catalog) as telemetry:
        receipt = await telemetry.audit.emit(ProfileViewed(profile=1), user_id=None)

    assert receipt.is_accepted
    captured_events.one("profile.viewed", user_id="anonymous")


def test_typed_event_without_a_catalogue_is_refused(captured_events: CapturedEvents) -> None:
    with BlockingTelemetry(CONFIG) as telemetry:
        assert type(telemetry.audit) is AuditService
        with pytest.raises(EventError, match="catalog=catalog"):
            telemetry.audit.emit(MailSent(to="ada"), "ada")
        with pytest.raises(EventError, match="typed event"):
            telemetry.audit.log("mail.sent", MailSent(to="ada"), "ada")
        telemetry.audit.log("mail.sent", MailSent(to="ada"), "ada", unfit="repr")

    assert captured_events.one("mail.sent").payload == "MailSent()"


def test_policies_of_the_configuration_need_no_catalogue(captured_events: CapturedEvents) -> None:
    audit = AuditConfig(kafka_brokers="memory:", event_policies=(EventPolicyConfig(type="a.*", on_failure="block"),))
    with BlockingTelemetry(TelemetryConfig(environment="test", audit_config=audit)) as telemetry:
        telemetry.audit.log("a.b", {}, "ada")
        with pytest.raises(EventError, match="catalog=catalog"):
            telemetry.audit.emit(MailSent(to="ada"), "ada")

    captured_events.one("a.b")


def test_transactional_type_is_refused_by_log(captured_events: CapturedEvents) -> None:
    with BlockingTelemetry(CONFIG, catalog=strict) as telemetry, pytest.raises(EventError, match="outbox"):
        telemetry.audit.log("in_outbox", {"text": ""}, "ada")
    captured_events.none("in_outbox")


def test_call_waits_for_the_level_of_its_type(captured_events: CapturedEvents) -> None:
    with BlockingTelemetry(CONFIG, catalog=strict) as telemetry:
        receipt = telemetry.audit.log("delivered", {"text": ""}, "ada", wait_for="accepted")
        with pytest.raises(EventError, match="wait_for must be"):
            telemetry.audit.log("delivered", {"text": ""}, "ada", wait_for="soon")  # type: ignore[arg-type]

    assert receipt._asked == 2
    captured_events.one("delivered")


def test_counted_failure_is_lost_and_not_raised(captured_events: CapturedEvents) -> None:
    with BlockingTelemetry(CONFIG, catalog=strict) as telemetry:
        receipt = telemetry.audit.log("counted", {"text": 7}, "ada")
        stats = telemetry.audit.get_audit_stats()

    assert isinstance(receipt.error, EventError)
    assert (stats.lost, stats.refused, stats.logged) == (1, 1, 0)
    assert asyncio.run(receipt) is receipt
    assert receipt.wait() is receipt
    with pytest.raises(EventError):
        receipt.wait_delivered()
    assert list(captured_events) == []


def test_counted_type_before_start_raises() -> None:
    with pytest.raises(LifecycleError):
        BlockingTelemetry(CONFIG, catalog=strict).audit.log("counted", {"text": ""}, "ada")


def test_catalogue_of_another_type_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="give an AuditCatalog"):
        BlockingTelemetry(CONFIG, catalog="shop")  # type: ignore[arg-type]
