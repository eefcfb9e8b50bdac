"""Verifies a share of the producers of an archive, so that several processes verify one trail."""

from __future__ import annotations

from collections.abc import Container

from telemetry.exceptions import MalformedRecordError
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.value.head import parse_head, parse_loosely
from telemetry.format.value.message import SEQUENCE
from telemetry.reader.entry import RawRecord
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.shared.order_watch import OrderWatch
from telemetry.reader.verify.streams import Streams
from telemetry.reader.verify.verifier import MAX_HELD_EVENTS, MAX_REMEMBERED, Verifier
from telemetry.reader.verify.witnessed.witnessed_trail import WitnessedTrail

MAX_STRAYS = 4_096
"""Records of other shares' producers that are kept; with more of them, everything is verified in one process."""
MAX_STRAY_BYTES = 32 << 20


class ShareVerifier(Verifier):
    """A verifier of some producers, which are all that it is responsible for.

    Nothing but the value of a record says whose it is: the archive's columns can be wrong. A record of a producer that this
    share does not have is a stray, which is kept for the share that has it.

    Args:
        policy: Who may sign what.
        producers: The producers of the share; None for all.
        is_in_order_of_places: The records are given in the order of their places, as from a topic; otherwise in that of
            their sequences, and their order is watched.
        witnessed: What witnesses saw of the trail.

    Attributes:
        strays: Records of producers that other shares have.
        has_too_many_strays: There were more of them than are kept.
    """

    def __init__(
        self,
        policy: TrustPolicy,
        *,
        producers: Container[str] | None = None,
        is_in_order_of_places: bool = False,
        witnessed: WitnessedTrail | None = None,
    ) -> None:
        super().__init__(policy, witnessed=witnessed)
        self.strays: list[RawRecord] = []
        self.has_too_many_strays = False
        self._stray_bytes = 0
        self._producers = producers
        self._watch: OrderWatch | None = None
        if not is_in_order_of_places:
            self._watch = OrderWatch()
            self._streams = Streams(
                held_events=MAX_HELD_EVENTS, remembered=MAX_REMEMBERED, keys=policy.candidates(), order=self._watch
            )

    def disordered(self) -> frozenset[str]:
        """Return the producers whose records have to be read in the order of their places."""
        if self._watch is None:
            return frozenset()
        numbers = self._watch.disordered
        streams = (*self._streams.trusted.values(), *self._streams.young.values())
        return frozenset(stream.producer for stream in streams if stream.number in numbers)

    def _observe_new_head(self, record: RawRecord, value: bytes, head_end: int) -> None:
        if self._producers is not None:
            producer = _claimed_producer(value, head_end)
            if producer is not None and producer not in self._producers:
                self._keep_stray(record)
                return
        super()._observe_new_head(record, value, head_end)

    def _keep_stray(self, record: RawRecord) -> None:
        self._records -= 1
        self._stray_bytes += len(record.value or b"")
        if len(self.strays) >= MAX_STRAYS or self._stray_bytes > MAX_STRAY_BYTES:
            self.has_too_many_strays = True
            return
        self.strays.append(record)


def claimed_producer(record: RawRecord) -> str | None:
    """Return the producer that a record's value names; None where it names none."""
    value = record.value or b""
    return _claimed_producer(value, value.find(SEQUENCE))


def _claimed_producer(value: bytes, head_end: int) -> str | None:
    try:
        message = decode_checkpoint_message(value)
        if message is not None:
            return message.producer
        return parse_head(value, head_end)["producer"]
    except MalformedRecordError:
        loose = parse_loosely(value)
        return None if loose is None else loose.producer
