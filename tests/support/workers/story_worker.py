"""Writes the story of a shop, the hostile events and two troubled services to a topic, as if four weeks had passed.

The time of this process alone is moved: it must be changed before the library is imported. Its argument is a JSON object;
it answers with one: the ids of events that a test looks for.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uuid_utils

_SECOND = 1_000_000_000


class MovedTime:
    """A clock that is moved to any time and goes on from there."""

    def __init__(self) -> None:
        self._offset = 0
        self._present = time.time_ns
        new_id = uuid_utils.uuid7
        time.time_ns = self.nanoseconds
        time.time = lambda: self.nanoseconds() / _SECOND
        uuid_utils.uuid7 = lambda: new_id(nanoseconds=self.nanoseconds())  # type: ignore[misc,assignment]

    def nanoseconds(self) -> int:
        return self._present() + self._offset

    def move(self, to: datetime) -> None:
        self._offset = int(to.timestamp() * _SECOND) - self._present()


CLOCK = MovedTime()

from confluent_kafka import Producer  # noqa: E402

from telemetry.config import TelemetryConfig  # noqa: E402
from telemetry.reader import KafkaSource, RawRecord  # noqa: E402
from telemetry.sync import Telemetry  # noqa: E402
from telemetry.testing import EmbeddedKafka  # noqa: E402
from telemetry.types import AuditConfig  # noqa: E402
from tests.support import hostile_events  # noqa: E402
from tests.support.auditor_story import SERVICES, story  # noqa: E402
from tests.support.raw_records import raw_records  # noqa: E402
from tests.support.until import until  # noqa: E402

LOST = range(20, 23)
"""Sequences of the service ``reports`` that are missing from the topic."""


class StoryWriter:
    """Writes one part of the story.

    Args:
        plan: What the test asked for.
    """

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._end = datetime.fromtimestamp(plan["end"], UTC)
        self.ids: dict[str, str] = {}

    def config(self, service: str, **changes: Any) -> TelemetryConfig:
        values: dict[str, Any] = {
            "kafka_brokers": self._plan["brokers"],
            "kafka_topic": self._plan["topic"],
            "security_protocol": "PLAINTEXT",
            "kafka_timeout_ms": 60_000,
            "fallback_enabled": False,
            "self_audit": True,
            "max_event_bytes": 900_000,
            "encryption_config": self._plan["encryption"],
            "signing_config": self._plan["signing"],
            **changes,
        }
        audit = AuditConfig(**values)
        return TelemetryConfig(service_name=service, environment="production", version="4.2.0", audit_config=audit)

    def write_regular(self) -> None:
        """Write what the services of the shop log."""
        calls = story(self._plan["events"], end=self._end)
        CLOCK.move(calls[0].at - timedelta(seconds=5))
        with ExitStack() as stack:
            services = {name: stack.enter_context(Telemetry(self.config(name))) for name in SERVICES}
            for call in calls:
                CLOCK.move(call.at)
                receipt = services[call.service].audit.log(call.event_type, call.payload, call.user_id, **call.fields)
                if call.fields.get("entity_id") in {"77", "acct-9"}:
                    self.ids[f"{call.event_type} {call.fields['entity_id']} {call.fields['outcome']}"] = str(
                        receipt.event_id
                    )

    def write_hostile(self) -> None:
        """Write the hostile events, and a few that are not sealed."""
        CLOCK.move(self._end - timedelta(days=2))
        with Telemetry(self.config(hostile_events.SERVICE, self_audit=False)) as telemetry:
            for event in hostile_events.hostile_events():
                receipt = telemetry.audit.log(event.event_type, event.payload, event.user_id, **event.fields)
                self.ids[f"hostile {event.name}"] = str(receipt.event_id)
        clear = self.config("stock", self_audit=False, encryption_enabled=False, encryption_config=None)
        with Telemetry(clear) as telemetry:
            for number in range(20):
                fields: dict[str, Any] = {"entity": "article", "entity_id": f"k-{number}", "outcome": "success"}
                receipt = telemetry.audit.log("stock_counted", {"count": number}, "warehouse", **fields)
                self.ids["not sealed"] = str(receipt.event_id)

    def write_troubled(self) -> None:
        """Write a service some of whose records are lost, and one that had two outages, with the store of the second."""
        with EmbeddedKafka(topic=self._plan["topic"]) as kafka:
            brokers = {"kafka_brokers": kafka.bootstrap_servers}
            CLOCK.move(self._end - timedelta(days=9))
            with Telemetry(self.config("reports", **brokers)) as telemetry:
                for number in range(60):
                    telemetry.audit.log("report_made", {"number": number}, "carol", outcome="success", entity="report")
            self._write_outages(kafka)
            records = [record for record in self._records(brokers) if not _is_lost(record)]
        producer = Producer({"bootstrap.servers": self._plan["brokers"], "linger.ms": 20})
        for record in records:
            producer.produce(self._plan["topic"], record.value, record.key, headers=list(record.headers or ()))
        if producer.flush(60):
            message = "the records of the troubled services could not be written"
            raise RuntimeError(message)

    def _write_outages(self, kafka: EmbeddedKafka) -> None:
        stored = {
            "kafka_brokers": kafka.bootstrap_servers,
            "fallback_enabled": True,
            "fallback_object_seconds": 0.2,
            "storage_secret": self._plan["storage_secret"],
            "storage_config": {"provider": "local_file", "base_path": self._plan["fallback"]},
            "kafka_timeout_ms": 1_500,
            "max_retries": 0,
            # A checkpoint each time, so that what is on the topic is proven although the last one is in the store.
            "signing_config": {**self._plan["signing"], "every_events": 10},
        }
        CLOCK.move(self._end - timedelta(days=6))
        with Telemetry(self.config("shipping", **stored)) as telemetry:
            _log_parcels(telemetry, 0, 10)
            kafka.stop_brokers()
            _log_parcels(telemetry, 10, 20)
            until(lambda: telemetry.audit.get_audit_stats().diverted)
            CLOCK.move(self._end - timedelta(days=5, hours=20))
            kafka.start_brokers()
            until(lambda: not telemetry.audit.get_audit_stats().diverted)
            _log_parcels(telemetry, 20, 30)
            CLOCK.move(self._end - timedelta(days=1))
            kafka.stop_brokers()
            _log_parcels(telemetry, 30, 40)
            until(lambda: telemetry.audit.get_audit_stats().diverted)
        kafka.start_brokers()

    def _records(self, brokers: dict[str, Any]) -> list[RawRecord]:
        with KafkaSource(self.config("reader", **brokers).audit_config, headers=True) as source:
            return raw_records(source)


def _log_parcels(telemetry: Telemetry, first: int, last: int) -> None:
    for number in range(first, last):
        fields: dict[str, Any] = {"entity": "parcel", "entity_id": f"P-{number}", "outcome": "success"}
        telemetry.audit.log("parcel_sent", {"weight": number}, "warehouse", **fields).wait_delivered(60)


def _is_lost(record: RawRecord) -> bool:
    attributes = json.loads(record.value or b"{}")
    is_event = attributes["source"] == "/production/reports" and attributes["type"] != "telemetry.checkpoint"
    return is_event and int(attributes["sequence"]) in LOST


def main() -> None:
    """Write the parts that the plan names."""
    plan = json.loads(sys.argv[1])
    Path(plan["fallback"]).mkdir(exist_ok=True)
    writer = StoryWriter(plan)
    for part in plan["parts"]:
        getattr(writer, f"write_{part}")()
    sys.stdout.write(json.dumps(writer.ids))


main()
