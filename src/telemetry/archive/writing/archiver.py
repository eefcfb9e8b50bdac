"""Moves what is new on the topic and in the fallback store into the archive, commit after commit."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping

from telemetry.archive.committing.commits import ArchiveCommits
from telemetry.archive.files.writing import write_data_files
from telemetry.archive.rows.row_maker import RowMaker
from telemetry.archive.writing.counts import ArchiveTally
from telemetry.archive.writing.gathered_rows import GatheredRows
from telemetry.archive.writing.stored_objects import ObjectTally, StoredObjects
from telemetry.archive.writing.topic_batch import Stopping, TopicBatches, TopicPart
from telemetry.archive.writing.topic_view import TopicView
from telemetry.config import ArchiveConfig, AuditConfig
from telemetry.exceptions import TransportError
from telemetry.format.archive.seal import Commit, SealedFile, SealKind
from telemetry.storage.lease import Lock
from telemetry.trail.progress import StepProgress

logger = logging.getLogger("telemetry.archive")

_FIRST_ROWS = 20_000
"""Rows of the first commit of a run at most, after which it is known how large records are."""


class Archiver:
    """Archives one topic and its fallback store. It is used by one thread.

    Args:
        commits: The archive; it was opened.
        audit: The topic.
        archive: How much one commit takes.
        view: The topic, for questions.
        objects: The fallback store; None where there is none.
        tally: Counts what is done.
        stop: Ends a pass before its next commit.
    """

    def __init__(
        self,
        commits: ArchiveCommits,
        *,
        audit: AuditConfig,
        archive: ArchiveConfig,
        view: TopicView,
        objects: StoredObjects | None,
        tally: ArchiveTally,
        stop: Stopping,
    ) -> None:
        self._commits = commits
        self._archive = archive
        self._view = view
        self._batches = TopicBatches(audit, view, stop=stop)
        self._objects = objects
        self._tally = tally
        self._stop = stop
        # What is already in the archive names its user by the key's hash alone, except where the key says nothing.
        self._maker = RowMaker(now=time.time, keeps_keys=audit.key_mode == "hmac")
        self._row_bytes = max(archive.commit_bytes // _FIRST_ROWS, 1)

    def run(self, lock: Lock | None, *, progress: StepProgress) -> bool:
        """Archive what is there now, in as many commits as it takes.

        Args:
            lock: The lease of the archiver; None without one.
            progress: Shows how far it is.

        Returns:
            Whether everything was archived; False if the process is to end, or the lease was lost.

        Raises:
            ArchiveConflictError: Another archiver has committed.
            TelemetryError: Kafka, a store or the catalog refused or did not answer.
        """
        bounds = self._view.bounds()
        known = self._positions() or {}
        progress.expect(sum(max(end - known.get(each, first), 0) for each, (first, end) in bounds.items()))
        while not self._stop.is_asked and (lock is None or lock.is_held):
            rows = GatheredRows(self._maker, most_rows=self._archive.commit_rows, most_bytes=self._archive.commit_bytes)
            most = min(self._archive.commit_rows, max(self._archive.commit_bytes // self._row_bytes, 1))
            part = self._batches.read(self._positions(), rows, most=most, bounds=bounds, progress=progress)
            if part is None:
                return False
            found = self._gather_objects(rows) if part.is_last else ObjectTally([], is_last=False)
            if self._stop.is_asked or (lock is not None and not lock.is_held):
                return False
            self._commit(rows, part, found)
            if part.is_last and found.is_last:
                self._observe()
                return True
        return False

    def forget(self) -> None:
        """Forget what is known of the archive beside its seals; after a failure, or while another one archived."""
        if self._objects is not None:
            self._objects.forget()

    def _positions(self) -> Mapping[int, int] | None:
        state = self._commits.state
        return None if state is None else state.seal.positions.get(self._view.topic)

    def _gather_objects(self, rows: GatheredRows) -> ObjectTally:
        if self._objects is None:
            return ObjectTally([])
        state = self._commits.state
        found = self._objects.gather(rows, last=None if state is None else state.seal.number)
        self._tally.waits(found.waiting)
        return found

    def _commit(self, rows: GatheredRows, part: TopicPart, found: ObjectTally) -> None:
        """Put the data files, then the seal; nothing where there is nothing new."""
        if not (part.ranges or part.gaps or found.archived):
            return
        added: tuple[SealedFile, ...] = ()
        if rows.count:
            self._row_bytes = max(rows.size // rows.count, 1)
            added = tuple(write_data_files(self._commits.store, rows.table(), max_bytes=self._archive.file_bytes))
        commit = Commit(
            kind=SealKind.APPEND,
            added=added,
            ranges=part.ranges,
            gaps=part.gaps,
            starts={self._view.topic: part.starts} if part.starts else {},
            objects=tuple(sorted(found.archived)),
            streams=rows.streams,
            roster=rows.roster,
        )
        seal = self._commits.commit(commit)
        if self._objects is not None:
            self._objects.committed(found.archived)
        self._tally.committed(
            number=seal.number,
            rows=rows.count,
            objects=len(found.archived),
            lost=sum(gap.end - gap.first for gap in part.gaps),
        )
        logger.info("seal %d: %d rows in %d files", seal.number, rows.count, len(added))

    def _observe(self) -> None:
        # What is said about the lag must not end what reduces it.
        with contextlib.suppress(TransportError):
            lags = self._view.lag(self._positions() or {}, self._view.bounds())
            self._tally.observed(lags, retention=self._view.retention_seconds())
