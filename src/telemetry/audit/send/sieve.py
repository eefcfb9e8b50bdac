"""Finds the records that are too large for the topic, and sends all others, without leaving Kafka."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.halving import Halving
from telemetry.audit.send.sender_link import SenderLink
from telemetry.audit.send.transport import KafkaTransport
from telemetry.exceptions import RecordTooLargeError, TransportError

logger = logging.getLogger("telemetry.audit")

_TELL_SECONDS = 60.0
_UNREACHABLE = "no connection to Kafka can be opened"


class Sifted(NamedTuple):
    """What became of records that were sifted.

    Attributes:
        transport: The transport to go on with; None where Kafka failed for another reason meanwhile.
        error: That reason.
        rest: The records that Kafka has not acknowledged then, in order.
        too_large: The records that the topic does not accept, in order.
    """

    transport: KafkaTransport | None
    error: TransportError | None
    rest: list[SealedRecord]
    too_large: list[SealedRecord]


class Sieve:
    """Sends records in halves, since a refusal concerns a whole batch and ends the transport.

    A record that is refused alone is too large. Everything is sent in order: what comes after a part is sent when the part
    is acknowledged or rejected.

    Args:
        link: Opens transports.
        headers: Headers of each batch.
    """

    def __init__(self, link: SenderLink, headers: Iterator[list[tuple[str, bytes]]]) -> None:
        self._link = link
        self._headers = headers
        self._tell_at = 0.0

    def sift(self, records: Sequence[SealedRecord]) -> Sifted:
        """Send the records that a transport took back after the topic refused a batch as too large."""
        sifted = self._sent_in_parts(records)
        if sifted.error is None and not sifted.too_large and time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + _TELL_SECONDS
            logger.error(
                "the topic refused a batch as too large, though it accepts each of its records; all of them were sent, but "
                "slowly: raise the topic's max.message.bytes, or lower batch_size_kb"
            )
        return sifted

    def _sent_in_parts(self, records: Sequence[SealedRecord]) -> Sifted:
        halving = Halving(records)
        transport: KafkaTransport | None = None
        for part in halving:
            if transport is None:  # one without outstanding records has the length 0, and is false
                transport = self._link.try_open()
            if transport is None:
                return Sifted(None, TransportError(_UNREACHABLE), [*part, *halving.rest()], halving.refused)
            for record in part:
                record.forget_report()
            transport.send(part, headers=next(self._headers))
            if transport.wait_for(part):
                continue
            error = transport.failure or TransportError(_UNREACHABLE)
            left = transport.take_back()
            transport = None
            if not isinstance(error, RecordTooLargeError):
                return Sifted(None, error, [*left, *halving.rest()], halving.refused)
            halving.refuse(left)
        if transport is None:
            transport = self._link.try_open()
        return Sifted(transport, None if transport is not None else TransportError(_UNREACHABLE), [], halving.refused)
