"""Opens the sources that ``tail`` and ``export`` read: the topic, the fallback store, both, or a file."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telemetry.cli.output.bars import Bar
from telemetry.cli.output.console import err, escape_markup, progress
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem, TransportError
from telemetry.reader import FileSource, KafkaSource, ReadRange
from telemetry.reader.entry import SourceRecord
from telemetry.reader.sources.ending import Ending, EndingSource
from telemetry.trail.stored import open_fallback, open_storage_keys

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

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


From = Annotated[
    Origin, typer.Option("--from", help="The topic, the fallback store, or both (all).", rich_help_panel=_PANEL)
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
        help="The archive: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://ACCOUNT/CONTAINER/PREFIX; default: that "
        "of the configuration.",
        rich_help_panel=_PANEL,
    ),
]


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
    config: TelemetryConfig, origin: Origin, file: Path | None, within: ReadRange, *, label: str, shown: bool = True
) -> Iterator[list[WatchedSource]]:
    """Yield the sources, with a progress bar on a terminal while they are read.

    Args:
        config: Configuration of topic and store.
        origin: The one of them to read, or both.
        file: A file to read instead.
        within: The part of the topic to read.
        label: Text beside the progress bar.
        shown: Whether to show the bar on a terminal.

    Raises:
        ConfigurationError: The options do not fit together, or there is no store.
    """
    audit = config.audit_config
    require_fitting(audit, origin, file, within)
    with ExitStack() as stack:
        bar, task = stack.enter_context(progress(label, shown=shown))
        sources: list[Iterable[SourceRecord]] = []
        if file is not None:
            sources = [FileSource(file, keys=open_storage_keys(config, stack))]
        # Before the topic: an object that is replayed meanwhile is then read from the topic, and none is missed.
        stored = open_fallback(config, stack) if file is None and origin is not Origin.TOPIC else None
        if stored is not None:
            sources.append(stored)
        if file is None and origin is not Origin.FALLBACK:
            topic = KafkaSource(audit, within=within, progress=Bar(bar, task), merged=True)
            sources.append(stack.enter_context(topic))
        yield [WatchedSource(source, bar, task) for source in sources]
        for source in sources:
            if isinstance(source, KafkaSource):
                show_open_transactions(source)


def show_open_transactions(source: KafkaSource) -> None:
    """Print a line for each open transaction on a topic that was read; other readers see nothing of what follows it."""
    try:
        transactions = source.open_transactions()
    except TransportError as exc:
        err.print(f"[yellow]open transactions could not be looked for: {escape_markup(str(exc))}[/]")
        return
    for transaction in transactions:
        err.print(f"[yellow]{escape_markup(transaction.describe(time.time()))}[/]")


def require_fitting(audit: AuditConfig, origin: Origin, file: Path | None, within: ReadRange) -> None:
    """Check that the options name one place to read from, and nothing that it does not have.

    Args:
        audit: Configuration of topic and store.
        origin: Value of ``--from``.
        file: Value of ``--file``.
        within: The part of the topic to read.

    Raises:
        ConfigurationError: They do not fit together, or there is no store.
    """
    problems = []
    if file is not None and origin is not Origin.TOPIC:
        problems.append(Problem("--from, --file", "name two places to read from", "leave one of them out"))
    if file is None and origin is not Origin.TOPIC and audit.storage_config is None:
        problems.append(Problem("storage_config", "is not set", "set it, give --fallback-path, or read the topic"))
    if file is not None or origin is Origin.FALLBACK:
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
