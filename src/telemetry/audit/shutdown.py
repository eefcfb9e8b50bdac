"""Ends a pipeline in order: Kafka first, then the fallback, then the spool."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from telemetry.audit.accept.intakes import Intakes
from telemetry.audit.ledger import Ledger
from telemetry.audit.record import SealedRecord
from telemetry.audit.replay.worker import RetryWorker
from telemetry.audit.reports import ShutdownReport
from telemetry.audit.self_audit import SelfAudit
from telemetry.audit.send.dispatcher import Dispatcher
from telemetry.audit.spool.adoption import AdoptedSegment
from telemetry.audit.spool.spool import Spool
from telemetry.exceptions import LifecycleError, UndeliveredError
from telemetry.system.deadline import Deadline

logger = logging.getLogger("telemetry.audit")

_WAITING_SHARE = 0.2
_WAITING_SECONDS = 5.0
_POLL_SECONDS = 0.005
_REPLAY_SHARE = 0.2
_REPLAY_SECONDS = 5.0
_SPOOL_SHARE = 0.3
_LEAST_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaTime:
    """How long a shutdown waits for Kafka.

    Attributes:
        seconds: At most this long: after it Kafka is late for the youngest record too.
        share: At most this part of the time that is left; the fallback needs the rest.
    """

    seconds: float
    share: float

    def of(self, left: float) -> float:
        """Return the seconds for Kafka, of those that are left."""
        return min(self.seconds, left * self.share)


class FinalCheckpoints(Protocol):
    """Signs the end of each stream."""

    def expect_end(self) -> None:
        """Sign the final checkpoints as soon as the trees have every accepted event; no more are accepted."""


class Shutdown:
    """Ends a pipeline once, however many threads ask for it.

    Args:
        intake: All intakes, closed first: no event may come after the final checkpoint.
        ledger: Closed before the events that are left are counted.
        self_audit: Logs the end.
        replay: Stopped first, since it competes for Kafka; None where there is no store.
        spool: Keeps the events that neither Kafka nor the fallback accepted; None where there is none.
        adopted: Segments of dead processes.
        checkpointer: Signs the final checkpoint of each stream; None where nothing is signed.
        dispatcher: Drained.
        kafka_time: How long Kafka may take.
        resources: Keys and store, closed at the end.
    """

    def __init__(
        self,
        *,
        intake: Intakes,
        ledger: Ledger,
        self_audit: SelfAudit,
        replay: RetryWorker | None,
        spool: Spool | None,
        adopted: Sequence[AdoptedSegment],
        checkpointer: FinalCheckpoints | None,
        dispatcher: Dispatcher,
        kafka_time: KafkaTime,
        resources: ExitStack,
    ) -> None:
        self._intake = intake
        self._ledger = ledger
        self._self_audit = self_audit
        self._replay = replay
        self._spool = spool
        self._adopted = adopted
        self._checkpointer = checkpointer
        self._dispatcher = dispatcher
        self._kafka_time = kafka_time
        self._resources = resources
        self._lock = threading.Lock()
        self._outcome: ShutdownReport | UndeliveredError | None = None

    @property
    def is_over(self) -> bool:
        """Whether it is done."""
        return self._outcome is not None

    def run(self, timeout: float) -> ShutdownReport:
        """End the pipeline; when called again, return or raise the same as the first time.

        Args:
            timeout: Seconds for all of it.

        Raises:
            UndeliveredError: Accepted events could be kept nowhere.
        """
        with self._lock:
            if self._outcome is None:
                self._outcome = self._end(timeout)
            if isinstance(self._outcome, UndeliveredError):
                raise self._outcome
            return self._outcome

    def _end(self, timeout: float) -> ShutdownReport | UndeliveredError:
        # 1. Log the end, and accept no call after it. Events that wait get a last chance.
        counts = self._ledger.counts
        self._self_audit.stopped(logged=self._intake.accepted, refused=counts.refused)
        self._intake.close(LifecycleError("telemetry is shut down; the event was not logged"))
        timeout -= self._let_waiting_in(timeout)
        self._intake.refuse_waiting()
        left = self._drain(timeout)
        # 5. Settle nothing from here on: what is left is counted now, and a late acknowledgement must not count again.
        self._ledger.close()
        unsettled = [record for record in left if record.receipt is not None and not record.receipt.is_settled]
        # 6. Keep the rest in the spool; an event that is in no segment by then is lost.
        kept, lost = self._keep_in_spool(unsettled)
        report = ShutdownReport(
            delivered=counts.delivered, stored=counts.stored, spooled=len(kept), failed=counts.failed
        )
        # 7. Close store and keys; then fail the receipts of the events that are lost.
        self._resources.close()
        return self._give_up(lost) if lost else report

    def _let_waiting_in(self, timeout: float) -> float:
        """Give the events that wait a part of the time; return how many seconds that took."""
        if not self._intake.waiting:
            return 0.0
        most = min(timeout * _WAITING_SHARE, _WAITING_SECONDS)
        deadline = Deadline(most)
        while self._intake.waiting and not deadline.is_over:
            time.sleep(_POLL_SECONDS)
        return most - deadline.remaining

    def _drain(self, timeout: float) -> list[SealedRecord]:
        """Send and store everything that was accepted; return what is safe nowhere."""
        total = Deadline(timeout)
        # 2. Stop the replay: it competes for Kafka, and what it has not finished is safe in the store.
        if self._replay is not None:
            self._replay.close(min(timeout * _REPLAY_SHARE, _REPLAY_SECONDS))
        # 3. Stop the spool thread; it commits what is there and hands it on.
        if self._spool is not None:
            self._spool.stop(timeout * _SPOOL_SHARE)
        # 4. Drain the sender: everything to Kafka, then what Kafka does not acknowledge in time to the fallback.
        #    All records have left the intake and the spool: the tree is complete as soon
        #    as the sender has seen them.
        if self._checkpointer is not None:
            self._checkpointer.expect_end()
        left = max(total.remaining, _LEAST_SECONDS)
        return self._dispatcher.drain(kafka_seconds=self._kafka_time.of(left), total_seconds=left)

    def _keep_in_spool(self, unsettled: list[SealedRecord]) -> tuple[list[SealedRecord], list[SealedRecord]]:
        """Commit what is in no segment yet, close the segments; return the records that are kept, and those that are not."""
        if self._spool is not None:
            self._spool.save([record for record in unsettled if record.segment is None])
        for segment in self._adopted:
            segment.close()
        if self._spool is not None:
            self._spool.close()
        kept = [record for record in unsettled if record.segment is not None]
        self._ledger.kept(kept)
        return kept, [record for record in unsettled if record.segment is None]

    def _give_up(self, lost: list[SealedRecord]) -> UndeliveredError:
        ids = [record.event_id for record in lost]
        error = UndeliveredError(
            f"{len(ids)} accepted events could be kept nowhere: neither Kafka nor a fallback accepted them",
            count=len(ids),
            event_ids=ids,
        )
        self._ledger.failed(lost, error)
        logger.error("%s", error)
        return error
