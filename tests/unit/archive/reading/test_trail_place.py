"""Single events of an archive: found near where they should be, followed and proven there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.reading.trail_place import ArchivePlace
from telemetry.archive.rows.columns import COLUMNS, Row
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.exceptions import IncompleteError, TamperedError
from telemetry.reader import RawRecord
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.storage import StorageProviderFactory
from telemetry.trail.proving import ProvenEvent, UnprovenEvent, prove_events
from telemetry.trail.tracing import EventTracer
from tests.support.archived_trail import ArchivedTrail
from tests.support.written_trail import TOPIC, Process, Signer, topic

POLICY = TrustPolicy.of_keys([Signer().public])
CONFIG = TelemetryConfig(
    audit_config=AuditConfig(
        kafka_brokers="localhost:1", security_protocol="PLAINTEXT", encryption_enabled=False, fallback_enabled=False
    )
)
_COLUMN = {name: number for number, name in enumerate(COLUMNS)}


def process(number: int, *, leaves: bool = False) -> Process:
    """Return a process whose events have other ids than those of other processes."""
    process = Process(number, leaves=leaves)
    process.producer = f"0198c0de-0000-7000-80{number:02x}-{number:012x}"
    return process


def event_id(number: int, sequence: int) -> str:
    """Return the id that a process gives."""
    return f"{process(number).producer[:-12]}{sequence:012x}"


@pytest.fixture(params=[True, False], ids=["leaves beside", "bare"])
def trail(tmp_path: Path, request: pytest.FixtureRequest) -> ArchivedTrail:
    trail = ArchivedTrail(tmp_path / "archive", group_rows=8)
    records = topic([record for number in (1, 2) for record in process(number, leaves=request.param).run(25)])
    for start in range(0, len(records), 20):
        trail.append(records[start : start + 20])
    return trail


@pytest.fixture
def place(trail: ArchivedTrail) -> Iterator[ArchivePlace]:
    with StorageProviderFactory.create(trail.storage) as store:
        yield ArchivePlace(ArchiveReader(store, name="the archive"), topic=TOPIC)


def test_near_an_event_is_its_producer_alone(place: ArchivePlace) -> None:
    parts = place.near([event_id(2, 7)])

    found = [record for record in parts[0].source() if isinstance(record, RawRecord)]
    assert len(found) == 28
    assert all(process(2).producer.encode() in (record.value or b"") for record in found)
    assert place.near([event_id(3, 1)]) == []


def test_events_are_proven(place: ArchivePlace) -> None:
    ids = [event_id(1, 3), event_id(9, 9), event_id(2, 24)]
    outcomes = list(prove_events(CONFIG, ids, policy=POLICY, place=place))

    assert [outcome.event_id for outcome in outcomes] == ids
    assert [type(outcome) for outcome in outcomes] == [ProvenEvent, UnprovenEvent, ProvenEvent]
    assert "not in the trail" in str(getattr(outcomes[1], "error", ""))


def test_event_is_followed(place: ArchivePlace) -> None:
    (lineage,) = EventTracer(CONFIG, event_id(1, 3), place=place).trace(POLICY)

    assert (lineage.sequence, lineage.is_proven, lineage.covering is not None) == (3, True, True)


def test_absent_event_is_said_so(place: ArchivePlace) -> None:
    with pytest.raises(IncompleteError, match="not in the trail"):
        EventTracer(CONFIG, event_id(7, 3), place=place).trace(POLICY)


def _redacted(trail: ArchivedTrail, *, leaf: bytes | None = None) -> None:
    """Archive another process, whose fourth event has no value any more."""

    def edit(rows: list[Row]) -> list[Row]:
        edited = []
        for row in rows:
            values = list(row)
            if values[_COLUMN["kind"]] == "event" and values[_COLUMN["sequence"]] == 3:
                values[_COLUMN["value"]] = None
                values[_COLUMN["leaf"]] = leaf or values[_COLUMN["leaf"]]
                values[_COLUMN["redacted"]] = {"at": 1, "by": "clerk", "reason": "asked for", "request": "R-1"}
            edited.append(tuple(values))
        return edited

    records = topic(process(5).run(25))
    trail.append([record._replace(place=record.place._replace(partition=9)) for record in records], edit=edit)


@pytest.mark.parametrize("leaf", [None, bytes(32)], ids=["as signed", "altered"])
def test_redacted_event_is_proven_by_what_is_left(trail: ArchivedTrail, leaf: bytes | None) -> None:
    _redacted(trail, leaf=leaf)
    wanted = event_id(5, 3)
    with StorageProviderFactory.create(trail.storage) as store:
        place = ArchivePlace(ArchiveReader(store, name="the archive"), topic=TOPIC)
        tracer = EventTracer(CONFIG, wanted, place=place)
        assert tracer.trace(POLICY) == []
        (outcome,) = prove_events(CONFIG, [wanted], policy=POLICY, place=place)

    (redacted,) = tracer.redacted
    assert (redacted.is_proven, redacted.event.request) == (leaf is None, "R-1")
    assert isinstance(outcome, UnprovenEvent)
    if leaf is None:
        assert isinstance(outcome.error, IncompleteError)
        assert "was removed on request" in str(outcome.error)
        assert redacted.problem is None
    else:
        assert isinstance(outcome.error, TamperedError)
        assert isinstance(redacted.problem, TamperedError)
