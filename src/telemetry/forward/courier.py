"""Brings batches to a target: in order, again and again until they are acknowledged, without what it refuses for good."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Protocol

from telemetry.exceptions import StorageError, TargetAwayError, TargetError, TargetRefusedError, TelemetryError
from telemetry.forward.counts import ForwardTally, State
from telemetry.forward.dead_letters import DeadLetters
from telemetry.forward.delivery import Batch, BatchRefusedError, Parcel, PartlyRefusedError, Patience, Refusal, Target
from telemetry.system.backoff import Backoff

logger = logging.getLogger("telemetry.forward")

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_LONGEST_RETRY_AFTER = 3_600.0
_LOG_SECONDS = 60.0
_STEP_SECONDS = 0.5


class Prober(Protocol):
    """Creates the event that asks a target whether it accepts anything at all."""

    def probe(self) -> Parcel:
        """Return a new one."""


class Courier:
    """Delivers batches to one target.

    Args:
        target: The target.
        letters: Keeps what it refuses for good.
        prober: Creates probes.
        tally: Counts.
    """

    def __init__(self, target: Target, *, letters: DeadLetters, prober: Prober, tally: ForwardTally) -> None:
        self._target = target
        self._letters = letters
        self._prober = prober
        self._tally = tally
        self._backoff = Backoff(first=_FIRST_WAIT, longest=_LONGEST_WAIT)
        self._next_line = 0.0

    def deliver(self, batches: Sequence[Batch], patience: Patience) -> bool:
        """Bring batches to the target, and return once each of their parcels was acknowledged or is a dead letter.

        Nothing is passed over while the target is away or refuses everything: then all of them are sent again, in their
        order, so that what the target sees of a partition is in order, apart from repeats.

        Returns:
            False if ``patience`` ended before; then nothing is known of these batches.
        """
        while True:
            try:
                refused = self._try(batches, patience)
                self._letters.keep([Refusal(parcel.raw, reason) for parcel, reason in refused])
            except (TargetError, StorageError) as exc:
                if self._wait(exc, patience):
                    return False
                continue
            self._succeeded(batches, len(refused))
            return True

    def _try(self, batches: Sequence[Batch], patience: Patience) -> list[tuple[Parcel, str]]:
        """Send everything once; return what was refused for good.

        1. Each batch is sent; one that is refused is sent in halves, down to the event that is the reason.
        2. The target acknowledges what it has accepted.
        3. If it accepted nothing, a probe finds out whether it is the events' fault.
        """
        refused: list[tuple[Parcel, str]] = []
        # 1.
        for batch in batches:
            self._send(batch, refused)
        # 2.
        self._target.settle(patience)
        # 3.
        if refused and len(refused) >= sum(map(len, batches)):
            self._probe(refused[0][1], patience)
        return refused

    def _send(self, batch: Batch, refused: list[tuple[Parcel, str]]) -> None:
        try:
            self._target.send(batch)
        except PartlyRefusedError as exc:
            # Which ones is not said, and what was accepted must not be sent again: all of them are kept.
            refused.extend((parcel, exc.reason) for parcel in batch)
        except BatchRefusedError as exc:
            if len(batch) == 1:
                refused.append((batch[0], exc.reason))
                return
            middle = len(batch) // 2
            self._send(batch[:middle], refused)
            self._send(batch[middle:], refused)

    def _probe(self, reason: str, patience: Patience) -> None:
        try:
            self._target.send([self._prober.probe()])
            self._target.settle(patience)
        except BatchRefusedError as exc:
            message = (
                f"the target refuses every event, a probe without content too: {exc.reason} (an event: {reason}); check "
                "its URL, its settings and --schema"
            )
            raise TargetRefusedError(message) from exc

    def _wait(self, error: TelemetryError, patience: Patience) -> bool:
        """Wait for the next attempt; return whether to give up."""
        is_refusal = isinstance(error, TargetRefusedError)
        self._tally.failed(str(error), State.REFUSED if is_refusal else State.AWAY)
        if time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LOG_SECONDS
            logger.error("nothing is forwarded, trying again: %s", error)
        wait = self._backoff.next()
        asked = error.retry_after if isinstance(error, TargetAwayError) else None
        if asked is not None:
            wait = max(wait, min(asked, _LONGEST_RETRY_AFTER))
        while wait > 0:
            step = min(wait, _STEP_SECONDS)
            if patience.pause(step):
                return True
            wait -= step
        return False

    def _succeeded(self, batches: Sequence[Batch], refused: int) -> None:
        total = sum(map(len, batches))
        size = sum(len(parcel.content) for batch in batches for parcel in batch)
        self._tally.add(forwarded=total - refused, batches=len(batches), size=size, refused=refused)
        if self._backoff.reset():
            self._next_line = 0.0
            logger.warning("the target accepts events again")
        self._tally.enter(State.FORWARDING)
