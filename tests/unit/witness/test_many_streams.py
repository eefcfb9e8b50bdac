"""A round of ten thousand streams costs what has changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from telemetry.config import AuditConfig
from telemetry.format.roster.roster import Roster, encode_roster
from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.trust import TrustPolicy
from telemetry.witness import witness as module
from telemetry.witness.state import Position, WitnessState
from telemetry.witness.witness import Witness
from tests.support.rosters import WITNESS
from tests.support.written_trail import TOPIC, Process, Signer

STREAMS = 10_000
NOW = datetime(2026, 2, 1, tzinfo=UTC)


class Topic:
    """A topic in memory, in place of the one that the witness reads from Kafka."""

    def __init__(self) -> None:
        self.records: list[RawRecord] = []

    def put(self, *records: RawRecord) -> None:
        for record in records:
            self.records.append(record._replace(place=Place(TOPIC, 0, len(self.records))))

    def new(self, _audit: AuditConfig, known: dict[int, Position]) -> TopicPart:
        return TopicPart(self.records[known[0].next if known else 0 :], len(self.records))


class TopicPart:
    """What is new on the topic."""

    def __init__(self, records: list[RawRecord], end: int) -> None:
        self._records = records
        self.faults: list[str] = []
        self.positions = {0: Position(0, end)}

    def __iter__(self) -> Iterator[RawRecord]:
        return iter(self._records)


class Kept:
    """Rosters in memory."""

    def __init__(self) -> None:
        self.rosters: list[Roster] = []

    def publish(self, roster: Roster) -> None:
        self.rosters.append(roster)

    def documents(self) -> Iterator[bytes]:
        return map(encode_roster, self.rosters)

    def newest(self) -> Iterator[bytes]:
        return map(encode_roster, reversed(self.rosters))


def test_round_costs_what_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topic, kept, signer = Topic(), Kept(), Signer()
    monkeypatch.setattr(module, "WitnessedTopic", topic.new)
    processes = [Process(number, leaves=True) for number in range(STREAMS)]
    audit = AuditConfig(
        kafka_brokers="127.0.0.1:9",
        kafka_topic=TOPIC,
        security_protocol="PLAINTEXT",
        encryption_enabled=False,
        fallback_enabled=False,
    )
    statements: list[str] = []
    with WitnessState(tmp_path / "state") as state:
        witness = Witness(audit, policy=TrustPolicy.of_keys([signer.public]), signer=WITNESS, state=state, rosters=kept)
        witness.start()
        for process in processes:
            topic.put(process.log(), process.checkpoint())
        everything = witness.look(now=NOW)
        assert (everything.streams, everything.size) == (STREAMS, STREAMS + 1)
        first = len(kept.rosters)
        assert first == everything.rosters > 1

        for process in (processes[17], processes[4_711]):
            topic.put(process.log(), process.checkpoint(final=True))
        state._connection.set_trace_callback(statements.append)
        two = witness.look(now=NOW + timedelta(minutes=5))
        none = witness.look(now=NOW + timedelta(minutes=10))
        state._connection.set_trace_callback(None)

    assert (two.streams, two.rosters, none.streams, none.rosters) == (2, 1, 0, 1)
    assert [len(roster.entries) for roster in kept.rosters[first:]] == [3, 1]
    assert all(len(encode_roster(roster)) < 4_000 for roster in kept.rosters[first:])
    # Two rounds touch a handful of rows, whatever the number of streams; each statement is logged with its row.
    assert len(statements) < 60
    history = RosterHistory.read(kept.documents(), WITNESS.public)
    assert (history.faults, history.gaps, len(history.streams)) == ([], [], STREAMS)
    assert history.streams[processes[4_711].producer, processes[4_711].source].latest.size == 2
