"""What entries are worth: proven, foreign, or damage of a trusted stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from telemetry.exceptions import (
    KeyMismatchError,
    KeyUnreachableError,
    MalformedRecordError,
    TelemetryError,
    UnknownKeysError,
)
from telemetry.reader import DamagedRecord, Entry, OpenedEvent, Place, Proven, RawRecord, SealedEntry, TrailReader
from telemetry.reader.open.opener import RecordOpener
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.open.worth import EntryJudge
from telemetry.reader.proof.index import ProofIndex
from telemetry.reader.trust.policy import SourceRule, TrustPolicy
from tests.attacks.forge import Writer
from tests.support.written_trail import Process, Signer, topic

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)


def _policy(**fields: Any) -> TrustPolicy:
    return replace(TrustPolicy.of_keys([Signer().public]), **fields)


def _read(records: Iterable[RawRecord | DamagedRecord], **rules: Any) -> tuple[list[Entry], TrailReader]:
    reader = TrailReader(records, provider=None, rules=ReadingRules(**{"policy": _policy(), **rules}))
    return list(reader), reader


def _clear(time: str, *, appended: float | None = None) -> RawRecord:
    record = Writer(66, is_sealed=False).event(time=time)
    return record._replace(append_time=appended)


def test_sealed_entries_say_whether_they_are_proven() -> None:
    records = topic(Process(1, leaves=True).run(5))
    stranger = Process(2, signer=Signer(9, "stranger")).log()
    entries, reader = _read([*records, records[0], stranger])

    shown = [entry for entry in entries if isinstance(entry, SealedEntry)]
    assert [entry.proven for entry in shown] == [Proven.YES] * 5 + [Proven.PENDING]
    assert all(entry.sealed for entry in shown)
    assert reader.counts.copies == 1


def test_clear_event_that_is_proven_is_not_foreign() -> None:
    writer = Writer(1, is_sealed=False, signer=Signer(), topic=None)
    forged = Writer(66, is_sealed=False).event("wire_transfer")
    entries, reader = _read([forged, *writer.run(3)], needs_seals=True)

    events = [entry for entry in entries if isinstance(entry, OpenedEvent)]
    assert [(entry.event.event_type, entry.proven) for entry in events] == [("payment", Proven.YES)] * 3
    assert reader.counts.foreign == 1


@pytest.mark.parametrize(
    ("record", "is_shown"),
    [
        (_clear("2026-02-28T00:00:00.000000Z"), True),
        (_clear("2026-03-01T00:00:00.000000Z"), False),
        # Dated before, and appended long after: the clear time is whatever its writer wants.
        (_clear("2026-02-28T00:00:00.000000Z", appended=datetime(2026, 5, 1, tzinfo=UTC).timestamp()), False),
        (_clear("2026-02-28T00:00:00.000000Z", appended=datetime(2026, 3, 2, tzinfo=UTC).timestamp()), True),
        (_clear("not-a-time"), False),
        (_clear("2026-02-28"), False),
    ],
    ids=["before", "after", "appended later", "appended in time", "no time", "no zone"],
)
def test_clear_events_are_admitted_until_their_service_sealed(record: RawRecord, *, is_shown: bool) -> None:
    policy = _policy(rules=(SourceRule(name="/production/*", clear_until=UNTIL),))
    entries, _ = _read([record], needs_seals=True, policy=policy)
    elsewhere, _ = _read([record], needs_seals=True)

    assert [isinstance(entry, OpenedEvent) for entry in entries] == [True] * is_shown
    assert elsewhere == []


def _damaged(error: TelemetryError, value: bytes | None) -> DamagedRecord:
    place = Place("topic", 0, 3)
    return DamagedRecord(place, error, RawRecord(b"key", value, place))


@pytest.mark.parametrize(
    ("entry", "is_foreign"),
    [
        (_damaged(MalformedRecordError("junk"), b"hello"), True),
        (_damaged(MalformedRecordError("cannot be read"), None), True),
        (
            _damaged(MalformedRecordError("junk"), b'{"producer":"%b","sequence":1}' % Process(1).producer.encode()),
            False,
        ),
        (
            _damaged(MalformedRecordError("junk"), b'{"producer":"%b","sequence":1}' % Process(9).producer.encode()),
            True,
        ),
        (_damaged(KeyMismatchError("another key"), Process(9).log().value), True),
        (_damaged(UnknownKeysError("not asked", data_key=b"k"), Process(9).log().value), True),
        (_damaged(KeyMismatchError("another key"), Process(1).log().value), False),
        (_damaged(KeyUnreachableError("away"), Process(9).log().value), False),
        # A stranger's record that is sealed with the key of a trusted process.
        (_damaged(MalformedRecordError("sealed"), Process(9, data_key=1).log().value), False),
    ],
    ids=lambda value: str(value.error) if isinstance(value, DamagedRecord) else "",
)
def test_damage_is_foreign_where_no_trusted_stream_is_concerned(entry: DamagedRecord, *, is_foreign: bool) -> None:
    index = ProofIndex(_policy(), RecordOpener(None))
    for record in Process(1, leaves=True).run(5):
        index.observe(record)

    assert EntryJudge(ReadingRules(), index).damaged(entry).is_foreign is is_foreign
    assert not EntryJudge(ReadingRules(), None).damaged(entry).is_foreign


def test_foreign_damage_is_counted_and_left_out() -> None:
    records = topic(Process(1, leaves=True).run(5))
    junk = RawRecord(None, b"hello", Place("topic", 0, 99))

    left_out, reader = _read([junk, *records])
    shown, _ = _read([junk, *records], foreign=True)

    assert not any(isinstance(entry, DamagedRecord) for entry in left_out)
    assert (reader.counts.foreign, reader.counts.damaged) == (1, 0)
    assert [entry.is_foreign for entry in shown if isinstance(entry, DamagedRecord)] == [True]


@pytest.mark.parametrize("leaves", [True, False], ids=["v2", "v1"])
def test_junk_counts_as_damage_where_a_signed_record_is_absent(*, leaves: bool) -> None:
    records = topic(Process(1, leaves=leaves).run(5))
    junk = RawRecord(None, b"hello", Place("topic", 0, 99))
    entries, reader = _read([records[0], junk, *records[2:]])

    assert [str(entry.place) for entry in entries if isinstance(entry, DamagedRecord)] == ["topic[0]@99"]
    assert (reader.counts.foreign, reader.counts.damaged) == (0, 1)
