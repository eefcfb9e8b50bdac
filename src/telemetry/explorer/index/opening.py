"""Opens the trail for the index: from the topic, the fallback store, both, or a file; with content or sealed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.index.fill.following_source import FollowingSource
from telemetry.explorer.index.fill.watched_source import SourceWatch, WatchedSource
from telemetry.explorer.index.progress import FillProgress
from telemetry.reader import FileSource, KafkaSource, ReadRange
from telemetry.reader.entry import Entry, OpenedEvent, SealedEntry
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.sources.source import Source
from telemetry.reader.trust import TrustPolicy, load_trust_file
from telemetry.trail import Trail
from telemetry.trail.read_event import Access
from telemetry.trail.stored import open_fallback, open_storage_keys

if TYPE_CHECKING:
    from telemetry.archive.reading.trail_place import ArchivePlace

PROGRAM = "telemetry explore"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailOpening:
    """What is read into the index, and on whose behalf.

    Attributes:
        config: Configuration of the trail, and of the key that opens it.
        topic: Whether the topic is read.
        fallback: Whether the fallback store is read, before the topic.
        file: A file to read instead of both.
        archive: An archive to read instead.
        within: The part of the topic that is read; where it ends, nothing is followed.
        since: Earliest time of events, as they write it; empty for the beginning. The range is by arrival, so it has a few more.
        until: Latest time of events; empty for no end.
        follow: Whether new events of the topic are waited for when all was read.
        sealed: Whether events stay sealed: no key is needed, and no read is recorded.
        trust: Who is believed; None: the ``trust_file`` of the configuration.
        reader: Person on whose behalf it is read; None: the user of the operating system.
        reason: Reason for reading.
        program: Program that reads, for the record.

    Raises:
        ConfigurationError: There is nothing to read, or the store is not configured.
    """

    config: TelemetryConfig
    topic: bool = True
    fallback: bool = False
    file: Path | None = None
    archive: ArchivePlace | None = None
    within: ReadRange | None = None
    since: str = ""
    until: str = ""
    follow: bool = True
    sealed: bool = False
    trust: TrustPolicy | None = None
    reader: str | None = None
    reason: str | None = None
    program: str = PROGRAM

    def __post_init__(self) -> None:
        problems = []
        if not (self.topic or self.fallback or self.file is not None or self.archive is not None):
            problems.append(Problem("topic, fallback, file", "are all left out", "name what to explore"))
        if self.fallback and self.config.audit_config.storage_config is None:
            problems.append(Problem("storage_config", "is not set", "set it, or explore the topic alone"))
        if self.file is not None and (self.fallback or self.within is not None):
            problems.append(Problem("file", "is read alone and whole", "leave the fallback store and the range out"))
        if problems:
            raise ConfigurationError(*problems)

    @property
    def follows(self) -> bool:
        """Whether new events are waited for."""
        within = self.within or ReadRange()
        is_open = within.until is None and within.end_offset is None and within.ends is None
        return self.follow and self.topic and self.file is None and is_open

    def takes(self, entry: Entry) -> bool:
        """Return whether an entry belongs into the index; what has no time of its own does."""
        if isinstance(entry, OpenedEvent):
            time = entry.event.time
        elif isinstance(entry, SealedEntry):
            time = entry.time
        else:
            return True
        return time >= self.since and (not self.until or time <= self.until)

    @contextmanager
    def opened(self, watch: SourceWatch, progress: FillProgress) -> Iterator[Trail]:
        """Open the trail; with content, that is recorded in it first.

        Args:
            watch: Learns of each record.
            progress: Learns how many records there are.

        Raises:
            ConfigurationError: Something cannot work as it is configured.
            ReadNotRecordedError: The read could not be recorded, and has to be.
            TelemetryError: A source cannot be read.
        """
        with ExitStack() as stack:
            sources = list(self._sources(stack, watch, progress))
            trail = Trail(
                self.config,
                tuple(sources),
                wanted=None,
                access=Access(reader=self.reader, reason=self.reason, program=self.program),
                sealed=self.sealed,
                rules=self._rules(),
            )
            yield stack.enter_context(trail)

    def _rules(self) -> ReadingRules:
        audit = self.config.audit_config
        # A policy remembers for which service a key has signed first; each pass begins without that.
        policy = self.trust.afresh() if self.trust is not None else None
        if policy is None and audit.trust_file is not None:
            policy = load_trust_file(audit.trust_file)
        return ReadingRules(
            # All of them are shown or counted: an explorer hides nothing behind a record that came earlier.
            duplicates=True,
            repeats=True,
            foreign=True,
            own=True,
            needs_seals=audit.encryption_enabled,
            policy=policy,
            # Entries come at once, and are judged again when their checkpoint has come.
            proof_wait=0.0,
        )

    def _sources(self, stack: ExitStack, watch: SourceWatch, progress: FillProgress) -> Iterator[Source]:
        if self.archive is not None:
            part = self.archive.between(self.since, self.until)
            yield WatchedSource(part.source(progress=_ArchiveExpectation(progress)), watch)
            return
        if self.file is not None:
            yield WatchedSource(FileSource(self.file, keys=open_storage_keys(self.config, stack)), watch)
            return
        # Before the topic: an object that is replayed meanwhile is then read from the topic, and none is missed.
        stored = open_fallback(self.config, stack) if self.fallback else None
        if stored is not None:
            yield WatchedSource(stored, watch)
        if self.topic:
            audit = self.config.audit_config
            expectation = _Expectation(progress)
            topic = KafkaSource(audit, within=self.within, progress=expectation, merged=True)
            expectation.source = topic
            yield WatchedSource(stack.enter_context(topic), watch)
            if self.follows:
                yield FollowingSource(audit, topic, watch)


class _ArchiveExpectation:
    """Tells how many records an archive has.

    Args:
        progress: Is told.
    """

    def __init__(self, progress: FillProgress) -> None:
        self._progress = progress

    def expect(self, records: int) -> None:
        """Called once, before the first record."""
        self._progress.expect(records, is_from_middle=False)

    def advance(self, count: int = 1) -> None:
        """Do nothing: records are counted when they are in the index."""


class _Expectation:
    """Tells how many records the topic has, and whether its beginning is among them.

    Args:
        progress: Is told.

    Attributes:
        source: The topic.
    """

    def __init__(self, progress: FillProgress) -> None:
        self._progress = progress
        self.source: KafkaSource | None = None

    def expect(self, records: int) -> None:
        """Called once, before the first record."""
        bounds = self.source.bounds.values() if self.source is not None else ()
        self._progress.expect(records, is_from_middle=any(start > 0 for start, _ in bounds))
