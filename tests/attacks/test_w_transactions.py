"""W with a transactional id begins a transaction on the topic and never ends it: what comes after is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from tests.attacks.broker_trail import BrokerTrail
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker
from tests.services.kafka_access import QUIET

pytestmark = pytest.mark.services

_LOGINS = ["login"] * 3
_WIRED = ["wire_transfer"] * 3
_ANSWER_SECONDS = 60.0


@pytest.fixture
def trail(kafka: KafkaBroker, tmp_path: Path) -> BrokerTrail:
    trail = BrokerTrail(kafka, new_topic(kafka, partitions=1), tmp_path)
    trail.log(_LOGINS)
    return trail


@contextmanager
def open_transaction(trail: BrokerTrail) -> Iterator[None]:
    """Begin a transaction with one record, and abort it after the block."""
    options = {**trail.broker.quick_options(), "transactional.id": f"attack-{uuid4().hex}"}
    attacker = Producer(options, logger=QUIET)
    attacker.init_transactions(_ANSWER_SECONDS)
    attacker.begin_transaction()
    attacker.produce(trail.topic, b"pin")
    assert attacker.flush(_ANSWER_SECONDS) == 0
    try:
        yield
    finally:
        attacker.abort_transaction(_ANSWER_SECONDS)


def test_open_transaction_hides_no_event_from_tail(trail: BrokerTrail) -> None:
    with open_transaction(trail):
        trail.log(_WIRED)
        _, shown = trail.tail()

    assert shown == _LOGINS + _WIRED


def test_open_transaction_hides_no_event_from_export(trail: BrokerTrail, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with open_transaction(trail):
        trail.log(_WIRED)
        trail.run("export", "--out", str(out))

    assert out.read_text().count('"wire_transfer"') == len(_WIRED)


def test_open_transaction_hides_no_process_from_verify(trail: BrokerTrail) -> None:
    with open_transaction(trail):
        trail.log(_WIRED)
        _, report = trail.verify()

    assert sum(producer["proven"] for producer in report["producers"]) == len(_LOGINS + _WIRED)


def test_open_transaction_is_a_finding_of_verify(trail: BrokerTrail) -> None:
    with open_transaction(trail):
        trail.log(_WIRED)
        ended = trail.run("verify", "--public-key", trail.public_key)

    assert "last stable offset" in ended.err


def test_records_of_aborted_transaction_are_counted(trail: BrokerTrail) -> None:
    with open_transaction(trail):
        pass
    _, report = trail.verify()

    # Three events, the checkpoint at the end, and the record of the transaction.
    assert report["records"] == 5
