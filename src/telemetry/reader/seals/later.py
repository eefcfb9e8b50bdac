"""Says which files were removed by seals that came after the last one that a reader knows."""

from __future__ import annotations

import hmac
from collections.abc import Set as AbstractSet

from telemetry.reader.seals.store import SealStore, StoredSeal
from telemetry.reader.seals.trust import SealTrust
from telemetry.reader.trust.policy import TrustPolicy


def removed_since(seals: SealStore, known: StoredSeal, policy: TrustPolicy) -> AbstractSet[str]:
    """Return the names of the files that believed seals after a known one removed.

    A file that disappears while an archive is read was either compacted meanwhile, and then to read on from the newest seal is
    right, or taken away by somebody. Seals that do not continue the known one, or that nobody believes, say nothing.

    Args:
        seals: The seals.
        known: The last seal that the reader knows.
        policy: Who may sign seals.

    Raises:
        StorageError: The store refused or did not answer.
    """
    trust, before = SealTrust(policy), known
    removed: set[str] = set()
    for stored in seals.walk(known.number + 1):
        if not isinstance(stored, StoredSeal) or not hmac.compare_digest(stored.seal.previous, before.digest):
            break
        if not trust.judge(stored).is_believed:
            break
        removed.update(stored.seal.removed)
        before = stored
    return removed
