"""Defines what can be said of an archive's seals: findings, the live files, and which seals are believed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from telemetry.format.archive.live_files import LiveFiles
from telemetry.format.archive.seal import Seal
from telemetry.reader.seals.store import StoredSeal
from telemetry.reader.seals.trees import SealedTrees
from telemetry.reader.verify.verdicts import Finding


@dataclass(slots=True)
class SealCounts:
    """Sums over all seals.

    Attributes:
        seals: Seals that were read.
        lost: Offsets that retention removed from the topic before they were archived.
        redacted: Events whose values were removed.
        ended: Rows whose retention ended.
        objects: Fallback objects that were archived.
    """

    seals: int = 0
    lost: int = 0
    redacted: int = 0
    ended: int = 0
    objects: int = 0

    def add(self, seal: Seal) -> None:
        """Count a seal."""
        self.seals += 1
        self.lost += sum(gap.end - gap.first for gap in seal.gaps)
        self.redacted += sum(redaction.count for redaction in seal.redacted)
        self.ended += sum(ending.rows for ending in seal.ended)
        self.objects += len(seal.objects)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainJudgement:
    """What the seals of an archive say, and whether it is believed.

    Attributes:
        findings: What an auditor has to know; the worst first.
        more_findings: How many findings were left out.
        notes: What is worth knowing and no finding.
        last: The last seal; None if there is none that can be read.
        live: The live files after it.
        trees: The trees that the believed seals name; compare them with the checkpoints in the archive.
        signers: For each key that is believed, why.
        counts: Sums over all seals.
        unbelieved: Numbers of seals that are not believed.
        is_believed: Whether any seal is believed at all.
    """

    findings: tuple[Finding, ...]
    more_findings: int
    notes: tuple[str, ...]
    last: StoredSeal | None
    live: LiveFiles
    trees: SealedTrees
    signers: dict[str, str]
    counts: SealCounts = field(default_factory=SealCounts)
    unbelieved: Collection[int] = frozenset()
    is_believed: bool = True

    def believed(self, number: int) -> bool:
        """Return whether a seal is believed, and so what the files say that it brought.

        Args:
            number: The seal, such as ``live[name].number``.
        """
        return self.is_believed and number not in self.unbelieved
