"""Draws the conclusions about one producer from everything that was collected of it."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain, groupby

from telemetry.format.proof.key_span import KeySpan
from telemetry.reader.verify.record_group import RecordGroup, Sighting, kid_of
from telemetry.reader.verify.stream_check import StreamCheck
from telemetry.reader.verify.tree.parked import ParkedInterval
from telemetry.reader.verify.tree.signed_leaves import SignedInterval
from telemetry.reader.verify.unproven.event_times import SLACK, beginning_of
from telemetry.reader.verify.verdicts import Finding, ProducerReport, Verdict

MAX_AHEAD = timedelta(minutes=5)
"""How far the clock of a host may be ahead of the verifier's."""

_MAX_NAMED_SIGNERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The part of the trail that was read, and when.

    Attributes:
        now: When the reading ended; None if no producer counts as still running.
        open_seconds: A producer whose last checkpoint is not older counts as still running; 0 for none.
        from_start: The source was read from its beginning.
        to_end: The source was read to its end.
        has_keys: Public keys were given.
        bounds: First and end offset of each partition that was read, by topic and partition.
        forgot_beginnings: An earlier run could not carry on all records that no trusted key had signed for.
    """

    now: datetime | None = None
    open_seconds: float
    from_start: bool
    to_end: bool
    has_keys: bool
    bounds: Mapping[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    forgot_beginnings: bool = False

    def is_recent(self, time: str) -> bool:
        """Return whether a checkpoint was signed just before the reading ended."""
        if self.now is None or self.open_seconds <= 0:
            return False
        # A time in the future is no sign of life: it would be recent for ever.
        return -MAX_AHEAD <= self.now - datetime.fromisoformat(time) <= timedelta(seconds=self.open_seconds)

    def is_ahead(self, time: str) -> bool:
        """Return whether a checkpoint is dated after the end of the reading, by more than clocks differ."""
        return self.now is not None and datetime.fromisoformat(time) - self.now > MAX_AHEAD


class StreamReporter:
    """Reports on one producer.

    Args:
        check: Everything that was collected of the producer.
        scope: What was read.
        owners: For each JWE header, the group with most records in the trusted streams.
        held: Leaf hashes that believed headers of sealed fallback objects list, by sequence.
        more: Findings that were made elsewhere.
    """

    def __init__(
        self,
        check: StreamCheck,
        scope: Scope,
        owners: Mapping[bytes, RecordGroup],
        *,
        held: Mapping[int, bytes] | None = None,
        more: Iterable[Finding] = (),
    ) -> None:
        self._check = check
        self._scope = scope
        self._owners = owners
        self._held = held or {}
        self._more = more
        latest = check.trusted.latest
        # Only a recent signature shows that the producer is running: anyone can write recent records.
        self._is_open = check.trusted.closing is None and latest is not None and scope.is_recent(latest.time)

    def report(self) -> ProducerReport:
        """Return what can be said of the producer so far.

        While the records were read, each was checked alone (:class:`~telemetry.reader.verify.verifier.Verifier`).
        Now that all are known:

        0. Intervals that a gap cuts off are closed, so that the rest is proven without them.
        1. No copy of a record differs from the one that was signed.
        2. No interval with all its records has another root than the signed one.
        3. The clear attributes of records that are not proven fit the other records of their data key.
        4. No sequence of a signed interval is absent.
        5. Trusted checkpoints prove the records, by data keys that they name.
        6. Their times rise, are not in the future, and fit those of the events.
        7. The stream ends with a final checkpoint, or with one of a recovery, which is named.
        8. Events that were redacted, or ended by a policy, are named, and equal copies counted; both are harmless.

        Records after the last one that was signed are no finding: anyone can write them.
        """
        # 0. Close what a gap cuts off.
        self._check.tree.finish()
        findings = self._check.findings.copy()
        for finding in chain(
            self._more,
            self._check.suspicions.confirmed(),
            self._altered_copies(),
            self._refuted_intervals(),
            self._misplaced_records(),
            self._absent_records(),
            self._absent_signed_records(),
            self._unproven_records(),
            self._foreign_keys(),
            self._times(),
            self._ending(),
            self._recoveries(),
            self._check.removed.findings(self._check.tree),
            self._equal_copies(),
        ):
            findings.add(finding)
        check, latest = self._check, self._check.trusted.latest
        return ProducerReport(
            producer=check.producer,
            source=check.source,
            via=check.via or "",
            records=check.tree.counts.records,
            proven=check.tree.counts.proven,
            duplicates=check.tree.counts.duplicates,
            uncompared=check.tree.counts.uncompared,
            redacted=check.removed.redacted,
            ended=check.removed.ended(check.tree.signed.roots),
            checkpoints=check.trusted.count,
            size=latest.size if latest else None,
            root=latest.root.hex() if latest else "",
            signed_at=latest.time if latest else "",
            is_closed=check.trusted.closing is not None,
            is_open=self._is_open,
            keys=tuple(sorted(check.trusted.keys)),
            believed=tuple(f"{label}: {why}" for label, why in sorted(check.trusted.believed.items())),
            findings=findings.sorted(),
            more_findings=findings.more,
        )

    # 1. Copies.

    def _altered_copies(self) -> Iterator[Finding]:
        tree, copies = self._check.tree, self._check.tree.copies
        for copy in copies.altered:
            is_known = copy.place is not None and bool(copy.place.source)
            reason = "this copy is not the record that was signed; another copy is"
            field = ""
            if not tree.is_proven(copy.sequence):
                # To acknowledge a copy is not to acknowledge that the record is gone.
                reason, field = "this record is not the one that was signed, which was not found", "record"
            elif not is_known:
                reason = "the copy that was read first is not the record that was signed; a later copy is"
            place = str(copy.place) if is_known else ""
            yield Finding(Verdict.TAMPERED, reason, copy.sequence, copy.sequence, place, field, leaf=copy.leaf.hex())
        if copies.more_altered:
            yield Finding(Verdict.TAMPERED, f"{copies.more_altered} more copies are not the records that were signed")
        for sequence, conflict in copies.conflicts.items():
            if not self._is_signed(sequence):
                continue
            reason = "copies of this record differ, and no checkpoint shows which one is right"
            for copy in conflict:
                yield Finding(Verdict.TAMPERED, reason, sequence, sequence, str(copy.place), leaf=copy.leaf.hex())

    def _is_signed(self, sequence: int) -> bool:
        """Return whether a trusted key has signed for this number; where none was given, nothing tells."""
        return sequence < self._check.tree.signed.size or not self._scope.has_keys

    # 2. Signed roots.

    def _refuted_intervals(self) -> Iterator[Finding]:
        for interval in self._check.tree.parked:
            if not interval.refuted:
                continue
            reason = f"the root of the records is not the one that was signed for {interval.end} records"
            if interval.end == self._check.required_size:
                reason = f"the root of the records is not the one that was verified earlier for {interval.end} records"
            elif interval.start == self._check.verified_before > 0:
                reason += "; or those that were verified earlier were rewritten since"
            is_single = interval.end - interval.start == 1
            yield Finding(Verdict.TAMPERED, reason, interval.start, interval.end - 1, exact=is_single)

    # 3. Clear attributes: producer, key URI, wrapped key.

    def _misplaced_records(self) -> Iterator[Finding]:
        for group in self._check.groups:
            reason = "does not belong to the data key that the JWE header names"
            yield from self._blame(group.minority(), "wrappedkey", reason)
            # A data key belongs to one process: of two groups with its JWE header, the larger one is right.
            owner = self._owners.get(group.data_start, group)
            if owner.producer != self._check.producer:
                reason = f"was sealed with a data key of producer {owner.producer}: it was moved here"
                yield from self._blame(group.first, "producer", reason)
            elif owner is not group and not group.mismatches_dominate:
                differing = [name for name, text in group.attributes.items() if owner.attributes.get(name) != text]
                reason = "differs from that of the other records which the same data key sealed"
                yield from self._blame(group.first, ", ".join(differing), reason)

    def _blame(self, sightings: list[Sighting], field: str, reason: str) -> Iterator[Finding]:
        """Yield a finding for each record that is not proven: a signature outweighs what most records say."""
        for sequence, place in sightings:
            if self._is_signed(sequence) and not self._check.tree.is_proven(sequence):
                yield Finding(Verdict.TAMPERED, reason, sequence, sequence, str(place), field)

    # 4. Gaps.

    def _absent_records(self) -> Iterator[Finding]:
        for interval in self._check.tree.parked:
            if self._may_be_absent(interval.start, interval.checkpoint.time):
                continue
            reason = "absent, although a checkpoint covers it"
            if interval.end <= self._check.required_size:
                reason = "absent, although it was verified earlier"
            # Records without room were seen: they are unproven, not missing.
            for first, last in self._gaps_of(interval):
                yield self._absent(reason, first, last)

        if not self._is_open and self._scope.to_end:
            for gap in self._check.tree.tail_gaps():
                for first, last in self._check.removed.outside(*gap, self._check.tree.signed.roots):
                    if self._scope.from_start or first > 0:
                        yield self._absent("absent, although a checkpoint covers it", first, last)

    def _gaps_of(self, interval: ParkedInterval) -> Iterator[tuple[int, int]]:
        """Yield the gaps of an interval that is not proven; none where the whole of it has ended by a policy."""
        removed, roots = self._check.removed, self._check.tree.signed.roots
        if not any(removed.outside(interval.start, interval.end - 1, roots)):
            return
        # Elsewhere a run without leaf hashes leaves records unproven, so it excuses nothing.
        yield from self._check.tree.parked.gaps(interval)

    def _absent_signed_records(self) -> Iterator[Finding]:
        is_beginning = not self._scope.from_start
        for interval in self._check.tree.judge.partial:
            if self._may_be_absent(interval.start, interval.signed_at):
                continue
            is_beginning = is_beginning and not self._is_seen_before(interval.start)
            for first, last in interval.gaps():
                # Read from the middle, the trail begins after this gap.
                if is_beginning and first == interval.start:
                    continue
                for start, end in self._check.removed.outside(first, last, self._check.tree.signed.roots):
                    yield from self._absent_or_held(interval, start, end)
            is_beginning = is_beginning and not interval.seen

    def _is_seen_before(self, sequence: int) -> bool:
        """Return whether any record before this one was seen in this run or an earlier one."""
        if sequence == 0:
            return False
        signed, parked = self._check.tree.judge.partial.at(sequence - 1), self._check.tree.parked.at(sequence - 1)
        if signed is not None:
            return bool(signed.seen)
        return parked is None or parked.start > 0 or parked.absent < sequence

    def _absent_or_held(self, interval: SignedInterval, first: int, last: int) -> Iterator[Finding]:
        """Yield the parts of a gap that are absent, and those that wait in a sealed fallback object."""
        is_held = [self._held.get(number) == interval.leaf(number) for number in range(first, last + 1)]
        for held, numbers in groupby(range(first, last + 1), key=lambda number: is_held[number - first]):
            run = list(numbers)
            if held:
                reason = "held in the fallback (content not checked)"
                yield Finding(Verdict.UNVERIFIABLE, reason, run[0], run[-1])
                continue
            leaves = interval.leaf(run[0], run[-1])
            is_single = len(run) == 1
            reason = "absent, although a checkpoint covers it"
            if is_single:
                reason += f"; its leaf hash is {leaves.hex()}"
            leaf = leaves.hex() if is_single else hashlib.sha256(leaves).hexdigest()
            yield replace(self._absent(reason, run[0], run[-1]), leaf=leaf)

    def _absent(self, reason: str, first: int, last: int) -> Finding:
        if first == 0 and self._scope.forgot_beginnings and not self._check.is_restored:
            reason = (
                "an earlier run may have read these and had no room to remember them; "
                "verify once without --continue to be certain"
            )
            return Finding(Verdict.UNVERIFIABLE, reason, first, last)
        return Finding(Verdict.MISSING, reason, first, last)

    def _may_be_absent(self, start: int, signed_at: str) -> bool:
        """Return whether an interval reaches beyond what was read, or its records may still be on their way."""
        if not self._scope.from_start and start == 0:
            return True
        return self._is_open and self._scope.is_recent(signed_at)

    # 5. Proof.

    def _unproven_records(self) -> Iterator[Finding]:
        tree = self._check.tree
        if any(interval.tree is None for interval in tree.parked) or self._is_room_short():
            reason = (
                "more records were out of sequence than fit in memory; "
                "read the partitions side by side, or allow more memory"
            )
            yield Finding(Verdict.UNVERIFIABLE, reason)
        if self._check.trusted.latest is None:
            yield Finding(Verdict.UNVERIFIABLE, self._why_unverifiable())

    def _is_room_short(self) -> bool:
        """Return whether a record that was signed found no room; what nobody signed does not matter."""
        unheld, tree = self._check.tree.held.unheld, self._check.tree
        return any(
            start < interval.end and end > interval.start for start, end in unheld.ranges() for interval in tree.parked
        ) or (not unheld.is_empty and any(start < tree.signed.size for start, _ in unheld.ranges()))

    def _why_unverifiable(self) -> str:
        signers = sorted(self._check.signers)
        if not signers:
            return "there is no checkpoint of this producer, so nothing proves its records"
        names = ", ".join(signers[:_MAX_NAMED_SIGNERS])
        if not self._scope.has_keys:
            return f"no public key was given; its checkpoints are signed by {names}"
        return f"no trusted key signed its checkpoints; they are signed by {names}"

    def _foreign_keys(self) -> Iterator[Finding]:
        """Yield proven records whose data key is not the one that was signed for their sequence."""
        spans = sorted(self._check.trusted.spans, key=_first)
        for group in self._check.groups if spans else ():
            kid = kid_of(group.data_start)
            for sequence, place in group.first:
                at = bisect_right(spans, sequence, key=_first) - 1
                signed = spans[at].kid if at >= 0 and sequence <= spans[at].last else None
                if signed is not None and signed != kid and self._check.tree.is_proven(sequence):
                    reason = "sealed with another data key than its producer signed for this record"
                    yield Finding(Verdict.TAMPERED, reason, sequence, sequence, str(place), "kid")

    # 6. Times.

    def _times(self) -> Iterator[Finding]:
        trusted = self._check.trusted
        for size, time, before in trusted.backward():
            reason = (
                f"the checkpoint of {size} records has the time {time}, although {before} was signed for fewer "
                "records: the host's clock was set back, or the stream was signed at another time"
            )
            yield Finding(Verdict.UNVERIFIABLE, reason, field="time")
        began = beginning_of(self._check.producer)
        if trusted.first_time and began is not None and datetime.fromisoformat(trusted.first_time) < began - SLACK:
            reason = (
                f"a checkpoint has the time {trusted.first_time}, although its producer began at {began:%Y-%m-%dT%H:%M:%SZ}: "
                "the host's clock was wrong, or the stream was signed at another time"
            )
            yield Finding(Verdict.UNVERIFIABLE, reason, field="time")
        if trusted.last_time and self._scope.is_ahead(trusted.last_time):
            reason = f"a checkpoint has the time {trusted.last_time}, which is ahead of this host's clock"
            yield Finding(Verdict.UNVERIFIABLE, reason, field="time")
        yield from self._check.times.findings(self._check.producer, trusted, self._check.tree)

    # 7. The end.

    def _ending(self) -> Iterator[Finding]:
        end, required = self._check.tree.seen_end, self._check.required_size
        if required > end:
            reason = f"the source ends at sequence {end}, although {required} records were verified earlier"
            yield Finding(Verdict.TRUNCATED, reason, end, required - 1)
        trusted, latest = self._check.trusted, self._check.trusted.latest
        if trusted.ended is not None and trusted.size > trusted.ended.size:
            reason = f"a checkpoint of {trusted.size} records was signed after the final one of {trusted.ended.size}"
            yield Finding(Verdict.TAMPERED, reason)
        if latest is not None and trusted.closing is None and not self._is_open and self._scope.to_end:
            beyond = self._check.tree.count_from(latest.size)
            is_run = beyond > 0 and end == latest.size + beyond
            reason = (
                f"there is no final checkpoint and none of a recovery; the last one, of {latest.time}, covers "
                f"{latest.size} records, and {beyond} after them are not proven; "
                "the producer crashed, its records were cut off, or it is still running"
            )
            first, last = (latest.size, end - 1) if is_run else (None, None)
            yield Finding(Verdict.TRUNCATED, reason, first, last, leaf=latest.root.hex())

    def _recoveries(self) -> Iterator[Finding]:
        """Yield each end that another process signed: it had no more than what the spool had."""
        signed = self._check.trusted.size
        for recovery in self._check.trusted.recoveries.values():
            if recovery.old_copy is not None:
                reason = (
                    f"old copy: a spool segment with {recovery.old_copy} records was put back after its process had ended, "
                    f"and the end of {recovery.size} records was signed again"
                )
                yield Finding(Verdict.DUPLICATE, reason)
            elif recovery.size < signed:
                reason = (
                    f"old copy: an end of {recovery.size} records was signed for a spool segment that was put back, "
                    f"although {signed} records were signed"
                )
                yield Finding(Verdict.DUPLICATE, reason)
            else:
                reason = (
                    f"recovered: {recovery.size} records; the process was killed, and the one that adopted its spool "
                    "has signed the end as the spool had it"
                )
                yield Finding(Verdict.COMPLETE, reason)

    # 8. Duplicates.

    def _equal_copies(self) -> Iterator[Finding]:
        duplicates = self._check.tree.counts.duplicates
        if duplicates:
            copies = "1 copy is" if duplicates == 1 else f"{duplicates} copies are"
            reason = f"{copies} byte for byte the same as the first (delivered at least once)"
            yield Finding(Verdict.DUPLICATE, reason)


def _first(span: KeySpan) -> int:
    return span.first
