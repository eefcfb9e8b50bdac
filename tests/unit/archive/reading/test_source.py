"""Records of an archive: what comes back, in spite of what happens to its files meanwhile, and what is said about them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pytest

from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.reading.days import DayRange
from telemetry.archive.reading.source import ArchiveSource
from telemetry.archive.rows.columns import COLUMNS, Row
from telemetry.archive.rows.tables import sorted_table
from telemetry.exceptions import ArchiveFileError, TamperedError
from telemetry.format.archive.seal import SealKind
from telemetry.reader import DamagedRecord, Proven, RawRecord, SealedEntry, TrailReader
from telemetry.reader.entry import RedactedEvent, SourceRecord
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.support.archived_trail import ArchivedTrail
from tests.support.written_trail import TOPIC, Process, Signer, topic

_COLUMN = {name: number for number, name in enumerate(COLUMNS)}


class Archive:
    """An archive in a folder, with the store to read it from."""

    def __init__(self, folder: Path, *, files: int = 4, events: int = 25) -> None:
        self.trail = ArchivedTrail(folder / "archive", group_rows=16)
        self.store: StorageProvider = StorageProviderFactory.create(self.trail.storage)
        parts = [Process(number, leaves=True).run(events) for number in range(1, 4)]
        self.records = topic([record for part in parts for record in part])
        size = -(-len(self.records) // files)
        for start in range(0, len(self.records), size):
            self.trail.append(self.records[start : start + size])

    def source(self, **options: object) -> ArchiveSource:
        return ArchiveSource(ArchiveReader(self.store, name="the archive"), topic=TOPIC, **options)  # type: ignore[arg-type]

    def names(self) -> list[str]:
        return sorted(self.trail.live)

    def compact(self, *names: str) -> None:
        """Put one file in the place of some, and delete these."""
        wanted = names or tuple(self.names())
        tables = [self.trail.table_of(name) for name in wanted]
        self.trail.replace(SealKind.COMPACT, sorted_table(pa.concat_tables(tables)), wanted)
        for name in wanted:
            self.store.delete(name)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def _raw(records: Iterable[SourceRecord]) -> list[RawRecord]:
    found = list(records)
    assert [record for record in found if not isinstance(record, RawRecord)] == []
    return [record for record in found if isinstance(record, RawRecord)]


def _places(records: Iterable[SourceRecord]) -> list[int]:
    return sorted(record.place.offset for record in _raw(records))


def test_every_record_comes_back_once(archive: Archive) -> None:
    found = _raw(archive.source())

    assert sorted(record.place.offset for record in found) == list(range(len(archive.records)))
    values = {record.place: record.value for record in archive.records}
    assert all(record.value == values[record.place] for record in found)


def test_all_of_it_is_proven_by_its_checkpoints(archive: Archive) -> None:
    policy = TrustPolicy.of_keys([Signer().public])
    entries = list(TrailReader(archive.source(), provider=None, rules=ReadingRules(policy=policy)))

    assert [each.proven for each in entries if isinstance(each, SealedEntry)] == [Proven.YES] * 75


@pytest.mark.parametrize("read", [0, 3, 21, 22, 60, 83])
@pytest.mark.parametrize("replaced", [(0, 1), (1, 2), (0, 1, 2, 3), (2, 3), (3,)])
def test_compaction_beside_reading_loses_and_doubles_nothing(
    archive: Archive, read: int, replaced: tuple[int, ...]
) -> None:
    names, records = archive.names(), iter(archive.source())
    before = [next(records) for _ in range(read)]
    archive.compact(*(names[number] for number in replaced))

    assert _places([*before, *records]) == list(range(len(archive.records)))


def test_compactions_one_after_the_other(archive: Archive) -> None:
    records, found = iter(archive.source()), []
    for record in records:
        found.append(record)
        if len(found) % 20 == 0:
            archive.compact(*archive.names()[:2])
            archive.compact(*archive.names()[-1:])
    assert _places(found) == list(range(len(archive.records)))


def test_commit_meanwhile_is_not_read(archive: Archive) -> None:
    source = archive.source()
    late = topic(Process(9).run(5))
    records = iter(source)
    first = next(records)
    archive.trail.append([record._replace(place=record.place._replace(partition=7)) for record in late])
    archive.compact()

    offsets = [record.place for record in _raw([first, *records])]
    assert len(set(offsets)) == len(offsets)
    assert {place.offset for place in offsets if place.partition != 7} == set(range(len(archive.records)))


def test_missing_file_is_named(archive: Archive) -> None:
    name = archive.names()[1]
    archive.store.delete(name)

    damaged = [record for record in archive.source() if isinstance(record, DamagedRecord)]

    assert [record.place.name for record in damaged] == [name]
    assert "missing" in str(damaged[0].error)
    assert damaged[0].is_vouched


def test_altered_file_is_named_and_its_rows_are_judged(archive: Archive) -> None:
    name = archive.names()[1]
    other = archive.store.get(archive.names()[2])
    archive.store.delete(name)
    archive.store.put(name, other)
    policy = TrustPolicy.of_keys([Signer().public])
    reader = TrailReader(archive.source(), provider=None, rules=ReadingRules(policy=policy))
    entries = list(reader)

    damaged = [entry for entry in entries if isinstance(entry, DamagedRecord)]
    assert [type(entry.error) for entry in damaged] == [TamperedError]
    assert damaged[0].place.name == name
    assert not damaged[0].is_foreign
    assert reader.counts.damaged == 1


@pytest.mark.parametrize("content", [b"", b"PAR1", b"rubbish" * 100, b"PAR1" + b"\xff" * 40 + b"PAR1"])
def test_file_that_is_none_is_named(archive: Archive, content: bytes) -> None:
    name = archive.names()[1]
    archive.store.delete(name)
    archive.store.put(name, content)

    damaged = [record for record in archive.source() if isinstance(record, DamagedRecord)]

    assert [type(record.error) for record in damaged] == [TamperedError, ArchiveFileError]
    assert {record.place.name for record in damaged} == {name}


def test_days_choose_what_is_read(archive: Archive) -> None:
    assert len(list(archive.source(days=DayRange.of_times("2026-01-02T12:00:00Z", "2026-01-02T13:00:00Z")))) == 84
    assert list(archive.source(days=DayRange.of_times("2027-01-02T12:00:00Z"))) == []


def test_some_producers_alone(archive: Archive) -> None:
    wanted = Process(2).producer
    found = _raw(archive.source(producers=[wanted]))

    assert len(found) == 28
    assert all(wanted.encode() in (record.value or b"") for record in found)


def _redact(row: Row) -> Row:
    values = list(row)
    values[_COLUMN["value"]] = None
    values[_COLUMN["redacted"]] = {"at": 1, "by": "clerk", "reason": "asked for", "request": "R-1"}
    return tuple(values)


def test_redacted_event_is_proven_and_no_damage(tmp_path: Path) -> None:
    trail = ArchivedTrail(tmp_path / "archive")
    process = Process(1, leaves=True)
    records = topic(process.run(20))

    def edit(rows: list[Row]) -> list[Row]:
        is_third = [row[_COLUMN["kind"]] == "event" and row[_COLUMN["sequence"]] == 3 for row in rows]
        return [_redact(row) if is_it else row for row, is_it in zip(rows, is_third, strict=True)]

    trail.append(records, edit=edit)
    with StorageProviderFactory.create(trail.storage) as store:
        source = ArchiveSource(ArchiveReader(store, name="the archive"), topic=TOPIC)
        policy = TrustPolicy.of_keys([Signer().public])
        reader = TrailReader(source, provider=None, rules=ReadingRules(policy=policy))
        entries = list(reader)

    redacted = [entry for entry in entries if isinstance(entry, RedactedEvent)]
    assert [(one.sequence, one.proven, one.request) for one in redacted] == [(3, Proven.YES, "R-1")]
    assert (reader.counts.redacted, reader.counts.damaged, reader.counts.foreign) == (1, 0, 0)
    assert [each.proven for each in entries if isinstance(each, SealedEntry)] == [Proven.YES] * 19
