"""Collects everything that one producer's records and checkpoints say while they are read."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.reader.entry import Place
from telemetry.reader.verify.record_group import RecordGroup
from telemetry.reader.verify.tree.stream_tree import StreamTree, TreeSnapshot
from telemetry.reader.verify.trusted_checkpoints import TrustedCheckpoints
from telemetry.reader.verify.verdicts import Finding, FindingList, Verdict

MAX_GROUPS = 4_096
"""Groups of one producer that are compared with each other: one for each data key."""
MAX_UNTRUSTED = 64
"""Checkpoints without a trusted signature that are kept of one producer."""


@dataclass(frozen=True, slots=True)
class UntrustedCheckpoint:
    """A checkpoint that no trusted key signed.

    Attributes:
        checkpoint: What it says.
        signers: Labels of the keys that it says signed it.
        place: Place of its record.
    """

    checkpoint: Checkpoint
    signers: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSnapshot:
    """Everything that a later verification needs to know of one producer.

    Attributes:
        producer: The stream.
        tree: Its tree.
        keys: Labels of the trusted keys that signed.
        checkpoints: How many different checkpoints they signed.
        latest: The largest checkpoint.
        closing: The checkpoint that ends the stream.
        findings: Findings so far that do not depend on what is read later.
        required: What an earlier verification saw signed and no later one has found again.
    """

    producer: str
    tree: TreeSnapshot
    keys: list[str]
    checkpoints: int
    latest: Checkpoint | None
    closing: Checkpoint | None
    findings: list[Finding]
    required: Checkpoint | None = None


class StreamCheck:
    """Everything that is known of one producer.

    Args:
        producer: The stream.
        number: Number of the producer in this verification.
        tree: Compares the records with the signed trees.

    Attributes:
        groups: Its records by head.
        findings: What was found while reading.
        trusted: The checkpoints that trusted keys signed.
        untrusted: Checkpoints that no trusted key signed.
        verified_before: Size from which this verification continues; 0 for none.
    """

    def __init__(self, producer: str, number: int, tree: StreamTree) -> None:
        self.producer = producer
        self.number = number
        self.tree = tree
        self.groups: list[RecordGroup] = []
        self.findings = FindingList()
        self.trusted = TrustedCheckpoints()
        self.untrusted: list[UntrustedCheckpoint] = []
        self.verified_before = 0
        self._required: Checkpoint | None = None
        # A size whose root the tree knows although no checkpoint of it was read: first the empty tree, whose root
        # is published, later that of an earlier verification. -1 once its checkpoint was read.
        self._unread_size = 0

    def tampered(
        self, reason: str, *, sequence: int | None = None, place: Place | None = None, field: str = ""
    ) -> None:
        """Add a finding: the write side cannot have written this."""
        where = "" if place is None else str(place)
        self.findings.add(Finding(Verdict.TAMPERED, reason, sequence, sequence, where, field))

    def reordered(self, sequence: int, before: int, place: Place) -> None:
        """Add a finding: a record comes after a later one of its Kafka key."""
        reason = f"comes after sequence {before} of the same Kafka key"
        self.findings.add(Finding(Verdict.REORDERED, reason, sequence, sequence, str(place)))

    def require_earlier_root(self, checkpoint: Checkpoint) -> None:
        """Require a tree that an earlier verification saw signed to be found again."""
        self.tree.add_checkpoint(checkpoint)
        self._required = checkpoint
        self._unread_size = checkpoint.size

    @property
    def required_size(self) -> int:
        """Size of the tree that an earlier verification saw signed, and that must be found again; 0 for none."""
        return self._required.size if self._required is not None else 0

    def add_trusted(self, checkpoint: Checkpoint, keys: tuple[str, ...], place: Place | None) -> None:
        """Add a checkpoint that a trusted key signed.

        1. No other root was signed for its size: a producer signs each size once, so two roots are two histories.
        2. It names the source that the producer's other checkpoints name.
        """
        is_new = checkpoint.size not in self.tree.signed.roots or self._unread_size == checkpoint.size
        # 1. The root.
        if not self.tree.add_checkpoint(checkpoint):
            reason = f"two different roots were signed for {checkpoint.size} records"
            if checkpoint.size == self.required_size:
                reason = (
                    f"the root for {checkpoint.size} records differs from the one verified earlier: a rewritten past"
                )
            self.tampered(reason, place=place, field="root")
            return
        # 2. The source.
        latest = self.trusted.latest
        if latest is not None and checkpoint.source != latest.source:
            reason = f"one producer's checkpoints were signed for two sources: {latest.source} and {checkpoint.source}"
            self.tampered(reason, place=place, field="source")
        if self._unread_size == checkpoint.size:
            self._unread_size = -1
        self.trusted.add(checkpoint, keys, is_new=is_new)

    def add_untrusted(self, checkpoint: Checkpoint, signers: str, place: Place, *, impersonates: bool) -> None:
        """Add a checkpoint that no trusted key signed.

        Args:
            checkpoint: What it says.
            signers: Labels of the keys that it says signed it.
            place: Place of its record.
            impersonates: One of these keys has the name of a trusted key.
        """
        if impersonates:
            reason = (
                f"the checkpoint is signed under the name of a trusted key by another key ({signers}): forged, "
                "or by a rotated key whose public key was not given"
            )
            self.tampered(reason, place=place, field="signature")
        # Anyone who may write to the topic can write these, so their number is bounded.
        if len(self.untrusted) < MAX_UNTRUSTED:
            self.untrusted.append(UntrustedCheckpoint(checkpoint, signers, place))

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
            closing=self.trusted.closing,
            findings=list(self.findings.sorted()),
            required=required,
        )

    def restore(self, snapshot: StreamSnapshot) -> None:
        """Continue from a snapshot; nothing may have been added before."""
        self.tree.restore(snapshot.tree)
        self.verified_before = snapshot.tree.segment_start
        self.trusted.restore(
            snapshot.keys, count=snapshot.checkpoints, latest=snapshot.latest, closing=snapshot.closing
        )
        for finding in snapshot.findings:
            self.findings.add(finding)
