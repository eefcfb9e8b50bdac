"""Forwards a trail for a consumer group: waits for its turn, opens the trail, and opens it again after an outage."""

from __future__ import annotations

import logging
import time

from telemetry.exceptions import (
    ReadNotRecordedError,
    StorageError,
    TelemetryError,
    TransportError,
)
from telemetry.forward.counts import ForwardCounts, ForwardTally, State
from telemetry.forward.session import Forwarding, Session, TrailOpening, is_outage_of_keys
from telemetry.forward.turn import Turn
from telemetry.ingest.stop_signals import StopSignals
from telemetry.system.backoff import Backoff
from telemetry.system.deadline import Deadline

logger = logging.getLogger("telemetry.forward")

_STANDBY_SECONDS = 0.3
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_TURN_SECONDS = 15.0
"""How long a forwarder that does not wait for its turn lets the group decide, beside the time after which a member is dead."""


class SessionGuard:
    """Ends a session: at a signal, when another forwarder leads, or when a target stays away for too long.

    Args:
        stop: The signals.
        turn: Says whether it still works.
        tally: What was forwarded.
        timeout: Seconds after a signal in which what is in hand is still tried.
        away: Seconds that a target may be waited for without a signal; None for as long as it takes.
    """

    def __init__(
        self, stop: StopSignals, turn: Turn, tally: ForwardTally, *, timeout: float, away: float | None
    ) -> None:
        self._stop = stop
        self._turn = turn
        self._tally = tally
        self._timeout = timeout
        self._away = away
        self._deadline = Deadline(0.0)
        self._limit: float | None = None
        self._forwarded = 0

    @property
    def is_ending(self) -> bool:
        """Whether to read nothing more."""
        return self._stop.is_asked or not self._turn.leads or self._turn.is_outdated

    @property
    def lag(self) -> int | None:
        """Records of the topic that are not forwarded."""
        return self._turn.lag

    @property
    def lost(self) -> int:
        """Records that the topic deleted before they were forwarded."""
        return self._turn.lost

    def pause(self, seconds: float) -> bool:
        """Wait; return whether to give up."""
        self._tally.behind(self._turn.lag, lost=self._turn.lost)
        if not self._turn.leads:
            return True
        forwarded = self._tally.snapshot().forwarded
        limit = self._timeout if self._stop.is_asked else self._away
        if limit is None:
            self._stop.pause(seconds)
            return False
        if self._limit != limit or forwarded != self._forwarded:
            # The signal came only now, or something was acknowledged since: the time begins anew.
            self._deadline, self._limit, self._forwarded = Deadline(limit), limit, forwarded
        # A signal that came before ends no wait any more.
        time.sleep(min(seconds, self._deadline.remaining))
        return self._deadline.is_over


class Forwarder:
    """Forwards until a signal comes, or once what is on the topic.

    Args:
        forwarding: What it works with.
        opening: Opens the trail.
        turn: Says when it works: the membership in its consumer group.
        stop: The signals.
        timeout: Seconds after a signal in which what is in hand is still tried.
        patience: Seconds in which it must become the one that works; None waits for as long as it takes.
        away: Seconds that a target may be waited for without a signal; None for as long as it takes.
    """

    def __init__(
        self,
        forwarding: Forwarding,
        opening: TrailOpening,
        turn: Turn,
        stop: StopSignals,
        *,
        timeout: float,
        patience: float | None = None,
        away: float | None = None,
    ) -> None:
        self._forwarding = forwarding
        self._tally = forwarding.tally
        self._opening = opening
        self._turn = turn
        self._stop = stop
        self._patience = patience
        self._guard = SessionGuard(stop, turn, self._tally, timeout=timeout, away=away)
        self._backoff = Backoff(first=_FIRST_WAIT, longest=_LONGEST_WAIT)
        self._was_open = False

    def run(self) -> ForwardCounts:
        """Forward; return the counts. A target that is away at the end is their state.

        Raises:
            TelemetryError: The trail could not be opened at the start, or cannot be read on whatever happens.
        """
        with self._turn:
            deadline = Deadline(self._patience + _TURN_SECONDS) if self._patience is not None else None
            while not self._stop.is_asked:
                if not self._turn.wait_to_lead(_STANDBY_SECONDS):
                    self._tally.enter(State.STANDBY)
                    if deadline is not None and deadline.is_over:
                        message = "another forwarder works for this group; end it, or wait until it has ended"
                        raise TransportError(message)
                    continue
                try:
                    self._session()
                except TelemetryError as exc:
                    self._require_passing(exc)
                    self._turn.release()
                    self._stop.pause(self._backoff.next())
                else:
                    self._turn.release()
                    self._backoff.reset()
                    if self._patience is not None and self._turn.leads:
                        break
        return self._ended()

    def _session(self) -> None:
        try:
            with self._opening.open() as trail:
                self._was_open = True
                self._tally.enter(State.FORWARDING)
                Session(self._forwarding, trail, self._guard).run()
        finally:
            self._tally.behind(self._turn.lag, lost=self._turn.lost)
            self._tally.holds(None)

    def _require_passing(self, error: TelemetryError) -> None:
        """Return if an error is an outage that may pass, and the forwarder has worked before.

        Raises:
            TelemetryError: The same.
        """
        is_outage = isinstance(error, (TransportError, StorageError, ReadNotRecordedError)) and error.retriable
        if not self._was_open or self._patience is not None or not (is_outage or is_outage_of_keys(error)):
            raise error
        self._tally.failed(str(error), State.AWAY)
        logger.error("nothing is forwarded, trying again: %s", error)

    def _ended(self) -> ForwardCounts:
        counts = self._tally.snapshot()
        if counts.state not in (State.AWAY, State.REFUSED):
            self._tally.enter(State.ENDED)
        return self._tally.snapshot()
