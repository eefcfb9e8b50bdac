from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telemetry.config import AuditConfig
from telemetry.exceptions import ConfigurationError
from telemetry.kafka.options import common_options, consumer_options, producer_options


def _config(**fields: Any) -> AuditConfig:
    values: dict[str, Any] = {"kafka_brokers": "127.0.0.1:9", "encryption_enabled": False, "fallback_enabled": False}
    return AuditConfig(**(values | fields))


def test_host_name_is_verified_with_tls() -> None:
    assert common_options(_config(security_protocol="SSL"))["ssl.endpoint.identification.algorithm"] == "https"
    assert "ssl.endpoint.identification.algorithm" not in common_options(_config(security_protocol="PLAINTEXT"))


def test_client_never_gives_up_a_record() -> None:
    options = producer_options(_config(kafka_timeout_ms=700))

    assert options["message.timeout.ms"] == 0
    assert options["request.timeout.ms"] == 700


def test_client_queue_exceeds_our_own() -> None:
    config = _config(queue_max_events=5_000)
    options = producer_options(config)

    assert options["queue.buffering.max.messages"] > config.queue_max_events
    assert options["queue.buffering.max.kbytes"] << 10 > config.queue_max_bytes


def test_reader_has_no_writer_time_limits() -> None:
    options = consumer_options(_config(kafka_timeout_ms=100))

    assert not {"socket.timeout.ms", "socket.connection.setup.timeout.ms"} & options.keys()


def test_given_time_limit_stays_for_readers() -> None:
    assert consumer_options(_config(kafka_options={"socket.timeout.ms": 9_000}))["socket.timeout.ms"] == 9_000


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    config = _config(
        security_protocol="SASL_SSL",
        kafka_config={
            "username": "alice",
            "password": "",
            "mechanism": "PLAIN",
            "ssl_ca_location": tmp_path / "absent",
        },
        kafka_options={"acks": 1},
    )

    with pytest.raises(ConfigurationError) as caught:
        common_options(config)

    fields = {problem.field for problem in caught.value.problems}
    assert fields == {"kafka_options.acks", "kafka_config.password", "kafka_config.ssl_ca_location"}
