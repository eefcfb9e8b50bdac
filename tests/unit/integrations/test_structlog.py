from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from telemetry.context import audit_context
from telemetry.integrations.structlog import AuditProcessor
from telemetry.sync import Telemetry
from telemetry.testing import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig
from tests.support.sqlalchemy_shop import Untellable

CONFIG = TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))


@pytest.fixture
def events(captured_events: CapturedEvents) -> Iterator[CapturedEvents]:
    with Telemetry(CONFIG):
        yield captured_events


def logger_with(processor: AuditProcessor, passed_on: list[dict[str, Any]]) -> Any:
    """Return a logger of structlog whose last processor keeps what it gets."""

    def keep(_: object, __: str, event_dict: Any) -> Any:
        passed_on.append(dict(event_dict))
        raise structlog.DropEvent

    processors: list[Any] = [structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level, processor, keep]
    return structlog.wrap_logger(None, processors=processors, wrapper_class=structlog.stdlib.BoundLogger)


def test_event_is_logged_and_passed_on(events: CapturedEvents) -> None:
    passed_on: list[dict[str, Any]] = []
    log = logger_with(AuditProcessor(), passed_on)

    log.warning(
        "refunded", user_id="ada", entity="order", entity_id=7, outcome="success", event_type="order.refunded", n=1
    )

    event = events.one("order.refunded", user_id="ada", entity="order", entity_id="7", outcome="success")
    assert event.payload == {"message": "refunded", "n": 1}
    assert (event.metadata or {})["severity"] == "warning"
    assert passed_on[0]["event"] == "refunded"
    assert passed_on[0]["n"] == 1


def test_when_selects_and_removes(events: CapturedEvents) -> None:
    passed_on: list[dict[str, Any]] = []
    log = logger_with(AuditProcessor(when=lambda values: values.pop("audit", False)), passed_on)

    log.info("plain")
    log.info("audited", audit=True)

    assert [each.payload for each in events] == [{"message": "audited"}]
    assert [each["event"] for each in passed_on] == ["plain", "audited"]
    assert "audit" not in passed_on[1]


def test_bound_context_names_the_user(events: CapturedEvents) -> None:
    log = logger_with(AuditProcessor(), [])
    with structlog.contextvars.bound_contextvars(user_id="ada", correlation_id="r-1"):
        log.info("bound")
    with audit_context(user_id="eve"):
        log.info("audit context")

    assert [(each.user_id, each.correlation_id) for each in events] == [("ada", "r-1"), ("eve", None)]


def test_failing_values_and_hooks_pass_on(events: CapturedEvents, caplog: pytest.LogCaptureFixture) -> None:
    passed_on: list[dict[str, Any]] = []

    def fail(_: object) -> bool:
        message = "CANARY"
        raise RuntimeError(message)

    processor = AuditProcessor(when=fail)
    logger_with(processor, passed_on).info("one")
    log = logger_with(AuditProcessor(), passed_on)
    log.info("two", thing=Untellable(), user_id=Untellable(), changes={"a": 1})
    log.info(Untellable())
    try:
        raise ValueError("broken")  # noqa: EM101, TRY301
    except ValueError as exc:
        log.exception("three")
        log.info("four", exc_info=exc)

    assert processor.failures == 1
    assert len(passed_on) == 5
    assert [each.payload["message"] for each in events] == ["two", "<Untellable>", "three", "four"]
    assert [each.payload.get("exception") for each in events][2:] == [{"type": "ValueError", "message": "broken"}] * 2
    assert "CANARY" not in caplog.text


def test_own_lines_of_logging_are_left_out(events: CapturedEvents) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        processor=structlog.processors.JSONRenderer(), foreign_pre_chain=[AuditProcessor()]
    )
    for name in ("telemetry.audit", "shop"):
        assert formatter.format(logging.makeLogRecord({"name": name, "msg": "x", "levelname": "INFO"}))

    assert [(each.metadata or {})["logger"] for each in events] == ["shop"]


async def test_async_methods_keep_the_context(events: CapturedEvents) -> None:
    log = logger_with(AuditProcessor(), [])
    with audit_context(user_id="ada"):
        await log.ainfo("from a thread")

    events.one("log.message", user_id="ada")


def test_nothing_started_is_counted() -> None:
    processor, passed_on = AuditProcessor(), list[dict[str, Any]]()
    logger_with(processor, passed_on).info("x")

    assert (processor.failures, len(passed_on)) == (1, 1)


def test_capture_of_structlog_still_works(events: CapturedEvents) -> None:
    with capture_logs() as captured:
        structlog.get_logger().info("x")

    assert captured == [{"event": "x", "log_level": "info"}]
