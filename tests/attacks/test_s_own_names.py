"""S, or anyone who decides what an application logs, uses names that mean something else to those who read."""

from __future__ import annotations

import json
import traceback

import pytest

from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError, EventError
from telemetry.sync import Telemetry
from tests.attacks.site import Site
from tests.support.in_process import run

_MEMBER = "john.doe@example.com HIV+"
_OWN = ("telemetry.read", "telemetry.stopped", "telemetry.recovered", "telemetry.checkpoint", "telemetry.anything")


@pytest.mark.parametrize(
    "payload",
    [
        {"patients": {_MEMBER: float("nan")}},
        {"patients": [{_MEMBER: object()}]},
        {_MEMBER: {"deep": {1: 1, "1": 1}}},
    ],
    ids=["not a number", "an object", "keys that are equal"],
)
def test_error_names_no_member(site: Site, payload: object) -> None:
    with Telemetry(site.config()) as telemetry, pytest.raises(EventError) as caught:
        telemetry.audit.log("diagnosis", payload, "doctor")

    assert "john.doe" not in "".join(traceback.format_exception(caught.value))


def test_error_names_no_member_of_metadata(site: Site) -> None:
    with Telemetry(site.config()) as telemetry, pytest.raises(EventError) as caught:
        telemetry.audit.log("diagnosis", {}, "doctor", metadata={_MEMBER: float("nan")})

    assert "john.doe" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("event_type", _OWN)
def test_application_logs_no_event_of_the_library(site: Site, event_type: str) -> None:
    with Telemetry(site.config()) as telemetry, pytest.raises(EventError):
        telemetry.audit.log(event_type, {"reader": "nobody"}, "alice")

    assert [record for record in site.records() if event_type.encode() in (record.value or b"")] == []


@pytest.mark.parametrize("event_type", _OWN)
def test_command_logs_no_event_of_the_library(site: Site, event_type: str) -> None:
    line = json.dumps({"event_type": event_type, "user_id": "alice"})

    ended = run("log", "-c", str(site.file), stdin=f"{line}\n".encode())

    assert ended.code == 8  # the line is bad
    assert [record for record in site.records() if event_type.encode() in (record.value or b"")] == []


def test_two_users_have_two_keys() -> None:
    # ``a:b`` of the service ``c`` and ``a`` of the service ``b:c`` had one Kafka key.
    with pytest.raises(ConfigurationError, match="service_name"):
        TelemetryConfig(
            service_name="b:c",
            audit_config={  # type: ignore[arg-type]
                "kafka_brokers": "localhost:9092",
                "encryption_enabled": False,
                "fallback_enabled": False,
            },
        )
