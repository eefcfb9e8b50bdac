"""Reads the end of a real topic of several partitions: the events that arrived last, and no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from telemetry.config import AuditConfig
from telemetry.sync import Telemetry
from tests.services.broker_rights import new_topic
from tests.services.kafka import KafkaBroker
from tests.support.in_process import run

pytestmark = pytest.mark.services

OLD, NEW = 9_000, 8
PARTITIONS = 6


class _Trail:
    """Many old events and a few new ones, on six partitions."""

    def __init__(self, kafka: KafkaBroker, folder: Path) -> None:
        self.topic = new_topic(kafka, partitions=PARTITIONS)
        self._key: dict[str, Any] = {
            "provider": "local_key",
            "key_path": str(folder / "key"),
            "passphrase": "correct horse",
        }
        self._audit = kafka.audit_options("PLAINTEXT") | {"kafka_topic": self.topic, "fallback_enabled": False}
        self.file = folder / "telemetry.toml"
        plain = {**self._audit, "read_audit": "off", "security_protocol": "PLAINTEXT"}
        lines = ["[audit_config]", *(f"{name} = {json.dumps(value)}" for name, value in plain.items())]
        lines += [
            "[audit_config.encryption_config]",
            *(f"{name} = {json.dumps(value)}" for name, value in self._key.items()),
        ]
        self.file.write_text("\n".join(lines))

    def log(self, event_type: str, count: int, *, at_once: bool = True) -> None:
        with Telemetry(AuditConfig.model_validate({**self._audit, "encryption_config": self._key})) as telemetry:
            for number in range(count):
                receipt = telemetry.audit.log(event_type, {"number": number}, f"user-{number}")
                if not at_once:
                    receipt.wait_delivered(60)

    def last(self, *options: str) -> tuple[list[Any], dict[str, Any]]:
        """Return type and number of each event that is shown, and what is said at the end."""
        ended = run("tail", "-c", str(self.file), "--json", *options)
        assert ended.code == 0, ended.err
        events = [json.loads(line) for line in ended.out.splitlines()]
        said = next(json.loads(line) for line in ended.err.splitlines() if line.startswith('{"read"'))
        return [(event["event_type"], event["payload"]["number"]) for event in events], said["read"]


@pytest.fixture(scope="module")
def trail(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> _Trail:
    trail = _Trail(kafka, tmp_path_factory.mktemp("trail"))
    trail.log("rare", 3)
    trail.log("old", OLD)
    # Each after the one before has arrived, so that their order is known.
    trail.log("new", NEW, at_once=False)
    return trail


def test_last_are_those_that_arrived_last(trail: _Trail) -> None:
    shown, said = trail.last("--last", str(NEW))

    assert shown == [("new", number) for number in range(NEW)]
    assert not said["whole"]
    assert said["records"] < OLD / 4


def test_filter_reads_further_back(trail: _Trail) -> None:
    shown, said = trail.last("--last", "2", "--type", "rare")

    assert len(shown) == 2
    assert said["whole"]
    assert said["records"] > OLD
    assert said["filtered_out"] >= OLD + NEW


def test_filter_stops_where_it_has_enough(trail: _Trail) -> None:
    shown, said = trail.last("--last", "300", "--type", "old")

    assert len(shown) == 300
    assert {kind for kind, _ in shown} == {"old"}
    assert not said["whole"]


def test_more_than_there_are(trail: _Trail) -> None:
    shown, said = trail.last("--last", "20000")

    assert len(shown) == 3 + OLD + NEW
    assert shown[-NEW:] == [("new", number) for number in range(NEW)]
    assert said["whole"]
