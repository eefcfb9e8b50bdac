"""Defines what one process verifies of an archive, and what it hands over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from telemetry.format.archive.live_files import LiveFile
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.shared.share_verifier import Moment, SignedTree, StreamSigner
from telemetry.reader.verify.trail_report import VerifiedPart
from telemetry.reader.verify.verdicts import Finding
from telemetry.reader.verify.witnessed.witnessed_trail import WitnessedTrail


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFile:
    """A data file that a share reads.

    Attributes:
        live: The file, as a seal names it.
        groups: Its row groups that can have rows of the share; None for all.
        is_believed: The seal that brought it is trusted, so that events which it says have ended are not missing.
        is_hashed: This share compares its bytes with the seal.
    """

    live: LiveFile
    groups: tuple[int, ...] | None = None
    is_believed: bool = False
    is_hashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one process verifies.

    Attributes:
        policy: Who may sign what.
        witnessed: What witnesses saw of the trail.
        name: Name of the archive, for the places of records of fallback stores.
        files: The data files to read.
        producers: The producers of the share; None for all, and for the rows that name none.
        has_rest: The rows that name no producer belong to it.
        is_in_order_of_places: Its records are put into the order that they had on the topic.
        is_leaves_only: The leaf hashes are read, and no values.
        collects_trees: The trees that its checkpoints name are wanted, for those that seals name.
        also: Places whose rows are read too, whatever producer they name.
        is_by_value: Every row is read whose value names a producer of the share, whatever the row names.
    """

    policy: TrustPolicy
    witnessed: WitnessedTrail | None
    name: str
    files: tuple[SharedFile, ...]
    producers: frozenset[str] | None = None
    has_rest: bool = True
    is_in_order_of_places: bool = False
    is_leaves_only: bool = False
    collects_trees: bool = False
    also: frozenset[Place] = frozenset()
    is_by_value: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareResult:
    """What was verified of a share.

    Attributes:
        part: Its streams, and what was found besides.
        strays: Records of producers that other shares have.
        has_too_many_strays: There were more of them than are kept.
        displaced: Places of records in rows that name another producer, with the producers that the records name.
        has_too_many_displaced: There were more of them than are kept.
        disordered: Producers whose records have to be read in the order of their places.
        findings: Files that cannot be read, or are not what a seal says.
        trees: The largest trees that its checkpoints name, believed or not.
        rosters: Digests of its rosters, in hexadecimal.
        signings: The first time at which each key signed for each source, where keys are bound to services.
    """

    part: VerifiedPart
    strays: tuple[RawRecord, ...] = ()
    has_too_many_strays: bool = False
    displaced: Mapping[Place, str] = field(default_factory=dict)
    has_too_many_displaced: bool = False
    disordered: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()
    trees: Mapping[StreamSigner, Sequence[SignedTree]] = field(default_factory=dict)
    rosters: frozenset[str] = frozenset()
    signings: Mapping[tuple[PublicKey, str], Moment] = field(default_factory=dict)
