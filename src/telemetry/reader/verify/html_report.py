"""A verification as one HTML page that an auditor can file: no script, no link, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
import unicodedata
from collections.abc import Iterable, Mapping

from telemetry.reader.verify.verdicts import (
    EXIT_FINE,
    EXIT_INCOMPLETE,
    Finding,
    ProducerReport,
    Verdict,
    VerificationReport,
)

MAX_PRODUCERS = 5_000
"""Producers that are listed; those with findings come first, and the rest is counted."""
MAX_ROWS = 2_000
"""Findings that are listed of one producer."""

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
    Verdict.COMPLETE: "Every record is there and is what was signed, up to the last checkpoint of each producer.",
    Verdict.UNVERIFIABLE: "Nothing speaks against the records, but some of them are not proven by a trusted signature.",
    Verdict.TRUNCATED: "At least one producer's stream has no signed end: its last records may be missing.",
    Verdict.MISSING: "Records are missing.",
    Verdict.REORDERED: "Records of one Kafka key stand in the wrong order.",
    Verdict.TAMPERED: "At least one record or checkpoint is not what was signed.",
}

_METHOD = (
    "Each record's value was hashed as a leaf of its producer's Merkle tree (SHA-256, RFC 6962), in the order of its sequence numbers. Nothing was decrypted.",
    "Each checkpoint's Ed25519 signature (RFC 8032; C2SP signed note) was checked with the public keys listed above. Signatures of other keys prove nothing and were not relied on.",
    "The records between two checkpoints were held against the signed trees at both ends: together with the first tree they must make the root of the second. A record that is absent or differs by one bit makes another root.",
    "Sequence numbers have no gaps when they are written; a gap means that a record is missing. The final checkpoint says where a producer's stream ends.",
    "Copies were compared byte for byte (by hash). Equal copies are harmless: delivery is at least once. Of copies that differ, the signed tree tells which one is right.",
    "Each record's Kafka key was held against the hash of it in the signed value. Records of one key must stand on one partition in the order of their sequence numbers.",
    "Not covered: who holds the signing keys and whether the trusted ones are the right ones, records that were written after the last checkpoint, whole producers of which nothing is left (an earlier state of this verification finds them), and the truth of what the application logged.",
)


def render_html(
    report: VerificationReport, *, title: str = "Audit trail verification", scope: Mapping[str, str] | None = None
) -> str:
    """Return the evidence report as a complete HTML page.

    Args:
        report: What was found.
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
            "<h2>Producers</h2>",
            _producers(report.producers),
            "<h2>How it was checked</h2>",
            "<ol>" + "".join(f"<li>{_text(step)}</li>" for step in _METHOD) + "</ol>",
            '<div class="sign"><div>Checked by</div><div>Date</div><div>Signature</div></div>',
        )
    )
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
    return (
        f'<div class="verdict {kind}"><strong>{_text(str(report.verdict))}</strong>'
        f"<p>{_SENTENCES.get(report.verdict, '')}</p><p>{_text(_summary(report))}</p>"
        f'<p class="quiet">Exit code {report.exit_code} (0 fine, 3 tampered or reordered, 4 incomplete or not provable).</p></div>'
    )


def _summary(report: VerificationReport) -> str:
    """Return in one sentence how much is proven, and what was found how often."""
    findings = [*report.findings, *(finding for producer in report.producers for finding in producer.findings)]
    left = report.more_findings + report.total("more_findings")
    counts = [
        f"{count:,} {verdict}"
        for verdict in reversed(Verdict)
        if (count := sum(1 for finding in findings if finding.verdict is verdict))
    ]
    told = f"Findings: {', '.join(counts)}{f', and {left:,} more' if left else ''}." if counts else "No findings."
    return f"{report.total('proven'):,} of {report.total('records'):,} events are proven. {told}"


def _counts(report: VerificationReport) -> dict[str, str]:
    facts = {
        "Records read": f"{report.records:,}",
        "Different events": f"{report.total('records'):,}",
        "Proven by a signed checkpoint": f"{report.total('proven'):,}",
        "Equal copies": f"{report.total('duplicates'):,}",
        "Checkpoints": f"{report.total('checkpoints'):,}",
        "Producers": f"{len(report.producers):,}",
        "Producers that end with a signed checkpoint": f"{report.total('is_closed'):,}",
        "Producers still writing": f"{report.total('is_open'):,}",
    }
    if report.continued_from:
        facts["Went on from the state with SHA-256"] = report.continued_from
    return facts


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(f'<tr><th scope="row">{_text(name)}</th><td>{_text(text)}</td></tr>' for name, text in facts.items())
    return f'<table class="facts"><tbody>{rows}</tbody></table>' if rows else "<p>Not told.</p>"


def _keys(keys: Iterable[str]) -> str:
    items = "".join(f"<li><code>{_text(key)}</code></li>" for key in keys)
    return f"<ul>{items}</ul>" if items else "<p>None: no signature could be trusted.</p>"


def _findings(report: VerificationReport) -> str:
    sections = []
    if report.findings:
        sections.append("<h3>Of no producer</h3>" + _finding_table(report.findings, report.more_findings))
    for producer in _worst_first(report.producers)[:MAX_PRODUCERS]:
        if producer.findings:
            heading = f"<h3><code>{_text(producer.producer)}</code> {_text(producer.source)}</h3>"
            sections.append(heading + _finding_table(producer.findings, producer.more_findings))
    return "".join(sections) or "<p>None.</p>"


def _finding_table(findings: tuple[Finding, ...], more: int) -> str:
    rows = "".join(_finding_row(finding) for finding in findings[:MAX_ROWS])
    left = more + max(len(findings) - MAX_ROWS, 0)
    note = f"<p>{left:,} more findings are not listed.</p>" if left else ""
    head = "<thead><tr><th>Verdict</th><th>Sequence</th><th>Field</th><th>Place</th><th>Reason</th></tr></thead>"
    return f'<table class="findings">{head}<tbody>{rows}</tbody></table>{note}'


def _finding_row(finding: Finding) -> str:
    where = finding.range if finding.exact or not finding.range else f"at least one of {finding.range}"
    return (
        f"<tr><td>{_label(finding.verdict)}</td><td>{_text(where)}</td><td>{_text(finding.field)}</td>"
        f"<td><code>{_text(finding.place)}</code></td><td>{_text(finding.reason)}</td></tr>"
    )


def _producers(producers: tuple[ProducerReport, ...]) -> str:
    if not producers:
        return "<p>None.</p>"
    names = ("Producer", "Source", "Verdict", "Records", "Proven", "Copies", "Signed size and root", "End", "Signed by")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = "".join(_producer_row(producer) for producer in _worst_first(producers)[:MAX_PRODUCERS])
    left = len(producers) - MAX_PRODUCERS
    note = f"<p>{left:,} more producers are not listed; none of them has a worse verdict.</p>" if left > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"


def _producer_row(producer: ProducerReport) -> str:
    end = "signed" if producer.is_closed else "still writing" if producer.is_open else "none"
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
        f"<tr><td><code>{_text(producer.producer)}</code></td><td>{_text(producer.source)}</td>"
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
    """Escape for HTML, and make control and direction characters visible: the trail's words are not ours."""
    visible = "".join(
        character if unicodedata.category(character)[0] != "C" else f"\\u{ord(character):04x}" for character in text
    )
    return html.escape(visible)
