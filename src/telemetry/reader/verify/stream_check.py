"""Collects everything that one producer's records and checkpoints say while they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.reader.entry import Place
from telemetry.reader.trust.judgement import Judgement
from telemetry.reader.verify.archived.removed import RemovedEvents
from telemetry.reader.verify.key_order import KeyOrder
from telemetry.reader.verify.record_group import RecordGroup
from telemetry.reader.verify.tree.snapshot import TreeSnapshot
from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.trusted_checkpoints import TrustedCheckpoints
from telemetry.reader.verify.unproven.event_times import EventTimes
from telemetry.reader.verify.unproven.stream_name import StreamName
from telemetry.reader.verify.unproven.suspicions import Suspicion, Suspicions
from telemetry.reader.verify.verdicts import Finding, FindingList, Verdict

MAX_SIGNERS = 8
"""Labels of untrusted signers that are kept of one producer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSnapshot:
    """Everything that a later verification needs to know of one producer.

    Attributes:
        producer: The stream.
        tree: Its tree.
        keys: Labels of the trusted keys that signed.
        checkpoints: How many different checkpoints they signed.
        latest: The largest checkpoint.
        closing: The largest end that was signed.
        findings: Findings so far that do not depend on what is read later.
        suspicions: What may be wrong with records that are not signed yet.
        believed: Why each of the keys is believed.
        required: What an earlier verification saw signed and no later one has found again.
    """

    producer: str
    tree: TreeSnapshot
    keys: list[str]
    checkpoints: int
    latest: Checkpoint | None
    closing: Checkpoint | None
    findings: list[Finding]
    suspicions: list[Suspicion] = field(default_factory=list)
    believed: dict[str, str] = field(default_factory=dict)
    required: Checkpoint | None = None


class StreamCheck:
    """Everything that is known of one producer, under one source.

    Args:
        name: The stream.
        number: Number of the producer in this verification.
        tree: Compares the records with the signed trees.
        order: Knows in which order the records of each Kafka key were read.

    Attributes:
        producer: UUIDv7 of its producer.
        groups: Its records by head.
        findings: What was found while reading.
        suspicions: What may be wrong with records that are not known to be the stream's.
        times: When its events are dated.
        removed: Its events whose values were removed on purpose.
        trusted: The checkpoints that trusted keys signed.
        signers: Labels of other keys that signed its checkpoints.
        verified_before: Size from which this verification continues; 0 for none.
        is_restored: An earlier verification knew the stream.
    """

    # attributes: everything that is known of a producer is gathered here
    def __init__(self, name: StreamName, number: int, tree: StreamTree, order: KeyOrder) -> None:
        self.name = name
        self.producer = name.producer
        self.number = number
        self.tree = tree
        self.order = order
        self.groups: list[RecordGroup] = []
        self.findings = FindingList()
        self.suspicions = Suspicions(tree)
        self.times = EventTimes()
        self.removed = RemovedEvents()
        self.trusted = TrustedCheckpoints()
        self.signers: set[str] = set()
        self.verified_before = 0
        self.is_restored = False
        self._doubts: dict[str, Finding] = {}
        self._required: Checkpoint | None = None
        # A size whose root the tree knows although no checkpoint of it was read: first the empty tree, whose root
        # is published, later that of an earlier verification. -1 once its checkpoint was read.
        self._unread_size = 0

    def tampered(self, reason: str, *, place: Place | None = None, field: str = "") -> None:
        """Add a finding about a checkpoint: the write side cannot have written this."""
        where = "" if place is None else str(place)
        self.findings.add(Finding(Verdict.TAMPERED, reason, place=where, field=field))

    def suspect(self, reason: str, sequence: int, *, place: Place, field: str) -> None:
        """Remember that a record is not as the write side would have written it."""
        finding = Finding(Verdict.TAMPERED, reason, sequence, sequence, str(place), field)
        self.suspicions.add(finding, sequence)

    def suspect_order(self, sequence: int, before: int, place: Place) -> None:
        """Remember that a record comes after a later one of its Kafka key."""
        reason = f"comes after sequence {before} of the same Kafka key"
        finding = Finding(Verdict.REORDERED, reason, sequence, sequence, str(place))
        self.suspicions.add(finding, sequence, before, needs_proof=True)

    def require_earlier_root(self, checkpoint: Checkpoint) -> None:
        """Require a tree that an earlier verification saw signed to be found again."""
        self.tree.add_checkpoint(checkpoint)
        self._required = checkpoint
        self._unread_size = checkpoint.size

    @property
    def required_size(self) -> int:
        """Size of the tree that an earlier verification saw signed, and that must be found again; 0 for none."""
        return self._required.size if self._required is not None else 0

    def add_trusted(
        self,
        checkpoint: Checkpoint,
        believed: Mapping[str, str],
        place: Place | None,
        leaves: IntervalLeaves | None = None,
    ) -> None:
        """Add a checkpoint that a trusted key signed.

        No other root may be signed for its size, or for the size at the start of its interval: a producer signs each size
        once, so two roots are two histories.

        Args:
            checkpoint: The checkpoint.
            believed: Labels of the keys that signed, and why each one is believed.
            place: Place of its record.
            leaves: Leaf hashes of its interval.
        """
        self.trusted.note_gateway(checkpoint)
        is_new = checkpoint.size not in self.tree.signed.roots or self._unread_size == checkpoint.size
        if not self.tree.add_checkpoint(checkpoint, leaves):
            self.tampered(self._why_two_histories(checkpoint, leaves), place=place, field="root")
            return
        if self._unread_size == checkpoint.size:
            self._unread_size = -1
        self.trusted.believed.update(believed)
        self.trusted.add(checkpoint, believed, is_new=is_new)

    def _why_two_histories(self, checkpoint: Checkpoint, leaves: IntervalLeaves | None) -> str:
        """Return what a checkpoint contradicts that the tree did not accept."""
        roots, size = self.tree.signed.roots, checkpoint.size
        if leaves is not None and roots[size] == checkpoint.root:
            size = leaves.start
            if roots[size] == leaves.tree().root():
                return f"the checkpoint of {checkpoint.size} records was signed for other records than those that are proven"
        if size == self.required_size:
            return f"the root for {size} records differs from the one verified earlier: a rewritten past"
        return f"two different roots were signed for {size} records"

    def note_other_topic(self, checkpoint: Checkpoint, place: Place) -> None:
        """Remember that a checkpoint was signed for another topic than the one it was read from."""
        if "topic" not in self._doubts:
            reason = (
                f"signed for the topic {checkpoint.topic} and read from {place.source}: copied there; "
                "if it is a mirror, name the topic in the trust file"
            )
            self._doubts["topic"] = Finding(Verdict.UNVERIFIABLE, reason, place=str(place), field="topic")

    def note_disbelief(self, judgements: Iterable[Judgement]) -> None:
        """Remember that an earlier verification believed keys that may not sign this stream any more.

        Args:
            judgements: Why each of them is not believed now.
        """
        reasons = "; ".join(f"{judgement.signer}: {judgement.reason}" for judgement in judgements)
        reason = (
            f"an earlier verification believed keys that are not trusted with this now ({reasons or 'unknown keys'}); "
            "verify once without --continue"
        )
        self._doubts["signature"] = Finding(Verdict.UNVERIFIABLE, reason, field="signature")

    def doubts(self) -> tuple[Finding, ...]:
        """Return why the stream is not believed as a whole: it is of another topic, or of keys that are not trusted now."""
        return tuple(self._doubts.values())

    def records_beyond_the_end(self) -> int:
        """Return how many records claim to come after the signed end of the stream; 0 while it has none."""
        closing = self.trusted.closing
        return 0 if closing is None else self.tree.count_from(max(closing.size, self.trusted.size))

    def add_signers(self, labels: str) -> None:
        """Remember who else signed a checkpoint; anyone can write one, so their number is bounded."""
        if len(self.signers) < MAX_SIGNERS:
            self.signers.add(labels)

    @property
    def via(self) -> str | None:
        """Source of the gateway that logged the events; None where the service did, or where nothing is signed."""
        return self.trusted.latest.via if self.trusted.latest is not None else None

    @property
    def source(self) -> str:
        """CloudEvents source of the producer: as it was signed, or else that of most records."""
        if self.trusted.latest is not None:
            return self.trusted.latest.source
        largest = max(self.groups, key=lambda group: group.count, default=None)
        return largest.attributes["source"] if largest else ""

    def snapshot(self) -> StreamSnapshot:
        """Return what a later verification needs to continue from here."""
        tree = self.tree.snapshot()
        required = self._required
        # Proven up to its last record: the tree of today contains the one that was verified earlier.
        if required is not None and self.tree.is_proven(required.size - 1):
            required = None
        return StreamSnapshot(
            producer=self.producer,
            tree=tree,
            keys=sorted(self.trusted.keys),
            checkpoints=self.trusted.count,
            latest=self.trusted.latest,
            closing=self.trusted.last_end,
            findings=list(dict.fromkeys((*self.findings.sorted(), *self.suspicions.confirmed()))),
            suspicions=self.suspicions.undecided(),
            believed=dict(self.trusted.believed),
            required=required,
        )

    def restore(self, snapshot: StreamSnapshot) -> None:
        """Continue from a snapshot; nothing may have been added before."""
        self.is_restored = True
        if snapshot.latest is not None:
            self._unread_size = -1
        self.tree.restore(snapshot.tree)
        self.suspicions.restore(snapshot.suspicions)
        self.trusted.believed.update(snapshot.believed)
        self.verified_before = snapshot.tree.segment_start
        self.trusted.restore(
            snapshot.keys, count=snapshot.checkpoints, latest=snapshot.latest, last_end=snapshot.closing
        )
        for finding in snapshot.findings:
            self.findings.add(finding)
