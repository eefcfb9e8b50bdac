"""Opens the sources that ``tail`` and ``export`` read: the topic, the fallback store, both, a file, or an archive."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from telemetry.cli.output.bars import Bar
from telemetry.cli.output.console import err, escape_markup, progress
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError, MissingExtraError, Problem, TransportError
from telemetry.reader import FileSource, KafkaSource, ReadRange
from telemetry.reader.entry import SourceRecord
from telemetry.reader.filters import EventFilter
from telemetry.reader.sources.ending import Ending, EndingSource
from telemetry.reader.trust import TrustPolicy
from telemetry.trail.stored import open_fallback, open_storage_keys

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from telemetry.archive.reading.archive import ArchiveReader
    from telemetry.archive.reading.source import ArchiveSource
    from telemetry.archive.reading.trail_place import ArchivePlace

NO_TOPIC = {"kafka_brokers": "localhost:9092", "security_protocol": "PLAINTEXT"}
"""Fields of the configuration where only a file is read: no broker has to be named, and none is asked."""

_PANEL = "Where it is read from"
_OFFERED = ("await_done", "close", "describe", "done", "locate", "stop")
"""Methods of the optional protocols of a source."""


class Origin(StrEnum):
    """The place that records are read from."""

    TOPIC = "topic"
    FALLBACK = "fallback"
    ALL = "all"
    ARCHIVE = "archive"


class TrailOrigin(StrEnum):
    """The place that a command reads which otherwise reads topic and store."""

    TRAIL = "trail"
    ARCHIVE = "archive"


From = Annotated[
    Origin,
    typer.Option("--from", help="The topic, the fallback store, both (all), or the archive.", rich_help_panel=_PANEL),
]
FromTrail = Annotated[
    TrailOrigin,
    typer.Option("--from", help="Topic and fallback store (trail), or the archive.", rich_help_panel=_PANEL),
]
File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        help="A file instead: from `export --sealed`, `fallback export` or `kcat -J`, or a fallback object.",
        rich_help_panel=_PANEL,
    ),
]

ArchiveUri = Annotated[
    str | None,
    typer.Option(
        "--archive",
        metavar="URI",
        help="With --from archive: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://ACCOUNT/CONTAINER/PREFIX; "
        "default: the archive of the configuration.",
        rich_help_panel=_PANEL,
    ),
]


class ArchivedPart(NamedTuple):
    """The part of an archive that is read.

    Attributes:
        uri: The archive; None for that of the configuration.
        filter: Selects the events; its times say which days are read.
        trust: Who may have signed the seals; None to believe those that are there.
    """

    uri: str | None = None
    filter: EventFilter = EventFilter()
    trust: TrustPolicy | None = None


class WatchedSource:
    """A source that advances a progress bar by each of its records.

    Args:
        source: The source.
        bar: The progress bar.
        task: The bar's task.
    """

    def __init__(self, source: Iterable[SourceRecord], bar: Progress, task: TaskID) -> None:
        self._source = source
        self._bar = bar
        self._task = task
        # As attributes: since Python 3.12 ``isinstance`` sees no method of a protocol that ``__getattr__`` finds.
        for name in _OFFERED:
            if hasattr(source, name):
                setattr(self, name, getattr(source, name))

    def __iter__(self) -> Iterator[SourceRecord]:
        """Yield the records."""
        for record in self._source:
            self._bar.advance(self._task)
            yield record

    def ending(self, count: int) -> Ending:
        """Return the end of the source; of one that has none, the whole."""
        if isinstance(self._source, EndingSource):
            ending = self._source.ending(count)
            return Ending(WatchedSource(ending, self._bar, self._task), cut=ending.cut)
        return Ending(self, cut=())

    def __getattr__(self, name: str) -> Any:
        # A trail asks its sources for more than records, such as a topic's bounds.
        return getattr(self._source, name)


@contextmanager
def sources_of(
    config: TelemetryConfig,
    origin: Origin,
    file: Path | None,
    within: ReadRange,
    *,
    label: str,
    shown: bool = True,
    archived: ArchivedPart | None = None,
) -> Iterator[list[WatchedSource]]:
    """Yield the sources, with a progress bar on a terminal while they are read.

    Args:
        config: Configuration of topic, store and archive.
        origin: The one of them to read, or both topic and store.
        file: A file to read instead.
        within: The part of the topic to read.
        label: Text beside the progress bar.
        shown: Whether to show the bar on a terminal.
        archived: The part of the archive, where that is read.

    Raises:
        ConfigurationError: The options do not fit together, or there is no store.
    """
    audit = config.audit_config
    part = archived or ArchivedPart()
    require_fitting(audit, origin, file, within, archive=part.uri)
    with ExitStack() as stack:
        bar, task = stack.enter_context(progress(label, shown=shown))
        sources: list[Iterable[SourceRecord]] = []
        if file is not None:
            sources = [FileSource(file, keys=open_storage_keys(config, stack))]
        elif origin is Origin.ARCHIVE:
            sources = [stack.enter_context(_archive_source(config, part, Bar(bar, task)))]
        # Before the topic: an object that is replayed meanwhile is then read from the topic, and none is missed.
        stored = open_fallback(config, stack) if file is None and origin in (Origin.FALLBACK, Origin.ALL) else None
        if stored is not None:
            sources.append(stored)
        if file is None and origin in (Origin.TOPIC, Origin.ALL):
            topic = KafkaSource(audit, within=within, progress=Bar(bar, task), merged=True)
            sources.append(stack.enter_context(topic))
        yield [WatchedSource(source, bar, task) for source in sources]
        for source in sources:
            if isinstance(source, KafkaSource):
                show_open_transactions(source)


@contextmanager
def open_archive(config: TelemetryConfig, uri: str | None, trust: TrustPolicy | None) -> Iterator[ArchiveReader]:
    """Yield an archive, and say what of it is not judged.

    Raises:
        MissingExtraError: What reads archives is not installed.
        ConfigurationError: There is no archive.
        TamperedError: A seal is missing or not believed.
    """
    try:
        # pyarrow is large, and few commands need it.
        from telemetry.archive.reading.archive import ArchiveReader  # noqa: PLC0415
        from telemetry.archive.rows import columns  # noqa: F401, PLC0415
    except ImportError as exc:
        feature = "reading an archive"
        raise MissingExtraError(feature, "archive") from exc
    with ArchiveReader.open(config, uri, trust=trust) as reader:
        if not reader.is_judged and trust is not None:
            err.print(
                "[yellow]the seals of the archive were not judged: no trusted key has the role archiver[/]",
                soft_wrap=True,
            )
        yield reader


@contextmanager
def archive_place(config: TelemetryConfig, uri: str | None, trust: TrustPolicy | None) -> Iterator[ArchivePlace]:
    """Yield an archive as the place that is read instead of topic and store; errors as :func:`open_archive`."""
    with open_archive(config, uri, trust) as reader:
        from telemetry.archive.reading.trail_place import ArchivePlace  # noqa: PLC0415 - after its packages were looked for

        yield ArchivePlace(reader, topic=config.audit_config.kafka_topic)


def require_one_place(origin: TrailOrigin, archive: str | None, file: Path | None) -> None:
    """Check that the options name one place to read from.

    Args:
        origin: Value of ``--from``.
        archive: Value of ``--archive``.
        file: Value of ``--file``.

    Raises:
        ConfigurationError: They name two, or an archive that is not read.
    """
    problems = []
    if archive is not None and origin is not TrailOrigin.ARCHIVE:
        problems.append(Problem("--archive", "names an archive, which is not read", "add --from archive"))
    if file is not None and origin is TrailOrigin.ARCHIVE:
        problems.append(Problem("--from, --file", "name two places to read from", "leave one of them out"))
    if problems:
        raise ConfigurationError(*problems)


@contextmanager
def _archive_source(config: TelemetryConfig, part: ArchivedPart, bar: Bar) -> Iterator[ArchiveSource]:
    with open_archive(config, part.uri, part.trust) as reader:
        from telemetry.archive.reading.days import DayRange  # noqa: PLC0415 - after its packages were looked for
        from telemetry.archive.reading.source import ArchiveSource  # noqa: PLC0415

        days = DayRange.of_times(part.filter.since, part.filter.until)
        yield ArchiveSource(reader, topic=config.audit_config.kafka_topic, days=days, progress=bar)


def show_open_transactions(source: KafkaSource) -> None:
    """Print a line for each open transaction on a topic that was read; other readers see nothing of what follows it."""
    try:
        transactions = source.open_transactions()
    except TransportError as exc:
        err.print(f"[yellow]open transactions could not be looked for: {escape_markup(str(exc))}[/]")
        return
    for transaction in transactions:
        err.print(f"[yellow]{escape_markup(transaction.describe(time.time()))}[/]")


def require_fitting(
    audit: AuditConfig, origin: Origin, file: Path | None, within: ReadRange, *, archive: str | None = None
) -> None:
    """Check that the options name one place to read from, and nothing that it does not have.

    Args:
        audit: Configuration of topic and store.
        origin: Value of ``--from``.
        file: Value of ``--file``.
        within: The part of the topic to read.
        archive: Value of ``--archive``.

    Raises:
        ConfigurationError: They do not fit together, or there is no store.
    """
    problems = []
    if archive is not None and origin is not Origin.ARCHIVE:
        problems.append(Problem("--archive", "names an archive, which is not read", "add --from archive"))
    if file is not None and origin is not Origin.TOPIC:
        problems.append(Problem("--from, --file", "name two places to read from", "leave one of them out"))
    if file is None and origin in (Origin.FALLBACK, Origin.ALL) and audit.storage_config is None:
        problems.append(Problem("storage_config", "is not set", "set it, give --fallback-path, or read the topic"))
    if file is not None or origin in (Origin.FALLBACK, Origin.ARCHIVE):
        for given, option in (
            (within.offset, "--offset"),
            (within.end_offset, "--end-offset"),
            (within.ends, "--end"),
            (within.follow or None, "--follow"),
            (within.group, "--group"),
        ):
            if given is not None:
                problems.append(Problem(option, "applies to the topic only", "leave it out"))
    if problems:
        raise ConfigurationError(*problems)
