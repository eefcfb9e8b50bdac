"""Follows the seals of an archive: each new one must be an archiver's and continue those that the witness saw."""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass

from telemetry.exceptions import FormatError, StorageError, StorageNotFoundError
from telemetry.format.archive.seal_note import seal_name
from telemetry.format.roster.entries import SealEntry
from telemetry.reader.seals.store import SealStore, StoredSeal, UnreadSeal
from telemetry.reader.seals.trust import SealTrust
from telemetry.reader.trust.policy import TrustPolicy

logger = logging.getLogger("telemetry.witness")


@dataclass(frozen=True, slots=True)
class SealsSeen:
    """What a round saw of the archive.

    Attributes:
        newest: Leaf about the newest seal; None if there is no new one.
        count: Number of new seals.
        fault: Why the archive is not what it was; empty if it only grew.
    """

    newest: SealEntry | None = None
    count: int = 0
    fault: str = ""


class WitnessedArchive:
    """The seals of one archive, as a witness looks at them round by round.

    Args:
        seals: The seals.
        policy: Who may sign them.
    """

    def __init__(self, seals: SealStore, policy: TrustPolicy) -> None:
        self._seals = seals
        self._trust = SealTrust(policy)

    def look(self, known: SealEntry | None) -> SealsSeen:
        """Return what is new since a seal.

        1. The seal that the witness saw last is still there, and is the same.
        2. Each later one names the digest of the one before it, and is of the same archive.
        3. A key signed each of them that may. At one that is not believed, the witness waits: anyone who may write into the
           store can have put it there, and it is for `telemetry verify` to name it.

        A store that does not answer is asked again in the next round: the topic is watched all the same.

        Args:
            known: The last leaf about this archive; None before the first.
        """
        try:
            last = self._seals.last_number()
            if known is not None and (last is None or not self._is_there(known)):
                return SealsSeen(
                    fault=f"{seal_name(known.number)} is not the seal that was seen: it was exchanged or removed"
                )
            return self._follow(known, last)
        except StorageError as exc:
            logger.warning("the archive was not looked at, and is in the next round: %s", exc)
            return SealsSeen()

    def _is_there(self, known: SealEntry) -> bool:
        try:
            stored = self._seals.read(known.number)
        except (FormatError, StorageNotFoundError):
            return False
        return stored.seal.archive == known.archive and hmac.compare_digest(stored.digest, known.digest)

    def _follow(self, known: SealEntry | None, last: int | None) -> SealsSeen:
        before, count = known, 0
        first = known.number + 1 if known is not None else 0
        for stored in self._seals.walk(first, last + 1 if last is not None else 0):
            entry = self._entry_of(stored, before)
            if entry is None:
                break
            before, count = entry, count + 1
        return SealsSeen(before if count else None, count)

    def _entry_of(self, stored: StoredSeal | UnreadSeal, before: SealEntry | None) -> SealEntry | None:
        """Return the leaf about the next seal; None, and a warning, if the witness does not vouch for it."""
        if isinstance(stored, UnreadSeal):
            _warn(stored.number, stored.reason)
            return None
        # 2.
        previous, archive = (before.digest, before.archive) if before is not None else ("", stored.seal.archive)
        if not hmac.compare_digest(stored.seal.previous, previous) or stored.seal.archive != archive:
            _warn(stored.number, "it does not continue the seal before it")
            return None
        # 3.
        signature = self._trust.judge(stored)
        if signature.judgement is None or not signature.is_believed:
            _warn(stored.number, signature.reason)
            return None
        key_id = signature.judgement.key.key_id.hex()
        return SealEntry(archive=archive, number=stored.number, digest=stored.digest, signer=key_id)


def _warn(number: int, reason: str) -> None:
    logger.warning(
        "the witness waits at %s: %s; it records no later seal until this one can be believed (`telemetry verify --from "
        "archive` says more)",
        seal_name(number),
        reason,
    )
