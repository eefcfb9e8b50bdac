"""``open_trail``: the audit trail as a stream of opened events, and the read itself recorded in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import ExitStack, aclosing
from itertools import chain
from types import TracebackType
from typing import Any, Self

from telemetry.audit.receipt import Receipt
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.exceptions import ConfigurationError, LifecycleError, Problem
from telemetry.reader import DamagedRecord, Entry, EventFilter, KafkaSource, OpenedEvent, RawRecord, ReadRange
from telemetry.reader.open.trail_reader import TrailReader
from telemetry.trail.read_event import Access, record_access

Source = Iterable[RawRecord | DamagedRecord]


class Trail:
    """A trail that is read with ``for`` or ``async for``, inside ``with`` or ``async with``; see :func:`open_trail`.

    The event that records this very read is not among the entries.

    Attributes:
        filtered: Opened events that the filter did not want.
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
        duplicates: bool,
    ) -> None:
        self._config = config
        self._sources = sources
        self._wanted = wanted
        self._access = access
        self._sealed = sealed
        self._duplicates = duplicates
        self._closing = ExitStack()
        self._reader: TrailReader | None = None
        self.filtered = 0
        self.access: Receipt | None = None

    @property
    def damaged(self) -> int:
        """How many damaged records were yielded."""
        return self._reader.damaged if self._reader is not None else 0

    @property
    def duplicates_dropped(self) -> int:
        """How many records were not yielded because their event was already."""
        return self._reader.duplicates_dropped if self._reader is not None else 0

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries; a damaged record is one and does not end the stream.

        Raises:
            LifecycleError: Outside of ``with``.
            TransportError: Kafka cannot be read.
            StorageError: The store or the file cannot be read.
        """
        return filter(self._count_unless_filtered, self._opened())

    async def __aiter__(self) -> AsyncGenerator[Entry]:
        """Yield the entries; Kafka, the store and the key service are waited for in another thread."""
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
        for source in self._sources:
            close = getattr(source, "close", None)
            if close is not None:
                self._closing.callback(close)
        # End and keys first: a read that cannot begin is none. Only of the first source: what a store held while it was
        # read may come to the topic meanwhile, and is found there if the topic's end is looked for afterwards.
        locate: Callable[[], None] | None = getattr(self._sources[0], "locate", None)
        if locate is not None:
            locate()
        provider = self._provider()
        if not self._sealed:
            self.access = record_access(
                self._config,
                self._access,
                sources=[_described(source) for source in self._sources],
                filters=self._filters(),
            )
        self._reader = TrailReader(_Joined(self._sources), provider=provider, duplicates=self._duplicates)
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
        # Where events are not sealed, what was searched for would stand in the clear.
        return self._wanted.describe(with_text=self._config.audit_config.encryption_enabled)

    def _opened(self) -> TrailReader:
        if self._reader is None:
            message = "the trail is not open; use it inside `with` or `async with`"
            raise LifecycleError(message)
        return self._reader

    def _count_unless_filtered(self, entry: Entry) -> bool:
        """Return whether an entry is yielded; count the events that the filter keeps out."""
        if not isinstance(entry, OpenedEvent):
            return True
        if self.access is not None and entry.event.id == self.access.event_id:
            return False
        if self._wanted is None or self._wanted.matches(entry.event):
            return True
        self.filtered += 1
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
) -> Trail:
    """Return the trail, to be entered with ``with`` or ``async with`` and read with ``for`` or ``async for``.

    Entering it writes a ``telemetry.read`` event into the trail and waits for its delivery, as the configuration's
    ``read_audit`` says; with ``sealed`` nothing is opened and nothing written.

    Args:
        config: Where the trail is, and which key opens it.
        *sources: What is read, in this order: ``FallbackSource``, ``KafkaSource``, ``FileSource``, or any iterable of
            raw records; they are closed at the end. Without any it is the topic. A store goes before its topic, so
            that nothing is missed that is replayed meanwhile.
        within: Which part of the topic; only without sources.
        wanted: Which events are yielded; damaged records are in any case.
        reader: Who reads; default: the user of the operating system.
        reason: Why.
        program: What reads; default: the program's name.
        sealed: Leave events sealed; no key is needed.
        duplicates: Yield events again that were delivered more than once.

    Raises:
        ConfigurationError: The arguments do not fit together.
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
        sources or (KafkaSource(config.audit_config, within=within),),
        wanted=wanted,
        access=Access(reader=reader, reason=reason, program=program),
        sealed=sealed,
        duplicates=duplicates,
    )


class _Joined:
    """Several sources as one."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self._sources = sources
        self._stopping = threading.Event()

    def __iter__(self) -> Iterator[RawRecord | DamagedRecord]:
        return chain.from_iterable(source for source in self._sources if not self._stopping.is_set())

    @property
    def is_endless(self) -> bool:
        return any(getattr(source, "is_endless", False) for source in self._sources)

    def stop(self) -> None:
        self._stopping.set()
        for source in self._sources:
            stop = getattr(source, "stop", None)
            if stop is not None:
                stop()


def _described(source: Source) -> dict[str, Any]:
    describe: Callable[[], dict[str, Any]] | None = getattr(source, "describe", None)
    return describe() if describe is not None else {"kind": type(source).__name__}
