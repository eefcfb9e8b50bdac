"""Defines the options of ``telemetry verify`` that say what the auditor expects and knows already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.cli.options.trust import PublicKeys, Trust, public_keys, require_trust
from telemetry.config import AuditConfig
from telemetry.exceptions import ConfigurationError, FormatError, MalformedRecordError, Problem
from telemetry.format.proof.cosignature import CosignerKey
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.roster.message import decode_roster_message
from telemetry.format.roster.roster import encode_roster
from telemetry.reader.entry import RawRecord
from telemetry.reader.roster.cosigned import find_cosigned
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.roster.store import open_rosters
from telemetry.reader.roster.timestamp import TimestampRoots
from telemetry.reader.sources import KafkaSource
from telemetry.reader.trust import TrustPolicy
from telemetry.reader.trust.judgement import label_of
from telemetry.reader.verify.acknowledged import AcknowledgedFindings
from telemetry.reader.verify.verdicts import EXIT_TAMPERED, VerificationReport
from telemetry.reader.verify.witnessed.witnessed_trail import WitnessedTrail

_PANEL = "What a witness saw"
_EXPECTED = re.compile(r"(?P<source>/[^:]+)(:(?P<least>[0-9]{1,6}))?", re.ASCII)
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "public_key": (PublicKeys, None),
    "trust": (Trust, None),
    "expect": (
        Annotated[
            list[str] | None,
            typer.Option(
                metavar="SOURCE[:N]",
                help="Fail unless at least N producers (default 1) of this source are proven, such as "
                "/production/payments:3. Repeatable.",
            ),
        ],
        None,
    ),
    "acknowledged": (
        Annotated[
            list[Path] | None,
            typer.Option(help="File that `telemetry acknowledge` wrote: its findings no longer count. Repeatable."),
        ],
        None,
    ),
    "require_witness": (
        Annotated[
            list[str] | None,
            typer.Option(
                metavar="KEY",
                help="Public key of a witness, or a file that contains it: what it saw must be there. Repeatable.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "roster": (
        Annotated[
            str | None,
            typer.Option(
                metavar="URI",
                help="Place of its rosters: file:///FOLDER, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or "
                "az://ACCOUNT/CONTAINER/PREFIX; default: the topic, if they are published there.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "max_roster_age": (
        Annotated[
            float,
            typer.Option(
                min=1.0,
                metavar="SECONDS",
                help="Fail if the newest roster of a witness is older.",
                rich_help_panel=_PANEL,
            ),
        ],
        3_600.0,
    ),
    "timestamp_ca": (
        Annotated[
            Path | None,
            typer.Option(
                help="PEM file with the root of a time-stamping authority: each roster must have its time stamp, whose time "
                "then counts.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "cosigner": (
        Annotated[
            list[str] | None,
            typer.Option(
                metavar="KEY",
                help="Key of a standard witness (C2SP tlog-cosignature) that must have cosigned the rosters lately. "
                "Repeatable.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "retention_days": (
        Annotated[
            float | None,
            typer.Option(
                min=0.0,
                help="Days for which the topic keeps records at least: what a witness saw later than that must be there, "
                "also before the topic's first offsets.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "strict": (
        Annotated[bool, typer.Option("--strict", help="Exit with 3 if there are foreign records.")],
        False,
    ),
    "foreign": (Annotated[bool, typer.Option("--foreign", help="Show examples of foreign records.")], False),
}


class Judging:
    """What the auditor expects, believes and knows already.

    Args:
        values: Values of the options.

    Attributes:
        expected: Least number of producers of each source.
        shows_foreign: Whether examples of foreign records are shown.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._public_keys: list[str] | None = values["public_key"]
        self._trust: Path | None = values["trust"]
        self._acknowledged: list[Path] = values["acknowledged"] or []
        self._witnesses: list[str] = values["require_witness"] or []
        self._roster: str | None = values["roster"]
        self._max_roster_age = timedelta(seconds=values["max_roster_age"])
        self._timestamp_ca: Path | None = values["timestamp_ca"]
        self._cosigners = _cosigners(values["cosigner"] or ())
        self._retention_days: float | None = values["retention_days"]
        self._is_strict: bool = values["strict"]
        self.expected = _expected(values["expect"] or ())
        self.shows_foreign: bool = values["foreign"] or self._is_strict

    def policy(self, audit: AuditConfig) -> TrustPolicy:
        """Return who is believed.

        Raises:
            ConfigurationError: Neither a key nor a trust file is named, or one cannot be used.
        """
        return require_trust(self._public_keys, self._trust, configured=audit.trust_file)

    @property
    def reads_topic(self) -> bool:
        """Whether the rosters of the required witnesses are looked for on the topic."""
        return bool(self._witnesses) and self._roster is None

    def acknowledged(self, policy: TrustPolicy, now: datetime) -> AcknowledgedFindings:
        """Return the findings that an auditor has acknowledged.

        Raises:
            ConfigurationError: A file is not believed.
        """
        return AcknowledgedFindings.load(self._acknowledged, policy=policy, now=now)

    def witnessed(self, policy: TrustPolicy, audit: AuditConfig) -> WitnessedTrail | None:
        """Return what the required witnesses saw; None if none is required.

        Raises:
            ConfigurationError: A key or the place of the rosters cannot be used.
            StorageError: The store of the rosters refused or did not answer.
        """
        if not self._witnesses:
            if self._roster is not None:
                raise ConfigurationError(Problem("--require-witness", "is missing", "name the witness's public key"))
            return None
        if self._roster is None and self._cosigners:
            raise ConfigurationError(Problem("--cosigner", "needs --roster", "name the place of the witness's rosters"))
        roots = TimestampRoots.load(self._timestamp_ca, option="--timestamp-ca") if self._timestamp_ca else None
        histories, cosigned = [], []
        keys = _witness_keys(self._witnesses, policy)
        # Read twice then: a checkpoint can be judged only when it is known what the witnesses saw.
        on_topic = list(_rosters_on_topic(audit)) if self._roster is None else []
        for key in keys:
            if self._roster is None:
                histories.append(RosterHistory.read(on_topic, key, roots=roots))
                continue
            with open_rosters(self._roster, key, storage=audit.storage_config) as rosters:
                histories.append(RosterHistory.read(rosters.documents(), key, roots=roots))
                cosigned += [find_cosigned(rosters, key, each, label=label_of(key)) for each in self._cosigners]
        retention = None if self._retention_days is None else timedelta(days=self._retention_days)
        return WitnessedTrail(
            histories, policy=policy, max_age=self._max_roster_age, cosigned=cosigned, retention=retention
        )

    def exit_code(self, report: VerificationReport) -> int:
        """Return the exit code of the command."""
        return EXIT_TAMPERED if self._is_strict and report.foreign.total else report.exit_code


class JudgingBundle:
    """The options as a bundle: a command gets :class:`Judging`."""

    parameter = "judging"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(_OPTIONS)

    def build(self, values: Mapping[str, Any]) -> Judging:
        """Return the argument for these values."""
        return Judging(values)


def with_judging(command: Command) -> Command:
    """Give a command these options; it receives ``judging``."""
    return with_bundle(command, JudgingBundle())


def _rosters_on_topic(audit: AuditConfig) -> Iterator[bytes]:
    with KafkaSource(audit) as source:
        for record in source:
            try:
                roster = decode_roster_message(record.value or b"") if isinstance(record, RawRecord) else None
            except MalformedRecordError:
                continue
            if roster is not None:
                yield encode_roster(roster)


def _cosigners(texts: Iterable[str]) -> tuple[CosignerKey, ...]:
    try:
        return tuple(CosignerKey.parse(text) for text in texts)
    except FormatError as exc:
        raise ConfigurationError(Problem("--cosigner", str(exc), "copy the witness's verifier key")) from exc


def _witness_keys(texts: list[str], policy: TrustPolicy) -> tuple[PublicKey, ...]:
    keys = public_keys(texts, option="--require-witness")
    if policy.binds_first_source and set(keys) & set(policy.candidates()):
        reason = "names the key of a service: what a service says of itself is no witness"
        raise ConfigurationError(Problem("--require-witness", reason, "name the witness's own key"))
    return keys


def _expected(texts: Iterable[str]) -> dict[str, int]:
    expected = {}
    for text in texts:
        match = _EXPECTED.fullmatch(text)
        if match is None:
            problem = Problem("--expect", f"{text!r} is not SOURCE or SOURCE:N", "write it as /production/payments:3")
            raise ConfigurationError(problem)
        expected[match["source"]] = int(match["least"] or 1)
    return expected
