"""Renders a verification as one HTML page that an auditor can file: no script, no link, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
import unicodedata
from collections.abc import Iterable, Mapping

from telemetry.reader.verify.foreign import ForeignRecords
from telemetry.reader.verify.verdicts import (
    EXIT_FINE,
    EXIT_INCOMPLETE,
    Finding,
    ProducerReport,
    Verdict,
    VerificationReport,
)

MAX_PRODUCERS = 5_000
"""Producers that are listed; those with the worst verdicts come first, and the rest are counted."""
MAX_ROWS = 2_000
"""Findings of one producer that are listed; the rest are counted."""

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 72rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0; } ol { padding-left: 1.3rem; } li { margin: .3rem 0; }
.verdict { border-left: .5rem solid; padding: .8rem 1.1rem; margin: 1.2rem 0; background: #f6f8fa; }
.verdict strong { font-size: 1.25rem; }
.fine { border-color: #1a7f37; } .incomplete { border-color: #bf8700; } .tampered { border-color: #cf222e; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { border: 1px solid #d0d7de; padding: .35rem .55rem; text-align: left; vertical-align: top; }
th { background: #f6f8fa; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font: .86em ui-monospace, monospace; overflow-wrap: anywhere; }
.label { font-weight: 600; white-space: nowrap; } .label.fine { color: #1a7f37; } .label.incomplete { color: #7d4e00; } .label.tampered { color: #cf222e; }
.quiet { color: #57606a; }
.facts th { width: 17rem; } .findings { table-layout: fixed; } .findings th:nth-child(1) { width: 11%; } .findings th:nth-child(2) { width: 13%; } .findings th:nth-child(3) { width: 10%; } .findings th:nth-child(4) { width: 20%; }
.sign { display: grid; grid-template-columns: 2fr 1fr 2fr; gap: 2rem; margin: 3.5rem 0 1rem; } .sign div { border-top: 1px solid #57606a; padding-top: .3rem; }
@page { size: A4; margin: 16mm 14mm; @bottom-right { content: counter(page) " / " counter(pages); font-size: 9pt; } }
@media print { body { margin: 0; padding: 0 1px; max-width: none; font-size: 9.5pt; } code { font-size: 8pt; } tr, .verdict, .sign { break-inside: avoid; } h2, h3 { break-after: avoid; } thead { display: table-header-group; } .facts th { width: 13rem; } }
"""

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
    """
    body = "\n".join(
        (
            f"<h1>{_text(title)}</h1>",
            f'<p class="quiet">Verified {_text(report.checked_at or "at an unknown time")}</p>',
            _verdict(report),
            "<h2>What was read</h2>",
            _facts(scope or {}),
            "<h2>Counts</h2>",
            _facts(_counts(report)),
            "<h2>Trusted public keys</h2>",
            _keys(report.trusted_keys),
            "<h2>Findings</h2>",
            _findings(report),
            "<h2>Foreign records</h2>",
            _foreign(report.foreign),
            "<h2>Producers</h2>",
            _producers(report.producers),
            "<h2>How it was checked</h2>",
            "<ol>" + "".join(f"<li>{_text(step)}</li>" for step in _METHOD) + "</ol>",
            '<div class="sign"><div>Checked by</div><div>Date</div><div>Signature</div></div>',
        )
    )
    # The policy allows this one style sheet by its hash, and nothing else: no script, no image, no font, no form.
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _verdict(report: VerificationReport) -> str:
    kind = _kind(report.exit_code)
    reason = f"<p>{_text(report.reason)}</p>" if report.reason else ""
    return (
        f'<div class="verdict {kind}"><strong>{_text(str(report.verdict))}</strong>'
        f"<p>{_SENTENCES.get(report.verdict, '')}</p>{reason}<p>{_text(_summary(report))}</p>"
        f'<p class="quiet">Exit code {report.exit_code} (0 complete, 3 tampered or reordered, 4 incomplete or not proven).</p></div>'
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
    if report.continued_from:
        facts["Continued from the state with SHA-256"] = report.continued_from
    return facts


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(f'<tr><th scope="row">{_text(name)}</th><td>{_text(text)}</td></tr>' for name, text in facts.items())
    return f'<table class="facts"><tbody>{rows}</tbody></table>' if rows else "<p>Not stated.</p>"


def _keys(keys: Iterable[str]) -> str:
    items = "".join(f"<li><code>{_text(key)}</code></li>" for key in keys)
    return f"<ul>{items}</ul>" if items else "<p>None: no signature could be trusted.</p>"


def _findings(report: VerificationReport) -> str:
    sections = []
    if report.findings:
        sections.append("<h3>No particular producer</h3>" + _finding_table(report.findings, report.more_findings))
    for producer in _worst_first(report.producers)[:MAX_PRODUCERS]:
        if producer.findings:
            heading = f"<h3><code>{_text(producer.producer)}</code> {_text(producer.service)}</h3>"
            sections.append(heading + _finding_table(producer.findings, producer.more_findings))
    return "".join(sections) or "<p>None.</p>"


def _foreign(foreign: ForeignRecords) -> str:
    """Return what no trusted key proves: it touches no trusted stream, and anyone may have written it."""
    if not foreign.total:
        return "<p>None.</p>"
    counts = ", ".join(f"{count:,} {kind}" for kind, count in foreign.counts.items())
    rows = "".join(
        f"<tr><td>{_text(str(each.kind))}</td><td><code>{_text(each.place)}</code></td><td>{_text(each.reason)}</td></tr>"
        for each in foreign.examples
    )
    head = "<thead><tr><th>Kind</th><th>Place</th><th>Reason</th></tr></thead>"
    table = f"<table>{head}<tbody>{rows}</tbody></table>" if rows else ""
    return f"<p>{foreign.total:,} records that no trusted key proves: {_text(counts)}.</p>{table}"


def _finding_table(findings: tuple[Finding, ...], more: int) -> str:
    rows = "".join(_finding_row(finding) for finding in findings[:MAX_ROWS])
    unlisted = more + max(len(findings) - MAX_ROWS, 0)
    note = f"<p>{unlisted:,} more findings are not listed.</p>" if unlisted else ""
    head = "<thead><tr><th>Verdict</th><th>Sequence</th><th>Field</th><th>Place</th><th>Reason</th></tr></thead>"
    return f'<table class="findings">{head}<tbody>{rows}</tbody></table>{note}'


def _finding_row(finding: Finding) -> str:
    sequences = finding.range if finding.exact or not finding.range else f"at least one of {finding.range}"
    return (
        f"<tr><td>{_label(finding.verdict)}</td><td>{_text(sequences)}</td><td>{_text(finding.field)}</td>"
        f"<td><code>{_text(finding.place)}</code></td><td>{_text(finding.reason)}</td></tr>"
    )


def _producers(producers: tuple[ProducerReport, ...]) -> str:
    if not producers:
        return "<p>None.</p>"
    names = ("Producer", "Source", "Verdict", "Records", "Proven", "Copies", "Signed size and root", "End", "Signed by")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = "".join(_producer_row(producer) for producer in _worst_first(producers)[:MAX_PRODUCERS])
    unlisted = len(producers) - MAX_PRODUCERS
    note = (
        f"<p>{unlisted:,} more producers are not listed; none of them has a worse verdict.</p>" if unlisted > 0 else ""
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"


def _producer_row(producer: ProducerReport) -> str:
    end = "signed" if producer.is_closed else "still running" if producer.is_open else "none"
    signed = (
        ""
        if producer.size is None
        else f"{producer.size:,} at {_text(producer.signed_at)}<br><code>{producer.root}</code>"
    )
    keys = "<br>".join(f"<code>{_text(key)}</code>" for key in producer.keys)
    numbers = "".join(
        f'<td class="number">{count:,}</td>' for count in (producer.records, producer.proven, producer.duplicates)
    )
    return (
        f"<tr><td><code>{_text(producer.producer)}</code></td><td>{_text(producer.service)}</td>"
        f"<td>{_label(producer.verdict)}</td>{numbers}<td>{signed}</td><td>{end}</td><td>{keys}</td></tr>"
    )


def _worst_first(producers: tuple[ProducerReport, ...]) -> list[ProducerReport]:
    return sorted(producers, key=lambda producer: (-producer.verdict.severity, producer.producer))


def _label(verdict: Verdict) -> str:
    return f'<span class="label {_kind(verdict.exit_code)}">{verdict}</span>'


def _kind(exit_code: int) -> str:
    if exit_code == EXIT_FINE:
        return "fine"
    return "incomplete" if exit_code == EXIT_INCOMPLETE else "tampered"


def _text(text: str) -> str:
    """Escape a text for HTML and show control and direction characters as codes."""
    # An attacker may have written the text: it must neither become markup nor change how its surroundings read.
    visible = "".join(
        character if unicodedata.category(character)[0] != "C" else f"\\u{ord(character):04x}" for character in text
    )
    return html.escape(visible)
