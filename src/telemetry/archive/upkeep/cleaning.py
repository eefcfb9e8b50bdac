"""Deletes data files that no reader needs any more: those that were replaced, and those that a crash left behind."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from telemetry.archive.committing.young_files import MAX_AGE_SECONDS
from telemetry.archive.files.data_file import DATA_PREFIX
from telemetry.archive.upkeep.open_archive import OpenArchive
from telemetry.exceptions import StorageError, TamperedError
from telemetry.format.archive.succession import ArchiveState
from telemetry.format.uuid7 import UUID_PATTERN, created_at
from telemetry.reader.seals.store import SealStore
from telemetry.storage import StoredObject

logger = logging.getLogger("telemetry.archive")

_ORPHAN_AGE = timedelta(seconds=2 * MAX_AGE_SECONDS)
"""Age from which a file that no seal names is nobody's: its writer may not seal it any more."""
_OWN_NAME = re.compile(
    rf"{re.escape(DATA_PREFIX)}day=[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}/({UUID_PATTERN})-[0-9]+\.parquet"
)
_CLOCKS = timedelta(hours=1)
"""How far the clocks of two archivers may be apart."""


class Cleaned(NamedTuple):
    """What a clean-up did.

    Attributes:
        deleted: Files that were deleted, or would be.
        bytes: Their bytes.
        waiting: Files that are deleted later.
        foreign: Files that are not named as this library names them; they stay.
        refused: Files that the store did not delete.
    """

    deleted: int = 0
    bytes: int = 0
    waiting: int = 0
    foreign: int = 0
    refused: int = 0


def clean(
    archive: OpenArchive, *, now: datetime, keep_removed: timedelta | None = None, dry_run: bool = False
) -> Cleaned:
    """Delete the files that are not live.

    1. The listing comes first: what a commit adds after it is not in it, and what one added before it is live.
    2. A file that a seal has removed is deleted once its readers had time to finish.
    3. One that no seal names is deleted when it is so old that nobody may seal it any more.

    Args:
        archive: The archive.
        now: Present time, with its time zone.
        keep_removed: Time that readers have; None for that of the configuration.
        dry_run: Count alone.

    Raises:
        TamperedError: A seal is not believed; nothing was deleted.
        StorageError: The store could not be listed.
    """
    # 1.
    listed = list(archive.store.list(DATA_PREFIX))
    state = archive.state()
    others = [stored for stored in listed if stored.name not in state.live]
    # 2. and 3.
    kept = timedelta(seconds=archive.settings.keep_removed_seconds) if keep_removed is None else keep_removed
    since = now - max(kept, _ORPHAN_AGE) - _CLOCKS
    removed = dict(_recently_removed(SealStore(archive.store), state, since=since)) if others else {}
    readers = now - kept
    total = Cleaned()
    for stored in others:
        total = _judge(archive, stored, removed, total, readers=readers, now=now, dry_run=dry_run)
    return total


def delete_files(archive: OpenArchive, names: Iterable[str]) -> list[str]:
    """Delete files, and return the names of those that the store did not delete."""
    refused = []
    for name in names:
        try:
            archive.store.delete(name)
        except StorageError as exc:
            logger.warning("%s stays in the store: %s", name, exc)
            refused.append(name)
    return refused


def _judge(
    archive: OpenArchive,
    stored: StoredObject,
    removed: dict[str, datetime],
    total: Cleaned,
    *,
    readers: datetime,
    now: datetime,
    dry_run: bool,
) -> Cleaned:
    match = _OWN_NAME.fullmatch(stored.name)
    created = created_at(match[1]) if match else None
    at = removed.get(stored.name)
    if at is None and created is None:
        return total._replace(foreign=total.foreign + 1)
    is_due = at <= readers if at is not None else (created or 0.0) <= (now - _ORPHAN_AGE).timestamp()
    if not is_due:
        return total._replace(waiting=total.waiting + 1)
    if not dry_run and delete_files(archive, [stored.name]):
        return total._replace(refused=total.refused + 1)
    return total._replace(deleted=total.deleted + 1, bytes=total.bytes + stored.size)


def _recently_removed(seals: SealStore, state: ArchiveState, *, since: datetime) -> Iterator[tuple[str, datetime]]:
    """Yield the files that seals removed since a time, and when; the chain is followed back from the last seal."""
    seal = state.seal
    while (time := datetime.fromisoformat(seal.time).astimezone(UTC)) >= since:
        for name in seal.removed:
            yield name, time
        if seal.number == 0:
            return
        before = seals.read(seal.number - 1)
        if not hmac.compare_digest(before.digest, seal.previous):
            message = f"the seal {before.number} is not the one that the seal {seal.number} names; nothing was deleted"
            raise TamperedError(message)
        seal = before.seal
