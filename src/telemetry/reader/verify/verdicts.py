"""Defines what a verification can conclude: verdicts, findings, and the report on all producers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn, Protocol

import msgspec

from telemetry.reader.open_transaction import OpenTransaction
from telemetry.reader.trust.judgement import SELF_ASSERTED
from telemetry.reader.verify.foreign import NO_FOREIGN_RECORDS, ForeignRecords
from telemetry.reader.verify.sealed.archive_evidence import ArchiveEvidence

MAX_FINDINGS = 1_000
"""Findings of one verdict that are kept of one producer; further ones are counted."""

EXIT_FINE = 0
EXIT_TAMPERED = 3
EXIT_INCOMPLETE = 4

_RECENT = 16
"""Findings among which the same one is looked for: a record that is read twice is found twice in a row."""


class Verdict(StrEnum):
    """What can be said of a producer's records, from good to bad.

    Attributes:
        COMPLETE: Every record is there and is what was signed, up to the last checkpoint.
        DUPLICATE: Records are on the trail more than once, byte for byte the same; harmless.
        FOREIGN: Records that no trusted key proves, and that touch no trusted stream.
        UNVERIFIABLE: There is no evidence of tampering, but nothing proves the records.
        TRUNCATED: The stream has no signed end: neither a final checkpoint nor one of a recovery.
        MISSING: Sequences are absent.
        REORDERED: Records of one Kafka key are in the wrong order.
        TAMPERED: A record or a checkpoint is not what was signed.
    """

    COMPLETE = "complete"
    DUPLICATE = "duplicate"
    FOREIGN = "foreign"
    UNVERIFIABLE = "unverifiable"
    TRUNCATED = "truncated"
    MISSING = "missing"
    REORDERED = "reordered"
    TAMPERED = "tampered"

    @property
    def severity(self) -> int:
        """Higher is worse."""
        return _SEVERITY[self]

    @property
    def exit_code(self) -> int:
        """Exit code of the command for this verdict."""
        if self in (Verdict.TAMPERED, Verdict.REORDERED):
            return EXIT_TAMPERED
        return EXIT_FINE if self in _HARMLESS else EXIT_INCOMPLETE


_HARMLESS = frozenset({Verdict.COMPLETE, Verdict.DUPLICATE, Verdict.FOREIGN})
_SEVERITY = {verdict: severity for severity, verdict in enumerate(Verdict)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an auditor has to know.

    Attributes:
        verdict: The conclusion.
        reason: What was compared, and what differs.
        first: First sequence it concerns, or None.
        last: Last sequence it concerns.
        place: Place of the record, as text; empty where it is not known.
        field: Part of the record that differs; empty where it is not known.
        exact: Whether all records from ``first`` to ``last`` are concerned; if False, at least one of them is.
        leaf: Leaf hash of the record that is absent or altered, in hexadecimal; of several records, the SHA-256 of
            their leaf hashes, one after the other; of a stream without an end, the root of its last signed tree. Empty
            where it is not known.
    """

    verdict: Verdict
    reason: str
    first: int | None = None
    last: int | None = None
    place: str = ""
    field: str = ""
    exact: bool = True
    leaf: str = ""

    @property
    def range(self) -> str:
        """The sequences as people write them, such as ``7-9``."""
        if self.first is None:
            return ""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def id_in(self, stream: str) -> str:
        """Return the id by which exactly this finding is acknowledged, 32 hexadecimal digits.

        Args:
            stream: Producer that it concerns; empty for none.
        """
        parts = [stream, str(self.verdict), self.first, self.last, self.field, self.leaf]
        if self.verdict is Verdict.TRUNCATED and self.leaf:
            # Anyone can write records after the last signed one: only where the signatures end is the finding.
            parts[2:4] = [None, None]
        if not self.leaf:
            # Without the record's hash, its place and what was found about it are what makes the finding this one.
            parts += [self.place, self.reason]
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]

    def __str__(self) -> str:
        where = f" sequence {self.range}" if self.range else ""
        field = f", {self.field}" if self.field else ""
        place = f" at {self.place}" if self.place else ""
        return f"{self.verdict}{where}{field}{place}: {self.reason}"

    def to_dict(self, stream: str = "") -> dict[str, Any]:
        """Return the finding as plain values, with its id.

        Args:
            stream: Producer that it concerns; empty for none.
        """
        return {
            "id": self.id_in(stream),
            "verdict": str(self.verdict),
            "reason": self.reason,
            "first": self.first,
            "last": self.last,
            "place": self.place or None,
            "field": self.field or None,
            "exact": self.exact,
            "leaf": self.leaf or None,
        }


class Acknowledgements(Protocol):
    """Findings that an auditor has looked into, and that shall not count any more."""

    def covers(self, finding: Finding, stream: str, source: str) -> bool:
        """Return whether exactly this finding is acknowledged.

        Args:
            finding: The finding.
            stream: Producer that it concerns; empty for none.
            source: Source of the producer; empty for none.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerReport:
    """What can be said of one producer.

    Attributes:
        producer: The stream.
        source: CloudEvents source of its events, such as ``/production/payments``.
        via: Source of the gateway that logged them for the service; empty where the service did.
        records: Records seen, copies not counted.
        proven: Records that a signed checkpoint proves, in this run or an earlier one.
        duplicates: Copies beyond the first, byte for byte the same.
        uncompared: Copies of records that were proven so long ago that their bytes are no longer known.
        redacted: Records whose values were removed on request; the leaf hash is there, and is counted as a record.
        ended: Events that were removed when their retention ended.
        checkpoints: Checkpoints that a trusted key signed.
        size: Size of the largest tree that a trusted key signed; None when there is none.
        root: Root hash of that tree, in hexadecimal.
        signed_at: Time of that checkpoint, RFC 3339.
        is_closed: Whether a final checkpoint, or one of a recovery, ends the stream.
        is_open: Whether the producer was still running when the trail was read.
        keys: Names and ids of the trusted keys that signed.
        believed: For each of these keys, why it is believed: its role, its sources, its dates, and by which clock.
        findings: What an auditor has to know; the worst first.
        more_findings: How many findings were left out.
        acknowledged: Findings that an auditor has acknowledged; they do not count.
    """

    producer: str
    source: str = ""
    via: str = ""
    records: int = 0
    proven: int = 0
    duplicates: int = 0
    uncompared: int = 0
    redacted: int = 0
    ended: int = 0
    checkpoints: int = 0
    size: int | None = None
    root: str = ""
    signed_at: str = ""
    is_closed: bool = False
    is_open: bool = False
    keys: tuple[str, ...] = ()
    believed: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    more_findings: int = 0
    acknowledged: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst verdict; copies and foreign records alone leave a stream complete."""
        verdicts = [finding.verdict for finding in self.findings if finding.verdict not in _HARMLESS]
        return max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.COMPLETE)

    @property
    def verdicts(self) -> frozenset[Verdict]:
        """Every verdict that applies."""
        return frozenset(finding.verdict for finding in self.findings) or frozenset({Verdict.COMPLETE})

    @property
    def service(self) -> str:
        """Its source, and the gateway that logged for it, for people."""
        return f"{self.source}, logged through {self.via}" if self.via else self.source

    def of(self, verdict: Verdict) -> tuple[Finding, ...]:
        """Return the findings of one kind."""
        return tuple(finding for finding in self.findings if finding.verdict is verdict)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        names = ("producer", "source", "records", "proven", "duplicates", "uncompared", "checkpoints", "size", "root")
        removed = {name: getattr(self, name) for name in ("redacted", "ended") if getattr(self, name)}
        return {
            "verdict": str(self.verdict),
            **{name: getattr(self, name) for name in names},
            **removed,
            "via": self.via or None,
            "signed_at": self.signed_at,
            "is_closed": self.is_closed,
            "is_open": self.is_open,
            "keys": list(self.keys),
            "believed": list(self.believed),
            "findings": [finding.to_dict(self.producer) for finding in self.findings],
            "more_findings": self.more_findings,
            "acknowledged": [finding.to_dict(self.producer) for finding in self.acknowledged],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport:
    """What can be said of a trail. It has no truth value: read ``verdict`` or ``exit_code``.

    Attributes:
        producers: One report for each producer, in order of their ids, which is the order in which they started.
        findings: Findings that concern no producer, such as a record that cannot be read.
        more_findings: How many of those were left out.
        records: Records read in this run, checkpoints and duplicates included.
        checked_at: Time of the report, RFC 3339.
        trusted_keys: Public keys that were trusted.
        open_transactions: Transactions that were open when the topic had been read; each is a finding, too.
        continued_from: Digest of the state that this run continued from, in hexadecimal; empty for none.
        foreign: Records that no trusted key proves, and that touch no trusted stream.
        notes: What is worth knowing and no finding, such as a source whose signing key changed.
        acknowledged: Findings that concern no producer and that an auditor has acknowledged; they do not count.
        archive: The archive that was read; None where it was not one.
    """

    producers: tuple[ProducerReport, ...]
    findings: tuple[Finding, ...] = ()
    more_findings: int = 0
    records: int = 0
    checked_at: str = ""
    trusted_keys: tuple[str, ...] = ()
    open_transactions: tuple[OpenTransaction, ...] = ()
    continued_from: str = ""
    foreign: ForeignRecords = NO_FOREIGN_RECORDS
    notes: tuple[str, ...] = ()
    acknowledged: tuple[Finding, ...] = ()
    archive: ArchiveEvidence | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all."""
        verdicts = [finding.verdict for finding in self.findings] + [report.verdict for report in self.producers]
        if self.foreign.total:
            verdicts.append(Verdict.FOREIGN)
        return max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.COMPLETE)

    @property
    def exit_code(self) -> int:
        """0 fine, 3 tampered (or reordered), 4 incomplete (missing, truncated or unverifiable)."""
        codes = {finding.verdict.exit_code for finding in self._all()}
        if EXIT_TAMPERED in codes:
            return EXIT_TAMPERED
        return EXIT_INCOMPLETE if EXIT_INCOMPLETE in codes else EXIT_FINE

    @property
    def reason(self) -> str:
        """Why the verdict is not a good one: its first finding, and how many others there are; else empty."""
        verdict = self.verdict
        if verdict in _HARMLESS:
            return ""
        found = [("", finding) for finding in self.findings]
        found += [(f"producer {report.producer}", finding) for report in self.producers for finding in report.findings]
        counted = [(stream, finding) for stream, finding in found if finding.verdict not in _HARMLESS]
        stream, first = next(each for each in counted if each[1].verdict is verdict)
        where = " ".join(filter(None, (stream, f"sequence {first.range}" if first.range else "")))
        more = len(counted) - 1 + self.more_findings + self.total("more_findings")
        others = f"; findings beside it: {more}" if more else ""
        return f"{where}: {first.reason}{others}" if where else f"{first.reason}{others}"

    @property
    def is_self_asserted(self) -> bool:
        """Whether a key that has dates was believed although no independent clock says when it signed."""
        return any(SELF_ASSERTED in reason for report in self.producers for reason in report.believed)

    def producer(self, producer: str) -> ProducerReport:
        """Return the report on one producer.

        Raises:
            KeyError: No record or checkpoint of it was seen.
        """
        for report in self.producers:
            if report.producer == producer:
                return report
        raise KeyError(producer)

    def total(self, name: str) -> int:
        """Return the sum of a count, such as ``proven``, over all producers."""
        return sum(getattr(report, name) for report in self.producers)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for ``--json``."""
        return {
            "verdict": str(self.verdict),
            "reason": self.reason or None,
            "exit_code": self.exit_code,
            "checked_at": self.checked_at,
            "records": self.records,
            "proven": self.total("proven"),
            "duplicates": self.total("duplicates"),
            "trusted_keys": list(self.trusted_keys),
            "self_asserted": self.is_self_asserted,
            "open_transactions": [transaction._asdict() for transaction in self.open_transactions],
            "continued_from": self.continued_from or None,
            "findings": [finding.to_dict() for finding in self.findings],
            "more_findings": self.more_findings,
            "acknowledged": [finding.to_dict() for finding in self.acknowledged],
            "foreign": self.foreign.to_dict(),
            "notes": list(self.notes),
            "producers": [report.to_dict() for report in self.producers],
        } | ({"archive": self.archive.to_dict()} if self.archive is not None else {})

    def _all(self) -> Iterable[Finding]:
        yield from self.findings
        for report in self.producers:
            yield from report.findings

    def __bool__(self) -> NoReturn:
        message = "a verification report has no truth value; read its verdict or exit_code"
        raise TypeError(message)


class FindingList:
    """Collects findings up to a bound and counts the rest; no verdict is lost.

    Args:
        most: How many findings of one verdict are kept.

    Attributes:
        more: How many findings were not kept.
    """

    def __init__(self, *, most: int = MAX_FINDINGS) -> None:
        self._most = most
        self._kept: dict[Verdict, list[Finding]] = {}
        self.more = 0

    def add(self, finding: Finding) -> None:
        """Keep or count a finding; drop it if the same one was added just before."""
        # A bound for each verdict: a flood of one kind must not hide another.
        kept = self._kept.setdefault(finding.verdict, [])
        if len(kept) >= self._most:
            self.more += 1
        elif finding not in kept[-_RECENT:]:
            kept.append(finding)

    def join(self, other: FindingList) -> None:
        """Add the findings of another share of the trail."""
        for kept in other._kept.values():
            for finding in kept:
                self.add(finding)
        self.more += other.more

    def sorted(self) -> tuple[Finding, ...]:
        """Return the kept findings: the worst first, then by sequence."""
        findings = (finding for kept in self._kept.values() for finding in kept)
        return tuple(sorted(findings, key=_rank))

    def copy(self) -> FindingList:
        """Return another list with the same findings."""
        other = FindingList(most=self._most)
        other._kept = {verdict: list(kept) for verdict, kept in self._kept.items()}
        other.more = self.more
        return other


def _rank(finding: Finding) -> tuple[int, int]:
    return -finding.verdict.severity, -1 if finding.first is None else finding.first
