"""Runs an archiver: once, or until it is asked to end, with one at work at a time."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import NamedTuple, Protocol

from telemetry.archive.committing.commits import ArchiveCommits
from telemetry.archive.committing.opening import open_commits
from telemetry.archive.writing.archiver import Archiver
from telemetry.archive.writing.counts import ArchiveCounts, ArchiveTally
from telemetry.archive.writing.metrics import ArchiveMetrics
from telemetry.archive.writing.stored_objects import StoredObjects
from telemetry.archive.writing.topic_view import TopicView
from telemetry.config import ArchiveConfig, TelemetryConfig
from telemetry.exceptions import ArchiveConflictError, TelemetryError
from telemetry.storage.lease import Lock
from telemetry.system.backoff import Backoff
from telemetry.system.deadline import Deadline
from telemetry.trail.progress import NO_PROGRESS, ProgressDisplay
from telemetry.trail.stored import open_fallback

logger = logging.getLogger("telemetry.archive")

LEASE = "archiver"

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_TAKEOVER_LEASES = 2.5
"""Leases that a single run waits for one that died with the lease; longer than a lease can outlive its holder."""
_ASK_SECONDS = 1.0


class Stopping(Protocol):
    """Knows whether the process was asked to end, and waits for that."""

    @property
    def is_asked(self) -> bool:
        """Whether it was."""

    def pause(self, seconds: float) -> bool:
        """Wait, at most until it is; return whether it is."""


class _Session(NamedTuple):
    commits: ArchiveCommits
    archiver: Archiver


class ArchiveRun:
    """One run of ``telemetry archive``.

    Args:
        config: The trail and the archive.
        uri: Place of the archive, instead of that of the configuration.
        stop: Ends the run after the commit under way, or before it.
        display: Shows how far a pass is.

    Raises:
        ConfigurationError: The configuration lacks something, or cannot be used.
    """

    def __init__(
        self, config: TelemetryConfig, *, uri: str | None, stop: Stopping, display: ProgressDisplay = NO_PROGRESS
    ) -> None:
        self._config = config
        self._archive = config.archive_config or ArchiveConfig()
        self._uri = uri
        self._stop = stop
        self._display = display
        self._tally = ArchiveTally()
        self._metrics = ArchiveMetrics(self._tally, topic=config.audit_config.kafka_topic)
        self._backoff = Backoff(first=_FIRST_WAIT, longest=_LONGEST_WAIT)

    @property
    def counts(self) -> ArchiveCounts:
        """What was done so far; from any thread."""
        return self._tally.snapshot()

    def once(self) -> ArchiveCounts:
        """Archive what is there now.

        Raises:
            ArchiveConflictError: Another archiver is at work, or has committed.
            TelemetryError: Kafka, a store or the catalog refused or did not answer.
        """
        with self._measured(), self._session() as session:
            deadline = Deadline(self._archive.lease_seconds * _TAKEOVER_LEASES)
            while not self._stop.is_asked:
                with self._lease(session) as lock:
                    if lock is None or lock.is_held:
                        self._begin(session)
                        self._pass(session, lock)
                        return self.counts
                if deadline.is_over:
                    message = (
                        f"another archiver holds the lease {LEASE!r} of this archive: nothing was archived here. Run one "
                        "archiver at a time"
                    )
                    raise ArchiveConflictError(message)
                self._stop.pause(min(_ASK_SECONDS, self._archive.lease_seconds / 4))
        return self.counts

    def every(self, seconds: float) -> ArchiveCounts:
        """Archive again and again until the run is to end; what fails for a while is tried again.

        Args:
            seconds: Time from the beginning of one pass to that of the next.

        Raises:
            ArchiveConflictError: Another archiver has committed.
            TelemetryError: What failed does not pass by itself.
        """
        with self._measured():
            while not self._stop.is_asked:
                try:
                    with self._session() as session:
                        self._work(session, seconds)
                except TelemetryError as exc:
                    if not exc.retriable:
                        raise
                    self._tally.failed()
                    wait = self._backoff.next()
                    logger.error("nothing is archived now, and it is tried again in %.0f s: %s", wait, exc)  # noqa: TRY400
                    self._stop.pause(wait)
        return self.counts

    def _work(self, session: _Session, seconds: float) -> None:
        """Wait for the lease, and archive for as long as it is held."""
        while not self._stop.is_asked:
            with self._lease(session) as lock:
                if lock is None or lock.is_held:
                    self._begin(session)
                    self._passes(session, lock, seconds)
                    continue
            self._tally.works(is_working=False)
            logger.info("another archiver is at work; this one takes over when it ends")
            self._stop.pause(min(max(self._archive.lease_seconds / 4, _ASK_SECONDS), seconds))

    def _passes(self, session: _Session, lock: Lock | None, seconds: float) -> None:
        while not self._stop.is_asked and (lock is None or lock.is_held):
            begun = time.monotonic()
            self._pass(session, lock)
            self._tally.works(is_working=True)
            self._backoff.reset()
            self._stop.pause(max(seconds - (time.monotonic() - begun), 0.0))

    def _begin(self, session: _Session) -> None:
        session.commits.open()
        session.commits.publish_key()
        session.archiver.forget()

    def _pass(self, session: _Session, lock: Lock | None) -> None:
        with self._display.step("archiving") as step:
            session.archiver.run(lock, progress=step)

    def _lease(self, session: _Session) -> AbstractContextManager[Lock | None]:
        seconds = self._archive.lease_seconds
        if not seconds:
            return nullcontext()
        owner = f"{platform.node()}:{os.getpid()}"
        return session.commits.store.lock(LEASE, owner=owner, seconds=seconds)

    @contextmanager
    def _measured(self) -> Iterator[None]:
        self._metrics.begin()
        try:
            yield
        finally:
            self._tally.works(is_working=False)
            self._metrics.end()

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        audit = self._config.audit_config
        with ExitStack() as stack:
            commits = stack.enter_context(open_commits(self._config, self._uri))
            view = stack.enter_context(TopicView(audit))
            source = open_fallback(self._config, stack)
            objects = StoredObjects(source, commits.seals) if source is not None else None
            archiver = Archiver(
                commits,
                audit=audit,
                archive=self._archive,
                view=view,
                objects=objects,
                tally=self._tally,
                stop=self._stop,
            )
            yield _Session(commits, archiver)
