"""One producer: its tree, and everything that its records and checkpoints say beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.reader.entry import Place
from telemetry.reader.verify.record_group import RecordHead, Sighting
from telemetry.reader.verify.stream_tree import Parked, StreamTree
from telemetry.reader.verify.verdicts import Finding, FindingList, ProducerReport, Verdict

MAX_HEADS = 4_096
"""Heads of one producer that are held against each other; a data key more is a head more."""
MAX_UNTRUSTED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What part of the trail was read, and when.

    Attributes:
        now: When the reading ended; None if nothing counts as still running.
        open_seconds: A producer whose last checkpoint is not older counts as still running; 0 for none.
        from_start: The source was read from its beginning.
        to_end: The source was read to its end.
        has_keys: Public keys were given.
    """

    now: datetime | None
    open_seconds: float
    from_start: bool
    to_end: bool
    has_keys: bool

    def is_recent(self, checkpoint: Checkpoint) -> bool:
        """Return whether a checkpoint was made just before the reading ended."""
        if self.now is None or self.open_seconds <= 0:
            return False
        return datetime.fromisoformat(checkpoint.time) >= self.now - timedelta(seconds=self.open_seconds)


@dataclass(frozen=True, slots=True)
class Untrusted:
    """A checkpoint that no trusted key signed.

    Attributes:
        checkpoint: What it says.
        signers: Who is said to have signed.
        place: Where it stands.
    """

    checkpoint: Checkpoint
    signers: str
    place: Place


class StreamCheck:
    """Everything that is known of one producer.

    Args:
        producer: The stream.
        number: Its number in this verification.
        tree: Holds the records against the signed trees.

    Attributes:
        heads: Of its records.
        findings: What was found while reading.
        keys: Labels of the trusted keys that signed.
        checkpoints: How many different checkpoints they signed.
        latest: The largest of them.
        closing: The one that ends the stream.
        verified_before: Size from which this verification goes on; 0 for none.
    """

    def __init__(self, producer: str, number: int, tree: StreamTree) -> None:
        self.producer = producer
        self.number = number
        self.tree = tree
        self.heads: list[RecordHead] = []
        self.findings = FindingList()
        self.keys: set[str] = set()
        self.checkpoints = 0
        self.latest: Checkpoint | None = None
        self.closing: Checkpoint | None = None
        self._attested: Checkpoint | None = None
        self.verified_before = 0
        self._untrusted: list[Untrusted] = []
        # A tree of no records has a known root before anyone signs it.
        self._unseen = 0

    def tampered(
        self, reason: str, *, sequence: int | None = None, place: Place | None = None, field: str = ""
    ) -> None:
        """Note something that the write side cannot have written."""
        where = "" if place is None else str(place)
        self.findings.add(Finding(Verdict.TAMPERED, reason, sequence, sequence, where, field))

    def reordered(self, sequence: int, before: int, place: Place) -> None:
        """Note a record that stands behind a later one of its key."""
        reason = f"stands behind sequence {before} of the same Kafka key"
        self.findings.add(Finding(Verdict.REORDERED, reason, sequence, sequence, str(place)))

    def attest(self, checkpoint: Checkpoint) -> None:
        """Require what an earlier verification has seen signed."""
        self.tree.add_checkpoint(checkpoint)
        self._attested = checkpoint
        self._unseen = checkpoint.size

    @property
    def attested(self) -> int:
        """Size that an earlier verification has seen signed, and that must be there again; 0 for none."""
        return self._attested.size if self._attested is not None else 0

    @property
    def unconfirmed(self) -> Checkpoint | None:
        """What an earlier verification has seen signed and this one has not found; None when there is no such thing."""
        if self._attested is None or self.tree.is_proven(self._attested.size - 1):
            return None
        return self._attested

    def add_trusted(self, checkpoint: Checkpoint, keys: tuple[str, ...], place: Place | None) -> None:
        """Take a checkpoint that a trusted key signed."""
        is_new = checkpoint.size not in self.tree.signed or self._unseen == checkpoint.size
        if not self.tree.add_checkpoint(checkpoint):
            reason = f"two different roots were signed for {checkpoint.size} records"
            if checkpoint.size == self.attested:
                reason = (
                    f"the root for {checkpoint.size} records differs from the one verified earlier: a rewritten past"
                )
            self.tampered(reason, place=place, field="root")
            return
        if self.latest is not None and checkpoint.source != self.latest.source:
            reason = (
                f"one producer's checkpoints were signed for two sources: {self.latest.source} and {checkpoint.source}"
            )
            self.tampered(reason, place=place, field="source")
        self._unseen = -1 if self._unseen == checkpoint.size else self._unseen
        self.keys.update(keys)
        self.checkpoints += is_new
        if self.latest is None or checkpoint.size >= self.latest.size:
            self.latest = checkpoint
        if checkpoint.is_closing and (self.closing is None or checkpoint.size >= self.closing.size):
            self.closing = checkpoint

    def add_untrusted(self, checkpoint: Checkpoint, signers: str, place: Place, *, impersonates: bool) -> None:
        """Take a checkpoint that no trusted key signed."""
        if impersonates:
            reason = (
                f"the checkpoint is signed under the name of a trusted key by another key ({signers}): forged, "
                "or by a rotated key whose public key was not given"
            )
            self.tampered(reason, place=place, field="signature")
        if len(self._untrusted) < MAX_UNTRUSTED:
            self._untrusted.append(Untrusted(checkpoint, signers, place))

    def report(self, scope: Scope, owners: Mapping[bytes, RecordHead]) -> ProducerReport:
        """Return what can be said of the producer so far.

        Args:
            scope: What was read.
            owners: For each JWE header, the head with most records in the whole trail.
        """
        self.tree.finish()
        is_open = self.closing is None and self.latest is not None and scope.is_recent(self.latest)
        findings = self.findings.copy()
        for finding in chain(
            self._altered(),
            self._refuted(),
            self._odd(owners),
            self._missing(scope, is_open=is_open),
            self._unproven(scope),
            self._ending(scope, is_open=is_open),
            self._duplicates(),
        ):
            findings.add(finding)
        latest = self.latest
        return ProducerReport(
            producer=self.producer,
            source=self.source,
            records=self.tree.records,
            proven=self.tree.proven,
            duplicates=self.tree.duplicates,
            uncompared=self.tree.uncompared,
            checkpoints=self.checkpoints,
            size=latest.size if latest else None,
            root=latest.root.hex() if latest else "",
            signed_at=latest.time if latest else "",
            is_closed=self.closing is not None,
            is_open=is_open,
            keys=tuple(sorted(self.keys)),
            findings=findings.sorted(),
            more_findings=findings.more,
        )

    @property
    def source(self) -> str:
        """CloudEvents source: as it was signed, else as most records say."""
        if self.latest is not None:
            return self.latest.source
        most = max(self.heads, key=lambda head: head.count, default=None)
        return most.attributes["source"] if most else ""

    def _altered(self) -> Iterator[Finding]:
        for copy in self.tree.altered:
            reason = "this copy is not the record that was signed; another copy is"
            if copy.place is None:
                reason = "the copy that was read first is not the record that was signed; a later copy is"
            place = "" if copy.place is None else str(copy.place)
            yield Finding(Verdict.TAMPERED, reason, copy.sequence, copy.sequence, place)
        for sequence, copies in self.tree.conflicts.items():
            reason = "copies of this record differ, and no checkpoint tells which one is right"
            for copy in copies:
                yield Finding(Verdict.TAMPERED, reason, sequence, sequence, str(copy.place))

    def _refuted(self) -> Iterator[Finding]:
        for parked in self.tree.parked:
            if parked.refuted:
                reason = f"the records do not make the root that was signed for {parked.end} records"
                if parked.end == self.attested:
                    reason = f"the records do not make the root that was verified earlier for {parked.end} records"
                elif parked.start == self.verified_before > 0:
                    reason += "; or those that were verified earlier were rewritten since"
                alone = parked.end - parked.start == 1
                yield Finding(Verdict.TAMPERED, reason, parked.start, parked.end - 1, exact=alone)

    def _odd(self, owners: Mapping[bytes, RecordHead]) -> Iterator[Finding]:
        """Yield the records whose clear attributes do not fit the rest, unless they are what was signed."""
        source = self.source
        for head in self.heads:
            if head.attributes["source"] != source:
                yield from self._blame(head.first, "source", "differs from the producer's source")
                continue
            reason = "does not belong to the data key that the JWE header names"
            yield from self._blame(head.oddities(), "wrappedkey", reason)
            regular = owners.get(head.protected, head)
            if regular.producer != self.producer:
                reason = f"was sealed with a data key of producer {regular.producer}: it was moved here"
                yield from self._blame(head.first, "producer", reason)
            elif regular is not head and not head.is_outnumbered:
                differ = [name for name, text in head.attributes.items() if regular.attributes.get(name) != text]
                reason = "differs from that of the other records which the same data key sealed"
                yield from self._blame(head.first, ", ".join(differ), reason)

    def _blame(self, sightings: list[Sighting], field: str, reason: str) -> Iterator[Finding]:
        for sequence, place in sightings:
            if not self.tree.is_proven(sequence):
                yield Finding(Verdict.TAMPERED, reason, sequence, sequence, str(place), field)

    def _missing(self, scope: Scope, *, is_open: bool) -> Iterator[Finding]:
        for parked in self.tree.parked:
            if not self._may_be_absent(parked, scope, is_open=is_open):
                reason = "absent, although a checkpoint covers it"
                if parked.end <= self.attested:
                    reason = "absent, although it was verified earlier"
                for first, last in self.tree.gaps(parked):
                    yield Finding(Verdict.MISSING, reason, first, last)
        if not is_open and scope.to_end:
            reason = "absent, although later records are there"
            for first, last in self.tree.tail_gaps():
                if scope.from_start or first > 0:
                    yield Finding(Verdict.MISSING, reason, first, last)

    def _may_be_absent(self, parked: Parked, scope: Scope, *, is_open: bool) -> bool:
        """Return whether an interval reaches beyond what was read, or its records may still be on their way."""
        if not scope.from_start and parked.start == 0:
            return True
        return is_open and scope.is_recent(parked.checkpoint)

    def _unproven(self, scope: Scope) -> Iterator[Finding]:
        if not self.tree.unheld.is_empty or any(parked.tree is None for parked in self.tree.parked):
            reason = (
                "more records were out of sequence than are held in memory; "
                "read the partitions side by side, or hold more"
            )
            yield Finding(Verdict.UNVERIFIABLE, reason)
        if self.latest is None:
            yield Finding(Verdict.UNVERIFIABLE, self._why_unverifiable(scope))
            return
        for untrusted in self._untrusted:
            size, place = untrusted.checkpoint.size, str(untrusted.place)
            root = self.tree.signed.get(size)
            if root is not None and root != untrusted.checkpoint.root:
                reason = f"a checkpoint of {untrusted.signers} contradicts the one of a trusted key: forged"
                yield Finding(Verdict.TAMPERED, reason, place=place, field="root")
            elif size > self.latest.size:
                reason = f"the checkpoint of {size} records is signed by {untrusted.signers}, which is not trusted"
                yield Finding(Verdict.UNVERIFIABLE, reason, place=place)

    def _why_unverifiable(self, scope: Scope) -> str:
        signers = sorted({untrusted.signers for untrusted in self._untrusted})
        if not signers:
            return "there is no checkpoint of this producer, so nothing proves its records"
        if not scope.has_keys:
            return f"no public key was given; its checkpoints are signed by {', '.join(signers[:8])}"
        return f"no trusted key signed its checkpoints; they are signed by {', '.join(signers[:8])}"

    def _ending(self, scope: Scope, *, is_open: bool) -> Iterator[Finding]:
        end = self.tree.seen_end
        if self.attested > end:
            reason = f"the source ends at sequence {end}, although {self.attested} records were verified earlier"
            yield Finding(Verdict.TRUNCATED, reason, end, self.attested - 1)
        if self.closing is not None:
            yield from self._beyond_the_end(self.closing, end)
        elif self.latest is not None and not is_open and scope.to_end:
            beyond = max(end - self.latest.size, 0)
            reason = (
                f"there is no final checkpoint and none of a recovery; the last one, of {self.latest.time}, covers "
                f"{self.latest.size} records, and {beyond} behind them are not proven; it crashed, was cut off, or still runs"
            )
            yield Finding(Verdict.TRUNCATED, reason, self.latest.size if beyond else None, end - 1 if beyond else None)

    def _beyond_the_end(self, closing: Checkpoint, end: int) -> Iterator[Finding]:
        size = closing.size
        if not closing.recovered and self.latest is not None and self.latest.size > size:
            reason = f"a checkpoint of {self.latest.size} records was signed behind the final one of {size}"
            yield Finding(Verdict.TAMPERED, reason)
        if end <= max(size, self.latest.size if self.latest else 0):
            return
        if closing.recovered:
            reason = f"behind the {size} records that were recovered; no checkpoint covers them"
            yield Finding(Verdict.UNVERIFIABLE, reason, size, end - 1)
        else:
            reason = f"behind the final checkpoint of {size} records: they were added afterwards"
            yield Finding(Verdict.TAMPERED, reason, size, end - 1)

    def _duplicates(self) -> Iterator[Finding]:
        if self.tree.duplicates:
            copies = "1 copy is" if self.tree.duplicates == 1 else f"{self.tree.duplicates} copies are"
            reason = f"{copies} byte for byte the same as the first (delivered at least once)"
            yield Finding(Verdict.DUPLICATE, reason)
