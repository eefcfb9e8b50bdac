"""Bundles the options of ``telemetry explore``: what is explored, and who may look at it where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.cli.options.filters import LATE, FilterOptions, Late, Since, Until
from telemetry.cli.options.reader import Reader, Reason
from telemetry.cli.options.sources import ArchiveUri, File, From, Origin, require_fitting
from telemetry.cli.options.trust import PublicKeys, Trust, trust_policy
from telemetry.config import AuditConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader import ReadRange
from telemetry.reader.trust import TrustPolicy

_BROWSER = "Who may look, and where"


def _browser(*names: str, help_: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help_, metavar=metavar, rich_help_panel=_BROWSER)


_EXPLORED: dict[str, tuple[Any, Any]] = {
    "origin": (From, Origin.TOPIC),
    "archive": (ArchiveUri, None),
    "file": (File, None),
    "since": (Since, None),
    "until": (Until, None),
    "late": (Late, LATE),
    "follow": (
        Annotated[bool, typer.Option("--follow/--no-follow", help="Whether new events of the topic appear.")],
        True,
    ),
    "public_key": (PublicKeys, None),
    "trust": (Trust, None),
    "reader": (Reader, None),
    "reason": (Reason, None),
}
_SERVED: dict[str, tuple[Any, Any]] = {
    "listen": (
        Annotated[
            str | None,
            _browser(
                "--listen",
                "-l",
                metavar="ADDRESS",
                help_="http://127.0.0.1:PORT (default: a free port), https://HOST:PORT or unix:/PATH.",
            ),
        ],
        None,
    ),
    "tls_certificate": (
        Annotated[Path | None, _browser("--tls-certificate", help_="PEM file with the server's certificate chain.")],
        None,
    ),
    "tls_key": (Annotated[Path | None, _browser("--tls-key", help_="PEM file with its private key.")], None),
    "allow_plain_http": (
        Annotated[
            bool,
            _browser("--allow-plain-http", help_="Accept http:// beyond this machine, where something else encrypts."),
        ],
        False,
    ),
    "max_events": (
        Annotated[int | None, typer.Option("--most", min=1_000, help="Events in memory; the oldest are left out.")],
        None,
    ),
}


class ExploredOptions:
    """What is explored, and who opens it.

    Args:
        values: Values of the options, by name.

    Attributes:
        origin: The place that is read.
        file: A file that is read instead; None otherwise.
        archive: The archive that was named; None for that of the configuration.
        since: Earliest time, as it was written; empty for the beginning.
        until: Latest time; empty for no end.
        reader: Who opens the trail; None for the user of the system.
        reason: Why; empty if it was not said.
        trust: The trust file; None if it was not named.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.origin: Origin = values["origin"]
        self.file: Path | None = values["file"]
        self.archive: str | None = values["archive"]
        self.since: str = values["since"] or ""
        self.until: str = values["until"] or ""
        self.reader: str | None = values["reader"]
        self.reason: str = values["reason"] or ""
        self.trust: Path | None = values["trust"]
        self._late: str = values["late"]
        self._is_followed: bool = values["follow"]
        self._public_keys: list[str] = values["public_key"] or []

    @property
    def reads_topic(self) -> bool:
        """Whether the topic is read."""
        return self.file is None and self.origin in (Origin.TOPIC, Origin.ALL)

    @property
    def reads_fallback(self) -> bool:
        """Whether the fallback store is read."""
        return self.file is None and self.origin in (Origin.FALLBACK, Origin.ALL)

    @property
    def reads_archive(self) -> bool:
        """Whether an archive is read."""
        return self.file is None and self.origin is Origin.ARCHIVE

    @property
    def follows(self) -> bool:
        """Whether new events appear: a range that has an end has none."""
        return self._is_followed and self.reads_topic and not self.until

    def selected(self, audit: AuditConfig) -> tuple[ReadRange | None, str, str]:
        """Return the part of the topic to read, None where it is not read, and the times of the first and the last event.

        Raises:
            ConfigurationError: The options do not fit together, or a time cannot be read.
        """
        options = FilterOptions({"since": self.since or None, "until": self.until or None, "late": self._late})
        # The explorer itself goes on where the range ends, if it follows.
        within = options.read_range()
        require_fitting(audit, self.origin, self.file, within, archive=self.archive)
        # Kafka that is away is tried again; a file that is not there was misspelt. It is read anew after an error.
        if self.file is not None and not self.file.is_file():
            reason = f"{self.file} is not there, or is not a regular file"
            raise ConfigurationError(Problem("--file", reason, "name a copy, as `telemetry export --sealed` writes it"))
        return within if self.reads_topic else None, options.filter.since, options.filter.until

    def policy_of(self, audit: AuditConfig) -> TrustPolicy | None:
        """Return who is trusted; None if nobody is named.

        Raises:
            ConfigurationError: A key or the trust file cannot be used.
        """
        return trust_policy(self._public_keys, self.trust, configured=audit.trust_file)

    def trust_file_of(self, audit: AuditConfig) -> Path | None:
        """Return the trust file; None where keys are named instead, or nobody."""
        return None if self._public_keys else self.trust or audit.trust_file

    @property
    def words(self) -> list[str]:
        """The options for another command that reads the same and trusts the same; times are not among them."""
        where = [f"--file={self.file}"] if self.file is not None else []
        if self.file is None and self.origin is not Origin.TOPIC:
            where = [f"--from={self.origin.value}"]
            where += [f"--archive={self.archive}"] if self.archive is not None else []
        trust = [] if self.trust is None else [f"--trust={self.trust}"]
        return where + trust + [f"--public-key={key}" for key in self._public_keys]


class _ExploredBundle:
    parameter = "explored"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(_EXPLORED)

    def build(self, values: Mapping[str, Any]) -> ExploredOptions:
        return ExploredOptions(values)


class _ServedBundle:
    """A command gets the fields of ``ExplorerConfig`` that were given."""

    parameter = "served"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(_SERVED)

    def build(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value not in (None, False)}


def with_exploring(command: Command) -> Command:
    """Give a command the options of exploring; it receives them as ``explored`` and ``served``."""
    return with_bundle(with_bundle(command, _ServedBundle()), _ExploredBundle())
