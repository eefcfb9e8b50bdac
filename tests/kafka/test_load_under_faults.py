"""Logs 5,000 events a second while the broker is killed, frozen, cut off and delayed: all arrive in each user's order.

``make test`` runs a short version, ``make kafka-long`` the long one; docs/kafka.md has its results.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from telemetry.types import AuditConfig
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker
from tests.support.kafka_configs import audit_config, identity, stored_in
from tests.support.load_by_user import LoadByUser, compare

pytestmark = [pytest.mark.services, pytest.mark.timeout(1_800)]

LONG = os.environ.get("KAFKA_LONG") == "1"
_KILLS, _FREEZES, _CUTS = (5, 2, 60) if LONG else (1, 1, 10)
_BETWEEN_EVENTS = 20_000 if LONG else 2_000
_ATTEMPT_SECONDS = 1.0
_DEADLINE_SECONDS = 2.0
"""One retry: a record that is not acknowledged by then goes to the fallback."""

StartKafka = Callable[..., KafkaBroker]


def _config(broker: KafkaBroker, topic: str, folder: Path) -> AuditConfig:
    fields: dict[str, Any] = {
        "kafka_topic": topic,
        "kafka_timeout_ms": int(_ATTEMPT_SECONDS * 1_000),
        "max_retries": 1,
        "encryption_enabled": True,
        "encryption_config": {"provider": "local_key", "key_path": folder / "key", "passphrase": "load-passphrase"},
    }
    own = identity(broker.certificates, "files")
    return audit_config(broker, "SSL", own, **fields | stored_in(folder / "fallback"))


def _finish(load: LoadByUser, broker: KafkaBroker, topic: str, what: str) -> None:
    load.stop()
    load.until_drained()
    stats = load.stats
    found = compare(broker, topic, load.accepted)
    result = (
        f"{what}: {found.accepted} events in {load.seconds:.0f} s ({found.accepted / load.seconds:.0f}/s), "
        f"{load.refused} refused, {stats.stored} through the fallback, {found.duplicates} duplicates, "
        f"{found.missing} missing, {len(found.disordered)} users out of order"
    )
    if LONG:
        sys.stderr.write(f"\n{result}\n")
    found.require_complete()
    assert stats.rejected == stats.failed == 0
    assert load.count > 0


def test_broker_killed_and_frozen_under_load(own_kafka: StartKafka, tmp_path: Path) -> None:
    broker = own_kafka()
    topic = new_topic(broker, partitions=6)
    with LoadByUser(_config(broker, topic, tmp_path)) as load:
        load.until_more(_BETWEEN_EVENTS)
        for _ in range(_KILLS):
            broker.kill()
            load.until(lambda stats: stats.diverted)
            broker.start()
            load.until_more(_BETWEEN_EVENTS)
        for _ in range(_FREEZES):
            broker.freeze()
            load.until(lambda stats: stats.diverted)
            # Frozen further, so that what the sockets hold is answered long after everyone gave it up.
            _let_pass(2 * _DEADLINE_SECONDS)
            broker.thaw()
            load.until_more(_BETWEEN_EVENTS)
        assert load.stats.send_errors >= _KILLS + _FREEZES
        _finish(load, broker, topic, f"killed {_KILLS} times, frozen {_FREEZES} times")


def test_connection_cut_delayed_and_stalled_under_load(own_kafka: StartKafka, tmp_path: Path) -> None:
    broker = own_kafka(proxied=["SSL"])
    proxy = broker.proxy("SSL")
    topic = new_topic(broker, partitions=6)
    with LoadByUser(_config(broker, topic, tmp_path)) as load:
        load.until_more(_BETWEEN_EVENTS)
        for number in range(_CUTS):
            # A delay keeps requests in flight at the moment of the cut.
            proxy.delay(0.02 * (number % 4))
            _let_pass(0.15)
            proxy.cut()
        proxy.delay(0.0)
        load.until_more(_BETWEEN_EVENTS)
        proxy.stall()
        load.until(lambda stats: stats.diverted)
        proxy.resume()
        load.until_more(_BETWEEN_EVENTS)
        proxy.refuse()
        load.until(lambda stats: stats.diverted)
        proxy.accept()
        load.until_more(_BETWEEN_EVENTS)
        _finish(load, broker, topic, f"cut {_CUTS} times, delayed, stalled and refused")


def _let_pass(seconds: float) -> None:
    """Let the fault last: here time is the fault, not a state that could be waited for."""
    time.sleep(seconds)
