"""Defines what a reader shows of what it finds, and counts what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.reader.trust.policy import TrustPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRules:
    """What is shown.

    Attributes:
        duplicates: Show every copy of a record.
        repeats: Show every repeat of a call, and of an outbox row.
        foreign: Show foreign records too, marked as such.
        own: Show the event that records this read too.
        needs_seals: Events are sealed here: those in the clear are foreign, unless they are proven or the policy admits
            them.
        policy: Who may sign what; None judges nothing.
        proof_wait: Seconds that a record is held back for its checkpoint; None: until the source ends.
    """

    duplicates: bool = False
    repeats: bool = False
    foreign: bool = False
    own: bool = False
    needs_seals: bool = False
    policy: TrustPolicy | None = None
    proof_wait: float | None = None


@dataclass(slots=True, kw_only=True)
class ReadCounts:
    """What a reader has found so far.

    Attributes:
        records: Records that were read.
        checkpoints: Those of them that are checkpoints, or rosters of a witness.
        copies: Records that were left out because the same record was shown before.
        conflicts: Places, or values of calls, that different records claim.
        repeats: Events whose call was logged before, with the same value and the same content, or whose outbox row was
            relayed before.
        foreign: Records that do not belong here and concern no trusted stream.
        damaged: Records that are malformed or were altered.
        redacted: Events of an archive whose value was removed on request.
        ended: Events of an archive whose retention has ended.
    """

    records: int = 0
    checkpoints: int = 0
    copies: int = 0
    conflicts: int = 0
    repeats: int = 0
    foreign: int = 0
    damaged: int = 0
    redacted: int = 0
    ended: int = 0
