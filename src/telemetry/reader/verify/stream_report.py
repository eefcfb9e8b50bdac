"""Draws the conclusions about one producer from everything that was collected of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.reader.verify.record_group import RecordGroup, Sighting
from telemetry.reader.verify.stream_check import StreamCheck
from telemetry.reader.verify.tree.parked import ParkedInterval
from telemetry.reader.verify.verdicts import Finding, ProducerReport, Verdict

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
    """

    now: datetime | None = None
    open_seconds: float
    from_start: bool
    to_end: bool
    has_keys: bool

    def is_recent(self, checkpoint: Checkpoint) -> bool:
        """Return whether a checkpoint was signed just before the reading ended."""
        if self.now is None or self.open_seconds <= 0:
            return False
        return datetime.fromisoformat(checkpoint.time) >= self.now - timedelta(seconds=self.open_seconds)


class StreamReporter:
    """Reports on one producer.

    Args:
        check: Everything that was collected of the producer.
        scope: What was read.
        owners: For each JWE header, the group with most records in the whole trail.
    """

    def __init__(self, check: StreamCheck, scope: Scope, owners: Mapping[bytes, RecordGroup]) -> None:
        self._check = check
        self._scope = scope
        self._owners = owners
        latest = check.trusted.latest
        # Only a recent signature shows that the producer is running: anyone can write recent records.
        self._is_open = check.trusted.closing is None and latest is not None and scope.is_recent(latest)

    def report(self) -> ProducerReport:
        """Return what can be said of the producer so far.

        While the records were read, each was checked alone (:class:`~telemetry.reader.verify.verifier.Verifier`).
        Now that all are known:

        0. Intervals that a gap cuts off are closed, so that the rest is proven without them.
        1. No copy of a record differs from the one that was signed.
        2. No interval with all its records has another root than the signed one.
        3. The clear attributes of records that are not proven fit the other records of their data key.
        4. No sequence is absent: inside a signed interval, or in front of records that were read.
        5. Trusted checkpoints prove the records, and no other checkpoint contradicts them.
        6. The stream ends with a final checkpoint, and nothing comes after it.
        7. Equal copies are counted; they are harmless.
        """
        # 0. Close what a gap cuts off.
        self._check.tree.finish()
        findings = self._check.findings.copy()
        for finding in chain(
            self._altered_copies(),
            self._refuted_intervals(),
            self._misplaced_records(),
            self._absent_records(),
            self._unproven_records(),
            self._ending(),
            self._equal_copies(),
        ):
            findings.add(finding)
        check, latest = self._check, self._check.trusted.latest
        return ProducerReport(
            producer=check.producer,
            source=check.source,
            records=check.tree.counts.records,
            proven=check.tree.counts.proven,
            duplicates=check.tree.counts.duplicates,
            uncompared=check.tree.counts.uncompared,
            checkpoints=check.trusted.count,
            size=latest.size if latest else None,
            root=latest.root.hex() if latest else "",
            signed_at=latest.time if latest else "",
            is_closed=check.trusted.closing is not None,
            is_open=self._is_open,
            keys=tuple(sorted(check.trusted.keys)),
            findings=findings.sorted(),
            more_findings=findings.more,
        )

    # 1. Copies.

    def _altered_copies(self) -> Iterator[Finding]:
        copies = self._check.tree.copies
        for copy in copies.altered:
            reason = "this copy is not the record that was signed; another copy is"
            if copy.place is None:
                reason = "the copy that was read first is not the record that was signed; a later copy is"
            place = "" if copy.place is None else str(copy.place)
            yield Finding(Verdict.TAMPERED, reason, copy.sequence, copy.sequence, place)
        for sequence, conflict in copies.conflicts.items():
            reason = "copies of this record differ, and no checkpoint shows which one is right"
            for copy in conflict:
                yield Finding(Verdict.TAMPERED, reason, sequence, sequence, str(copy.place))

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

    # 3. Clear attributes: producer, source, key URI, wrapped key.

    def _misplaced_records(self) -> Iterator[Finding]:
        source = self._check.source
        for group in self._check.groups:
            if group.attributes["source"] != source:
                yield from self._blame(group.first, "source", "differs from the producer's source")
                continue
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
            if not self._check.tree.is_proven(sequence):
                yield Finding(Verdict.TAMPERED, reason, sequence, sequence, str(place), field)

    # 4. Gaps.

    def _absent_records(self) -> Iterator[Finding]:
        for interval in self._check.tree.parked:
            if not self._may_be_absent(interval):
                reason = "absent, although a checkpoint covers it"
                if interval.end <= self._check.required_size:
                    reason = "absent, although it was verified earlier"
                # Records without room were seen: they are unproven, not missing.
                for first, last in self._check.tree.parked.gaps(interval):
                    yield Finding(Verdict.MISSING, reason, first, last)
        if not self._is_open and self._scope.to_end:
            reason = "absent, although later records are there"
            for first, last in self._check.tree.tail_gaps():
                if self._scope.from_start or first > 0:
                    yield Finding(Verdict.MISSING, reason, first, last)

    def _may_be_absent(self, interval: ParkedInterval) -> bool:
        """Return whether an interval reaches beyond what was read, or its records may still be on their way."""
        if not self._scope.from_start and interval.start == 0:
            return True
        return self._is_open and self._scope.is_recent(interval.checkpoint)

    # 5. Proof.

    def _unproven_records(self) -> Iterator[Finding]:
        tree, latest = self._check.tree, self._check.trusted.latest
        if not tree.held.unheld.is_empty or any(interval.tree is None for interval in tree.parked):
            reason = (
                "more records were out of sequence than fit in memory; "
                "read the partitions side by side, or allow more memory"
            )
            yield Finding(Verdict.UNVERIFIABLE, reason)
        if latest is None:
            yield Finding(Verdict.UNVERIFIABLE, self._why_unverifiable())
            return
        for untrusted in self._check.untrusted:
            size, place = untrusted.checkpoint.size, str(untrusted.place)
            root = tree.signed.roots.get(size)
            if root is not None and root != untrusted.checkpoint.root:
                reason = f"a checkpoint of {untrusted.signers} contradicts the one of a trusted key: forged"
                yield Finding(Verdict.TAMPERED, reason, place=place, field="root")
            elif size > latest.size:
                reason = f"the checkpoint of {size} records is signed by {untrusted.signers}, which is not trusted"
                yield Finding(Verdict.UNVERIFIABLE, reason, place=place)

    def _why_unverifiable(self) -> str:
        signers = sorted({untrusted.signers for untrusted in self._check.untrusted})
        if not signers:
            return "there is no checkpoint of this producer, so nothing proves its records"
        names = ", ".join(signers[:_MAX_NAMED_SIGNERS])
        if not self._scope.has_keys:
            return f"no public key was given; its checkpoints are signed by {names}"
        return f"no trusted key signed its checkpoints; they are signed by {names}"

    # 6. The end.

    def _ending(self) -> Iterator[Finding]:
        end, required = self._check.tree.seen_end, self._check.required_size
        if required > end:
            reason = f"the source ends at sequence {end}, although {required} records were verified earlier"
            yield Finding(Verdict.TRUNCATED, reason, end, required - 1)
        closing, latest = self._check.trusted.closing, self._check.trusted.latest
        if closing is not None:
            yield from self._beyond_the_end(closing, end)
        elif latest is not None and not self._is_open and self._scope.to_end:
            beyond = max(end - latest.size, 0)
            reason = (
                f"there is no final checkpoint and none of a recovery; the last one, of {latest.time}, covers "
                f"{latest.size} records, and {beyond} after them are not proven; "
                "the producer crashed, its records were cut off, or it is still running"
            )
            yield Finding(Verdict.TRUNCATED, reason, latest.size if beyond else None, end - 1 if beyond else None)

    def _beyond_the_end(self, closing: Checkpoint, end: int) -> Iterator[Finding]:
        size, signed_size = closing.size, self._check.trusted.size
        if not closing.recovered and signed_size > size:
            reason = f"a checkpoint of {signed_size} records was signed after the final one of {size}"
            yield Finding(Verdict.TAMPERED, reason)
        if end <= max(size, signed_size):
            return
        if closing.recovered:
            # Another process closed the stream of a dead one: a record that was still on its way may come later.
            reason = f"after the {size} records that were recovered; no checkpoint covers them"
            yield Finding(Verdict.UNVERIFIABLE, reason, size, end - 1)
        else:
            reason = f"after the final checkpoint of {size} records: they were added later"
            yield Finding(Verdict.TAMPERED, reason, size, end - 1)

    # 7. Duplicates.

    def _equal_copies(self) -> Iterator[Finding]:
        duplicates = self._check.tree.counts.duplicates
        if duplicates:
            copies = "1 copy is" if duplicates == 1 else f"{duplicates} copies are"
            reason = f"{copies} byte for byte the same as the first (delivered at least once)"
            yield Finding(Verdict.DUPLICATE, reason)
