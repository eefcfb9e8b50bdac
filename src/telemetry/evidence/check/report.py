"""Defines what the verification of an evidence pack can say: checks, findings, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, NoReturn

from telemetry.evidence.pack.manifest import Manifest
from telemetry.exceptions import EncryptionError, IncompleteError, TamperedError

ALTERED = TamperedError.exit_code
UNPROVEN = IncompleteError.exit_code
UNOPENED = EncryptionError.exit_code

_WORST_FIRST = (ALTERED, UNPROVEN, UNOPENED)


class CheckState(StrEnum):
    """How a check ended.

    Attributes:
        PASSED: What it says is so.
        FAILED: Something is not as it was written, or is refused; the findings say what.
        OPEN: Nothing speaks against it, and not all of it could be decided.
        NOTED: The exporter's word, which nothing here proves.
    """

    PASSED = "passed"
    FAILED = "failed"
    OPEN = "open"
    NOTED = "noted"


class Check(NamedTuple):
    """One thing that was checked.

    Attributes:
        name: What was checked.
        state: How it ended.
        detail: What was found, in words.
    """

    name: str
    state: CheckState
    detail: str


@dataclass(frozen=True, slots=True)
class PackFinding:
    """Something that speaks against a pack, or that is open.

    Attributes:
        place: File of the pack; empty for the pack as a whole.
        reason: What was compared, and what differs.
        exit_code: 3 altered or refused, 4 not proven, 5 could not be opened.
    """

    place: str
    reason: str
    exit_code: int = ALTERED

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}" if self.place else self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReport:
    """What can be said of a pack. It has no truth value: read ``exit_code``.

    Attributes:
        checks: Everything that was checked, in this order.
        findings: What speaks against it or is open, in the order in which it was found.
        manifest: The manifest; None where it cannot be read. It is believed only if the check of the signer passed.
    """

    checks: tuple[Check, ...]
    findings: tuple[PackFinding, ...]
    manifest: Manifest | None = None

    @property
    def exit_code(self) -> int:
        """0 everything holds, 3 altered or refused, 4 not all is proven or the signer is not known, 5 not opened."""
        codes = {finding.exit_code for finding in self.findings}
        return next((code for code in _WORST_FIRST if code in codes), 0)

    @property
    def verdict(self) -> str:
        """The conclusion in words."""
        if self.exit_code == ALTERED:
            return "refused: something is not what was written, or is not signed by a key that may sign it"
        if any(check.state is CheckState.OPEN and check.name == SIGNER for check in self.checks):
            is_signed = self.manifest is not None and self.manifest.attested_by is not None
            return (
                "consistent with itself, signer not known" if is_signed else "consistent with itself, signed by nobody"
            )
        if self.exit_code == UNPROVEN:
            return "genuine, and not all of it is proven"
        if self.exit_code == UNOPENED:
            return "genuine, and some of its content could not be opened and compared"
        return "genuine: every proof holds, and a trusted auditor signed the manifest"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for ``--json``."""
        manifest = self.manifest
        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "checks": [{"name": each.name, "state": str(each.state), "detail": each.detail} for each in self.checks],
            "findings": [
                {"place": each.place or None, "reason": each.reason, "exit_code": each.exit_code}
                for each in self.findings
            ],
            "created": manifest.created if manifest is not None else None,
            "attested_by": manifest.attested_by if manifest is not None else None,
            "events": len(manifest.events) if manifest is not None else None,
        }

    def __bool__(self) -> NoReturn:
        message = "the report on a pack has no truth value; read its exit_code"
        raise TypeError(message)


SIGNER = "signer"
"""Name of the check that decides if the manifest's signer is known and may sign."""


class Findings:
    """Collects checks and findings while a pack is verified."""

    def __init__(self) -> None:
        self._checks: list[Check] = []
        self._found: list[PackFinding] = []

    def begin(self, name: str) -> OpenCheck:
        """Return a check that has begun.

        Args:
            name: What is checked.
        """
        return OpenCheck(name, self._checks, self._found)

    def report(self, manifest: Manifest | None) -> PackReport:
        """Return the report.

        Args:
            manifest: The manifest; None where it cannot be read.
        """
        return PackReport(checks=tuple(self._checks), findings=tuple(self._found), manifest=manifest)


class OpenCheck:
    """A check that is not concluded yet.

    Args:
        name: What is checked.
        checks: Gets its conclusion.
        found: Gets its findings.
    """

    def __init__(self, name: str, checks: list[Check], found: list[PackFinding]) -> None:
        self._name = name
        self._checks = checks
        self._found = found
        self._codes: set[int] = set()

    @property
    def has_findings(self) -> bool:
        """Whether anything was found."""
        return bool(self._codes)

    def add(self, place: str, reason: str, *, exit_code: int = ALTERED) -> None:
        """Add a finding.

        Args:
            place: File of the pack; empty for the pack as a whole.
            reason: What was compared, and what differs.
            exit_code: 3 altered or refused, 4 not proven, 5 could not be opened.
        """
        self._found.append(PackFinding(place, reason, exit_code))
        self._codes.add(exit_code)

    def conclude(self, detail: str) -> None:
        """End the check with what its findings say.

        Args:
            detail: What was found, in words.
        """
        state = CheckState.FAILED if ALTERED in self._codes else CheckState.OPEN if self._codes else CheckState.PASSED
        self._checks.append(Check(self._name, state, detail))

    def note(self, detail: str) -> None:
        """End the check with the exporter's word; one with findings is concluded by them.

        Args:
            detail: The word.
        """
        if self._codes:
            self.conclude(detail)
        else:
            self._checks.append(Check(self._name, CheckState.NOTED, detail))
