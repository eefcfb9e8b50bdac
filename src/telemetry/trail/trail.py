"""Opens the audit trail as a stream of events, and records that read in the trail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import ExitStack, aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from telemetry.audit.receipt import Receipt
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.exceptions import ConfigurationError, LifecycleError, Problem
from telemetry.format.value.disclosure import Disclosure
from telemetry.reader import Entry, EventFilter, KafkaSource, OpenedEvent, Proven, ReadRange, TrailReader
from telemetry.reader.open.rules import ReadCounts, ReadingRules
from telemetry.reader.open.subjects import KnownSubjects, subjects_of
from telemetry.reader.proof.places import StreamPlace
from telemetry.reader.sources.ending import Ending, EndingSource
from telemetry.reader.sources.joined import JoinedSource
from telemetry.reader.sources.source import ClosableSource, LocatableSource, Source, describe
from telemetry.reader.trust import TrustPolicy, load_trust_file
from telemetry.trail.last_events import MARGIN, EntryObserver, LastEvents, NoObserver
from telemetry.trail.read_event import Access, record_access


class _Keys(NamedTuple):
    """What opens the events; nothing where they stay sealed."""

    service: EncryptionProvider | None = None
    subjects: KnownSubjects | None = None


class Trail:
    """A trail that is read with ``for`` or ``async for``, inside ``with`` or ``async with``; see :func:`open_trail`.

    The event that records this read is not among the entries, unless the rules say so, or they are confirmed: then they are
    passed on, and it with them.

    Attributes:
        filtered: How many opened events the filter kept out.
        is_whole: False if :meth:`last` found the events without reading the whole range.
        access: Receipt of the ``telemetry.read`` event; None if none was written.
    """

    def __init__(
        self,
        config: TelemetryConfig,
        sources: tuple[Source, ...],
        *,
        wanted: EventFilter | None,
        access: Access,
        sealed: bool,
        rules: ReadingRules,
    ) -> None:
        self._config = config
        self._sources = sources
        self._wanted = wanted
        self._access = access
        self._sealed = sealed
        self._rules = rules
        self._closing = ExitStack()
        self._reader: TrailReader | None = None
        self._keys = _Keys()
        self.filtered = 0
        self.is_whole = True
        self.access: Receipt | None = None

    @property
    def sources(self) -> Sequence[Source]:
        """What is read, in this order."""
        return self._sources

    @property
    def counts(self) -> ReadCounts:
        """What was found so far, also of what was not yielded."""
        return self._reader.counts if self._reader is not None else ReadCounts()

    @property
    def damaged(self) -> int:
        """How many damaged records were yielded."""
        return self.counts.damaged

    @property
    def duplicates_dropped(self) -> int:
        """How many records were not yielded because a copy of them was."""
        return self.counts.copies

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries; a damaged record is an entry too and does not end the stream.

        Raises:
            LifecycleError: The trail is not open.
            TransportError: Kafka cannot be read.
            StorageError: The store or the file cannot be read.
        """
        return filter(self._count_unless_filtered, self._opened())

    def last(self, count: int, *, observer: EntryObserver | None = None) -> list[OpenedEvent]:
        """Return the events that arrived last, in the order of their arrival; those that are filtered out do not count.

        A topic is read from its end: as many records of each partition as events are wanted, and twice as many each time
        until they are found or the beginning is reached. Stores and files are read whole.

        Args:
            count: How many, at least 1.
            observer: Sees every entry too.

        Raises:
            LifecycleError: The trail is not open.
            TransportError: Kafka cannot be read.
            StorageError: The store or the file cannot be read.
        """
        observer = observer or NoObserver()
        depth = count + MARGIN
        while True:
            self._opened().close()
            endings = [
                source.ending(depth) if isinstance(source, EndingSource) else Ending(source, cut=())
                for source in self._sources
            ]
            self._begin(endings)
            found = LastEvents(count)
            observer.restart()
            found.read(self, observer)
            self.is_whole = all(ending.is_whole for ending in endings)
            if self.is_whole or found.are_complete(max(ending.complete_since for ending in endings)):
                return list(found)
            depth *= 2

    def confirm(self, entry: Entry) -> None:
        """Say that an entry was used, for a :class:`ReadRange` that is ``confirmed``; can be called from any thread.

        The consumer group continues after the last entry before which all are confirmed. Of a conflict, which is a damaged
        record at the place of its event, confirm the event alone.

        Raises:
            LifecycleError: The trail is not open.
        """
        self._opened().confirm(entry)

    def disclose(self, opened: OpenedEvent) -> Disclosure | None:
        """Return the content of an event for others to check; None if it was not logged as disclosable.

        Args:
            opened: An event of this trail, while it is open.

        Raises:
            LifecycleError: The trail is not open.
            EncryptionError: The key service refused or did not answer.
        """
        return self._opened().disclose(opened)

    def judge(self, producer: str, source: str, sequence: int, leaf: bytes) -> tuple[Proven, str | None]:
        """Judge a record again, by what was read since it was yielded; in the thread that reads the entries.

        Args:
            producer: Id of its producer.
            source: CloudEvents source.
            sequence: Number in the producer's stream.
            leaf: Leaf hash of its value.

        Returns:
            Whether it is proven by now, and the source of the gateway that logged it, if there was one.

        Raises:
            LifecycleError: The trail is not open.
            StorageError: What is signed was written to the disk, and cannot be read.
        """
        return self._opened().judge(StreamPlace(producer, source, sequence, leaf))

    @property
    def judgements(self) -> int:
        """A number that rises whenever :meth:`judge` may have another answer."""
        return self._reader.judgements if self._reader is not None else 0

    def stop(self) -> None:
        """End the entries soon; can be called from any thread.

        Raises:
            LifecycleError: The trail is not open.
        """
        self._opened().stop()

    def record_read(self) -> None:
        """Record the read in the trail once more, as opening it did: for a reader that runs for days.

        Raises:
            ReadNotRecordedError: The event could not be written, and ``read_audit`` is ``required``.
            ConfigurationError: The same, because the configuration cannot work.
        """
        self.access = record_access(
            self._config,
            self._access,
            sources=[describe(source) for source in self._sources],
            filters=self._filters(),
        )

    async def __aiter__(self) -> AsyncGenerator[Entry]:
        """Yield the entries; another thread waits for Kafka, the store and the key service."""
        async with aclosing(self._opened().__aiter__()) as entries:
            async for entry in entries:
                if self._count_unless_filtered(entry):
                    yield entry

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._closing.close)

    def _open(self) -> None:
        """Open the trail.

        1. Check that the first source and the key can be used: a read that cannot begin must not be recorded.
        2. Record the read, before the first event is opened.
        3. Open the events.
        """
        for source in self._sources:
            if isinstance(source, ClosableSource):
                self._closing.callback(source.close)
        # 1. Only the first source. A record of the store may be replayed to the topic while the store is read: it is
        #    found on the topic if the topic's end is looked for afterwards.
        first = self._sources[0]
        if isinstance(first, LocatableSource):
            first.locate()
        provider = self._provider()
        # 2. Nothing is opened while events stay sealed, so there is nothing to record.
        if not self._sealed:
            self.record_read()
        # 3.
        subjects = subjects_of(self._config, provider)
        if subjects is not None:
            self._closing.callback(subjects.close)
        self._keys = _Keys(provider, subjects)
        self._begin(self._sources)

    def _begin(self, sources: Sequence[Source]) -> None:
        """Read from the beginning of some sources; nothing is known of what was read before."""
        self.filtered = 0
        self._reader = TrailReader(
            JoinedSource(sources), provider=self._keys.service, rules=self._rules, subjects=self._keys.subjects
        )
        self._closing.callback(self._reader.close)

    def _provider(self) -> EncryptionProvider | None:
        encryption = self._config.audit_config.encryption_config
        if self._sealed or encryption is None:
            return None
        provider = EncryptionProviderFactory.create(encryption)
        self._closing.callback(provider.close)
        return provider

    def _filters(self) -> dict[str, Any]:
        if self._wanted is None:
            return {}
        # Where events are not sealed, the text that was searched for would be written in the clear.
        return self._wanted.describe(with_text=self._config.audit_config.encryption_enabled)

    def _opened(self) -> TrailReader:
        if self._reader is None:
            message = "the trail is not open; use it inside `with` or `async with`"
            raise LifecycleError(message)
        return self._reader

    @property
    def _is_confirmed(self) -> bool:
        return any(getattr(source, "is_confirmed", False) for source in self._sources)

    def _count_unless_filtered(self, entry: Entry) -> bool:
        """Return whether an entry is yielded; count it if the filter keeps it out."""
        if not isinstance(entry, OpenedEvent):
            return True
        # Where entries are passed on, who opened the trail belongs to them.
        is_shown = self._rules.own or self._is_confirmed
        is_own = self.access is not None and entry.event.id == self.access.event_id and not is_shown
        if not is_own and (self._wanted is None or self._wanted.matches(entry.event)):
            return True
        self.filtered += not is_own
        self._opened().confirm(entry)
        return False


def open_trail(
    config: TelemetryConfig | AuditConfig,
    *sources: Source,
    within: ReadRange | None = None,
    wanted: EventFilter | None = None,
    reader: str | None = None,
    reason: str | None = None,
    program: str | None = None,
    sealed: bool = False,
    duplicates: bool = False,
    repeats: bool = False,
    foreign: bool = False,
    trust: TrustPolicy | Path | str | None = None,
    proof_wait: float | None = None,
) -> Trail:
    """Return the trail; open it with ``with`` or ``async with``, and read it with ``for`` or ``async for``.

    Opening it writes a ``telemetry.read`` event into the trail and waits for its delivery, as the configuration's
    ``read_audit`` says; with ``sealed`` nothing is opened and nothing is written.

    Args:
        config: Configuration of the trail and of the key that opens it.
        *sources: Sources to read, in this order: ``FallbackSource``, ``KafkaSource``, ``FileSource``, or any iterable
            of raw records; they are closed at the end. Without any, the topic is read, in the order in which its records
            arrived. Name a store before its topic,
            so that no record is missed that is replayed meanwhile.
        within: Part of the topic to read; only without sources.
        wanted: Filter of the events; damaged records are yielded in any case.
        reader: Person who reads; default: the user of the operating system.
        reason: Reason for reading, such as the number of a ticket.
        program: Program that reads; default: the name of the program.
        sealed: Whether to leave events sealed; no key is needed then.
        duplicates: Whether to yield every copy of a record that was delivered more than once.
        repeats: Whether to yield every repeat of a call that was logged more than once.
        foreign: Whether to yield foreign records too, marked as such.
        trust: The trust file, or what it says; default: ``trust_file`` of the configuration. Without any, nothing is judged.
        proof_wait: Seconds that an event is held back for the checkpoint that proves it; None: until the sources end, or
            not at all if they are followed.

    Raises:
        ConfigurationError: The arguments contradict each other.
    """
    if isinstance(config, AuditConfig):
        config = TelemetryConfig(audit_config=config)
    problems = []
    if sources and within is not None:
        problems.append(Problem("within", "goes with the topic", "give it to the KafkaSource"))
    if sealed and wanted is not None:
        problems.append(Problem("wanted", "looks into events, which stay sealed", "leave wanted or sealed out"))
    if problems:
        raise ConfigurationError(*problems)
    return Trail(
        config,
        sources or (KafkaSource(config.audit_config, within=within, merged=True),),
        wanted=wanted,
        access=Access(reader=reader, reason=reason, program=program),
        sealed=sealed,
        rules=ReadingRules(
            duplicates=duplicates,
            repeats=repeats,
            foreign=foreign,
            needs_seals=config.audit_config.encryption_enabled,
            policy=_policy(trust if trust is not None else config.audit_config.trust_file),
            proof_wait=0.0 if proof_wait is None and _is_followed(sources, within) else proof_wait,
        ),
    )


def _policy(trust: TrustPolicy | Path | str | None) -> TrustPolicy | None:
    if trust is None or isinstance(trust, TrustPolicy):
        return trust
    return load_trust_file(Path(trust))


def _is_followed(sources: tuple[Source, ...], within: ReadRange | None) -> bool:
    is_endless = any(getattr(source, "is_endless", False) for source in sources)
    return is_endless or (within is not None and within.follow)
