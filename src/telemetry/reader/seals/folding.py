"""Finds the live files of an archive: from the last list of them, through the seals since then."""

from __future__ import annotations

import hmac

from telemetry.exceptions import FormatError, StorageNotFoundError, TamperedError
from telemetry.format.archive.live_files import LiveFiles
from telemetry.format.archive.seal_note import seal_name
from telemetry.format.archive.succession import ArchiveState, problems_after
from telemetry.reader.seals.store import SealStore, StoredSeal, UnreadSeal
from telemetry.reader.seals.trust import SealTrust
from telemetry.reader.trust.policy import TrustPolicy


def fold(seals: SealStore, *, number: int | None = None, policy: TrustPolicy | None = None) -> ArchiveState | None:
    """Return the state of an archive.

    1. Go back to a seal that lists the live files, and fold those after it.
    2. Each seal that is folded names the digest of the one before it, and follows it by the rule.
    3. With a policy, each of them is signed by a key that may sign it.

    What was sealed before the list is not looked at: ``judge_chain`` does that.

    Args:
        seals: The seals.
        number: The seal after which the state is wanted; None for the last one.
        policy: Who may sign seals. A caller that writes, deletes or signs by the result must give one.

    Returns:
        The state; None if there is no seal at all.

    Raises:
        TamperedError: A seal that is needed is absent, or step 2 or 3 fails.
        FormatError: A seal cannot be read.
        StorageError: The store refused or did not answer.
    """
    last = number if number is not None else seals.last_number()
    if last is None:
        return None
    trust = SealTrust(policy) if policy is not None else None
    # 1.
    stored = _back_to_list(seals, last)
    state = _begin(stored, trust)
    for following in seals.walk(stored.number + 1, last + 1):
        state = _continue(state, following, trust)
    return state


def _back_to_list(seals: SealStore, last: int) -> StoredSeal:
    for number in range(last, -1, -1):
        stored = _read(seals, number)
        if stored.seal.live is not None or number == 0:
            return stored
    raise _absent(last)


def _read(seals: SealStore, number: int) -> StoredSeal:
    try:
        return seals.read(number)
    except StorageNotFoundError as exc:
        raise _absent(number) from exc


def _begin(stored: StoredSeal, trust: SealTrust | None) -> ArchiveState:
    if trust is not None:
        trust.require_believed(stored)
    if stored.number == 0:
        return _followed(None, stored)
    return ArchiveState(stored.seal, stored.digest, LiveFiles.listed(stored.seal))


def _continue(state: ArchiveState, following: StoredSeal | UnreadSeal, trust: SealTrust | None) -> ArchiveState:
    if isinstance(following, UnreadSeal):
        if following.is_absent:
            raise _absent(following.number)
        raise FormatError(following.reason)
    # 2.
    if not hmac.compare_digest(following.seal.previous, state.digest):
        message = (
            f"the seal {following.number} names another predecessor than the seal {state.seal.number} that is there"
        )
        raise TamperedError(message)
    # 3.
    if trust is not None:
        trust.require_believed(following)
    return _followed(state, following)


def _followed(state: ArchiveState | None, stored: StoredSeal) -> ArchiveState:
    problem = next(problems_after(state, stored.seal), None)
    if problem is not None:
        message = f"the seal {stored.number} does not follow the one before: {problem}"
        raise TamperedError(message)
    # The objects are this function's own: nobody else has seen the live files before.
    live = state.live if state is not None else LiveFiles()
    live.apply(stored.seal)
    return ArchiveState(stored.seal, stored.digest, live)


def _absent(number: int) -> TamperedError:
    return TamperedError(f"{seal_name(number)} is absent: seals are never deleted, so somebody removed it")
