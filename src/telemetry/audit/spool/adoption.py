"""Adopts the spool segments of dead processes, and reads what they left."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.folder_state import FolderState
from telemetry.audit.spool.own_files import ForeignFileError, rename_segment, require_own
from telemetry.audit.spool.owner import Owner
from telemetry.audit.spool.packing import Row
from telemetry.audit.spool.sealing import PLAIN_VERSION, SEALED_VERSION
from telemetry.audit.spool.segment import (
    DAMAGED_SUFFIX,
    QUARANTINED_SUFFIX,
    SUFFIX,
    SpoolSegment,
)
from telemetry.audit.spool.sqlite_file import DamagedSegmentError, was_killed_at_birth
from telemetry.exceptions import EncryptionError, SpoolError, TelemetryError

logger = logging.getLogger("telemetry.spool")

_CHUNK = 500
_NOTE_EVERY = 2_000
_YOUNG_SECONDS = 60.0
"""An empty file younger than this may belong to a process that is just starting."""


class AdoptedSegment:
    """A dead process's segment; deleted when everything in it is settled.

    The sender reads the records; the ledger's threads acknowledge them, which may begin before all are read.
    ``_lock`` guards the counts.

    Args:
        segment: The file.
        owner: Whose segment it is.
        state: Knows which streams have ended; None where nothing is remembered.

    Attributes:
        producer: Stream of the dead process.
        source: CloudEvents source of the stream.
        is_marked: Whether the form of the segment shows that this service wrote it. Nothing else is signed.
    """

    # attributes: the counts of a segment that two threads read and settle
    def __init__(self, segment: SpoolSegment, owner: Owner, *, state: FolderState | None = None) -> None:
        about = segment.about
        # A segment is named after its producer, so the name helps where the first entry is damaged.
        self.producer = about.producer if about is not None else segment.path.stem
        self.source = about.source if about is not None else ""
        self.is_marked = segment.is_marked or owner.keys is None
        self._ended = state.ended(self.producer) if state is not None else None
        self._segment = segment
        self._owner = owner
        self._state = state
        self._damage = segment.damage
        self._lock = threading.Lock()
        self._positions: list[int] = []
        self._read_count = 0
        self._is_read = False
        self._settled: set[int] = set()
        self._settled_count = 0
        self._noted_count = 0
        self._is_closed = False

    @property
    def later_end(self) -> TreeState | None:
        """The tree with which the stream is known to have ended, if this segment is an older copy of it; else None."""
        ended, tree = self._ended, self.tree
        return ended if ended is not None and tree is not None and tree.size < ended.size else None

    @property
    def read_count(self) -> int:
        """How many records were read from it."""
        return self._read_count

    @property
    def tree(self) -> TreeState | None:
        """The stream's tree as of the last commit; None where none was kept, or after damage."""
        return self._segment.tree

    def records(self, closing: Callable[[AdoptedSegment], list[SealedRecord]]) -> Iterator[list[SealedRecord]]:
        """Yield the records in order, in chunks, and the last checkpoints at the end.

        Args:
            closing: Returns the signed checkpoints that close this stream; none where none is signed.
        """
        producer, count, chunk = self.producer, 0, []
        for position, event_id, key, value in self._rows():
            record = SealedRecord.written(event_id, producer=producer, sequence=position, key=key, value=value)
            chunk.append(self._adopted(record))
            count += 1
            if len(chunk) >= _CHUNK:
                yield chunk
                chunk = []
        chunk += [self._adopted(checkpoint) for checkpoint in self._closing_checkpoints(closing)]
        if chunk:
            yield chunk
        self._report(count)
        with self._lock:
            self._is_read = True
            self._end_if_settled()

    def acknowledge(self, records: list[SealedRecord]) -> None:
        """Forget records that are on the topic or in the fallback store."""
        with self._lock:
            self._settled_count += len(records)
            self._settled.update(record.sequence for record in records if record.sequence is not None)
            # A crash of this process may send again what it settled since the last note.
            is_due = len(self._settled) - self._noted_count >= _NOTE_EVERY
            if not self._end_if_settled() and is_due and not self._damage:
                self._note_progress()

    def close(self) -> None:
        """Leave what is not settled to the next process."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._segment.close()

    def _closing_checkpoints(self, closing: Callable[[AdoptedSegment], list[SealedRecord]]) -> list[SealedRecord]:
        # A checkpoint over a damaged segment would sign a tree whose records are not all there.
        if self._damage or not self.is_marked:
            return []
        try:
            return closing(self)
        except TelemetryError as exc:
            logger.error("no closing checkpoint is sent for producer %s: %s", self.producer, exc)  # noqa: TRY400 - the cause is in the line
            return []

    def _report(self, count: int) -> None:
        name = self.producer
        if not self.is_marked:
            text = "sent %d events of a segment that has no mark of this service, as of an earlier version; not signed (producer %s)"
        elif self.later_end is not None:
            text = "sent %d events of an old copy of a segment, whose stream had ended later (producer %s)"
        else:
            text = "recovered %d events of a process that exited without shutdown() (producer %s)"
        logger.warning(text, count, name)

    def _adopted(self, record: SealedRecord) -> SealedRecord:
        record.segment = self
        with self._lock:
            self._read_count += 1
            if record.sequence is not None:
                self._positions.append(record.sequence)
        return record

    def _rows(self) -> Iterator[Row]:
        last = -1
        try:
            for row in self._segment.rows():
                last = row[0]
                if self._is_own(row):
                    yield row
        except SpoolError as exc:
            self._damage = str(exc)
            yield from self._rows_after_damage(last)
        if not self._damage and not self._segment.is_whole:
            self._damage = "rows are missing from it, or are those of another history"
        if self._damage:
            logger.error("sending the readable part of a damaged segment: %s", self._damage)

    def _rows_after_damage(self, last: int) -> list[Row]:
        # Both tables are read from their end, so rows come twice where their ranges overlap, and in no order.
        rows = {row[0]: row for row in self._segment.rows_backwards() if row[0] > last and self._is_own(row)}
        return [rows[position] for position in sorted(rows)]

    def _is_own(self, row: Row) -> bool:
        # A row of a marked segment shows by its seal that this service wrote it.
        return self._segment.is_marked or self._owner.has_logged(row, producer=self.producer)

    def _note_progress(self) -> None:
        below = next((position for position in self._positions if position not in self._settled), None)
        self._noted_count = len(self._settled)
        if below is not None:
            with contextlib.suppress(SpoolError):
                self._segment.note_settled(below)

    def _end_if_settled(self) -> bool:
        if self._is_closed or not self._is_read or self._settled_count < self._read_count:
            return False
        self._is_closed = True
        if not self._damage:
            tree = self.later_end or self.tree
            if self._state is not None and self.is_marked and tree is not None:
                self._state.note_ended(tree)
            self._segment.remove()
            return True
        try:
            renamed = self._segment.set_apart(DAMAGED_SUFFIX)
            logger.error("the damaged spool segment is kept as %s; look at it, then delete it", renamed)
        except OSError as exc:
            logger.error(  # noqa: TRY400 - the cause is in the line
                "the damaged spool segment %s cannot be renamed, the next start reads it again: %s",
                self._segment.path,
                exc,
            )
        return True


def adopt_segments(folder: Path, owner: Owner, *, state: FolderState | None = None) -> list[AdoptedSegment]:
    """Open every segment of a service in ``folder`` whose process is dead, oldest first.

    Args:
        folder: The spool folder.
        owner: The service.
        state: What is remembered of the folder; None where nothing is.
    """
    adopted = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        segment = _adopt(path, owner)
        if segment is None:
            continue
        if _is_ours(segment, owner, state):
            adopted.append(AdoptedSegment(segment, owner, state=state))
        else:
            segment.close()
    _remove_lone_logs(folder)
    return adopted


def _is_ours(segment: SpoolSegment, owner: Owner, state: FolderState | None) -> bool:
    about = segment.about
    # A segment with a damaged first entry is assumed to be of this topic: most folders have one topic.
    if about is None:
        return True
    if about.version not in (PLAIN_VERSION, SEALED_VERSION):
        logger.error(
            "the spool segment %s was written by another version of this library and stays there; start that version to send it",
            segment.path,
        )
        return False
    if about.topic != owner.topic:
        return False
    if not owner.accepts(about.source):
        # Several services may share a folder; each sends its own events.
        logger.error(
            "the spool segment %s is another service's and stays there; start that service to send it", segment.path
        )
        return False
    return segment.is_marked or _is_accepted(segment, owner, state, producer=about.producer)


def _is_accepted(segment: SpoolSegment, owner: Owner, state: FolderState | None, *, producer: str) -> bool:
    """Return whether a segment without seals is sent; one that is not is renamed."""
    reason = ""
    if owner.keys is not None and state is not None and state.is_unmarked_over():
        reason = "it has no mark of this service, and the time in which such segments are accepted is over"
    elif not all(owner.has_logged(row, producer=producer) for row in _sound_rows(segment)):
        reason = "it has records that this service cannot have logged"
    if not reason:
        return True
    renamed = segment.set_apart(QUARANTINED_SUFFIX)
    logger.error(
        "nothing is sent from the spool segment %s: %s; look at it, then `telemetry spool accept` it or delete it",
        renamed,
        reason,
    )
    return False


def _sound_rows(segment: SpoolSegment) -> Iterator[Row]:
    with contextlib.suppress(SpoolError):
        yield from segment.rows()


def _remove_lone_logs(folder: Path) -> None:
    """Delete the log of a segment that was deleted by a process which was killed before it could delete both."""
    for log in [*folder.glob(f"*{SUFFIX}-wal"), *folder.glob(f"*{SUFFIX}-journal")]:
        segment = log.with_name(log.name.rpartition("-")[0])
        # The log of a damaged segment, which another process is just renaming, is for a person to look at.
        if not segment.exists() and not segment.with_suffix(DAMAGED_SUFFIX).exists():
            with contextlib.suppress(OSError):
                log.unlink()
            logger.info("deleted %s, which a killed process left", log)


def _adopt(path: Path, owner: Owner) -> SpoolSegment | None:
    try:
        status = require_own(path)
        if was_killed_at_birth(path, status.st_size):
            # Its owner is just about to fill it, or died before it could.
            if time.time() - status.st_mtime > _YOUNG_SECONDS:
                path.unlink()
            return None
        return SpoolSegment.adopt(path, owner.keys)
    except FileNotFoundError:
        return None
    except ForeignFileError as exc:
        logger.error("nothing is sent from a file in the spool folder: %s", exc)  # noqa: TRY400 - the cause is in the line
    except DamagedSegmentError as exc:
        with contextlib.suppress(OSError):
            renamed = rename_segment(path, DAMAGED_SUFFIX)
            logger.error("the spool segment is unreadable and kept as %s; look at it, then delete it: %s", renamed, exc)  # noqa: TRY400 - the cause is in the line
    except (SpoolError, EncryptionError, OSError) as exc:
        logger.error("the spool segment %s cannot be adopted now, the next start retries: %s", path, exc)  # noqa: TRY400 - the cause is in the line
    return None
