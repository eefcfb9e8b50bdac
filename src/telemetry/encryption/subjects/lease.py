"""Says how long a process may seal under the keys that it has, and renews that with the store."""

from __future__ import annotations

import os
import secrets
import socket
import time
from typing import NamedTuple, Protocol

from telemetry.encryption.subjects.key_cache import KeyCache
from telemetry.encryption.subjects.store.store import SubjectStore
from telemetry.system.clock import Clock

RENEWALS = 10
"""A lease is renewed so many times before it would end, which is also how soon a process notices a forgotten subject."""
_NEVER = float("-inf")


class LeaseClocks(NamedTuple):
    """The two clocks of a lease.

    Attributes:
        monotonic: Never runs back; it may stop while the machine sleeps.
        wall: Continues while the machine sleeps; somebody may set it back.
    """

    monotonic: Clock = time.monotonic
    wall: Clock = time.time


class Kept(Protocol):
    """What was read from the store."""

    def drop(self) -> None:
        """Read it anew when it is needed next."""


class Lease:
    """The lease of one process. One thread renews it; every thread may ask whether it is valid.

    It ends by both clocks: a process that was stopped, or whose machine slept, finds it ended when it goes on.

    Args:
        store: Has the leases of all processes.
        cache: The keys that the lease is for.
        seconds: How long it is.
        clocks: Tell the time.
        kept: What else was read from the store; it is dropped when the store does not know this process as it was.

    Attributes:
        holder_id: Name of this process in the store; random, so that a process id that is used again is another one, and
            another one after each renewal, so that a copy of the store that is restored is noticed.
    """

    def __init__(
        self,
        store: SubjectStore,
        cache: KeyCache,
        *,
        seconds: float,
        clocks: LeaseClocks | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.holder_id = secrets.token_hex(16)
        self._next_id: str | None = None
        self._kept = kept
        self._store = store
        self._cache = cache
        self._seconds = seconds
        self._monotonic, self._wall = clocks or LeaseClocks()
        self._until = (_NEVER, _NEVER)
        self._renew_at = _NEVER
        self._seen = 0

    @property
    def is_valid(self) -> bool:
        """Whether keys may be used now."""
        until, wall_until = self._until
        return self._monotonic() < until and self._wall() < wall_until

    @property
    def due_in(self) -> float:
        """Seconds until it has to be renewed; 0 where it is due."""
        return max(self._renew_at - self._monotonic(), 0.0) if self.is_valid else 0.0

    def renew(self) -> bool:
        """Drop the keys of subjects that were forgotten, confirm that, and renew the lease.

        Returns:
            Whether keys of forgotten subjects wait for their destruction.

        Raises:
            SubjectStoreError: The store refused or did not answer; the lease is what it was.
        """
        # 1. The lease counts from before the store is asked, there from after: it ends here first.
        began, wall_began = self._monotonic(), self._wall()
        changes = self._store.changes(self._seen)
        # 2. Dropped before it is confirmed. A number below the last one is that of a store that was set back.
        if changes.key_ids is None or changes.epoch < self._seen:
            self._cache.clear()
        else:
            self._cache.drop(changes.key_ids)
        described = f"{socket.gethostname()[:200]}:{os.getpid()}"
        # An attempt whose answer was lost may have given the next name already, so it stays the next one.
        self._next_id = self._next_id or secrets.token_hex(16)
        known = self._store.renew(
            self.holder_id,
            described=described,
            seen_epoch=changes.epoch,
            seconds=self._seconds,
            renamed=self._next_id,
        )
        self.holder_id, self._next_id = self._next_id, None
        # 3. Where the store had no lease of this process any more, keys may have been destroyed that it did not hear of, and
        # a store that was restored may not have the keys at all.
        if not known or changes.epoch < self._seen:
            self._lose()
        self._seen = changes.epoch
        self._renew_at = began + self._seconds / RENEWALS
        self._until = (began + self._seconds, wall_began + self._seconds)
        return changes.pending

    def postpone(self, seconds: float) -> None:
        """Have the next renewal wait, after one that failed."""
        self._renew_at = self._monotonic() + seconds

    def end(self) -> None:
        """Use no key any more, and tell the store, so that no destruction waits for this process."""
        self._until = (_NEVER, _NEVER)
        self._cache.clear()
        self._store.end_lease(self.holder_id)
        if self._next_id is not None:
            self._store.end_lease(self._next_id)

    def abandon(self) -> None:
        """Use no key any more, without the store."""
        self._until = (_NEVER, _NEVER)
        self._cache.clear()

    def _lose(self) -> None:
        self._cache.clear()
        if self._kept is not None:
            self._kept.drop()
