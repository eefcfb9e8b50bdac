"""Reads the acknowledgements that auditors signed, and says which findings they cover."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from telemetry.exceptions import ConfigurationError, Problem, TamperedError, TelemetryError
from telemetry.format.proof.acknowledgement import Acknowledgement, parse_acknowledgement
from telemetry.format.proof.signed_note import MAX_NOTE_BYTES, PublicKey, require_signed
from telemetry.reader.trust.judgement import Role, Statement
from telemetry.reader.trust.policy import TrustPolicy, matches
from telemetry.reader.verify.verdicts import Finding

_OPTION = "--acknowledged"
_MAX_FILES = 1_000
_ALL_SOURCES = "/*/*"
"""Stands for the source of a finding about the whole trail: only a key whose patterns match everything covers it."""


class BelievedAcknowledgement(NamedTuple):
    """An acknowledgement, and whose findings its signer may acknowledge.

    Attributes:
        acknowledgement: What was signed.
        sources: Patterns of the sources.
    """

    acknowledgement: Acknowledgement
    sources: tuple[str, ...] = (_ALL_SOURCES,)


class AcknowledgedFindings:
    """The findings that auditors have acknowledged.

    Args:
        acknowledgements: What was signed; who may sign it was judged before.
        now: Present time, with its time zone.

    Attributes:
        expired: Acknowledgements that do not count any more.
    """

    def __init__(self, acknowledgements: Iterable[BelievedAcknowledgement], *, now: datetime) -> None:
        self.expired: list[Acknowledgement] = []
        self._sources: defaultdict[str, set[str]] = defaultdict(set)
        for acknowledgement, sources in acknowledgements:
            if datetime.fromisoformat(acknowledgement.expires) <= now:
                self.expired.append(acknowledgement)
                continue
            for finding in acknowledgement.findings:
                self._sources[finding].update(sources)

    @classmethod
    def load(cls, paths: Iterable[Path], *, policy: TrustPolicy, now: datetime) -> AcknowledgedFindings:
        """Return what the files acknowledge.

        Args:
            paths: Files that ``telemetry acknowledge`` wrote.
            policy: Who may sign them: keys with the role ``auditor``.
            now: Present time, with its time zone.

        Raises:
            ConfigurationError: A file cannot be read, is not an acknowledgement, or no auditor signed it.
        """
        files = list(paths)
        if len(files) > _MAX_FILES:
            raise ConfigurationError(Problem(_OPTION, f"names more than {_MAX_FILES} files", "name fewer"))
        return cls([_load(path, policy) for path in files], now=now)

    def covers(self, finding: Finding, stream: str, source: str) -> bool:
        """Return whether exactly this finding is acknowledged, by an auditor of its source.

        Args:
            finding: The finding.
            stream: Producer that it concerns; empty for none.
            source: Source of the producer; empty for none.
        """
        patterns = self._sources.get(finding.id_in(stream), ())
        return any(matches(pattern, source or _ALL_SOURCES) for pattern in patterns)

    def notes(self) -> list[str]:
        """Return what an auditor has to know about acknowledgements that ended."""
        return [
            f"an acknowledgement of {len(each.findings)} findings by {each.author} expired on {each.expires}: "
            "they count again"
            for each in self.expired
        ]


def _load(path: Path, policy: TrustPolicy) -> BelievedAcknowledgement:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_NOTE_BYTES + 1).decode()
        note, acknowledgement = parse_acknowledgement(text)
        datetime.fromisoformat(acknowledgement.expires)  # no calendar may have this day
        sources = _believed_sources(require_signed(note, policy.candidates()), acknowledgement, policy)
    except (OSError, UnicodeDecodeError, ValueError, TelemetryError) as exc:
        remedy = "name a file that `telemetry acknowledge` wrote with a key that the trust file gives the role auditor"
        raise ConfigurationError(Problem(_OPTION, f"{path} is not believed: {exc}", remedy)) from exc
    return BelievedAcknowledgement(acknowledgement, sources)


def _believed_sources(
    signers: Iterable[PublicKey], acknowledgement: Acknowledgement, policy: TrustPolicy
) -> tuple[str, ...]:
    """Return the patterns of the sources whose findings the signers may acknowledge.

    No clock but the signer's says when it signed, so a key that was revoked could give any date.

    Raises:
        TamperedError: None of them may acknowledge anything.
    """
    statement = Statement(roles=frozenset({Role.AUDITOR}), source="", signed_at=acknowledgement.time)
    refused: list[str] = []
    sources: list[str] = []
    for key in signers:
        judgement = policy.judge(key, statement)
        if judgement.accepted and not policy.is_revoked(key):
            sources += policy.sources_of(key, Role.AUDITOR)
        else:
            why = "the key is revoked" if judgement.accepted else judgement.why
            refused.append(f"{judgement.signer}: {why}")
    if not sources:
        raise TamperedError("; ".join(refused))
    return tuple(sources)
