"""What the topic deletes before it is read is counted once; the rest of a membership is tested with a real broker."""

from __future__ import annotations

import logging

import pytest

from telemetry.config import AuditConfig
from telemetry.exceptions import TransportError
from telemetry.forward.membership import Membership
from telemetry.forward.turn import Alone
from tests.services.ports import free_ports

CONFIG = AuditConfig(
    kafka_brokers="127.0.0.1:9",
    security_protocol="PLAINTEXT",
    kafka_timeout_ms=1_000,
    encryption_enabled=False,
    fallback_enabled=False,
)


def test_deleted_records_are_counted_once(caplog: pytest.LogCaptureFixture) -> None:
    membership = Membership(CONFIG, group="siem", takeover=10.0)
    with caplog.at_level(logging.ERROR, "telemetry.kafka"):
        for position, low in ((5, 3), (5, 5), (5, 9), (5, 9), (5, 12), (20, 12), (20, 22)):
            membership._count_lost(1, position, low)

    assert membership.lost == 4 + 3 + 2
    assert [record.getMessage().partition(" were")[0] for record in caplog.records] == [
        "audit-events[1]: the records from 5 to 8",
        "audit-events[1]: the records from 9 to 11",
        "audit-events[1]: the records from 20 to 21",
    ]


def test_kafka_that_is_away_at_the_start() -> None:
    config = CONFIG.model_copy(update={"kafka_brokers": f"127.0.0.1:{free_ports(1)[0]}"})
    with pytest.raises(TransportError), Membership(config, group="siem", takeover=10.0):
        pytest.fail("it joined a group without a broker")


def test_thread_that_ends_is_no_silent_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    membership = Membership(CONFIG, group="siem", takeover=10.0)

    def fail() -> None:
        message = "a driver's fault"
        raise RuntimeError(message)

    monkeypatch.setattr(membership, "_take_part", fail)
    membership._leads = True
    membership._run()

    assert not membership.leads
    with pytest.raises(TransportError, match="ended: RuntimeError"):
        membership.wait_to_lead(0.0)


def test_alone_always_works() -> None:
    with Alone() as alone:
        assert alone.wait_to_lead(0.0)
        assert (alone.leads, alone.lag, alone.lost, alone.is_outdated) == (True, None, 0, False)
        alone.release()
