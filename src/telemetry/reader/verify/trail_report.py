"""Draws the conclusions about a whole trail: its trusted streams, what is expected of it, and what is foreign."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.open_transaction import OpenTransaction
from telemetry.reader.trust.judgement import Statement
from telemetry.reader.trust.policy import TrustPolicy, matches, roles_of
from telemetry.reader.verify.foreign import ForeignKind, ForeignRecords, ForeignTally
from telemetry.reader.verify.parted.streams_part import StreamsPart
from telemetry.reader.verify.record_group import RecordGroup
from telemetry.reader.verify.stream_check import StreamCheck
from telemetry.reader.verify.stream_report import Scope, StreamReporter
from telemetry.reader.verify.streams import Streams
from telemetry.reader.verify.unproven.refusals import Refusals
from telemetry.reader.verify.unproven.rivals import rivals_of_most, rivals_of_signed
from telemetry.reader.verify.unproven.stream_name import StreamName
from telemetry.reader.verify.verdicts import (
    Acknowledgements,
    Finding,
    FindingList,
    ProducerReport,
    Verdict,
    VerificationReport,
)
from telemetry.reader.verify.witnessed.witnessed_trail import WitnessedTrail

_MAX_NOTES = 100
_NO_TIME = timedelta(0)
_MAX_SOURCES = 8
_MAX_NAMED_SIGNERS = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found that concerns no trusted stream.

    Attributes:
        findings: Findings that concern no producer.
        foreign: Records that no trusted key proves.
        refusals: Checkpoints of known keys that may not sign them.
        open_transactions: Transactions that were open when the topic had been read.
    """

    findings: FindingList = field(default_factory=FindingList)
    foreign: ForeignTally = field(default_factory=ForeignTally)
    refusals: Refusals = field(default_factory=Refusals)
    open_transactions: list[OpenTransaction] = field(default_factory=list)

    def join(self, other: Evidence) -> None:
        """Add what was found in another share of the trail."""
        self.findings.join(other.findings)
        self.foreign.join(other.foreign)
        self.refusals.join(other.refusals)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPart:
    """What was collected of a share of the producers.

    Attributes:
        records: Records that were read.
        streams: The streams.
        evidence: What was found that concerns no trusted stream.
        inside: Sizes that a witness saw inside the interval of a checkpoint, and whether its leaves lead to that root.
    """

    records: int
    streams: StreamsPart
    evidence: Evidence
    inside: Mapping[tuple[str, str, int], bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """What an auditor brings along.

    Attributes:
        producers: Least number of producers of each source; a source may be a pattern.
        acknowledged: Findings that shall not count.
        witnessed: What witnesses saw of the trail.
    """

    producers: Mapping[str, int] = field(default_factory=dict)
    acknowledged: Acknowledgements | None = None
    witnessed: WitnessedTrail | None = None


class TrailReporter:
    """Reports on a trail.

    Args:
        streams: Everything that was collected of the producers.
        evidence: What was found besides.
        scope: What was read.
        policy: Who may sign what.
        expectations: What the auditor brings along.
    """

    def __init__(
        self, streams: Streams, evidence: Evidence, scope: Scope, policy: TrustPolicy, expectations: Expectations
    ) -> None:
        self._streams = streams
        self._evidence = evidence
        self._scope = scope
        self._policy = policy
        self._expectations = expectations
        # With no signature that is believed nothing can be told apart: every producer is reported, as unverifiable.
        self._is_proven = bool(streams.trusted)
        self._reported = streams.trusted if self._is_proven else streams.young

    def report(self, *, records: int) -> VerificationReport:
        """Return the verdicts so far.

        Args:
            records: How many records were read.
        """
        # What waited is judged first; only then is known what belongs to nobody.
        self._streams.recall()
        owners, held = self._owners(), self._held_events()
        producers = tuple(
            self._acknowledge_producer(self._report_on(stream, owners, held))
            for stream in sorted(self._reported.values(), key=lambda stream: (stream.producer, stream.source))
        )
        findings = self._evidence.findings.copy()
        for finding in self._findings(records):
            findings.add(finding)
        counted, acknowledged = self._divide(findings.sorted(), stream="", source="")
        return VerificationReport(
            producers=producers,
            findings=counted,
            more_findings=findings.more,
            records=records,
            foreign=self._foreign(),
            notes=(
                *self._witness_notes(),
                *self._late_streams(),
                *self._unlisted_signers(),
                *tuple(self._key_changes(producers))[:_MAX_NOTES],
            ),
            acknowledged=acknowledged,
        )

    def _report_on(
        self, stream: StreamCheck, owners: Mapping[bytes, RecordGroup], held: Mapping[StreamName, Mapping[int, bytes]]
    ) -> ProducerReport:
        more = [*stream.doubts(), *_gateways(stream), *self._clear_records(stream), *self._rivals(stream)]
        if self._is_proven:
            more += self._evidence.refusals.touching(stream.name, stream.tree, stream.trusted)
            if self._expectations.witnessed is not None:
                more += self._expectations.witnessed.of_stream(stream, self._scope.bounds, self._scope.now)
        return StreamReporter(stream, self._scope, owners, held=held.get(stream.name), more=more).report()

    def _rivals(self, stream: StreamCheck) -> Iterator[Finding]:
        """Yield records of the same producer that claim to be of another service, where nobody has signed for them."""
        if self._is_proven:
            yield from rivals_of_signed(self._streams.rivals(stream), stream.tree)
        elif not self._scope.has_keys and stream is self._streams.largest_of(stream.producer):
            yield from rivals_of_most(self._streams.rivals(stream))

    def _clear_records(self, stream: StreamCheck) -> Iterator[Finding]:
        """Yield records in the clear of a process that began after its source has to be sealed."""
        until = self._policy.clear_until(stream.source)
        began = stream.trusted.first_time
        if until is None or not began or datetime.fromisoformat(began) < until:
            return
        for group in stream.groups:
            for sequence, place in group.first if group.is_clear else ():
                if stream.tree.is_proven(sequence):
                    reason = f"in the clear, although events of {stream.source} are sealed from {until} on"
                    yield Finding(Verdict.UNVERIFIABLE, reason, sequence, sequence, str(place), "datacontenttype")

    def _findings(self, records: int) -> Iterator[Finding]:
        """Yield findings that concern no single stream."""
        if not self._reported and not records:
            yield Finding(Verdict.UNVERIFIABLE, "the source holds no records: there is nothing to verify")
        elif not self._is_proven and (self._streams.evicted or not self._reported):
            yield Finding(Verdict.UNVERIFIABLE, "no trusted key has signed anything on this trail: nothing is proven")
        if self._streams.waiting.dropped:
            reason = f"{self._streams.waiting.dropped} records that nobody signed for found no room and were not judged"
            yield Finding(Verdict.UNVERIFIABLE, reason)
        yield from self._evidence.refusals.elsewhere(self._streams.trusted)
        yield from self._evidence.refusals.beside(self._streams.trusted.keys())
        yield from self._shared_producers()
        yield from self._absent_sources()
        if self._expectations.witnessed is not None:
            present = {(stream.producer, stream.source) for stream in self._streams.trusted.values()}
            scope = self._scope
            yield from self._expectations.witnessed.of_trail(present, scope.bounds, scope.now)

    def _shared_producers(self) -> Iterator[Finding]:
        """Yield the producers for which keys of several services have signed: a process has a random id of its own."""
        sources: defaultdict[str, list[str]] = defaultdict(list)
        for stream in self._streams.trusted.values():
            sources[stream.producer].append(stream.source)
        for producer, named in sources.items():
            if len(named) > 1:
                reason = (
                    f"the checkpoints of producer {producer} were signed for {len(named)} sources: "
                    f"{', '.join(sorted(named)[:_MAX_SOURCES])}; a key of one of them was misused"
                )
                yield Finding(Verdict.TAMPERED, reason, field="source")

    def _witness_notes(self) -> tuple[str, ...]:
        witnessed = self._expectations.witnessed
        return () if witnessed is None else tuple(witnessed.notes())

    def _absent_sources(self) -> Iterator[Finding]:
        """Yield the sources of which fewer producers than expected have signed anything."""
        expected = dict(self._expectations.producers)
        for rule in self._policy.rules:
            if rule.expect is not None:
                expected[rule.name] = max(rule.expect, expected.get(rule.name, 0))
        sources = [stream.source for stream in self._streams.trusted.values() if not self._had_expired(stream)]
        for pattern, least in expected.items():
            found = sum(matches(pattern, source) for source in sources)
            if found < least:
                reason = f"{found} producers of {pattern} are proven, and at least {least} are expected"
                yield Finding(Verdict.MISSING, reason, field="source")

    def _had_expired(self, stream: StreamCheck) -> bool:
        """Return whether a witness saw the whole stream where retention has removed it: it was written again."""
        witnessed, latest = self._expectations.witnessed, stream.trusted.latest
        # A run that continues begins where the last one ended; what that one saw is not gone.
        if witnessed is None or latest is None or stream.is_restored:
            return False
        return witnessed.had_expired(latest, self._scope.bounds)

    def _late_streams(self) -> Iterator[str]:
        """Yield what may be of long ago. Anyone can copy genuine records, and a mirror does, so it is no finding."""
        again = [stream for stream in self._streams.trusted.values() if self._had_expired(stream)]
        if again:
            yield (
                f"{_streams(again)} removed by retention after a witness had seen it, and written again since; "
                "it does not count for what is expected of a source"
            )
        late = [each for each in self._streams.trusted.values() if (each.trusted.delay or _NO_TIME) > self._policy.late]
        if late:
            yield (
                f"{_streams(late)} appended more than {self._policy.late.days} days after it was signed: it waited in a "
                "fallback store, this is a mirror, or somebody has kept it and written it again"
            )

    def _foreign(self) -> ForeignRecords:
        if not self._is_proven:
            return self._evidence.foreign.summary()
        beyond = sum(stream.records_beyond_the_end() for stream in self._streams.trusted.values())
        more = {ForeignKind.STREAM: self._streams.young_records(), ForeignKind.BEYOND: beyond}
        return self._evidence.foreign.summary(more, sources=self._streams.young_sources())

    def _owners(self) -> dict[bytes, RecordGroup]:
        """Return the group with most records for each JWE header: a data key belongs to one producer."""
        owners: dict[bytes, RecordGroup] = {}
        for stream in self._reported.values():
            for group in stream.groups:
                owner = owners.get(group.data_start)
                is_larger = owner is None or group.count > owner.count
                if group.is_sealed and not group.mismatches_dominate and is_larger:
                    owners[group.data_start] = group
        return owners

    def _held_events(self) -> dict[StreamName, dict[int, bytes]]:
        """Return the leaf hashes that sealed objects list, by stream and sequence, where the signer is believed."""
        held: defaultdict[StreamName, dict[int, bytes]] = defaultdict(dict)
        streams: defaultdict[str, list[StreamCheck]] = defaultdict(list)
        for stream in self._streams.trusted.values():
            streams[stream.producer].append(stream)
        for events, key in self._streams.held:
            # An object does not say in the clear which service it is of; its signer may sign for that one only.
            for stream in streams.get(events.producer, ()):
                if self._is_believed(key, stream):
                    for number in range(0, len(events.leaves), 32):
                        held[stream.name][events.first + number // 32] = events.leaves[number : number + 32]
        return held

    def _is_believed(self, key: PublicKey, stream: StreamCheck) -> bool:
        statement = Statement(
            roles=roles_of(stream.source, stream.via),
            source=stream.source,
            signed_at=stream.trusted.last_time,
            via=stream.via,
        )
        # No clock but the signer's says when it signed a header, so a key that was revoked could give any date.
        return not self._policy.is_revoked(key) and self._policy.judge(key, statement).accepted

    def _key_changes(self, producers: Iterable[ProducerReport]) -> Iterator[str]:
        """Yield where the producers of a source begin to be signed by other keys, in the order in which they started."""
        before: dict[str, tuple[str, ...]] = {}
        for producer in producers:
            keys = before.get(producer.source)
            if producer.keys and keys is not None and keys != producer.keys:
                yield (
                    f"the key of {producer.source} changes with producer {producer.producer}: "
                    f"{', '.join(keys)} before, {', '.join(producer.keys)} from then on"
                )
            if producer.keys:
                before[producer.source] = producer.keys

    def _unlisted_signers(self) -> Iterator[str]:
        """Yield the sources of trusted streams under which others are signed by keys that are not trusted.

        Anyone can write those, so they are no finding. But a former key that is no longer listed looks the same.
        """
        known = {stream.source for stream in self._streams.trusted.values()}
        others: defaultdict[str, list[StreamCheck]] = defaultdict(list)
        for stream in self._streams.young.values():
            if stream.signers and stream.source in known:
                others[stream.source].append(stream)
        for source in sorted(others)[:_MAX_SOURCES]:
            labels = sorted({label for stream in others[source] for label in stream.signers})
            more = ", ..." if len(labels) > _MAX_NAMED_SIGNERS else ""
            count = len(others[source])
            yield (
                f"{'1 stream is' if count == 1 else f'{count} streams are'} foreign, of {source}, signed by keys that are not trusted: "
                f"{', '.join(labels[:_MAX_NAMED_SIGNERS])}{more}; if one of them is a former key of the service, list it"
            )

    def _acknowledge_producer(self, report: ProducerReport) -> ProducerReport:
        counted, acknowledged = self._divide(report.findings, stream=report.producer, source=report.source)
        return replace(report, findings=counted, acknowledged=acknowledged) if acknowledged else report

    def _divide(
        self, findings: tuple[Finding, ...], *, stream: str, source: str
    ) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
        """Return the findings that count, and those that an auditor has acknowledged."""
        known = self._expectations.acknowledged
        if known is None:
            return findings, ()
        acknowledged = tuple(finding for finding in findings if known.covers(finding, stream, source))
        return tuple(finding for finding in findings if finding not in acknowledged), acknowledged


def _streams(streams: Sequence[StreamCheck]) -> str:
    named = f"{streams[0].producer} of {streams[0].source}"
    return f"the stream {named} was" if len(streams) == 1 else f"each of {len(streams)} streams, such as {named}, was"


def _gateways(stream: StreamCheck) -> Iterator[Finding]:
    """Yield that a stream was signed as logged through several: a process has a random id, and is one of them."""
    names = sorted(name or "the service itself" for name in stream.trusted.gateways)
    if len(names) > 1:
        reason = f"its checkpoints were signed as logged through {', and through '.join(names)}; a key was misused"
        yield Finding(Verdict.TAMPERED, reason, field="via")
