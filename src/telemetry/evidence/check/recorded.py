"""Checks that the verification in a pack says what its manifest says; that it was so is the exporter's word."""

from __future__ import annotations

import msgspec

from telemetry.evidence.check.report import Findings
from telemetry.evidence.pack.archive import Archive
from telemetry.evidence.pack.manifest import Manifest, ReportFacts
from telemetry.evidence.pack.names import REPORT


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """The members of the report that the manifest repeats."""

    verdict: str
    exit_code: int
    records: int
    checked_at: str


_decoder = msgspec.json.Decoder(_Report)


def check_recorded(archive: Archive, manifest: Manifest, intact: frozenset[str], findings: Findings) -> None:
    """Compare the report on the whole trail with what the manifest says of it, and note it."""
    check, facts = findings.begin("verification of the trail"), manifest.verification
    if REPORT not in intact:
        check.add(REPORT, "is missing or was altered: the verification of the trail is not in the pack")
    elif _facts(archive.read(REPORT)) != facts:
        check.add(REPORT, "says something else of the trail than the manifest")
    elif facts.checked_at != manifest.created:
        check.add(REPORT, f"is of {facts.checked_at}, and the pack of {manifest.created}")
    detail = f"{facts.verdict} at {facts.checked_at}, {facts.records:,} records: by the word of the exporter"
    check.note(detail)


def _facts(data: bytes) -> ReportFacts | None:
    try:
        report = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return ReportFacts(
        verdict=report.verdict, exit_code=report.exit_code, records=report.records, checked_at=report.checked_at
    )
