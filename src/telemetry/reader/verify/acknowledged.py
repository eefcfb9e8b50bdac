"""Reads the acknowledgements that auditors signed, and says which findings they cover."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from telemetry.exceptions import ConfigurationError, Problem, TamperedError, TelemetryError
from telemetry.format.proof.acknowledgement import Acknowledgement, parse_acknowledgement
from telemetry.format.proof.signed_note import MAX_NOTE_BYTES, require_signed
from telemetry.reader.trust.judgement import Role, Statement
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.verdicts import Finding

_OPTION = "--acknowledged"
_MAX_FILES = 1_000


class AcknowledgedFindings:
    """The findings that auditors have acknowledged.

    Args:
        acknowledgements: What was signed; who may sign it was judged before.
        now: Present time, with its time zone.

    Attributes:
        expired: Acknowledgements that do not count any more.
    """

    def __init__(self, acknowledgements: Iterable[Acknowledgement], *, now: datetime) -> None:
        self.expired: list[Acknowledgement] = []
        self._ids: set[str] = set()
        for acknowledgement in acknowledgements:
            if _moment(acknowledgement.expires) <= now:
                self.expired.append(acknowledgement)
            else:
                self._ids.update(acknowledgement.findings)

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

    def covers(self, finding: Finding, stream: str) -> bool:
        """Return whether exactly this finding is acknowledged.

        Args:
            finding: The finding.
            stream: Producer that it concerns; empty for none.
        """
        return finding.id_in(stream) in self._ids

    def notes(self) -> list[str]:
        """Return what an auditor has to know about acknowledgements that ended."""
        return [
            f"an acknowledgement of {len(each.findings)} findings by {each.author} expired on {each.expires}: "
            "they count again"
            for each in self.expired
        ]


def _load(path: Path, policy: TrustPolicy) -> Acknowledgement:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_NOTE_BYTES + 1).decode()
        note, acknowledgement = parse_acknowledgement(text)
        _moment(acknowledgement.expires)
        statement = Statement(roles=frozenset({Role.AUDITOR}), source="", signed_at=acknowledgement.time)
        judgements = [policy.judge(key, statement) for key in require_signed(note, policy.candidates())]
        if not any(judgement.accepted for judgement in judgements):
            message = "; ".join(f"{judgement.signer}: {judgement.why}" for judgement in judgements)
            raise TamperedError(message)
    except (OSError, UnicodeDecodeError, ValueError, TelemetryError) as exc:
        remedy = "name a file that `telemetry acknowledge` wrote with a key that the trust file gives the role auditor"
        raise ConfigurationError(Problem(_OPTION, f"{path} is not believed: {exc}", remedy)) from exc
    return acknowledgement


def _moment(time: str) -> datetime:
    """Return a time of an acknowledgement.

    Raises:
        ValueError: No calendar has this day.
    """
    return datetime.fromisoformat(time)
