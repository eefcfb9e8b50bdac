"""Adopts the spool segments of dead processes, and sends what they left."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.packing import Row
from telemetry.audit.spool.segment import (
    ASIDE,
    FORMAT_VERSION,
    SUFFIX,
    About,
    SpoolSegment,
    set_aside,
)
from telemetry.audit.spool.segment_errors import DamagedSegmentError
from telemetry.exceptions import SpoolError, TelemetryError

logger = logging.getLogger("telemetry.spool")

_CHUNK = 500
_NOTE_EVERY = 2_000
_YOUNG_SECONDS = 60.0


class AdoptedSegment:
    """A dead process's segment; deleted when everything in it is settled.

    Args:
        segment: The file.
    """

    def __init__(self, segment: SpoolSegment) -> None:
        self._segment = segment
        self._lock = threading.Lock()
        self._sent = 0
        self._settled_count = 0
        self._settled: set[int] = set()
        self._positions: list[int] = []
        self._noted = 0
        self._complete = False
        self._damage = segment.damage
        self._ended = False
        about = segment.about
        self.producer = about.producer if about is not None else segment.path.stem
        """The stream whose records these are."""
        self.source = about.source if about is not None else ""
        """CloudEvents source of the stream."""

    @property
    def tree(self) -> TreeState | None:
        """The stream's tree."""
        return self._segment.tree

    def records(self, closing: Callable[[AdoptedSegment], SealedRecord | None]) -> Iterator[list[SealedRecord]]:
        """Yield the records in order, in chunks, and a closing checkpoint at the end."""
        producer, count, chunk = self.producer, 0, []
        for position, event_id, key, value in self._rows():
            record = SealedRecord.written(event_id, producer=producer, sequence=position, key=key, value=value)
            chunk.append(self._own(record))
            count += 1
            if len(chunk) >= _CHUNK:
                yield chunk
                chunk = []
        last = self._closing_checkpoint(closing)
        if last is not None:
            chunk.append(self._own(last))
        if chunk:
            yield chunk
        logger.warning("recovered %d events of a process that ended without shutdown (producer %s)", count, producer)
        with self._lock:
            self._complete = True
            self._end_if_settled()

    def acknowledge(self, records: list[SealedRecord]) -> None:
        """Forget records that are on the topic or in the fallback store."""
        with self._lock:
            self._settled_count += len(records)
            self._settled.update(record.sequence for record in records if record.sequence is not None)
            if not self._end_if_settled() and len(self._settled) - self._noted >= _NOTE_EVERY and not self._damage:
                self._note_progress()

    def close(self) -> None:
        """Leave what is not settled to the next process."""
        with self._lock:
            if not self._ended:
                self._ended = True
                self._segment.close()

    def _closing_checkpoint(self, closing: Callable[[AdoptedSegment], SealedRecord | None]) -> SealedRecord | None:
        if self._damage:
            return None
        try:
            return closing(self)
        except TelemetryError as exc:
            logger.error("producer %s gets no closing checkpoint: %s", self.producer, exc)  # noqa: TRY400 - the cause is in the line
            return None

    def _own(self, record: SealedRecord) -> SealedRecord:
        record.segment = self
        with self._lock:
            self._sent += 1
            if record.sequence is not None:
                self._positions.append(record.sequence)
        return record

    def _rows(self) -> Iterator[Row]:
        last = -1
        try:
            for row in self._segment.rows():
                last = row[0]
                yield row
        except SpoolError as exc:
            self._damage = str(exc)
            yield from self._rows_after_damage(last)
        if self._damage:
            logger.error("what can be read of a damaged spool segment is sent: %s", self._damage)

    def _rows_after_damage(self, last: int) -> list[Row]:
        saved: dict[int, Row] = {}
        for row in self._segment.rows_backwards():
            if row[0] > last:
                saved[row[0]] = row
        return [saved[position] for position in sorted(saved)]

    def _note_progress(self) -> None:
        below = next((position for position in self._positions if position not in self._settled), None)
        self._noted = len(self._settled)
        if below is not None:
            with contextlib.suppress(SpoolError):
                self._segment.note_settled(below)

    def _end_if_settled(self) -> bool:
        if self._ended or not self._complete or self._settled_count < self._sent:
            return False
        self._ended = True
        if not self._damage:
            self._segment.remove()
            return True
        try:
            aside = self._segment.set_aside()
            logger.error("the damaged spool segment is kept as %s; look at it, then delete it", aside)
        except OSError as exc:
            logger.error("the damaged spool segment %s cannot be set aside: %s", self._segment.path, exc)  # noqa: TRY400 - the cause is in the line
        return True


def adopt_segments(folder: Path, *, topic: str) -> list[AdoptedSegment]:
    """Open every segment of this topic in ``folder`` whose process is dead, oldest first."""
    adopted = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        segment = _adopt(path)
        if segment is None:
            continue
        # What does not say any more where it belongs is taken for this topic's: most folders have one.
        about = segment.about or About(FORMAT_VERSION, "", topic, "")
        if about.version != FORMAT_VERSION:
            logger.error("the spool segment %s was written by another version of this library; it stays there", path)
        if about.topic == topic and about.version == FORMAT_VERSION:
            adopted.append(AdoptedSegment(segment))
        else:
            segment.close()
    _remove_lone_logs(folder)
    return adopted


def _remove_lone_logs(folder: Path) -> None:
    """Finish what a process was killed in: the name of a settled segment goes first, and its log's after it."""
    for log in [*folder.glob(f"*{SUFFIX}-wal"), *folder.glob(f"*{SUFFIX}-journal")]:
        segment = log.with_name(log.name.rpartition("-")[0])
        # The log of a damaged segment that is just being set aside is for a person to look at.
        if not segment.exists() and not segment.with_suffix(ASIDE).exists():
            with contextlib.suppress(OSError):
                log.unlink()
            logger.info("removed %s, which a process left behind when it was killed", log)


def _adopt(path: Path) -> SpoolSegment | None:
    try:
        if path.stat().st_size == 0:
            # Its owner is just about to fill it, or died before it could.
            if time.time() - path.stat().st_mtime > _YOUNG_SECONDS:
                path.unlink()
            return None
        return SpoolSegment.adopt(path)
    except FileNotFoundError:
        return None
    except DamagedSegmentError as exc:
        with contextlib.suppress(OSError):
            logger.error("nothing in the spool segment can be read, it is set aside as %s: %s", set_aside(path), exc)  # noqa: TRY400
    except (SpoolError, OSError) as exc:
        logger.error("the spool segment %s cannot be adopted now; the next start tries again: %s", path, exc)  # noqa: TRY400
    return None
