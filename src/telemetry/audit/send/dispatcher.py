"""Decides, batch by batch, whether records go to Kafka or to the fallback, and never lets one overtake another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from telemetry.audit.detour import Detour
from telemetry.audit.ledger import Ledger
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batcher import AuditBatcher
from telemetry.audit.send.transport import KafkaTransport, TransportOpener
from telemetry.exceptions import ConfigurationError, TransportError
from telemetry.format.value.message import BATCH_HEADER
from telemetry.kafka.errors import reason_of
from telemetry.system.backoff import Backoff

logger = logging.getLogger("telemetry.audit")

_TICK_SECONDS = 0.25
_PACE_SECONDS = 0.005
"""As long as Kafka's client lingers itself."""
_MANY = 256
_RENEW_SECONDS = 10.0
_MAX_OUTSTANDING = 20_000
_BACKLOG = "backlog"


class Dispatcher:
    """The sender thread. It is in one of two states.

    Direct: batches go to Kafka. On the first failure all that is outstanding is taken back, in order, and the state is
    diverted: everything goes to the detour, behind what is there. When the detour is drained and Kafka answers, what
    the detour still has in memory is sent first and the state is direct again. So records of a key keep their order.

    Args:
        sender: UUIDv7 of this process's stream; batches are numbered under it, also those of adopted records.
        batcher: Where batches come from.
        ledger: Settles records.
        detour: Fallback handler, or held records.
        make_transport: Opens a Kafka transport.
        on_diverted: Told when the state changes: whether diverted, and why.
        on_batch: Called with each batch; returns records to send behind it, such as checkpoints.
        certificates: Returns another value once certificate files were replaced.
        explain: Told why Kafka took no more records; looks for the cause without blocking.
        longest_pause: Seconds for which a Kafka that answers and yet took no record is left alone, at most.
    """

    def __init__(
        self,
        *,
        sender: str,
        batcher: AuditBatcher,
        ledger: Ledger,
        detour: Detour,
        make_transport: TransportOpener,
        on_diverted: Callable[[bool, str], None],
        on_batch: Callable[[list[SealedRecord]], Iterable[SealedRecord]],
        certificates: Callable[[], bytes] = bytes,
        explain: Callable[[TransportError], None] | None = None,
        longest_pause: float = 60.0,
    ) -> None:
        self._sender = sender.encode()
        self._batcher = batcher
        self._ledger = ledger
        self._detour = detour
        self._make_transport = make_transport
        self._on_diverted = on_diverted
        self._on_batch = on_batch
        self._certificates = certificates
        self._opened_with = b""
        self._explain = explain
        self._transport: KafkaTransport | None = None
        self._adopted: Iterator[list[SealedRecord]] = iter(())
        self._batches = 0
        # What only the sender has, for a shutdown that cannot wait for it.
        self._batch: list[SealedRecord] = []
        self._in_hand: list[SealedRecord] = []
        self._leaving: list[SealedRecord] = []
        self._pause = threading.Event()
        self._reason = ""
        self._ready = False
        self._backoff = Backoff(first=1.0, longest=longest_pause)
        self._restore_at = 0.0
        self._stop_at: float | None = None
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry-sender", daemon=True)

    @property
    def is_diverted(self) -> bool:
        """Whether records go to the detour."""
        return self._transport is None

    @property
    def oldest(self) -> float | None:
        """When the oldest record that Kafka has not acknowledged was sent, in monotonic seconds."""
        transport = self._transport
        return transport.oldest if transport is not None else None

    def start(self, adopted: Iterator[list[SealedRecord]], *, behind_backlog: bool = False) -> None:
        """Begin; the records of dead processes go first.

        Args:
            adopted: These records.
            behind_backlog: The detour waits for the replay of objects that must be on the topic before them.
        """
        self._adopted = adopted
        if behind_backlog:
            self._reason = _BACKLOG
            self._on_diverted(True, _BACKLOG)  # noqa: FBT003 - the callback's one meaning
        else:
            self._transport = self._open()
        self._thread.start()

    def delivered(self, records: list[SealedRecord]) -> None:
        """Settle records that Kafka acknowledged; runs in the polling thread."""
        self._ledger.delivered(records)

    def transport_failed(self) -> None:
        """Wake the sender, which then finds the failure; runs in the polling thread."""
        self._batcher.wake()

    def kafka_is_ready(self) -> None:
        """Take note that Kafka answers and that the detour's objects are replayed."""
        self._ready = True
        self._batcher.wake()

    def drain(self, *, kafka_seconds: float, total_seconds: float) -> list[SealedRecord]:
        """Send what is there, store what Kafka does not take in time, end; return what is not safe anywhere."""
        now = time.monotonic()
        self._stop_at = now + kafka_seconds
        self._batcher.wake()
        self._thread.join(min(kafka_seconds + _TICK_SECONDS, total_seconds))
        stuck = self._stop_waiting(total_seconds - kafka_seconds) if self._thread.is_alive() else []
        self._detour.flush(max(now + total_seconds - time.monotonic(), 0.5))
        left = [*stuck, *self._detour.close(), *self._batcher.take_all()]
        # A sender that still runs may have handed on meanwhile what it was asked for.
        return list({id(record): record for record in left}.values())

    def _stop_waiting(self, timeout: float) -> list[SealedRecord]:
        """Make a sender that waits for Kafka's client take back what is there; return what it has if it does not."""
        transport = self._transport
        if transport is not None:
            transport.fail(TransportError("Kafka did not acknowledge everything before the shutdown"))
        self._thread.join(timeout)
        if not self._thread.is_alive():
            return []
        logger.error("the sender did not end in time")
        # Along the way of the records, so that none slips by from a place not yet looked at to one already looked at.
        queued, batch = self._batcher.take_all(), self._batch
        transport = self._transport
        outstanding = transport.outstanding() if transport is not None else []
        return [*outstanding, *self._leaving, *self._in_hand, *batch, *queued]

    def _open(self) -> KafkaTransport:
        self._opened_with = self._certificates()
        return self._make_transport(self, name="telemetry-poller")

    def _run(self) -> None:
        try:
            self._send_all_adopted()
            while self._stop_at is None:
                records = self._batcher.take(_TICK_SECONDS)
                self._step(records)
                if records and len(self._batcher) < _MANY:
                    # Let records gather: a thread switch for each of them would cost more than sealing does.
                    time.sleep(_PACE_SECONDS)
            self._step(self._batcher.take_all())
            self._finish()
        except Exception:
            logger.exception("the sender failed; events stay in memory and in the spool")
            raise

    def _step(self, records: list[SealedRecord]) -> None:
        extra: Iterable[SealedRecord] = ()
        self._batch = records
        try:
            self._look_around()
            extra = self._on_batch(records)
        except Exception:
            # Whatever it was: the records in hand must go on.
            logger.exception("the sender met an error and goes on")
        self._forward([*records, *extra] if extra else records)

    def _look_around(self) -> None:
        if self._transport is not None and self._transport.failure is not None:
            self._divert(self._transport.failure)
        if self._ready:
            self._restore()
        if self._certificates() != self._opened_with:
            self._renew()

    def _forward(self, records: list[SealedRecord]) -> None:
        if not records:
            return
        transport, self._in_hand = self._transport, records
        if transport is None:
            self._detour.add(records, reason=self._reason)
            return
        self._batches += 1
        transport.send(records, headers=[(BATCH_HEADER, b"%b-%d" % (self._sender, self._batches))])

    def _divert(self, error: TransportError) -> None:
        transport = self._transport
        if transport is None:
            return
        self._leaving = transport.outstanding()
        self._transport = None
        self._ready = False
        if transport.has_delivered:
            self._backoff.reset()
        # Kafka may answer every question and yet take no record: then it is asked less and less often.
        self._restore_at = 0.0 if transport.has_delivered else time.monotonic() + self._backoff.next()
        self._reason = reason_of(error)
        self._ledger.send_failed(error)
        rest = transport.take_back()
        logger.error("Kafka does not take events, they are kept elsewhere: %s", error)
        self._detour.add(rest, reason=self._reason)
        self._leaving = []
        self._on_diverted(True, self._reason)  # noqa: FBT003 - the callback's one meaning
        if self._explain is not None:
            self._explain(error)

    def _renew(self) -> None:
        """Connect anew with certificate files that were replaced, once all that was sent before is acknowledged."""
        transport = self._transport
        if transport is None or not transport.wait_empty(_RENEW_SECONDS):
            return
        fresh = self._open_or_none()
        if fresh is None:
            return
        self._transport = fresh
        transport.close()
        logger.info("certificate files were replaced; the connection to Kafka uses the new ones")

    def _open_or_none(self) -> KafkaTransport | None:
        try:
            return self._open()
        except ConfigurationError as exc:
            logger.error("no connection to Kafka can be opened, it is tried again: %s", exc)  # noqa: TRY400 - the message says all
            return None

    def _restore(self) -> None:
        if self._transport is None and time.monotonic() < self._restore_at:
            return
        self._ready = False
        if self._transport is not None:
            return
        transport = self._open_or_none()
        if transport is None:
            return
        records = self._detour.take_back()
        if records is None:
            transport.close()
            return
        self._in_hand = records
        self._transport = transport
        logger.warning("Kafka takes events again")
        self._on_diverted(False, "")  # noqa: FBT003 - the callback's one meaning
        self._forward(records)

    def _send_all_adopted(self) -> None:
        try:
            self._send_adopted()
        except Exception:
            logger.exception("what dead processes left cannot be read to its end; the next start tries again")

    def _send_adopted(self) -> None:
        for records in self._adopted:
            self._step(records)
            self._wait_for_room()
            if self._is_late():
                return

    def _wait_for_room(self) -> None:
        """Read no more of the dead processes' segments than memory is meant to hold."""
        while not self._is_late():
            transport = self._transport
            if (len(self._detour) if transport is None else len(transport)) <= _MAX_OUTSTANDING:
                return
            if transport is None:
                self._pause.wait(_TICK_SECONDS)
            else:
                transport.wait_empty(_TICK_SECONDS)
            self._step([])

    def _is_late(self) -> bool:
        return self._stop_at is not None and time.monotonic() > self._stop_at

    def _finish(self) -> None:
        """Wait for Kafka as long as the drain allows; then take back the rest for the detour."""
        transport = self._transport
        if transport is None:
            return
        wait = (self._stop_at or 0.0) - time.monotonic()
        if transport.wait_empty(max(wait, 0.0)):
            transport.close()
            return
        error = transport.failure or TransportError("Kafka did not acknowledge everything before the shutdown")
        self._divert(error)
