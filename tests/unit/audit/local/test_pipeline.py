"""A local pipeline checks and answers like the one that sends, and keeps its events here."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from telemetry.audit.local.event_memory import EventMemory
from telemetry.audit.local.event_sink import Nowhere
from telemetry.audit.local.pipeline import LocalPipeline, local_pipeline
from telemetry.audit.receipt import DELIVERED, Delivery
from telemetry.audit.reports import ShutdownReport
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.exceptions import BackpressureError, ConfigurationError, EventError, EventTooLargeError, LifecycleError


def _config(**audit: Any) -> TelemetryConfig:
    values = {"kafka_brokers": "memory:", **audit}
    return TelemetryConfig(service_name="shop", environment="test", audit_config=AuditConfig(**values))


def test_event_is_what_a_reader_would_see() -> None:
    memory = EventMemory()
    pipeline = LocalPipeline(_config(key_mode="hmac", key_hmac_secret="0123456789abcdef"), sink=memory)

    receipt = pipeline.offer("login", {"n": 1}, 42, {"outcome": "denied", "region": "eu"})

    (event,) = memory.events()
    assert (event.id, event.producer, event.sequence) == (receipt.event_id, receipt.producer, receipt.sequence)
    assert (event.user_id, event.outcome, event.payload, event.metadata) == ("42", "denied", {"n": 1}, {"region": "eu"})
    assert (event.service_name, event.environment) == ("shop", "test")
    assert event.kafka_key is not None


def test_event_that_is_not_sealed_commits_to_nothing() -> None:
    memory = EventMemory()
    pipeline = LocalPipeline(_config(disclosable=True, hide_event_type=True), sink=memory)
    pipeline.offer("login", {}, "ada", {})
    pipeline.relay(pipeline.seal("login", {}, "ada", {}, may_block=False).data)

    assert [event.features for event in memory.events()] == [("hidden-type",), ("hidden-type", "relayed")]


def test_receipt_is_settled_at_once() -> None:
    receipt = LocalPipeline(_config(), sink=Nowhere()).offer("login", {}, "ada", {}, level=DELIVERED)

    assert receipt.is_accepted
    assert receipt.is_durable
    assert receipt.is_settled
    assert receipt.wait(0) is receipt


def test_receipt_names_a_place_only_if_there_is_one() -> None:
    nowhere = LocalPipeline(_config(), sink=Nowhere()).offer("login", {}, "ada", {})
    captured = LocalPipeline(_config(), sink=EventMemory(), topic="trail").offer("login", {}, "ada", {})

    assert nowhere.delivery == Delivery()
    assert captured.delivery == Delivery("trail", 0, 0)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("", {}, "ada", {}), EventError),
        (("telemetry.read", {}, "ada", {}), EventError),
        (("login", object(), "ada", {}), EventError),
        (("login", {}, 1.5, {}), EventError),
        (("login", {}, "ada", {"outcome": "maybe"}), EventError),
        (("login", "x" * 300_000, "ada", {}), EventTooLargeError),
    ],
)
def test_wrong_call_is_refused_and_counted(arguments: tuple[Any, ...], error: type[Exception]) -> None:
    memory = EventMemory()
    pipeline = LocalPipeline(_config(), sink=memory)

    with pytest.raises(error):
        pipeline.offer(*arguments)

    assert len(memory) == 0
    assert (pipeline.stats().logged, pipeline.stats().refused) == (0, 1)


def test_counts_claim_no_delivery() -> None:
    pipeline = LocalPipeline(_config(), sink=Nowhere())
    for _ in range(3):
        pipeline.offer("login", {}, "ada", {})

    stats = pipeline.stats()
    assert (stats.logged, stats.unsent, stats.delivered, stats.stored) == (3, 3, 0, 0)
    assert pipeline.gauges() == {}
    assert pipeline.shutdown(0) == pipeline.shutdown(0) == ShutdownReport(delivered=0, stored=0, unsent=3)


def test_captured_events_count_as_delivered() -> None:
    pipeline = LocalPipeline(_config(), sink=EventMemory(), topic="trail")
    pipeline.offer("login", {}, "ada", {})

    assert (pipeline.stats().delivered, pipeline.stats().unsent) == (1, 0)
    assert pipeline.shutdown(0) == ShutdownReport(delivered=1, stored=0)


def test_nothing_is_accepted_after_the_end() -> None:
    pipeline = LocalPipeline(_config(), sink=Nowhere())
    pipeline.shutdown(0)

    with pytest.raises(LifecycleError, match="shut down"):
        pipeline.offer("login", {}, "ada", {})


def test_threads_are_numbered_in_the_order_kept() -> None:
    memory = EventMemory()
    pipeline = LocalPipeline(_config(), sink=memory)

    def log() -> None:
        for _ in range(200):
            pipeline.offer("login", {}, "ada", {})

    threads = [threading.Thread(target=log) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [event.sequence for event in memory.events()] == list(range(800))


@pytest.mark.parametrize(
    ("values", "level", "text"),
    [
        ({"kafka_brokers": "memory:"}, logging.ERROR, "NOTHING IS SENT: kafka_brokers is memory:"),
        ({"kafka_brokers": "console:"}, logging.ERROR, "NOTHING IS SENT: kafka_brokers is console:"),
        ({"enabled": False}, logging.WARNING, "audit logging is switched off"),
    ],
)
def test_start_says_once_that_nothing_is_sent(
    caplog: pytest.LogCaptureFixture, values: dict[str, Any], level: int, text: str
) -> None:
    config = _config(**values)
    mode = config.audit_config.local_mode
    assert mode is not None

    local_pipeline(config, mode)
    local_pipeline(config, mode, is_start=False)

    (record,) = caplog.records
    assert record.levelno == level
    assert text in record.getMessage()


def test_copied_configuration_is_checked_again() -> None:
    config = _config().model_copy(update={"environment": "production"})

    with pytest.raises(ConfigurationError, match="production"):
        local_pipeline(config, "memory")


def test_other_services_have_streams_of_their_own() -> None:
    memory = EventMemory()
    pipeline = LocalPipeline(_config(shared_streams={"max_streams": 2}), sink=memory)
    own = pipeline.offer("login", {}, "ada", {})

    first = pipeline.on_behalf_of("payments").offer("paid", {}, "ada", {})
    second = pipeline.on_behalf_of("payments").offer("paid", {}, "ada", {})

    assert (first.sequence, second.sequence) == (0, 1)
    assert first.producer == second.producer != own.producer
    assert [event.service_name for event in memory.events()] == ["shop", "payments", "payments"]
    assert pipeline.on_behalf_of("shop") is pipeline
    assert pipeline.stats().logged == 3
    assert [health.service_name for health in pipeline.stream_health()] == ["payments"]


def test_other_services_are_bounded_and_end_with_the_process() -> None:
    pipeline = LocalPipeline(_config(shared_streams={"max_streams": 1}), sink=Nowhere())
    other = pipeline.on_behalf_of("payments")
    with pytest.raises(BackpressureError):
        pipeline.on_behalf_of("orders")

    assert pipeline.shutdown(0.0) == ShutdownReport(delivered=0, stored=0, unsent=0)

    with pytest.raises(LifecycleError):
        other.offer("paid", {}, "ada", {})
    with pytest.raises(LifecycleError):
        pipeline.on_behalf_of("orders")


def test_other_services_need_the_section() -> None:
    with pytest.raises(ConfigurationError, match="shared_streams"):
        LocalPipeline(_config(), sink=Nowhere()).on_behalf_of("payments")
