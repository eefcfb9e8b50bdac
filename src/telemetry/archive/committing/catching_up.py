"""Has the Iceberg table catch up with the seals, which alone say what the archive contains."""

from __future__ import annotations

import logging

from telemetry.archive.table.archive_table import ArchiveTable
from telemetry.exceptions import ArchiveConflictError, ArchiveStateError, StorageNotFoundError, TamperedError
from telemetry.format.archive.seal import SealKind
from telemetry.format.archive.seal_note import seal_name
from telemetry.format.archive.succession import ArchiveState
from telemetry.reader.seals.store import SealStore

logger = logging.getLogger("telemetry.archive")

_MOST_REGISTERED = 64
"""Seals that are registered one by one; a table that lags further is built anew from the live files."""
_ATTEMPTS = 5


def require_no_other_writer(table: ArchiveTable) -> None:
    """Check that no engine but the archiver has changed the table since its last seal.

    Raises:
        ArchiveStateError: One has.
    """
    foreign = table.foreign_snapshots()
    if foreign:
        first = foreign[0]
        message = (
            f"the table has {len(foreign)} snapshots of another writer, the first one {first.snapshot_id} ({first.operation}) "
            "from after the last seal: nothing was changed. Look at them, then have `telemetry archive seal` adopt them"
        )
        raise ArchiveStateError(message)


def catch_up(table: ArchiveTable, seals: SealStore, state: ArchiveState | None) -> int:
    """Register the seals that the table does not have.

    Args:
        table: The table.
        seals: The seals.
        state: The archive after the last seal; None where there is none.

    Returns:
        How many seals it lagged.

    Raises:
        ArchiveConflictError: Other writers keep changing the table.
        TamperedError: The table was brought to a seal that is absent.
        StorageError: Store or catalog refused or did not answer.
    """
    for _ in range(_ATTEMPTS):
        last, begun = -1 if state is None else state.seal.number, table.sealed_number()
        if begun > last:
            _require_seal(seals, begun)
        if state is None or begun >= last:
            return 0
        try:
            _register(table, seals, state, begun)
        except ArchiveConflictError:
            # Another writer registers the same seals: what counts is that the table has them.
            require_no_other_writer(table)
            continue
        return last - begun
    message = "the table is changed by other writers all the time; run one archiver at a time"
    raise ArchiveConflictError(message)


def rebuild(table: ArchiveTable, state: ArchiveState) -> None:
    """Build the table anew from the live files of the archive."""
    table.rebuild(state.live.files(), seal=state.seal)


def _require_seal(seals: SealStore, number: int) -> None:
    """Check that a seal is there which the table has; another writer may have created it a moment ago."""
    try:
        seals.read(number)
    except StorageNotFoundError as exc:
        message = (
            f"the table was brought to {seal_name(number)}, which is absent: somebody removed the last seals, or this is an "
            "older copy of the archive. Nothing was changed. Find out what happened; to go on from the seals that are left, "
            "run `telemetry archive seal --rebuild`, or remove the catalog if there is none"
        )
        raise TamperedError(message) from exc


def _register(table: ArchiveTable, seals: SealStore, state: ArchiveState, begun: int) -> None:
    last = state.seal.number
    if last - begun > _MOST_REGISTERED:
        logger.warning("the table lags %d seals; it is built anew from the live files", last - begun)
        rebuild(table, state)
        return
    missing = [seals.read(number).seal for number in range(begun + 1, last)] + [state.seal]
    if any(seal.kind is SealKind.ADOPT for seal in missing):
        logger.warning("the table lacks what another engine once wrote to it; it is built anew from the live files")
        rebuild(table, state)
        return
    try:
        for seal in missing:
            table.register(seal)
    except StorageNotFoundError as exc:
        # A file that a seal added was replaced since, and deleted.
        logger.warning(
            "the table is built anew from the live files, because one of the missing seals has none: %s", exc
        )
        rebuild(table, state)
