"""Reads the history of the table: which seal its newest snapshot is of, and what other writers did since then."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from pyiceberg.manifest import ManifestEntryStatus
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from telemetry.archive.table.locations import Locations
from telemetry.format.archive.seal import Positions

SEAL_PROPERTY = "telemetry.seal"
ARCHIVE_PROPERTY = "telemetry.archive"
ADOPTED_PROPERTY = "telemetry.adopted"
"""Id of a snapshot of another writer that a seal has adopted."""
OFFSETS_PROPERTY = "telemetry.offsets."
"""Before the name of a topic: the next offset of each partition, as JSON."""

_MAX_SNAPSHOTS = 1_000_000
_decode_offsets = msgspec.json.Decoder(dict[int, int]).decode


class ForeignSnapshot(NamedTuple):
    """A snapshot that no seal is of: another engine wrote it.

    Attributes:
        snapshot_id: Its id.
        time: When it was written, as its writer says.
        operation: What Iceberg calls it: ``append``, ``overwrite``, ``replace``, ``delete``.
        added: Names of the data files that it added.
        removed: Names of the data files that it removed.
        offsets: The next offset of each partition, by topic, where its writer says so.
    """

    snapshot_id: int
    time: datetime
    operation: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    offsets: Positions


def sealed_snapshot(table: Table) -> tuple[int, str]:
    """Return the number of the seal that the table was brought to, and the id of its archive; -1 and nothing before the first."""
    for snapshot in history(table):
        number = _property(snapshot, SEAL_PROPERTY)
        if number is not None and number.isdecimal():
            return int(number), _property(snapshot, ARCHIVE_PROPERTY) or ""
    return -1, ""


def foreign_ids(table: Table) -> list[int]:
    """Return the ids of the snapshots that no seal is of and none has adopted, oldest first."""
    adopted, found = set(), []
    for snapshot in history(table):
        if _property(snapshot, SEAL_PROPERTY) is None:
            found.append(snapshot.snapshot_id)
        else:
            adopted.add(_property(snapshot, ADOPTED_PROPERTY))
    return [one for one in reversed(found) if str(one) not in adopted]


def foreign_snapshots(table: Table, locations: Locations) -> list[ForeignSnapshot]:
    """Return the snapshots of :func:`foreign_ids`, with what they changed.

    Raises:
        ArchiveStateError: One names a file outside of the archive.
    """
    known = {snapshot.snapshot_id: snapshot for snapshot in table.metadata.snapshots}
    return [_foreign(table, known[one], locations) for one in foreign_ids(table)]


def _foreign(table: Table, snapshot: Snapshot, locations: Locations) -> ForeignSnapshot:
    changed: dict[ManifestEntryStatus, list[str]] = {ManifestEntryStatus.ADDED: [], ManifestEntryStatus.DELETED: []}
    for manifest in snapshot.manifests(table.io):
        if manifest.added_snapshot_id != snapshot.snapshot_id:
            continue
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
            if entry.snapshot_id == snapshot.snapshot_id and entry.status in changed:
                changed[entry.status].append(locations.name_of(entry.data_file.file_path))
    return ForeignSnapshot(
        snapshot_id=snapshot.snapshot_id,
        time=datetime.fromtimestamp(snapshot.timestamp_ms / 1_000, UTC),
        operation=str(snapshot.summary.operation.value) if snapshot.summary else "unknown",
        added=tuple(changed[ManifestEntryStatus.ADDED]),
        removed=tuple(changed[ManifestEntryStatus.DELETED]),
        offsets=_offsets_of(snapshot),
    )


def _offsets_of(snapshot: Snapshot) -> Positions:
    """Return the offsets that a snapshot states; what cannot be read as such is passed over."""
    found: Positions = {}
    stated = snapshot.summary.additional_properties if snapshot.summary is not None else {}
    for name, text in stated.items():
        if name.startswith(OFFSETS_PROPERTY):
            with contextlib.suppress(msgspec.MsgspecError):
                found[name.removeprefix(OFFSETS_PROPERTY)] = _decode_offsets(text)
    return found


def history(table: Table) -> Iterator[Snapshot]:
    """Yield the snapshots from the newest back, as far as they were not expired."""
    known = {snapshot.snapshot_id: snapshot for snapshot in table.metadata.snapshots}
    current = table.metadata.current_snapshot_id
    # A forged history could lead in a circle.
    for _ in range(min(len(known), _MAX_SNAPSHOTS)):
        snapshot = known.pop(current, None) if current is not None else None
        if snapshot is None:
            return
        yield snapshot
        current = snapshot.parent_snapshot_id


def _property(snapshot: Snapshot, name: str) -> str | None:
    value = snapshot.summary[name] if snapshot.summary is not None else None
    return value if isinstance(value, str) else None
