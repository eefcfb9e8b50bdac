"""Bundles the options that ``tail`` and ``export`` share: which events to read, from where, and who reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.cli.options.filters import FILTERS, FilterOptions, Offset
from telemetry.cli.options.reader import Reader, Reason
from telemetry.cli.options.sources import ArchivedPart, ArchiveUri, File, From, Origin, WatchedSource, sources_of
from telemetry.cli.options.trust import PublicKeys, Trust, trust_policy
from telemetry.config import TelemetryConfig
from telemetry.reader import ReadRange
from telemetry.reader.sources.source import Source
from telemetry.reader.trust import TrustPolicy
from telemetry.trail.trail import Trail, open_trail

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "duplicates": (Annotated[bool, typer.Option("--duplicates", help="Show copies of records too.")], False),
    "repeats": (
        Annotated[bool, typer.Option("--repeats", help="Show repeats of calls and of outbox rows too.")],
        False,
    ),
    "foreign": (
        Annotated[bool, typer.Option("--foreign", help="Show records that do not belong here too, marked.")],
        False,
    ),
    "strict": (
        Annotated[bool, typer.Option("--strict", help="Exit with 3 if there are foreign or unproven records.")],
        False,
    ),
    "origin": (From, Origin.TOPIC),
    "file": (File, None),
    "archive": (ArchiveUri, None),
    "offset": (Offset, None),
    **FILTERS,
    "public_key": (PublicKeys, None),
    "trust": (Trust, None),
    "reader": (Reader, None),
    "reason": (Reason, None),
}

_OF_SOURCES = ("duplicates", "repeats", "strict", "origin", "file", "archive")


class ReadOptions:
    """The part of a trail that the options select, and who reads it.

    Args:
        values: Values of the options, by name.

    Attributes:
        selected: The events to read.
        is_strict: Whether foreign and unproven records are an error.

    Raises:
        ConfigurationError: A value cannot be used.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.selected = FilterOptions({name: values[name] for name in FILTERS})
        self._origin: Origin = values["origin"]
        self._file: Path | None = values["file"]
        self._archive: str | None = values["archive"]
        self._offset: int | None = values["offset"]
        self._shown: dict[str, Any] = {name: values[name] for name in ("duplicates", "repeats", "foreign")}
        self.is_strict: bool = values["strict"]
        self._public_keys: list[str] = values["public_key"] or []
        self._trust: Path | None = values["trust"]
        self._reader: str | None = values["reader"]
        self._reason: str | None = values["reason"]

    @property
    def is_of_topic(self) -> bool:
        """Whether the topic is read, and nothing else."""
        return self._origin is Origin.TOPIC and self._file is None

    @property
    def is_of_copy(self) -> bool:
        """Whether a file or an archive is read, for which no broker is asked."""
        return self._file is not None or self._origin is Origin.ARCHIVE

    def read_range(
        self,
        *,
        end_offset: int | None = None,
        follow: bool = False,
        group: str | None = None,
        confirmed: bool = False,
    ) -> ReadRange:
        """Return the part of the topic in which the selected events can be."""
        within = self.selected.read_range(offset=self._offset, end_offset=end_offset, follow=follow, group=group)
        return replace(within, confirmed=confirmed)

    @contextmanager
    def sources(
        self, config: TelemetryConfig, within: ReadRange, *, label: str, shown: bool = True
    ) -> Iterator[list[WatchedSource]]:
        """Open the sources of records; see :func:`telemetry.cli.options.sources.sources_of`."""
        # Who may sign seals is asked only where there are some.
        trust = self._policy(config) if self._origin is Origin.ARCHIVE else None
        archived = ArchivedPart(self._archive, self.selected.filter, trust)
        with sources_of(
            config, self._origin, self._file, within, label=label, shown=shown, archived=archived
        ) as sources:
            yield sources

    @contextmanager
    def trail(
        self,
        config: TelemetryConfig,
        within: ReadRange,
        *,
        program: str,
        label: str,
        shown: bool = True,
        proof_wait: float | None = None,
    ) -> Iterator[Trail]:
        """Open the trail for reading; the read is recorded in it first.

        Args:
            config: The configuration.
            within: The part of the topic to read.
            program: Name of the program that reads, for the record.
            label: Text beside the progress bar.
            shown: Whether to show the bar on a terminal.
            proof_wait: Seconds that an event waits for its checkpoint; None: until the end of the sources.
        """
        trust = self._policy(config)
        # The sources are opened first: a place that cannot be read must not be recorded as read.
        with (
            self.sources(config, within, label=label, shown=shown) as sources,
            self.trail_of(config, sources, program=program, proof_wait=proof_wait, trust=trust) as trail,
        ):
            yield trail

    def trail_of(
        self,
        config: TelemetryConfig,
        sources: Sequence[Source],
        *,
        program: str,
        proof_wait: float | None = None,
        sealed: bool = False,
        trust: TrustPolicy | None = None,
    ) -> Trail:
        """Return the trail of some sources, to be opened with ``with``; arguments as :func:`telemetry.open_trail` has them."""
        return open_trail(
            config,
            *sources,
            wanted=None if sealed else self.selected.filter,
            **self._shown,
            trust=trust or self._policy(config),
            proof_wait=proof_wait,
            sealed=sealed,
            reader=self._reader,
            reason=self._reason,
            program=program,
        )

    def _policy(self, config: TelemetryConfig) -> TrustPolicy | None:
        return trust_policy(self._public_keys, self._trust, configured=config.audit_config.trust_file)


class ReadingBundle:
    """The reading options as a bundle: a command gets ``ReadOptions``."""

    parameter = "read"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(_OPTIONS)

    def build(self, values: Mapping[str, Any]) -> ReadOptions:
        """Return the options' values, checked."""
        return ReadOptions(values)


class FollowingBundle:
    """The reading options of a command that follows the topic: it shows no copies, and reads nothing else."""

    parameter = "read"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(
        {name: option for name, option in _OPTIONS.items() if name not in _OF_SOURCES}
    )

    def build(self, values: Mapping[str, Any]) -> ReadOptions:
        """Return the options' values, checked."""
        return ReadOptions({name: _OPTIONS[name][1] for name in _OF_SOURCES} | dict(values))


def with_following(command: Command) -> Command:
    """Give a command the reading options of one that follows; it receives them as ``read``."""
    return with_bundle(command, FollowingBundle())


def with_reading(command: Command) -> Command:
    """Give a command the reading options; it receives them as ``read``."""
    return with_bundle(command, ReadingBundle())
