"""Forwards one reading of a trail: from the opening, which is recorded in it, to a signal, an outage, or the end of the topic."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from telemetry.exceptions import (
    ConflictError,
    EncryptionError,
    KeyAccessDeniedError,
    KeyMismatchError,
    KeyServiceError,
    KeyThrottledError,
    KeyUnreachableError,
    TelemetryError,
)
from telemetry.forward.counts import ForwardTally
from telemetry.forward.courier import Courier
from telemetry.forward.dead_letters import DeadLetters
from telemetry.forward.delivery import Batch, Parcel, Patience, Refusal, Target
from telemetry.forward.entry_pump import EntryPump
from telemetry.forward.lanes import BatchLimits, Lanes
from telemetry.forward.rendering import Rendering
from telemetry.reader.entry import DamagedRecord, Entry, OpenedEvent, SealedEntry
from telemetry.reader.trust.policy import READER_SERVICE

logger = logging.getLogger("telemetry.forward")

RECORD_SECONDS = 24 * 3_600.0
"""How often a read that goes on is recorded again."""

MAX_DOUBTFUL = 10_000
"""Events that cannot be opened before any other was: with more of them this reader has another key than the trail."""

_TAKE_SECONDS = 0.2
_KEY_OUTAGE = (KeyAccessDeniedError, KeyThrottledError, KeyUnreachableError)
"""The key service is away, or refuses this reader everything: waiting helps, and passing events over would lose them."""


class OpenTrail(Protocol):
    """A trail that is open, as :class:`telemetry.trail.trail.Trail` is."""

    @property
    def filtered(self) -> int:
        """How many events the filter kept out."""

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries."""

    def confirm(self, entry: Entry) -> None:
        """Say that an entry was used."""

    def record_read(self) -> None:
        """Record the read in the trail."""

    def stop(self) -> None:
        """End the entries soon."""


class TrailOpening(Protocol):
    """Opens the trail where the group has stopped."""

    def open(self) -> AbstractContextManager[OpenTrail]:
        """Return the trail; entering it records the read, durably, before anything is opened."""


class Guard(Patience, Protocol):
    """Says whether a session goes on."""

    @property
    def is_ending(self) -> bool:
        """Whether to read nothing more, and to finish what is in hand."""

    @property
    def lag(self) -> int | None:
        """Records of the topic that are not forwarded."""

    @property
    def lost(self) -> int:
        """Records that the topic deleted before they were forwarded."""


class Forwarding:
    """What all sessions of a forwarder have in common.

    Attributes:
        target: Where events go.
        rendering: In which form.
        courier: Brings them there.
        letters: Keeps what cannot be forwarded.
        limits: When a batch is complete.
        tally: Counts.
        has_opened: Whether an event of a service was opened: then the key is the right one.
    """

    def __init__(
        self,
        target: Target,
        *,
        rendering: Rendering,
        courier: Courier,
        letters: DeadLetters,
        limits: BatchLimits,
        tally: ForwardTally,
    ) -> None:
        self.target = target
        self.rendering = rendering
        self.courier = courier
        self.letters = letters
        self.limits = limits
        self.tally = tally
        self.has_opened = False

    def opened(self) -> None:
        """Note that an event of a service was opened."""
        self.has_opened = True


class Session:
    """Forwards the entries of one open trail.

    Args:
        forwarding: What it works with.
        trail: The open trail.
        guard: Says when to end.
    """

    def __init__(self, forwarding: Forwarding, trail: OpenTrail, guard: Guard) -> None:
        self._common = forwarding
        self._trail = trail
        self._guard = guard
        self._lanes = Lanes(forwarding.limits)
        self._ready: deque[Batch] = deque()
        # Times of arrival of the parcels in hand, by the identity of their entries, in the order in which they came.
        self._in_hand: dict[int, float] = {}
        self._filtered = 0
        self._doubtful: list[DamagedRecord] = []
        self._record_at = time.monotonic() + RECORD_SECONDS

    def run(self) -> None:
        """Forward until the guard says so, or until the entries end.

        Raises:
            KeyServiceError: The key service is away: what comes next must be read again.
            TelemetryError: Reading failed, or the read could not be recorded.
        """
        with EntryPump(self._trail) as pump:
            try:
                while not self._guard.is_ending and not pump.is_ended:
                    self._take(pump)
                    self._ready.extend(self._lanes.due())
                    if self._ready and not self._deliver():
                        return
                    self._observe()
                self._finish()
            finally:
                # The thread may wait for the source.
                self._trail.stop()

    def _take(self, pump: EntryPump) -> None:
        """Take entries until a window is full or a batch is due."""
        while len(self._ready) < self._common.target.window and self._ready_bytes() < self._common.limits.total:
            wait = self._lanes.seconds_to_next()
            try:
                entry = pump.take(_TAKE_SECONDS if wait is None else min(wait, _TAKE_SECONDS))
                if entry is not None:
                    self._accept(entry)
            except TelemetryError:
                # The reading broke off; what was read before is forwarded first.
                self._finish()
                raise
            if entry is None or wait == 0:
                return

    def _ready_bytes(self) -> int:
        # A batch is at most so large, or one event: its parcels need not be counted.
        return len(self._ready) * self._common.limits.size

    def _accept(self, entry: Entry) -> None:
        if isinstance(entry, DamagedRecord):
            self._pass_over(entry)
            return
        try:
            parcel = self._common.rendering.parcel(entry, self._common.target)
        except ValueError:
            self._refuse(entry, "it does not fit the schema")
            return
        if parcel is None:
            if isinstance(entry, SealedEntry):
                self._keep_unopened(entry, "this forwarder has no key")
            self._trail.confirm(entry)
            return
        if isinstance(entry, OpenedEvent) and entry.sealed and entry.event.service_name != READER_SERVICE:
            self._common.opened()
            self._judge_doubtful()
        self._in_hand[id(entry)] = entry.raw.timestamp or time.time()
        self._ready.extend(self._lanes.add(parcel))

    def _pass_over(self, entry: DamagedRecord) -> None:
        """Leave out what cannot be forwarded, after it was counted and kept; an outage of the key service is none of that.

        1. While the key service is away nothing is passed over.
        2. Nor is anything before an event was opened: this reader may have the wrong key.
        3. Of a conflict the event itself was forwarded, or is about to be: only that is confirmed.
        """
        error = entry.error
        # 1.
        if isinstance(error, _KEY_OUTAGE):
            raise error
        # 2.
        if isinstance(error, EncryptionError) and not self._common.has_opened:
            self._doubtful.append(entry)
            if len(self._doubtful) > MAX_DOUBTFUL:
                message = (
                    f"none of {MAX_DOUBTFUL} events could be opened: this reader has another key than the trail. If theirs was"
                    " destroyed, begin after them with --since and another --group"
                )
                raise EncryptionError(message)
            return
        self._leave_out(entry)
        # 3.
        if not isinstance(error, ConflictError):
            self._trail.confirm(entry)

    def _leave_out(self, entry: DamagedRecord) -> None:
        """Count and log a record; one that lacks its data key is kept, because the key may come back."""
        error = entry.error
        if isinstance(error, EncryptionError) and not isinstance(error, KeyMismatchError):
            self._keep_unopened(entry, type(error).__name__)
        else:
            self._common.tally.add(damaged=1)
            self._common.letters.report(entry.place, error)

    def _judge_doubtful(self) -> None:
        doubtful, self._doubtful = self._doubtful, []
        for entry in doubtful:
            self._leave_out(entry)
            self._trail.confirm(entry)

    def _keep_unopened(self, entry: Entry, reason: str) -> None:
        self._common.tally.add(unopened=1)
        self._common.letters.keep([Refusal(entry.raw, f"it was not opened: {reason}")])

    def _refuse(self, entry: Entry, reason: str) -> None:
        self._common.tally.add(refused=1)
        self._common.letters.keep([Refusal(entry.raw, reason)])
        self._trail.confirm(entry)

    def _deliver(self) -> bool:
        """Deliver the batches that are ready; return whether they were."""
        window: list[Batch] = []
        while self._ready:
            while self._ready and len(window) < self._common.target.window:
                window.append(self._ready.popleft())
            if time.monotonic() >= self._record_at:
                # Before anything else is passed on, and durably.
                self._trail.record_read()
                self._record_at = time.monotonic() + RECORD_SECONDS
            self._observe()
            if not self._common.courier.deliver(window, self._guard):
                return False
            self._confirm(parcel for batch in window for parcel in batch)
            window = []
        return True

    def _confirm(self, parcels: Iterable[Parcel]) -> None:
        for parcel in parcels:
            self._in_hand.pop(id(parcel.entry), None)
            self._trail.confirm(parcel.entry)

    def _finish(self) -> None:
        self._ready.extend(self._lanes.rest())
        self._deliver()
        if self._doubtful:
            logger.error(
                "%d events could not be opened, and no other: they are read again at the next start. Check the key (%s)",
                len(self._doubtful),
                type(self._doubtful[0].error).__name__,
            )
            self._common.tally.add(unopened=len(self._doubtful))
        self._observe()

    def _observe(self) -> None:
        filtered = self._trail.filtered
        self._common.tally.add(filtered=filtered - self._filtered)
        self._filtered = filtered
        self._common.tally.behind(self._guard.lag, lost=self._guard.lost)
        self._common.tally.holds(next(iter(self._in_hand.values()), None))


def is_outage_of_keys(error: Exception) -> bool:
    """Return whether an error is one of the key service, which may be over later."""
    return isinstance(error, KeyServiceError) and isinstance(error, _KEY_OUTAGE)
