"""Creates topics with ``telemetry topic create``."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

import pytest
from confluent_kafka.admin import ConfigResource, ResourceType

from tests.services.kafka import KafkaBroker

pytestmark = pytest.mark.services


def _create(kafka: KafkaBroker, topic: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "telemetry", "topic", "create", "--brokers", kafka.bootstrap("PLAINTEXT")),
            *("--security-protocol", "PLAINTEXT", "--topic", topic, "--replication", "1", *options),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("TELEMETRY_")},
    )


def test_topic_is_created_once(kafka: KafkaBroker) -> None:
    topic = f"audit-{uuid.uuid4().hex}"

    created = _create(kafka, topic, "--partitions", "5", "--retention-days", "400")
    again = _create(kafka, topic)

    assert created.returncode == 0, created.stderr
    assert again.returncode == 2
    assert "exists already" in again.stderr
    admin = kafka.admin()
    assert len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 5
    resource = ConfigResource(ResourceType.TOPIC, topic)
    found = {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result(60).items()}
    expected = {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "compression.type": "producer",
        "retention.ms": str(400 * 86_400_000),
        "min.insync.replicas": "1",
    }
    assert found.items() >= expected.items()


def test_refused_topic_says_why(kafka: KafkaBroker) -> None:
    refused = _create(kafka, f"audit-{uuid.uuid4().hex}", "--replication", "3")

    assert refused.returncode == 6
    assert "replication" in refused.stderr.lower()
    assert "Traceback" not in refused.stderr
