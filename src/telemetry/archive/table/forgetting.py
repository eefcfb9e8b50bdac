"""Forgets old snapshots of the table, and deletes the metadata that only they needed.

A table that is committed to every few minutes would otherwise describe all of its past in each commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from telemetry.archive.table.snapshots import foreign_ids, history

MOST = 200
"""Snapshots from which on old ones are forgotten in passing."""
KEPT = 100
GRACE = timedelta(hours=1)
"""A query of another engine may still read a snapshot that is younger."""


def superfluous(table: Table, *, now: datetime) -> list[Snapshot]:
    """Return the snapshots to forget in passing, if there are many: none of the newest ones, none that is young."""
    if len(table.metadata.snapshots) <= MOST:
        return []
    newest = {snapshot.snapshot_id for _, snapshot in zip(range(KEPT), history(table), strict=False)}
    return [one for one in older(table, now - GRACE) if one.snapshot_id not in newest]


def older(table: Table, moment: datetime) -> list[Snapshot]:
    """Return the snapshots from before a moment, without what a branch, a tag or the archiver still needs."""
    kept = {ref.snapshot_id for ref in table.metadata.refs.values()} | {*foreign_ids(table)}
    before = moment.astimezone(UTC).timestamp() * 1_000
    return [one for one in table.metadata.snapshots if one.timestamp_ms < before and one.snapshot_id not in kept]


def forget(table: Table, snapshots: Collection[Snapshot]) -> None:
    """Forget snapshots.

    Raises:
        CommitFailedException: Another writer changed the table at the same time.
    """
    table.maintenance.expire_snapshots().by_ids([snapshot.snapshot_id for snapshot in snapshots]).commit()


def files_of(table: Table, snapshots: Iterable[Snapshot]) -> set[str]:
    """Return the URIs of the metadata that snapshots consist of: lists of manifests, and manifests."""
    return set(_files_of(table, snapshots))


def _files_of(table: Table, snapshots: Iterable[Snapshot]) -> Iterator[str]:
    for snapshot in snapshots:
        if snapshot.manifest_list:
            yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            yield manifest.manifest_path
