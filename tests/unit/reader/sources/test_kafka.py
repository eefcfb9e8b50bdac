"""Reading from a broker that only just came back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from telemetry.exceptions import TransportError
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig
from tests.support.events_at_rest import on_topic
from tests.support.quick_telemetry import quick_config, running


class _ForgetfulConsumer(Consumer):
    """Has not heard of a partition so many times."""

    times = 0

    def get_watermark_offsets(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        if _ForgetfulConsumer.times > 0:
            _ForgetfulConsumer.times -= 1
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION))
        found: tuple[int, int] = super().get_watermark_offsets(*args, **kwargs)
        return found


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AuditConfig]:
    """A topic with one event, read by a client that may be forgetful."""
    monkeypatch.setattr("telemetry.reader.sources.topic_client.Consumer", _ForgetfulConsumer)
    with EmbeddedKafka() as broker:
        config = quick_config(broker.bootstrap_servers, tmp_path)
        with running(config) as telemetry:
            telemetry.audit.log("login", {}, "ada").wait_delivered(60)
        yield config


@pytest.mark.parametrize("times", [1, 3])
def test_partition_unknown_to_the_client_at_first(
    times: int, config: AuditConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ForgetfulConsumer, "times", times)

    assert len(on_topic(config)) == 1
    assert _ForgetfulConsumer.times == 0


def test_partition_unknown_to_the_client_forever(config: AuditConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.reader.sources.topic_bounds._METADATA_SECONDS", 0.3)
    monkeypatch.setattr(_ForgetfulConsumer, "times", 1_000)

    with pytest.raises(TransportError, match="UNKNOWN_PARTITION"):
        on_topic(config)
