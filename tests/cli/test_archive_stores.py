"""An archive in an emulated object store: read whole, in parts, and searched."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.reading.source import ArchiveSource
from telemetry.archive.reading.trail_place import ArchivePlace
from telemetry.archive.searching.conditions import SearchedEvents
from telemetry.archive.searching.engine import SearchEngine
from telemetry.archive.searching.search import ArchiveSearch
from telemetry.config import StorageConfig
from telemetry.format.archive.seal import SealKind
from telemetry.reader import OpenedEvent, RawRecord, TrailReader
from telemetry.reader.filters import EventFilter
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.support.searchable_archive import SearchableArchive
from tests.support.written_trail import TOPIC

pytestmark = pytest.mark.services


@pytest.fixture
def archive(tmp_path: Path) -> SearchableArchive:
    archive = SearchableArchive(tmp_path)
    archive.fill()
    return archive


@pytest.fixture
def bucket(cloud_config: StorageConfig, archive: SearchableArchive) -> Iterator[StorageProvider]:
    """A store with a copy of the archive."""
    placed = cloud_config.model_copy(update={"prefix": f"archive-{uuid.uuid4()}"})
    with StorageProviderFactory.create(placed) as store:
        _copy(archive, store)
        yield store


def _copy(archive: SearchableArchive, to: StorageProvider) -> None:
    with StorageProviderFactory.create(archive.trail.storage) as folder:
        for stored in list(folder.list("events/data/")) + list(folder.list("evidence/")):
            to.put(stored.name, folder.get(stored.name))


def test_archive_in_a_bucket_is_read_and_searched(archive: SearchableArchive, bucket: StorageProvider) -> None:
    reader = ArchiveReader(bucket, name="the bucket")
    wanted = SearchedEvents(filter=EventFilter(users=frozenset({"wanted"})))
    with SearchEngine(bucket) as engine:
        found = ArchiveSearch(reader, engine, config=archive.config()).find(wanted, limit=100)
    opened = list(TrailReader([hit.record for hit in found.hits], provider=archive.provider))
    event_id = found.hits[0].columns["id"]
    near = ArchivePlace(reader, topic=TOPIC).near([event_id])[0].source()

    assert len(list(ArchiveSource(reader, topic=TOPIC))) == 126
    assert [entry.event.user_id for entry in opened if isinstance(entry, OpenedEvent)] == ["wanted"] * 6
    assert sum(isinstance(record, RawRecord) for record in near) == 21


def test_compaction_of_a_bucket_beside_a_reader(archive: SearchableArchive, bucket: StorageProvider) -> None:
    records = iter(ArchiveSource(ArchiveReader(bucket, name="the bucket"), topic=TOPIC))
    before = [next(records) for _ in range(50)]
    names = sorted(archive.trail.live)
    archive.trail.replace(SealKind.COMPACT, archive.trail.table())
    _copy(archive, bucket)
    for name in names:
        bucket.delete(name)

    offsets = sorted(record.place.offset for record in [*before, *records])
    assert offsets == list(range(126))
