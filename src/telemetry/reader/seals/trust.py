"""Judges who signed a seal: an archiver that the trust policy names, for its own source and inside its dates."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from telemetry.exceptions import TamperedError
from telemetry.format.proof.signed_note import PublicKey, verify_note
from telemetry.reader.seals.store import StoredSeal
from telemetry.reader.trust.judgement import Judgement, Role, Statement
from telemetry.reader.trust.policy import TrustedKey, TrustPolicy


class Signed(StrEnum):
    """Whether a seal is believed.

    Attributes:
        YES: A key signed it that may sign the seals of this archiver.
        REFUSED: A key that the policy lists signed it, and may not: another role, another source, outside its dates.
        UNKNOWN: Only keys signed it that the policy does not list.
        FORGED: The signature names a listed key and is not that key's.
    """

    YES = "yes"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    FORGED = "forged"


@dataclass(frozen=True, slots=True)
class Signature:
    """What can be said of the signature under a seal.

    Attributes:
        signed: Whether the seal is believed.
        reason: Why, in words for a report.
        signer: Name and id of the key that is said to have signed.
        judgement: How the policy judges the key; None where it lists none of the signers.
    """

    signed: Signed
    reason: str
    signer: str
    judgement: Judgement | None = None

    @property
    def is_believed(self) -> bool:
        """Whether the seal is believed."""
        return self.signed is Signed.YES


class SealTrust:
    """Who may sign the seals of an archive.

    Args:
        policy: Who may sign what. Keys that were named without rights may sign seals too.
    """

    def __init__(self, policy: TrustPolicy) -> None:
        # Which service a bare key signs checkpoints for says nothing about the archiver that it may be.
        self._policy = policy.afresh()
        self._keys = policy.candidates()
        self._roles = frozenset({Role.ARCHIVER})
        if policy.binds_first_source:
            self._roles |= {Role.SERVICE}

    @property
    def names_archivers(self) -> bool:
        """Whether the policy names a key that may sign seals at all."""
        return any(key.roles & self._roles for key in self._policy.keys)

    def judge(self, stored: StoredSeal, *, rostered_at: float | None = None) -> Signature:
        """Return whether a seal is believed.

        Args:
            stored: The seal.
            rostered_at: When a witness first saw it or a later one, in seconds since the epoch; None if none did.
        """
        labels = ", ".join(line.label for line in stored.note.signatures)
        try:
            signers = verify_note(stored.note, self._keys)
        except TamperedError as exc:
            return Signature(Signed.FORGED, str(exc), labels)
        if not signers:
            return Signature(Signed.UNKNOWN, f"no trusted key signed it, but {labels}", labels)
        seal = stored.seal
        statement = Statement(roles=self._roles, source=seal.source, signed_at=seal.time, rostered_at=rostered_at)
        judgements = [self._policy.judge(key, statement) for key in signers]
        accepted = next((judgement for judgement in judgements if judgement.accepted), None)
        if accepted is not None:
            return Signature(Signed.YES, accepted.why, accepted.signer, accepted)
        refused = judgements[0]
        return Signature(Signed.REFUSED, f"{refused.signer}: {refused.reason}", refused.signer, refused)

    def require_believed(self, stored: StoredSeal) -> None:
        """Raise ``TamperedError`` unless a seal is believed."""
        signature = self.judge(stored)
        if not signature.is_believed:
            message = (
                f"the seal {stored.number} is not believed: {signature.reason}; nothing was changed. Find out who wrote "
                "it, or trust its key with the role archiver"
            )
            raise TamperedError(message)


def own_policy(*keys: PublicKey, source: str) -> TrustPolicy:
    """Return the policy of an archiver that believes only its own seals.

    Args:
        *keys: Its public keys: the present one, and former ones.
        source: Its source, such as ``/production/telemetry-archiver``.
    """
    return TrustPolicy(
        tuple(TrustedKey(public=key, roles=frozenset({Role.ARCHIVER}), sources=(source,)) for key in keys)
    )
