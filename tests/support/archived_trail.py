"""Archives the records of a trail in a folder, as the archiver leaves them: rows in data files, and a seal for each commit."""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from telemetry.archive.rows.columns import Row
from telemetry.archive.rows.row_maker import RowMaker
from telemetry.archive.rows.tables import days_of, table_of
from telemetry.archive.writing.named_streams import NamedStreams
from telemetry.config import StorageConfig
from telemetry.format.archive.live_files import LiveFiles
from telemetry.format.archive.seal import Commit, Ending, Redaction, SealedFile, SealedRange, SealedStream, SealKind
from telemetry.format.archive.seal_note import encode_seal, seal_digest, seal_name
from telemetry.format.archive.succession import ArchiveState, seal_after
from telemetry.reader.entry import DamagedRecord, RawRecord
from telemetry.storage import StorageProviderFactory
from tests.support.written_trail import Signer

ARCHIVER = Signer(77, "archiver")
SOURCE = "/production/telemetry-archiver"
NOW = 1_767_500_000.0

Edit = Callable[[list[Row]], Iterable[Row]]


class ArchivedTrail:
    """An archive in a folder.

    Args:
        folder: The folder.
        signer: Signs the seals.
        group_rows: Rows of a row group.
    """

    def __init__(self, folder: Path, *, signer: Signer = ARCHIVER, group_rows: int = 20_000) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.storage = StorageConfig(provider="local_file", base_path=folder)
        self._signer = signer
        self._group_rows = group_rows
        self._state: ArchiveState | None = None
        self._files = 0

    @property
    def live(self) -> LiveFiles:
        """The live files."""
        return self._state.live if self._state is not None else LiveFiles()

    def append(self, records: Iterable[RawRecord | DamagedRecord], *, edit: Edit = list) -> list[SealedFile]:
        """Archive records in one commit.

        Args:
            records: The records.
            edit: Changes the rows before they are written.
        """
        archived = list(records)
        maker = RowMaker(now=lambda: NOW)
        rows = list(edit([maker.row_of(record) for record in archived]))
        added = self.write(table_of(rows))
        ranges, starts = _ranges_of(archived)
        if self._state is not None:
            starts = {
                topic: {
                    part: first
                    for part, first in parts.items()
                    if part not in self._state.seal.positions.get(topic, {})
                }
                for topic, parts in starts.items()
            }
        objects = {record.place.name for record in archived if record.place.name is not None}
        self.commit(
            Commit(
                kind=SealKind.APPEND,
                added=tuple(added),
                ranges=tuple(ranges),
                starts={topic: parts for topic, parts in starts.items() if parts},
                objects=tuple(sorted(objects)),
                streams=tuple(_streams_of(archived)),
            )
        )
        return added

    def replace(
        self,
        kind: SealKind,
        table: pa.Table,
        removed: Iterable[str] | None = None,
        *,
        redacted: Sequence[Redaction] = (),
        ended: Sequence[Ending] = (),
    ) -> list[SealedFile]:
        """Replace data files, all of them by default, in one commit."""
        added = self.write(table)
        names = tuple(removed if removed is not None else list(self.live))
        self.commit(Commit(kind=kind, added=tuple(added), removed=names, redacted=tuple(redacted), ended=tuple(ended)))
        return added

    def table(self) -> pa.Table:
        """Return the rows of all live files."""
        with StorageProviderFactory.create(self.storage) as store:
            return pa.concat_tables(
                [pq.read_table(pa.BufferReader(store.get(file.name))) for file in self.live.files()]
            )

    def table_of(self, name: str) -> pa.Table:
        """Return the rows of one file."""
        with StorageProviderFactory.create(self.storage) as store:
            return pq.read_table(pa.BufferReader(store.get(name)))

    def write(self, table: pa.Table) -> list[SealedFile]:
        """Write data files, one a day, and commit nothing."""
        written = []
        with StorageProviderFactory.create(self.storage) as store:
            for day, rows in days_of(table):
                sink = io.BytesIO()
                pq.write_table(rows, sink, compression="zstd", row_group_size=self._group_rows)
                data = sink.getvalue()
                name = f"events/data/day={day}/0198c0de-0000-7000-8000-{self._files:012x}-0.parquet"
                self._files += 1
                store.put(name, data)
                digest = hashlib.sha256(data).hexdigest()
                written.append(SealedFile(name=name, sha256=digest, size=len(data), rows=rows.num_rows, day=str(day)))
        return written

    def commit(self, commit: Commit) -> None:
        """Create the next seal."""
        number = self._state.seal.number + 1 if self._state is not None else 0
        seal = seal_after(
            self._state,
            commit,
            time=f"2026-01-03T00:{number // 60:02d}:{number % 60:02d}.000000Z",
            source=SOURCE,
            archive="0198c0de-0000-7000-8000-00000000a2c4",
        )
        data = encode_seal(seal, self._signer)
        with StorageProviderFactory.create(self.storage) as store:
            store.put(seal_name(number), data)
        live = self.live.after(seal)
        self._state = ArchiveState(seal, seal_digest(data), live)


def _ranges_of(records: Iterable[RawRecord | DamagedRecord]) -> tuple[list[SealedRange], dict[str, dict[int, int]]]:
    offsets: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for record in records:
        source, partition, offset, _ = record.place
        if partition is not None:
            offsets[source, partition].append(offset)
    ranges: list[SealedRange] = []
    starts: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for (topic, partition), numbers in offsets.items():
        first, end = min(numbers), max(numbers) + 1
        starts[topic][partition] = first
        ranges.append(SealedRange(topic=topic, partition=partition, first=first, end=end))
    return ranges, dict(starts)


def _streams_of(records: Iterable[RawRecord | DamagedRecord]) -> Iterable[SealedStream]:
    named = NamedStreams()
    for record in records:
        if isinstance(record, RawRecord) and record.value is not None:
            named.add(record.value)
    return named.largest()
