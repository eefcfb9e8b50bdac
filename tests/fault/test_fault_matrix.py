"""Slows, hangs and fails Kafka, store and key service, alone and together, under load: every call is accounted for.

The load never stops while it happens, not even for the shutdown. ``FAULT_SECONDS`` makes each fault last so long and
adds every combination that the short version leaves out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker
from tests.support.accounted_load import RATE, AccountedLoad, Books, read_trail
from tests.support.faulty_services import FaultyKafka, FaultyKeys, FaultyStore
from tests.support.leftovers import left_in
from tests.support.quick_telemetry import quick_config, running
from tests.support.until import until

LONG = "FAULT_SECONDS" in os.environ
SECONDS = float(os.environ.get("FAULT_SECONDS", "0.6"))
KINDS = ("well", "slow", "hanging", "failing")
_BYTES_A_RECORD = 1_500
_BYTES_A_PARTITION = 3 << 20
"""What the embedded Kafka keeps for sure; it forgets the rest."""


Case = tuple[str, str, str]
"""How Kafka, the store and the key service are."""


def _all_cases() -> list[Case]:
    return [case for case in product(KINDS, KINDS, KINDS) if case != ("well",) * 3]


def _cases() -> list[Case]:
    """Return every fault alone, every pair of faults of any two parts, and all three parts together."""
    numbers = range(len(KINDS))
    # A Latin square: for any two parts, each pair of their states occurs.
    square = [(KINDS[kafka], KINDS[store], KINDS[(kafka + store) % 4]) for kafka in numbers for store in numbers]
    chosen = [case for case in _all_cases() if LONG or case.count("well") == 2 or case in square]
    return [*chosen, ("refusing", "well", "well")]


def _cases_at_the_end() -> list[Case]:
    """Return those in which events can neither leave quickly nor come in: all three parts, and Kafka with the store."""
    if LONG:
        return _cases()
    return [case for case in _cases() if "well" not in case or case[2] == "well"]


def pipeline_config(brokers: str, folder: Path, store: FaultyStore, keys: FaultyKeys, **changes: Any) -> AuditConfig:
    """Return a configuration that gives up quickly and asks the key service five times a second."""
    fixed: dict[str, Any] = {
        "encryption_enabled": True,
        "encryption_config": keys.config,
        "storage_config": store.config,
        "kafka_timeout_ms": 300,
        "data_key_max_uses": int(RATE / 5),
        "data_key_wait_ms": 200,
        "queue_max_events": 600,
        "queue_full_timeout_ms": 200,
    }
    return quick_config(brokers, folder, **{**fixed, **changes})


class Parts:
    """A pipeline's surroundings, each of which can be broken."""

    def __init__(self, broker: EmbeddedKafka, folder: Path) -> None:
        self.kafka, self.store, self.keys = FaultyKafka(broker), FaultyStore(), FaultyKeys()
        self._folder = folder

    def config(self, **changes: Any) -> AuditConfig:
        return pipeline_config(self.kafka.broker.bootstrap_servers, self._folder, self.store, self.keys, **changes)

    def begin(self, kafka: str, store: str, keys: str) -> None:
        for part, kind in ((self.kafka, kafka), (self.store, store), (self.keys, keys)):
            if kind != "well":
                part.begin(kind)

    def last(self, load: AccountedLoad, case: Case) -> None:
        """Let the faults last until the pipeline has met them."""
        begun = len(self.keys.faults.calls), len(self.store.faults.calls)
        load.last(SECONDS)
        if case[0] not in ("well", "slow"):
            until(lambda: load.stats.send_errors > 0, what="Kafka's fault")
            until(lambda: len(self.store.faults.calls) > begun[1], what="the use of the store")
        until(lambda: len(self.keys.faults.calls) > begun[0], what="the use of the key service")

    def clear(self) -> None:
        for part in (self.kafka, self.store, self.keys):
            part.clear()


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    most = (SECONDS + 20) * RATE * _BYTES_A_RECORD
    with EmbeddedKafka(partitions=int(most / _BYTES_A_PARTITION) + 8) as broker:
        surroundings = Parts(broker, tmp_path)
        yield surroundings
        surroundings.store.clear()
        surroundings.keys.clear()


@pytest.mark.parametrize("case", _cases(), ids="-".join)
def test_passing_faults_lose_nothing(case: Case, parts: Parts) -> None:
    config = parts.config()
    with AccountedLoad(config) as load:
        load.until_more(200)
        parts.begin(*case)
        parts.last(load, case)
        parts.clear()
        load.until_more(200)
        books = load.shutdown(60)

    assert load.lost is None
    books.require_balance()
    assert books.failed == books.spooled == 0
    read_trail(config).require_all(books)


@pytest.mark.parametrize("case", _cases_at_the_end(), ids="-".join)
def test_shutdown_while_the_faults_last(case: Case, parts: Parts, tmp_path: Path) -> None:
    config = parts.config(spool_path=tmp_path / "spool")
    with AccountedLoad(config, waits=True) as load:
        load.until_more(200)
        parts.begin(*case)
        parts.last(load, case)
        books = load.shutdown(2)
    parts.clear()

    assert load.lost is None
    books.require_balance()
    assert books.failed == 0
    trail = read_trail(config)
    trail.require_all(books)
    assert len(trail.spool) >= books.spooled

    _recover(config, books)


def test_shutdown_without_any_way_names_losses(parts: Parts) -> None:
    config = parts.config()
    with AccountedLoad(config) as load:
        load.until_more(200)
        parts.begin("hanging", "hanging", "well")
        parts.last(load, ("hanging", "hanging", "well"))
        books = load.shutdown(2)
    parts.clear()

    assert load.lost is not None
    assert load.lost.count == books.failed > 0
    books.require_balance()
    unsettled = {receipt.event_id for receipt in books.receipts if receipt.delivery is None}
    assert set(load.lost.event_ids) == unsettled
    read_trail(config).require_all(books)


def test_late_event_fails_without_a_fallback(parts: Parts) -> None:
    config = parts.config(fallback_enabled=False)
    with AccountedLoad(config) as load:
        load.until_more(200)
        parts.kafka.begin("hanging")
        until(lambda: load.stats.failed > 0, what="the first failure")
        parts.kafka.clear()
        load.until_more(200)
        books = load.shutdown(60)

    assert load.lost is None
    books.require_balance()
    assert books.failed > 0
    read_trail(config).require_all(books)


@pytest.mark.services
def test_real_broker_frozen_killed_delayed_stalled(own_kafka: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    broker = own_kafka(proxied=["PLAINTEXT"])
    proxy = broker.proxy("PLAINTEXT")
    store, keys = FaultyStore(), FaultyKeys()
    config = pipeline_config(
        broker.bootstrap(),
        tmp_path,
        store,
        keys,
        kafka_topic=new_topic(broker),
        kafka_timeout_ms=500,
        spool_path=tmp_path / "spool",
    )
    with AccountedLoad(config, waits=True) as load:
        load.until_more(200)
        broker.freeze()
        store.begin("failing")
        until(lambda: load.stats.diverted, what="the fallback during the freeze")
        broker.thaw()
        store.clear()
        load.until_more(200)

        broker.kill()
        keys.begin("hanging")
        until(lambda: load.stats.diverted, what="the fallback after the kill")
        broker.start()
        keys.clear()
        load.until_more(200)

        proxy.delay(0.2)
        store.begin("slow")
        keys.begin("slow")
        load.last(SECONDS)
        proxy.stall()
        until(lambda: load.stats.diverted, what="the fallback during the stall")
        proxy.delay(0.0)
        proxy.resume()
        load.until_more(200)

        broker.freeze()
        store.begin("hanging")
        load.last(SECONDS)
        books = load.shutdown(3)
    broker.thaw()
    store.clear()
    keys.clear()

    assert load.lost is None
    books.require_balance()
    assert books.failed == 0
    assert books.stored > 0
    assert books.spooled > 0
    read_trail(config).require_all(books)
    _recover(config, books)


def _recover(config: AuditConfig, books: Books) -> None:
    """Let another process send the events that stayed in the spool."""
    assert config.spool_path is not None
    with running(config) as telemetry:
        until(lambda: telemetry.audit.get_audit_stats().recovered >= books.spooled)
    assert read_trail(config).everywhere == {receipt.event_id for receipt in books.receipts}
    assert left_in(config.spool_path) == []
