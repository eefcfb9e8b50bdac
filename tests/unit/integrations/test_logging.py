"""The handler of ``logging``; under faults it is in tests/fault/test_logging_handler.py."""

from __future__ import annotations

import logging
import logging.config
import queue
import threading
from collections.abc import Iterator
from logging.handlers import QueueHandler, QueueListener
from typing import Any

import pytest

from telemetry.context import audit_context
from telemetry.integrations.logging import AuditHandler
from telemetry.sync import Telemetry
from telemetry.testing import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig
from tests.support.sqlalchemy_shop import Untellable, changes_of

CONFIG = TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))
telemetry = Telemetry(CONFIG)
"""What a configuration of ``logging`` names."""


@pytest.fixture
def events(captured_events: CapturedEvents) -> Iterator[CapturedEvents]:
    with Telemetry(CONFIG):
        yield captured_events


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    logger = logging.getLogger(f"shop.{request.node.name}")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    logger.handlers.clear()


@pytest.fixture
def handler(logger: logging.Logger, events: CapturedEvents) -> Iterator[AuditHandler]:
    handler = AuditHandler()
    logger.addHandler(handler)
    yield handler
    assert handler.failures == 0


@pytest.mark.usefixtures("handler")
def test_record_becomes_an_event(logger: logging.Logger, events: CapturedEvents) -> None:
    logger.warning(
        "refunded %s",
        7,
        extra={
            "user_id": "ada",
            "entity": "order",
            "entity_id": 7,
            "outcome": "success",
            "event_type": "order.refunded",
            "n": 1,
        },
    )

    event = events.one("order.refunded", user_id="ada", entity="order", entity_id="7", outcome="success")
    assert event.payload == {"message": "refunded 7", "n": 1}
    assert event.metadata == {"severity": "warning", "logger": logger.name}
    assert event.occurred_at is None


@pytest.mark.usefixtures("handler")
def test_context_says_what_is_missing(logger: logging.Logger, events: CapturedEvents) -> None:
    with audit_context(user_id="ada", correlation_id="r-1"):
        logger.info("one")
        logger.info("two", extra={"user_id": "eve"})
    logger.info("three")

    one, two, three = events
    assert (one.user_id, one.correlation_id) == ("ada", "r-1")
    assert (two.user_id, two.actor_id) == ("eve", "ada")
    assert (three.user_id, three.actor_type) == ("anonymous", "anonymous")


@pytest.mark.usefixtures("handler")
def test_severities(logger: logging.Logger, events: CapturedEvents) -> None:
    for level in (5, 10, 20, 25, 30, 40, 50, 60):
        logger.log(level, "x")

    assert [(each.metadata or {})["severity"] for each in events] == [
        *("debug", "info", "info", "warning", "error", "critical", "critical"),
    ]


@pytest.mark.usefixtures("handler")
def test_what_does_not_fit_is_payload(logger: logging.Logger, events: CapturedEvents) -> None:
    odd: dict[str, Any] = {
        "outcome": "OK",
        "actor_type": 7,
        "sensitive": "yes",
        "changes": {"a": 1},
        "targets": "order",
        "event_type": "telemetry.read",
        "occurred_at": "yesterday",
    }
    logger.info("x", extra=odd)
    logger.info("y", extra={"changes": {"a": (1, 2), "b": {"new": 3}}, "targets": [("order", 7)], "sensitive": True})

    first, second = events
    assert first.event_type == "log.message"
    assert first.payload == {"message": "x", **odd}
    assert changes_of(second) == {"a": {"old": 1, "new": 2}, "b": {"new": 3}}
    assert second.sensitive is True


def test_values_without_text_are_logged(handler: AuditHandler, events: CapturedEvents) -> None:
    odd = Untellable()
    error = ValueError(odd)
    for parts in (
        {"msg": "x", "thing": odd, "user_id": odd, "entity": odd, "deep": {"list": [odd, {1: odd}]}},
        {"msg": odd},
        {"msg": "%s", "args": (odd,)},
        {"msg": "%d %s", "args": ("no number",)},
        {"msg": "failed", "exc_info": (ValueError, error, None)},
    ):
        # Straight to the handler: pytest's own would fail.
        handler.handle(logging.makeLogRecord({"name": "shop", **parts}))

    messages = [each.payload["message"] for each in events]
    assert messages == ["x", "<Untellable>", "%s", "%d %s", "failed"]
    assert events[4].payload["exception"] == {"type": "ValueError", "message": ""}


@pytest.mark.usefixtures("handler")
def test_huge_and_hostile_texts_are_logged(logger: logging.Logger, events: CapturedEvents) -> None:
    logger.info("x" * 5_000_000, extra={"user_id": "u" * 9_000, "reason": "\x1b[31m\x85", "event_type": "e" * 300})

    (event,) = events
    assert event.event_type == "log.message"
    assert {"payload", "user_id", "reason"} <= set(event.adjusted or ())


def test_own_lines_are_left_out(events: CapturedEvents) -> None:
    handler = AuditHandler()
    names = ("telemetry", "telemetry.audit", "telemetryx", "x.telemetry")
    for name in names:
        handler.handle(logging.makeLogRecord({"name": name, "msg": "x"}))
    thread = threading.Thread(
        target=lambda: handler.handle(logging.makeLogRecord({"name": "boto", "msg": "x"})), name="telemetry-fallback"
    )
    thread.start()
    thread.join()

    assert [(each.metadata or {})["logger"] for each in events] == ["telemetryx", "x.telemetry"]


def test_logging_inside_a_value_does_not_recurse(
    handler: AuditHandler, logger: logging.Logger, events: CapturedEvents
) -> None:
    class Chatty:
        def __repr__(self) -> str:
            logger.info("inside", extra={"thing": self})
            return "chatty"

        __str__ = __repr__

    logger.info("outside", extra={"thing": Chatty()})

    assert [each.payload["message"] for each in events] == ["outside"]
    assert handler.skipped >= 1


def test_dict_config(events: CapturedEvents, captured_events: CapturedEvents) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "audit": {
                    "class": "telemetry.integrations.logging.AuditHandler",
                    "telemetry": f"ext://{__name__}.telemetry",
                    "level": "WARNING",
                    "event_type": "shop.line",
                    "user": "login",
                    "default_user": "system",
                    "block_ms": 50,
                }
            },
            "loggers": {"shop.dict": {"handlers": ["audit"], "propagate": False}},
        }
    )
    logger = logging.getLogger("shop.dict")
    with telemetry:
        logger.info("too low")
        logger.warning("one")
        logger.error("two", extra={"login": "ada"})
    logger.handlers.clear()

    assert [(each.event_type, each.user_id) for each in captured_events] == [
        ("shop.line", "system"),
        ("shop.line", "ada"),
    ]


def test_listener_keeps_the_moment(handler: AuditHandler, logger: logging.Logger, events: CapturedEvents) -> None:
    lines: queue.Queue[Any] = queue.Queue()
    listener = QueueListener(lines, handler)
    logger.handlers[:] = [QueueHandler(lines)]
    logger.info("late")
    listener.start()
    listener.stop()

    assert events.one("log.message").occurred_at is not None


def test_filter_is_obeyed(handler: AuditHandler, logger: logging.Logger, events: CapturedEvents) -> None:
    handler.addFilter(lambda record: record.getMessage() != "no")
    logger.info("no")
    logger.info("yes")

    assert [each.payload["message"] for each in events] == ["yes"]


def test_nothing_started_is_counted(logger: logging.Logger, capfd: pytest.CaptureFixture[str]) -> None:
    handler = AuditHandler()
    logger.addHandler(handler)
    logger.info("x", extra={"secret": "CANARY"})

    assert handler.failures == 1
    assert "Traceback" not in capfd.readouterr().err
