"""Renders a verification as one HTML page that an auditor can file: no script, no link, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from telemetry.pages.charts import Band, Chart, Lane, gaps
from telemetry.pages.environment import page_environment, render
from telemetry.reader.verify.sealed.archive_evidence import ArchiveEvidence
from telemetry.reader.verify.verdicts import (
    EXIT_FINE,
    EXIT_TAMPERED,
    Finding,
    ProducerReport,
    Verdict,
    VerificationReport,
)

MAX_PRODUCERS = 5_000
"""Producers that are listed; those with the worst verdicts come first, and the rest are counted."""
MAX_ROWS = 2_000
"""Findings of one producer that are listed; the rest are counted."""
MAX_SECTIONS = 500
"""Producers whose findings are listed one by one."""

_SENTENCES = {
    Verdict.COMPLETE: "Every record is present and is what was signed, up to the last checkpoint of each producer.",
    Verdict.FOREIGN: "Every record of the trusted streams is present and is what was signed. Other records are on the trail that no trusted key proves.",
    Verdict.UNVERIFIABLE: "There is no evidence of tampering, but no trusted signature proves some of the records.",
    Verdict.TRUNCATED: "At least one producer's stream has no signed end: its last records may be missing.",
    Verdict.MISSING: "Records are missing.",
    Verdict.REORDERED: "Records with the same Kafka key are in the wrong order.",
    Verdict.TAMPERED: "At least one record or checkpoint is not what was signed.",
}

_METHOD = (
    "Each record's value was hashed as a leaf of its producer's Merkle tree (SHA-256, RFC 6962), in the order of the sequence numbers. Nothing was decrypted.",
    "Each checkpoint's Ed25519 signature (RFC 8032; C2SP signed note) was checked with the public keys listed above. Signatures of other keys prove nothing and were not used.",
    "The records between two checkpoints were compared with the signed trees at both ends: added to the first tree, they must lead to the root of the second. If one record is absent or differs by one bit, the root is different.",
    "Where a checkpoint brings the leaf hashes of its interval along, they were added to the first tree, and must lead to the root of the second. Each record was then compared with its own leaf hash.",
    "A producer numbers its records without gaps, so a gap below the signed size means that a record is missing. The final checkpoint shows where a producer's stream ends.",
    "Copies of a record were compared by their hashes. Equal copies are harmless: each record is delivered at least once. If copies differ, the signed tree shows which one is right.",
    "Each record's Kafka key was checked against the hash of the key in the signed value. On each partition, the records of one key must be in the order of their sequence numbers.",
    "Records that no trusted key has signed for are foreign: anyone with the right to write may have written them. They were counted, and are a finding only where a trusted stream lacks a record or has another one in its place.",
    "Not covered: who has access to the signing keys, whether the trusted public keys are the right ones, records written after the last checkpoint, producers of which no record is left (a state saved by an earlier verification reveals them), and whether what the application logged is true.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingSection:
    """The findings of one producer.

    Attributes:
        producer: The stream; empty for findings that concern none.
        service: Its source.
        rows: The findings that are listed.
        unlisted: How many further ones there are.
    """

    producer: str
    service: str
    rows: tuple[Finding, ...]
    unlisted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """What a page shows of a verification; the template ``verification_report.html`` renders it.

    Attributes:
        report: The verification.
        scope: What was read, as names and texts.
        sentence: What the verdict means.
        summary: How much is proven, and how many findings there are.
        counts: Counts with their names.
        findings: Findings, the worst producer first.
        unlisted_sections: How many producers with findings are left out.
        acknowledged: Findings that an auditor has acknowledged.
        producers: Producers, the worst first.
        unlisted_producers: How many producers are left out.
        picture: Where in their streams the findings are; None without such findings.
        method: How it was checked, step by step.
    """

    report: VerificationReport
    scope: Mapping[str, str]
    sentence: str
    summary: str
    counts: Mapping[str, str]
    findings: tuple[FindingSection, ...]
    unlisted_sections: int
    acknowledged: tuple[FindingSection, ...]
    producers: tuple[ProducerReport, ...]
    unlisted_producers: int
    picture: Chart | None
    method: tuple[str, ...] = _METHOD


def render_html(
    report: VerificationReport, *, title: str = "Audit trail verification", scope: Mapping[str, str] | None = None
) -> str:
    """Return the evidence report as a complete HTML page.

    Args:
        report: The verification.
        title: Heading of the page.
        scope: What was read, as names and texts: topic, brokers, fallback store, file, range of time.

    Returns:
        The page. It has no script and refers to nothing outside itself; its content-security policy forbids both.

    Raises:
        MissingExtraError: The library that renders pages is not installed.
    """
    return render(page_environment(), "verification.html", title=title, view=report_view(report, scope=scope))


def report_view(report: VerificationReport, *, scope: Mapping[str, str] | None = None) -> ReportView:
    """Return what a page shows of a verification, bounded.

    Args:
        report: The verification.
        scope: What was read, as names and texts.
    """
    producers = _worst_first(report.producers)
    with_findings = sum(1 for producer in producers if producer.findings)
    return ReportView(
        report=report,
        scope=dict(scope or {}) | (_archive(report.archive) if report.archive is not None else {}),
        sentence=_SENTENCES.get(report.verdict, ""),
        summary=_summary(report),
        counts=_counts(report),
        findings=tuple(_found(report, producers)),
        unlisted_sections=max(with_findings - MAX_SECTIONS, 0),
        acknowledged=tuple(_acknowledged(report, producers)),
        producers=tuple(producers[:MAX_PRODUCERS]),
        unlisted_producers=max(len(producers) - MAX_PRODUCERS, 0),
        picture=_picture(producers),
    )


def _summary(report: VerificationReport) -> str:
    """Return how much is proven, and how many findings of each verdict there are."""
    findings = [*report.findings, *(finding for producer in report.producers for finding in producer.findings)]
    unlisted = report.more_findings + report.total("more_findings")
    counts = [
        f"{count:,} {verdict}"
        for verdict in reversed(Verdict)
        if (count := sum(1 for finding in findings if finding.verdict is verdict))
    ]
    more = f", and {unlisted:,} more" if unlisted else ""
    summary = f"Findings: {', '.join(counts)}{more}." if counts else "No findings."
    return f"{report.total('proven'):,} of {report.total('records'):,} events are proven. {summary}"


def _archive(archive: ArchiveEvidence) -> dict[str, str]:
    return {
        "archive": archive.name,
        "seal": f"{archive.seal}, of {archive.sealed_at}",
        "seals": "judged" if archive.is_judged else "not judged: no key with the role archiver is trusted",
        "values": "not hashed again: only the leaf hashes beside them were verified"
        if archive.is_leaves_only
        else "hashed again",
        "data files": f"{archive.files:,} with {archive.rows:,} rows",
        **{f"seals, note {number}": note for number, note in enumerate(archive.notes, 1)},
    }


def _counts(report: VerificationReport) -> dict[str, str]:
    facts = {
        "Records read": f"{report.records:,}",
        "Distinct events": f"{report.total('records'):,}",
        "Proven by a signed checkpoint": f"{report.total('proven'):,}",
        "Equal copies": f"{report.total('duplicates'):,}",
        "Checkpoints": f"{report.total('checkpoints'):,}",
        "Producers": f"{len(report.producers):,}",
        "Producers that end with a signed checkpoint": f"{report.total('is_closed'):,}",
        "Producers still running": f"{report.total('is_open'):,}",
    }
    if report.archive is not None:
        facts["Redacted events, of which the leaf hash is left"] = f"{report.archive.redacted:,}"
        facts["Events that ended by a policy"] = f"{report.archive.ended:,}"
    if report.continued_from:
        facts["Continued from the state with SHA-256"] = report.continued_from
    return facts


def _found(report: VerificationReport, producers: Iterable[ProducerReport]) -> Iterator[FindingSection]:
    if report.findings:
        yield _section("", "", report.findings, report.more_findings)
    found = (producer for producer in producers if producer.findings)
    for producer in islice(found, MAX_SECTIONS):
        yield _section(producer.producer, producer.service, producer.findings, producer.more_findings)


def _acknowledged(report: VerificationReport, producers: Iterable[ProducerReport]) -> Iterator[FindingSection]:
    if report.acknowledged:
        yield _section("", "", report.acknowledged, 0)
    known = (producer for producer in producers if producer.acknowledged)
    for producer in islice(known, MAX_SECTIONS):
        yield _section(producer.producer, producer.service, producer.acknowledged, 0)


def _section(producer: str, service: str, findings: tuple[Finding, ...], more: int) -> FindingSection:
    unlisted = more + max(len(findings) - MAX_ROWS, 0)
    return FindingSection(producer=producer, service=service, rows=findings[:MAX_ROWS], unlisted=unlisted)


def _picture(producers: Iterable[ProducerReport]) -> Chart | None:
    lanes = [lane for producer in producers if (lane := _lane(producer)).bands]
    return gaps(lanes, title="Where in their streams the findings are") if lanes else None


def _lane(producer: ProducerReport) -> Lane:
    bands = tuple(band for finding in producer.findings if (band := _band(finding)) is not None)
    end = max([producer.size or 0, producer.records, *(int(band.end) for band in bands)])
    return Lane(name=producer.producer, start=0, end=end, bands=bands)


def _band(finding: Finding) -> Band | None:
    """Return the stretch of a finding that counts and that has a place in its stream."""
    code = finding.verdict.exit_code
    if finding.first is None or finding.last is None or code == EXIT_FINE:
        return None
    tone: Literal["bad", "warn"] = "bad" if code == EXIT_TAMPERED else "warn"
    return Band(start=finding.first, end=finding.last + 1, what=f"{finding.verdict} {finding.range}", tone=tone)


def _worst_first(producers: Iterable[ProducerReport]) -> list[ProducerReport]:
    return sorted(producers, key=lambda producer: (-producer.verdict.severity, producer.producer))
