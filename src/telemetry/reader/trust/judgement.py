"""Defines what is judged about a signature, and what the judgement says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from telemetry.format.proof.signed_note import PublicKey

SELF_ASSERTED = "self-asserted only"
"""What a report says where a key has dates and no independent clock says when it signed."""


class Role(StrEnum):
    """What a key may sign.

    Attributes:
        SERVICE: Checkpoints of a service's own streams.
        GATEWAY: Checkpoints of streams that a gateway logs for services, and that name the gateway.
        READER: Checkpoints of the streams in which readers record their reads.
        WITNESS: Rosters of streams that a witness saw.
        ARCHIVER: Seals of an archive.
        AUDITOR: Acknowledgements of findings.
    """

    SERVICE = "service"
    GATEWAY = "gateway"
    READER = "reader"
    WITNESS = "witness"
    ARCHIVER = "archiver"
    AUDITOR = "auditor"


class TimeBasis(StrEnum):
    """The clock that a judgement rests on.

    Attributes:
        ROSTER: A witness saw the statement by that time.
        APPEND: The broker appended the record at that time (``message.timestamp.type=LogAppendTime``).
        SELF: Only the signer says when; a stolen key can say any time.
    """

    ROSTER = "roster"
    APPEND = "append"
    SELF = "self"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a key signed, as far as trust depends on it.

    Attributes:
        roles: Roles of which one suffices to sign this.
        source: CloudEvents source of the stream, such as ``/production/payments``; empty where the role has none.
        topic: Topic for which it was signed; None where the statement names none (version 1).
        signed_at: Time that the signer states, RFC 3339 in UTC.
        appended_at: LogAppendTime of the record in seconds since the epoch; None where no broker stamped it.
        rostered_at: Time of the first roster that covers it, in seconds since the epoch; None without one.
        via: Source of the gateway through which it says the events were logged; None where it names none.
    """

    roles: frozenset[Role]
    source: str
    signed_at: str
    topic: str | None = None
    appended_at: float | None = None
    rostered_at: float | None = None
    via: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether a signature is believed, and why.

    Attributes:
        accepted: Whether it is believed.
        key: The key that signed.
        reason: Why it is, or is not, in words for the report.
        time_basis: The clock that the judgement rests on.
        is_dated: Whether the key has dates, so that the clock matters.
    """

    accepted: bool
    key: PublicKey
    reason: str
    time_basis: TimeBasis
    is_dated: bool = False

    @property
    def signer(self) -> str:
        """Name and id of the key, for reports."""
        return label_of(self.key)

    @property
    def why(self) -> str:
        """Why the key is believed, or is not, and by which clock."""
        if not self.is_dated:
            return self.reason
        if self.is_self_asserted:
            return f"{self.reason}; {SELF_ASSERTED}: no clock but its own says when it signed"
        return f"{self.reason}, by the {self.time_basis} time"

    @property
    def is_self_asserted(self) -> bool:
        """Whether only the signer's own clock says that the signature is inside the key's dates."""
        return self.is_dated and self.time_basis is TimeBasis.SELF


def label_of(key: PublicKey) -> str:
    """Return name and id of a key, for reports."""
    return f"{key.name}+{key.key_id.hex()}"
