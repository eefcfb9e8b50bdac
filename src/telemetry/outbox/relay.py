"""Relays the outbox of a database to Kafka in a thread, as one of several relays of which one works at a time."""

from __future__ import annotations

import logging
import os
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from telemetry.exceptions import LifecycleError, OutboxError, TelemetryError
from telemetry.outbox.database import OutboxDatabase
from telemetry.outbox.opening import open_database
from telemetry.outbox.relay_counts import RelayCounts, RelayTally
from telemetry.outbox.relay_metrics import RelayMetrics
from telemetry.outbox.relay_pass import Patience, RelayPass
from telemetry.outbox.schema import DEFAULT_TABLE
from telemetry.system.backoff import Backoff
from telemetry.system.worker import Worker

if TYPE_CHECKING:
    from telemetry.client import Telemetry

logger = logging.getLogger("telemetry.outbox")

_STOP_SECONDS = 10.0
_TAKEOVER_SECONDS = 2.0
"""How often a relay that is not the leader asks whether the leader is gone."""
_OBSERVE_SECONDS = 10.0
_LOG_SECONDS = 60.0
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0


class OutboxRelay:
    """Delivers the rows of an outbox, in the order of their ids, and deletes each after its delivery.

    It waits while another relay works on the table, and takes over when that one ends. While database or Kafka are away it
    tries again, for as long as it takes. Start it after ``telemetry``, and stop it before.

    Args:
        telemetry: A started ``Telemetry`` of the service whose events the table holds. It needs no key to seal with.
        database: URL of the database (:func:`telemetry.outbox.open_database`), or a database of your own.
        table: Name of the table, with its schema if it has one; of the URL's database.
        batch_rows: Rows that are on their way at once, at most; together at most 16 MiB and one row.
        poll_seconds: How often it looks for new rows when there were none.
    """

    # attributes: what it was given, its thread, and the parts of its one loop
    def __init__(
        self,
        telemetry: Telemetry,
        database: str | OutboxDatabase,
        *,
        table: str = DEFAULT_TABLE,
        batch_rows: int = 500,
        poll_seconds: float = 1.0,
    ) -> None:
        self._database = open_database(database, table=table) if isinstance(database, str) else database
        self._batch_rows = batch_rows
        self._poll_seconds = poll_seconds
        self._patience = Patience()
        self._tally = RelayTally()
        self._metrics = RelayMetrics(self._tally, table=table)
        self._pass = RelayPass(telemetry.audit, database=self._database, tally=self._tally, patience=self._patience)
        self._backoff = Backoff(first=_FIRST_WAIT, longest=_LONGEST_WAIT)
        self._worker: Worker | None = None
        self._pid = os.getpid()
        self._next_look = self._next_line = 0.0

    @property
    def counts(self) -> RelayCounts:
        """What it has done, and what is left to do."""
        return self._tally.snapshot()

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs in this process."""
        return self._worker is not None and self._worker.is_alive

    def start(self) -> None:
        """Start the thread ``telemetry-outbox``.

        Raises:
            LifecycleError: It runs already.
        """
        if os.getpid() != self._pid:
            self._database.abandon()
            self._pid = os.getpid()
        elif self.is_alive:
            message = "the relay runs already"
            raise LifecycleError(message)
        self._patience.reset()
        self._metrics.begin()
        self._worker = Worker("telemetry-outbox", self._run)
        self._worker.start()

    def stop(self, timeout: float = _STOP_SECONDS) -> bool:
        """Wait for the deliveries of the present batch, delete their rows, and let another relay take over.

        Args:
            timeout: Limit in seconds. Rows that are not delivered by then stay, and are sent again by the next relay.

        Returns:
            Whether the thread has ended.
        """
        if self._worker is None or os.getpid() != self._pid:
            return True
        self._patience.limit(timeout)
        return self._worker.stop(timeout + _STOP_SECONDS)

    def wake(self) -> None:
        """Have it look for new rows now; an application may call this after a commit."""
        if self._worker is not None:
            self._worker.wake()

    def drain(self, *, timeout: float) -> RelayCounts:
        """Relay everything that is in the table now, in the caller's thread, and return.

        Args:
            timeout: Limit for the delivery of the last batch, in seconds.

        Returns:
            The counts; ``waiting`` is what was left.

        Raises:
            OutboxError: Another relay works on the table, or the database did not answer.
            TelemetryError: A row could not be sent.
        """
        try:
            if not self._database.acquire():
                message = "another relay works on this table"
                raise OutboxError(message)
            self._tally.leads(is_leader=True)
            self._patience.limit(timeout)
            while self._pass.run(self._batch_rows) and self._patience.left:
                self._patience.limit(timeout)
            self._tally.observed(self._database.backlog())
        finally:
            self._tally.leads(is_leader=False)
            self._database.close()
        return self.counts

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        worker = self._worker
        while worker is not None and not worker.is_stopping:
            try:
                pause = self._step()
            except Exception as exc:  # noqa: BLE001 - a fault of a driver must not end the only relay
                pause = self._failed(exc)
            worker.pause(pause)
        self._tally.leads(is_leader=False)
        self._metrics.end()
        self._database.close()

    def _step(self) -> float:
        """Do one round, and return the seconds until the next."""
        is_leader = self._database.acquire()
        if is_leader != self.counts.is_leader:
            logger.info("this relay is %s", "the leader of its outbox now" if is_leader else "no longer the leader")
        self._tally.leads(is_leader=is_leader)
        if not is_leader:
            # A database has few connections to spare.
            self._database.close()
            return _TAKEOVER_SECONDS
        rows = self._pass.run(self._batch_rows)
        if self._backoff.reset():
            logger.info("the outbox is relayed again")
        if time.monotonic() >= self._next_look:
            self._tally.observed(self._database.backlog())
            self._next_look = time.monotonic() + _OBSERVE_SECONDS
        return 0.0 if rows else self._poll_seconds

    def _failed(self, error: Exception) -> float:
        self._tally.failed(error)
        if isinstance(error, OutboxError):
            self._database.close()
            self._tally.leads(is_leader=False)
        wait = self._backoff.next()
        if time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LOG_SECONDS
            # The text of an error of another library may hold a row.
            known = isinstance(error, TelemetryError)
            logger.error("the outbox is not relayed, trying again: %s", error if known else type(error).__name__)
        return wait
