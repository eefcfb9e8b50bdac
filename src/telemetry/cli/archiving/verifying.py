"""Defines the options of ``telemetry verify`` that concern an archive, and verifies one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.cli.options.judging import Judging
from telemetry.cli.options.sources import ArchiveUri, FromTrail, TrailOrigin, require_one_place
from telemetry.cli.output.bars import Bars
from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError, FormatError, MissingExtraError, Problem
from telemetry.reader.seals.expected import ExpectedSeal
from telemetry.reader.trust import TrustPolicy
from telemetry.reader.verify.acknowledged import AcknowledgedFindings
from telemetry.reader.verify.verdicts import VerificationReport

_PANEL = "An archive"
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "origin": (FromTrail, TrailOrigin.TRAIL),
    "archive": (ArchiveUri, None),
    "jobs": (
        Annotated[
            int | None,
            typer.Option(
                min=1,
                max=256,
                help="Processes that verify the archive; default: one for each processor, if it is large.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "leaves": (
        Annotated[
            bool,
            typer.Option(
                "--leaves",
                help="Verify only the leaf hashes that the archive has beside its values: a small part of the bytes is read, and "
                "no value is hashed again.",
                rich_help_panel=_PANEL,
            ),
        ],
        False,
    ),
    "expect_seal": (
        Annotated[
            list[str] | None,
            typer.Option(
                metavar="N[:SHA256]",
                help="Fail unless the archive has this seal, as `telemetry archive status` shows it: nothing else says that "
                "its end was not cut off, but a witness. Repeatable.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAs:
    """How a trail is judged, wherever it is read from.

    Attributes:
        now: When the verification began.
        open_seconds: A producer whose last checkpoint is not older counts as still running.
        from_start: What is read begins where the trail began.
        acknowledged: Findings that do not count.
    """

    now: datetime
    open_seconds: float
    from_start: bool
    acknowledged: AcknowledgedFindings


class ArchiveOptions:
    """Which archive is verified, and how.

    Args:
        values: Values of the options.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._origin: TrailOrigin = values["origin"]
        self._uri: str | None = values["archive"]
        self._jobs: int | None = values["jobs"]
        self._is_leaves_only: bool = values["leaves"]
        self._seals: list[str] = values["expect_seal"] or []

    @property
    def is_read(self) -> bool:
        """Whether an archive is verified in place of topic and store."""
        return self._origin is TrailOrigin.ARCHIVE

    def require_fitting(self, file: Path | None) -> None:
        """Check that the options name one place to read from, and concern it.

        Args:
            file: Value of ``--file``.

        Raises:
            ConfigurationError: They do not fit together.
        """
        require_one_place(self._origin, self._uri, file)
        given = (
            ("--jobs", self._jobs),
            ("--leaves", self._is_leaves_only or None),
            ("--expect-seal", self._seals or None),
        )
        problems = [
            Problem(option, "concerns an archive, which is not read", "add --from archive")
            for option, value in given
            if value is not None and not self.is_read
        ]
        if problems:
            raise ConfigurationError(*problems)

    def verify(
        self, config: TelemetryConfig, policy: TrustPolicy, judging: Judging, judged: JudgedAs
    ) -> VerificationReport:
        """Verify the archive.

        Args:
            config: Configuration of the trail.
            policy: Who may sign what.
            judging: What the auditor expects.
            judged: How it is judged.

        Raises:
            MissingExtraError: What reads archives is not installed.
            TelemetryError: The archive cannot be read.
        """
        try:
            # pyarrow is large, and a topic is verified without it.
            from telemetry.archive.reading.place import archive_store_config  # noqa: PLC0415
            from telemetry.archive.verifying.verification import ArchiveRequest, verify_archive  # noqa: PLC0415
        except ImportError as exc:
            feature = "reading an archive"
            raise MissingExtraError(feature, "archive") from exc
        witnessed = judging.witnessed(policy, config.audit_config)
        request = ArchiveRequest(
            policy=policy,
            jobs=self._jobs,
            is_leaves_only=self._is_leaves_only,
            open_seconds=judged.open_seconds,
            from_start=judged.from_start,
            expected=judging.expected,
            acknowledged=judged.acknowledged,
            witnessed=witnessed,
            seals=tuple(map(_expected_seal, self._seals)),
            histories=() if witnessed is None else witnessed.histories,
        )
        return verify_archive(archive_store_config(self._uri, config), request, now=judged.now, progress=Bars())


class ArchiveBundle:
    """The options as a bundle: a command gets :class:`ArchiveOptions`."""

    parameter = "archive"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(_OPTIONS)

    def build(self, values: Mapping[str, Any]) -> ArchiveOptions:
        """Return the argument for these values."""
        return ArchiveOptions(values)


def with_archive(command: Command) -> Command:
    """Give a command these options; it receives ``archive``."""
    return with_bundle(command, ArchiveBundle())


def _expected_seal(text: str) -> ExpectedSeal:
    try:
        return ExpectedSeal.parse(text)
    except FormatError as exc:
        raise ConfigurationError(Problem("--expect-seal", str(exc), "copy it from `telemetry archive status`")) from exc
