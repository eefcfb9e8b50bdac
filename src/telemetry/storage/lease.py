"""Locks a name among processes by numbered objects, on stores that can only create, list and delete.

``locks/{name}/{epoch}`` says who holds the lock and until when; the highest number counts. To take the lock, or to keep
it, a process creates the next epoch: creation succeeds for one process only. After it has created an epoch it lists
again: a higher one means that it came too late. A release is an epoch too, marked as one, and stays: the numbers only
ever grow, so that a process that was stopped for an hour cannot mistake an old number for a new one.

Clocks. The holder counts by its own clock from before it wrote the epoch, and stops in time even if the machine slept.
A contender takes over when it has watched an unchanged epoch for 1.1 times its duration by its own clock, no matter what
the clocks say, or at once when the stated end is more than ``CLOCK_MARGIN`` in the past: processes that share a lock must
have clocks that agree to within 30 s. If they do not, two may hold it for a while, and records are sent twice.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import msgspec

from telemetry.exceptions import StorageConflictError, StorageError, StorageNotFoundError, TelemetryError
from telemetry.system.worker import Worker

logger = logging.getLogger("telemetry.storage")

CLOCK_MARGIN = 30.0
"""Seconds that another machine's clock may be ahead of the holder's."""

MAX_EPOCH = 10**18 - 1
"""Largest number that counts. A lease that is renewed ten times a second does not reach it in a billion years."""

_WATCH_FACTOR = 1.1
_RENEWALS = 3
_MAX_OWNER = 200
_DIGITS = 20
_MAX_BODY_BYTES = 4_096
_MAX_DELETIONS = 1_000
"""Older epochs that one renewal deletes: anyone who may write to the store can create as many as they like."""


class LockHolder(Protocol):
    """Knows whether this process holds a lock: a lease, or a locked file."""

    @property
    def is_held(self) -> bool:
        """Whether the lock is held right now; must not block."""


class Lock:
    """Whether this process is the only holder, asked anew each time: a lease can be lost while it is in use.

    Args:
        holder: Lease or file lock that is asked each time.
    """

    __slots__ = ("_holder",)

    def __init__(self, holder: LockHolder) -> None:
        self._holder = holder

    @property
    def is_held(self) -> bool:
        """Whether the lock is held right now."""
        return self._holder.is_held

    def __bool__(self) -> bool:
        return self._holder.is_held

    def __repr__(self) -> str:
        return f"{type(self).__name__}(is_held={self.is_held})"


class StoredName(Protocol):
    """One entry of a listing."""

    @property
    def name(self) -> str:
        """Full name."""

    @property
    def size(self) -> int:
        """Bytes."""


class _Listed(NamedTuple):
    epoch: int
    size: int
    name: str


_NOTHING = _Listed(0, 0, "")


class EpochStore(Protocol):
    """The part of a store that a lease needs."""

    def put(self, name: str, data: bytes) -> None:
        """Create an object; a name that exists with other bytes is a ``StorageConflictError``."""

    def get(self, name: str) -> bytes:
        """Return an object's bytes."""

    def list(self, prefix: str = "") -> Iterator[StoredName]:
        """Yield the objects whose name starts with ``prefix``."""

    def delete(self, name: str) -> None:
        """Delete an object."""


class _Epoch(msgspec.Struct, frozen=True):
    """The content of an epoch's object.

    Attributes:
        owner: Name of the process, for the operator.
        holder: Random text, different for each attempt to hold the lock.
        seconds: How long it is valid.
        expires: Unix time of its end, by the holder's clock.
        released: The lock was given back; anyone may take it at once.
    """

    owner: str
    holder: str
    seconds: float
    expires: float
    released: bool = False


class _Sight(NamedTuple):
    epoch: int
    since: float


class LeaseWatch:
    """Remembers since when each lock's highest epoch has been seen unchanged, from one attempt to the next."""

    def __init__(self) -> None:
        self._sights: dict[str, _Sight] = {}

    def seen_for(self, name: str, epoch: int) -> float:
        """Return for how many seconds ``epoch`` has been the highest one seen."""
        now = time.monotonic()
        sight = self._sights.get(name)
        if sight is None or sight.epoch != epoch:
            sight = self._sights[name] = _Sight(epoch, now)
        return now - sight.since


@contextlib.contextmanager
def hold_lease(provider: EpochStore, name: str, *, owner: str, seconds: float, watch: LeaseWatch) -> Iterator[Lock]:
    """Try to take the lease ``name``; see ``StorageProvider.lock``.

    Args:
        provider: Store of the epochs.
        name: Name of the lock.
        owner: Name of this process, for the operator; no secret.
        seconds: Time by which it outlives a holder that died; renewed three times within it.
        watch: The provider's memory of what it saw in earlier attempts.
    """
    lease = _Lease(provider, name, owner=owner, seconds=seconds, watch=watch)
    if lease.acquire():
        lease.start_renewing()
    try:
        yield Lock(lease)
    finally:
        lease.release()


class _Lease:
    """One attempt to hold a lock, from its acquisition to its release."""

    def __init__(self, provider: EpochStore, name: str, *, owner: str, seconds: float, watch: LeaseWatch) -> None:
        if seconds <= 0:
            message = f"a lease must last longer than 0 s, not {seconds}"
            raise ValueError(message)
        self._provider = provider
        self._name = name
        self._owner = owner[:_MAX_OWNER]
        self._holder = secrets.token_hex(16)
        self._seconds = seconds
        self._watch = watch
        self._pid = os.getpid()
        self._worker = Worker(f"telemetry-lease-{name}", self._renew)
        self._epoch = 0
        # By the monotonic clock, and by the wall clock, which also runs while the machine sleeps. Written by the renewing
        # thread, read by the holder's: one assignment, so that both ends always belong together.
        self._ends = (0.0, 0.0)
        # Number, bytes and ends of an epoch whose creation may have happened although its answer was lost.
        self._unsure: tuple[int, bytes, tuple[float, float]] | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process holds the lock right now."""
        monotonic, wall = self._ends
        # A forked child has a copy of the ends and no thread that renews: it holds nothing.
        return time.monotonic() < monotonic and time.time() < wall and os.getpid() == self._pid

    def acquire(self) -> bool:
        """Take the lock if it is free."""
        highest = self._highest()
        if highest.epoch and not self._is_over(highest):
            return False
        return self._claim(highest.epoch + 1)

    def start_renewing(self) -> None:
        """Renew the lock in a daemon thread until it is released or lost."""
        self._worker.start()

    def release(self) -> None:
        """Give the lock back; if the store does not answer, it ends by itself."""
        if os.getpid() != self._pid:
            return
        has_ended = self._worker.stop(self._seconds)
        was_held, self._ends = self.is_held, (0.0, 0.0)
        # A renewal that still runs may create the same number: then the lock ends by itself.
        if was_held and has_ended:
            with contextlib.suppress(TelemetryError):
                self._write(self._epoch + 1, self._body(time.time(), released=True))
                self._delete(self._epoch)

    def _renew(self) -> None:
        while not self._worker.rest(self._seconds / _RENEWALS):
            try:
                is_kept = self._claim(self._epoch + 1)
            except TelemetryError as exc:
                logger.warning("the lock %s could not be renewed; it is tried again until it ends: %s", self._name, exc)
                is_kept = self.is_held
            if not is_kept:
                self._ends = (0.0, 0.0)
                logger.warning("the lock %s is lost; another process may take over", self._name)
                return

    def _claim(self, epoch: int) -> bool:
        body, ends = self._attempt(epoch)
        try:
            self._write(epoch, body)
        except StorageConflictError:
            return False  # another process was faster
        listed = list(self._epochs())
        if max(listed, default=_NOTHING).epoch != epoch:
            self._delete(epoch)
            # The number was free again because others had used it and moved on.
            return False
        self._unsure, self._epoch, self._ends = None, epoch, ends
        self._delete_names([older.name for older in listed if older.epoch < epoch][:_MAX_DELETIONS])
        return self.is_held

    def _attempt(self, epoch: int) -> tuple[bytes, tuple[float, float]]:
        # A create whose answer was lost may have happened: the next attempt must write the same bytes, and count
        # from the time they state.
        if self._unsure is None or self._unsure[0] != epoch:
            wall = time.time() + self._seconds
            ends = (time.monotonic() + self._seconds, wall)
            self._unsure = (epoch, self._body(wall, released=False), ends)
        return self._unsure[1:]

    def _body(self, expires: float, *, released: bool) -> bytes:
        return msgspec.json.encode(_Epoch(self._owner, self._holder, self._seconds, expires, released))

    def _is_over(self, highest: _Listed) -> bool:
        watched = self._watch.seen_for(self._name, highest.epoch)
        # Of what it states, nothing is believed that would keep the lock longer than a holder of ours could.
        is_ours_over = watched > self._seconds * _WATCH_FACTOR
        if highest.size > _MAX_BODY_BYTES:
            return is_ours_over
        try:
            stated = msgspec.json.decode(self._provider.get(highest.name), type=_Epoch)
        except StorageNotFoundError:
            return False  # the holder has just moved on to the next epoch
        except msgspec.MsgspecError:
            # Damaged: it does not state its duration, so it ends after ours.
            return is_ours_over
        if stated.released or time.time() > stated.expires + CLOCK_MARGIN:
            return True
        return is_ours_over or watched > stated.seconds * _WATCH_FACTOR

    def _highest(self) -> _Listed:
        highest = max(self._epochs(), default=_NOTHING)
        if highest.epoch < MAX_EPOCH:
            return highest
        # No process has counted so far: somebody planted it. What may be ours is below half of it.
        planted = [listed.name for listed in self._epochs() if listed.epoch > MAX_EPOCH // 2]
        logger.error("the lock %s had %d objects with impossible numbers; they are deleted", self._name, len(planted))
        self._delete_names(planted[:_MAX_DELETIONS])
        return max((listed for listed in self._epochs() if listed.epoch <= MAX_EPOCH // 2), default=_NOTHING)

    def _epochs(self) -> Iterator[_Listed]:
        folder = f"locks/{self._name}/"
        for stored in self._provider.list(folder):
            number = stored.name.removeprefix(folder)
            # A name is input from outside: Python itself refuses to convert a number of thousands of digits.
            if len(number) <= _DIGITS and number.isascii() and number.isdigit() and int(number) <= MAX_EPOCH:
                yield _Listed(int(number), stored.size, stored.name)

    def _delete(self, epoch: int) -> None:
        self._delete_names([self._object(epoch)])

    def _delete_names(self, names: Iterable[str]) -> None:
        for name in names:
            with contextlib.suppress(StorageError):  # the next renewal tries again
                self._provider.delete(name)

    def _write(self, epoch: int, body: bytes) -> None:
        self._provider.put(self._object(epoch), body)

    def _object(self, epoch: int) -> str:
        return f"locks/{self._name}/{epoch:0{_DIGITS}d}"
