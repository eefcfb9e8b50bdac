"""Writes eight events to an embedded Kafka, and runs the commands that read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from telemetry.config import AuditConfig
from telemetry.reader import KafkaSource, RawRecord
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.in_process import Ended, run
from tests.support.raw_records import raw_records

EVENTS: tuple[tuple[str, Any, str, dict[str, Any]], ...] = (
    ("user_login", {"method": "passkey"}, "alice", {"outcome": "success", "ip_address": "10.1.2.3"}),
    ("user_login", {"method": "password"}, "bob", {"outcome": "failure", "session_id": "s-1"}),
    ("user_logout", {}, "alice", {"outcome": "success"}),
    ("order_deleted", {"order": 9876543210, "note": "Größe"}, "alice", {"outcome": "denied", "entity": "order"}),
    ("=HYPERLINK(A1)", "+cmd", "-bob", {"user_agent": "@sum", "entity": "'quoted", "source": "a;b"}),
    ("order_read", {"evil": "\x1b[2J\u202e\u0000"}, "mallory\u202e", {"outcome": "success"}),
    ("order_read", [1, None, {"deep": [True]}], "carol", {"region": "eu", "sensitive": True}),
    ("report", None, "carol", {}),
)


class ReadableTrail:
    """Eight events, a duplicate's worth of room, and a configuration file."""

    topic = "audit-events"

    def __init__(self, kafka: EmbeddedKafka, folder: Path) -> None:
        self.kafka = kafka
        self.folder = folder
        self.file = folder / "telemetry.toml"
        self.configure()
        with Telemetry(self.config()) as telemetry:
            for event_type, payload, user, fields in EVENTS:
                telemetry.audit.log(event_type, payload, user, **fields)

    def config(self) -> AuditConfig:
        values: dict[str, Any] = {
            "kafka_brokers": self.kafka.bootstrap_servers,
            "security_protocol": "PLAINTEXT",
            "encryption_config": {
                "provider": "local_key",
                "key_path": self.folder / "key",
                "passphrase": "correct horse",
            },
            "storage_config": {"provider": "local_file", "base_path": self.folder / "fallback"},
        }
        return AuditConfig(**values)

    def configure(self, **audit: Any) -> None:
        """Write the configuration file; by default reads are not recorded, as most tests are about something else."""
        flat = {
            "kafka_brokers": self.kafka.bootstrap_servers,
            "security_protocol": "PLAINTEXT",
            "kafka_timeout_ms": 20_000,
            "read_audit": "off",
        }
        tables = {
            "encryption_config": {
                "provider": "local_key",
                "key_path": str(self.folder / "key"),
                "passphrase": "correct horse",
            },
            "storage_config": {"provider": "local_file", "base_path": str(self.folder / "fallback")},
        }
        lines = ["[audit_config]", *(f"{name} = {json.dumps(value)}" for name, value in {**flat, **audit}.items())]
        for name, table in tables.items():
            lines += [f"[audit_config.{name}]", *(f"{field} = {json.dumps(value)}" for field, value in table.items())]
        self.file.write_text("\n".join(lines))

    def records(self) -> list[RawRecord]:
        with KafkaSource(self.config()) as source:
            return raw_records(source)

    def put(self, topic: str, records: list[RawRecord]) -> None:
        """Put records on a topic of one partition."""
        self.kafka.create_topic(topic, partitions=1)
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap_servers})
        for record in records:
            producer.produce(topic, record.value, record.key)
        assert producer.flush(60) == 0

    def run(self, command: str, *options: str) -> Ended:
        return run(command, "-c", str(self.file), *options)

    def tail(self, *options: str) -> list[dict[str, Any]]:
        ended = self.run("tail", "--json", *options)
        assert ended.code == 0, ended.err
        return [json.loads(line) for line in ended.out.splitlines()]
