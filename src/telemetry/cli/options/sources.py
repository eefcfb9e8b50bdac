"""Where ``tail`` and ``export`` read: the topic, the fallback store, both, or a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from telemetry.cli.output.console import progress
from telemetry.config import AuditConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader import DamagedRecord, FallbackSource, FileSource, KafkaSource, RawRecord, ReadRange
from telemetry.storage import StorageProviderFactory

_PANEL = "Where it is read"


class Origin(StrEnum):
    """Where records are read."""

    TOPIC = "topic"
    FALLBACK = "fallback"
    ALL = "all"


From = Annotated[Origin, typer.Option("--from", help="The topic, the fallback store, or both.", rich_help_panel=_PANEL)]
File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        help="A file of records instead: of `export --sealed`, `fallback export` or `kcat -J`, or a fallback object.",
        rich_help_panel=_PANEL,
    ),
]


class WatchedSource:
    """A source that tells of each record.

    Args:
        source: The source.
        on_record: Called for each of its records.
    """

    def __init__(self, source: Iterable[RawRecord | DamagedRecord], on_record: Callable[[], None]) -> None:
        self._source = source
        self._on_record = on_record

    def __iter__(self) -> Iterator[RawRecord | DamagedRecord]:
        """Yield the records."""
        for record in self._source:
            self._on_record()
            yield record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


@contextmanager
def sources_of(
    audit: AuditConfig, origin: Origin, file: Path | None, within: ReadRange, *, label: str, shown: bool = True
) -> Iterator[list[WatchedSource]]:
    """Yield the sources, with a progress bar on a terminal while they are read.

    Args:
        audit: Where topic and store are.
        origin: Which of them.
        file: The file to read instead.
        within: Which part of the topic.
        label: What the bar says.
        shown: Show the bar at all.

    Raises:
        ConfigurationError: The options do not fit together, or there is no store.
    """
    _require_fitting(audit, origin, file, within)
    with ExitStack() as stack:
        bar, task = stack.enter_context(progress(label, shown=shown))
        found: list[Iterable[RawRecord | DamagedRecord]] = []
        if file is not None:
            found = [FileSource(file)]
        if file is None and origin is not Origin.TOPIC and audit.storage_config is not None:
            store = stack.enter_context(StorageProviderFactory.create(audit.storage_config))
            found.append(FallbackSource(store, topic=audit.kafka_topic))
        if file is None and origin is not Origin.FALLBACK:
            topic = KafkaSource(audit, within=within, on_total=lambda total: bar.update(task, total=total))
            found.append(stack.enter_context(topic))
        yield [WatchedSource(source, lambda: bar.advance(task)) for source in found]


def _require_fitting(audit: AuditConfig, origin: Origin, file: Path | None, within: ReadRange) -> None:
    problems = []
    if file is not None and origin is not Origin.TOPIC:
        problems.append(Problem("--from, --file", "are two places", "leave one of them out"))
    if file is None and origin is not Origin.TOPIC and audit.storage_config is None:
        problems.append(Problem("storage_config", "is not set", "say where the fallback store is, or read the topic"))
    if file is not None or origin is Origin.FALLBACK:
        for given, option in (
            (within.offset, "--offset"),
            (within.end_offset, "--end-offset"),
            (within.follow or None, "--follow"),
        ):
            if given is not None:
                problems.append(Problem(option, "goes with the topic", "leave it out"))
    if problems:
        raise ConfigurationError(*problems)
