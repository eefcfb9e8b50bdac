"""Shows the report of a verification to people: producers, keys, findings, and what is foreign."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from telemetry.cli.output.console import err, escape_control, out
from telemetry.reader.trust.judgement import SELF_ASSERTED
from telemetry.reader.trust.policy import READER_SERVICE, service_of
from telemetry.reader.verify.foreign import ForeignRecords
from telemetry.reader.verify.sealed.archive_evidence import ArchiveEvidence
from telemetry.reader.verify.verdicts import Finding, ProducerReport, Verdict, VerificationReport

_COLOURS = {
    Verdict.COMPLETE: "green",
    Verdict.DUPLICATE: "green",
    Verdict.FOREIGN: "green",
    Verdict.UNVERIFIABLE: "yellow",
    Verdict.TRUNCATED: "yellow",
}
_QUIET = frozenset({Verdict.COMPLETE, Verdict.DUPLICATE})


def show_report(report: VerificationReport, *, with_foreign: bool = False) -> None:
    """Write the report: the table to standard output, what has to be looked at to standard error.

    Args:
        report: The report.
        with_foreign: Whether to list examples of foreign records, and not only their number.
    """
    _show_producers(report.producers)
    _show_keys(report.producers)
    for producer in report.producers:
        _show_findings(producer.findings, producer.producer)
        _show_acknowledged(producer.acknowledged, producer.producer)
    _show_findings(report.findings, "")
    _show_acknowledged(report.acknowledged, "")
    for note in report.notes:
        err.print(Text(f"note: {escape_control(note)}", style="dim"))
    if report.archive is not None:
        _show_archive(report.archive)
    _show_foreign(report.foreign, in_full=with_foreign)
    basis = f" ({SELF_ASSERTED})" if report.is_self_asserted else ""
    # With its reason: standard output can be all that is kept.
    reason = f": {escape_control(report.reason)}" if report.reason else ""
    out.print(Text.assemble((str(report.verdict), _COLOURS.get(report.verdict, "bold red")), basis, reason))


def _show_producers(producers: Iterable[ProducerReport]) -> None:
    table = Table("producer", "service", "records", "proven", "duplicates", "verdict")
    reads: defaultdict[str, list[ProducerReport]] = defaultdict(list)
    for producer in producers:
        # Each read is a stream of its own: hundreds of them would hide the services.
        if service_of(producer.source) == READER_SERVICE and producer.verdict in _QUIET:
            reads[producer.source].append(producer)
        else:
            _add_row(table, producer.producer, producer.service, [producer], producer.verdict)
    for source, streams in sorted(reads.items()):
        _add_row(table, f"{len(streams):,} readers' streams", source, streams, Verdict.COMPLETE)
    out.print(table)


def _add_row(table: Table, name: str, source: str, streams: list[ProducerReport], verdict: Verdict) -> None:
    counts = (f"{sum(getattr(each, count) for each in streams):,}" for count in ("records", "proven", "duplicates"))
    colour = _COLOURS.get(verdict, "bold red")
    table.add_row(name, Text(escape_control(source)), *counts, f"[{colour}]{verdict}[/]")


def _show_keys(producers: Iterable[ProducerReport]) -> None:
    """Show each key once, with the reason for which it is believed."""
    reasons: dict[str, None] = {}
    for producer in producers:
        for reason in producer.believed:
            reasons.setdefault(reason)
    for reason in reasons:
        out.print(Text(f"believed: {escape_control(reason)}", style="dim"))


def _show_findings(findings: Iterable[Finding], stream: str) -> None:
    for finding in findings:
        style = "yellow" if finding.verdict is not Verdict.DUPLICATE else "dim"
        name = (stream, style) if stream else ("trail", style)
        err.print(Text.assemble(name, " ", escape_control(str(finding)), (f" [{finding.id_in(stream)}]", "dim")))


def _show_acknowledged(findings: Iterable[Finding], stream: str) -> None:
    for finding in findings:
        err.print(Text(f"acknowledged: {stream} {escape_control(str(finding))}", style="dim"))


def _show_archive(archive: ArchiveEvidence) -> None:
    for note in archive.notes:
        err.print(Text(f"note: {escape_control(note)}", style="dim"))
    if archive.is_leaves_only:
        reason = "only leaf hashes were verified: no value was hashed again, and Kafka keys, order and dates were not looked at"
        err.print(Text(reason, style="yellow"))
    removed = [f"{archive.redacted:,} redacted"] if archive.redacted else []
    removed += [f"{archive.ended:,} ended by a policy"] if archive.ended else []
    out.print(
        Text(
            f"archive {escape_control(archive.name)}, seal {archive.seal} of {archive.sealed_at}: {archive.files:,} files, "
            f"{', '.join([f'{archive.rows:,} rows', *removed])}"
        )
    )


def _show_foreign(foreign: ForeignRecords, *, in_full: bool) -> None:
    if not foreign.total:
        return
    counts = ", ".join(f"{count:,} {kind}" for kind, count in foreign.counts.items())
    hint = "" if in_full else "; --foreign shows examples"
    err.print(Text(f"{foreign.total:,} foreign records, which no trusted key proves: {counts}{hint}", style="yellow"))
    if in_full:
        for example in foreign.examples:
            err.print(Text(f"foreign: {escape_control(str(example))}", style="yellow"))
        for source, count in foreign.sources:
            err.print(Text(f"foreign: {count:,} producers claim to be {escape_control(source)}", style="yellow"))
