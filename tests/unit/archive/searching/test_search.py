"""What a search finds, counts and refuses; and what it says of rows whose columns lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.rows.columns import SCHEMA
from telemetry.archive.searching.conditions import SearchedEvents
from telemetry.archive.searching.engine import SearchEngine
from telemetry.archive.searching.search import ArchiveSearch
from telemetry.exceptions import ArchiveFileError, ConfigurationError
from telemetry.format.archive.seal import SealKind
from telemetry.reader import OpenedEvent, TrailReader
from telemetry.reader.filters import EventFilter
from telemetry.storage import StorageProviderFactory
from tests.support.searchable_archive import SearchableArchive


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> SearchableArchive:
    archive = SearchableArchive(tmp_path_factory.mktemp("searched"))
    archive.fill()
    return archive


@pytest.fixture
def own(tmp_path: Path) -> SearchableArchive:
    archive = SearchableArchive(tmp_path)
    archive.fill()
    return archive


def _searching(archive: SearchableArchive) -> Iterator[ArchiveSearch]:
    with StorageProviderFactory.create(archive.trail.storage) as store, SearchEngine(store) as engine:
        yield ArchiveSearch(ArchiveReader(store, name="the archive"), engine, config=archive.config())


@pytest.fixture
def search(filled: SearchableArchive) -> Iterator[ArchiveSearch]:
    yield from _searching(filled)


def _wanted(**conditions: Any) -> SearchedEvents:
    others = {name: conditions.pop(name) for name in ("services", "producers", "actions") if name in conditions}
    return SearchedEvents(filter=EventFilter(**conditions), **others)


def test_user_is_found_in_every_service(search: ArchiveSearch) -> None:
    found = search.find(_wanted(users=frozenset({"wanted"})), limit=100)

    assert len(found.hits) == 6
    assert {hit.columns["service"] for hit in found.hits} == {"shop", "clinic"}
    times = [hit.columns["time"] for hit in found.hits]
    assert times == sorted(times)
    assert (found.altered, found.is_cut) == ([], False)


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        ({"users": frozenset({"wanted"}), "services": ("shop",)}, 3),
        ({"users": frozenset({"nobody"})}, 0),
        ({"users": frozenset({"' OR 1=1 --"})}, 0),
        ({"types": ("order_d",)}, 42),
        ({"types": ("*_log?n", "x")}, 36),
        ({"types": ("o%",)}, 0),
        ({"outcomes": frozenset({"denied"})}, 60),
        ({"entities": frozenset({"order/7"})}, 6),
        ({"entities": frozenset({"order"})}, 120),
        ({"entities": frozenset({"invoice"})}, 0),
        ({"actors": frozenset({"alice"})}, 36),
        ({"actions": ("read",)}, 120),
        ({"since": "2026-01-03T00:00:00.000000Z"}, 80),
        ({"until": "2026-01-03T00:00:00.000000Z"}, 40),
        ({"since": "2026-01-03T03:04:06Z", "until": "2026-01-03T03:04:07Z"}, 4),
    ],
)
def test_conditions(search: ArchiveSearch, conditions: dict[str, Any], count: int) -> None:
    found = search.find(_wanted(**conditions), limit=1_000)

    assert len(found.hits) == count
    assert sum(number for _, number in search.count_by(_wanted(**conditions), "type")) == count


def test_events_that_were_logged_last_are_kept(search: ArchiveSearch) -> None:
    every = search.find(_wanted(), limit=1_000)
    some = search.find(_wanted(), limit=7)

    assert [hit.place for hit in some.hits] == [hit.place for hit in every.hits[-7:]]
    assert some.is_cut


@pytest.mark.parametrize(
    ("column", "counts"),
    [
        ("service", {"shop": 60, "clinic": 60}),
        ("outcome", {"success": 60, "denied": 60}),
        ("day", {"2026-01-02": 40, "2026-01-03": 40, "2026-01-04": 40}),
    ],
)
def test_counts(search: ArchiveSearch, column: str, counts: dict[str, int]) -> None:
    assert dict(search.count_by(_wanted(), column)) == counts


@pytest.mark.parametrize(
    "conditions",
    [{"text": "note"}, {"where": ("payload.order=7",)}, {"addresses": frozenset({"10.0.0.0/8"})}, {"adjusted": True}],
)
def test_what_is_sealed_is_refused(conditions: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        _wanted(**conditions)


def test_columns_that_nobody_projects_are_named(search: ArchiveSearch) -> None:
    assert search.lacking_columns(_wanted(tenants=frozenset({"a"}), outcomes=frozenset({"denied"}))) == ["tenantid"]


def test_checkpoint_that_covers_a_hit_is_found(search: ArchiveSearch) -> None:
    found = search.find(_wanted(users=frozenset({"wanted"})), limit=10)

    assert len(search.checkpoints_of(found.hits)) == 6


def test_copy_counts_once(own: SearchableArchive) -> None:
    process = own.process(9)
    record = process.log("copied", "dave")
    own.archive([record, record])
    for search in _searching(own):
        assert len(search.find(_wanted(types=("copied",)), limit=10).hits) == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("outcome", "success"),
        ("type", "harmless"),
        ("service", "other"),
        ("producer", "0198c0de-0000-7000-8000-00000000ffff"),
    ],
)
def test_columns_that_lie_are_no_hits(own: SearchableArchive, column: str, value: str) -> None:
    table = own.trail.table()
    at = SCHEMA.get_field_index(column)
    lying = table.set_column(at, SCHEMA.field(column), pa.array([value] * len(table), pa.string()))
    own.trail.replace(SealKind.COMPACT, lying)
    for search in _searching(own):
        found = search.find(_wanted(services=("shop", "other")), limit=100)

    assert found.altered
    assert {column} <= {name for hit in found.altered for name in hit.differing}
    assert all(hit.columns[column] == value and column not in hit.differing for hit in found.hits)


def test_compaction_meanwhile_changes_nothing(own: SearchableArchive) -> None:
    for search in _searching(own):
        before = search.find(_wanted(outcomes=frozenset({"denied"})), limit=1_000)
        with StorageProviderFactory.create(own.trail.storage) as store:
            names = list(own.trail.live)
            own.trail.replace(SealKind.COMPACT, own.trail.table())
            for name in names:
                store.delete(name)
        after = search.find(_wanted(outcomes=frozenset({"denied"})), limit=1_000)

    assert [hit.place for hit in after.hits] == [hit.place for hit in before.hits]


@pytest.mark.parametrize("content", [b"", b"rubbish" * 40, b"PAR1" + b"\xff" * 30 + b"PAR1"])
def test_file_that_is_none_is_an_error(own: SearchableArchive, content: bytes) -> None:
    with StorageProviderFactory.create(own.trail.storage) as store:
        name = next(iter(own.trail.live))
        store.delete(name)
        store.put(name, content)
    for search in _searching(own):
        with pytest.raises(ArchiveFileError, match="verify --from archive"):
            search.find(_wanted(), limit=10)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
        "COPY (SELECT 1) TO '/tmp/telemetry-never.csv'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "ATTACH 'telemetry-never.db'",
        "SET enable_external_access = true",
    ],
)
def test_engine_reaches_nothing_but_the_archive(filled: SearchableArchive, statement: str) -> None:
    with StorageProviderFactory.create(filled.trail.storage) as store, SearchEngine(store) as engine:
        files = ArchiveReader(store, name="the archive").live_files()
        assert engine.table("SELECT count(*) FROM read_parquet($1)", files)[0][0].as_py() == 126
        with pytest.raises(ArchiveFileError):
            engine.table(statement, files)


def test_each_data_key_is_opened_once(
    filled: SearchableArchive, search: ArchiveSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = search.find(_wanted(services=("shop",)), limit=1_000)
    asked, unwrap = [], filled.provider.unwrap

    def counted(*arguments: Any, **named: Any) -> Any:
        asked.append(arguments[0])
        return unwrap(*arguments, **named)

    monkeypatch.setattr(filled.provider, "unwrap", counted)
    opened = list(TrailReader([hit.record for hit in found.hits], provider=filled.provider))

    assert sum(isinstance(entry, OpenedEvent) for entry in opened) == 60
    assert len(asked) == len({hit.columns["kid"] for hit in found.hits}) == 3
