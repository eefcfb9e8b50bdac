"""Joins a consumer group, so that one forwarder of it works at a time, and commits its offsets as a member."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from telemetry.config import AuditConfig
from telemetry.exceptions import (
    ConfigurationError,
    Problem,
    TelemetryError,
    TransportAuthorizationError,
    TransportError,
)
from telemetry.kafka.client_log import ClientLog
from telemetry.kafka.errors import transport_error
from telemetry.kafka.green_threads import require_real_threads
from telemetry.kafka.options import consumer_options
from telemetry.system.deadline import Deadline
from telemetry.system.worker import Worker

logger = logging.getLogger("telemetry.kafka")

_POLL_SECONDS = 0.2
_HAND_OVER_SECONDS = 20.0
"""How long a new leader waits for the former one to finish what it has in hand, at most."""
_COMMIT_SECONDS = 15.0
_LOOK_SECONDS = 10.0
_LOOK_TIMEOUT = 5.0
_LOST = frozenset(
    (
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
    )
)
_REMEDIES = {
    KafkaError.INVALID_SESSION_TIMEOUT: (
        "--takeover",
        "give seconds between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms",
    ),
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: (
        "--group",
        "a program of another kind is in this group; choose another name",
    ),
    KafkaError.INVALID_GROUP_ID: ("--group", "choose another name"),
}


class PositionedSource(Protocol):
    """A source that knows how far it was read."""

    def positions(self) -> dict[int, int]:
        """Return the offset after the last record, by partition."""


class Membership:
    """A member of a consumer group. The member that is assigned partition 0 leads: it reads all partitions.

    Partitions are not shared: a checkpoint may be in another partition than the events that it proves. Kafka refuses
    offsets of a member that it holds for dead, so a forwarder that was frozen cannot undo what its successor has committed.

    Args:
        config: How to reach Kafka, and the topic.
        group: The consumer group.
        takeover: Seconds after which Kafka holds a silent member for dead.
    """

    # attributes: the client and its thread, what they share with the thread that forwards, and what they measure
    def __init__(self, config: AuditConfig, *, group: str, takeover: float) -> None:
        require_real_threads()
        self._topic = config.kafka_topic
        self._group = group
        self._timeout = max(config.kafka_timeout_ms / 1_000, 1.0)
        self._last_error: KafkaError | None = None
        self._client_log = ClientLog(logger)
        self._consumer = Consumer(_options(config, group, takeover) | self._callbacks())
        # The callbacks run in the thread of the worker; others read under the lock.
        self._changed = threading.Condition()
        self._leads = False
        self._in_use = False
        self._pending: dict[int, int] = {}
        self._refusal: TelemetryError | None = None
        self._fault: TelemetryError | None = None
        self._committed: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._source: PositionedSource | None = None
        self._lost = 0
        # By partition, up to where deleted records were counted.
        self._lows: dict[int, int] = {}
        self._is_outdated = False
        self._next_look = 0.0
        self._worker = Worker("telemetry-forward-group", self._run)

    def __enter__(self) -> Self:
        """Join the group.

        Raises:
            TransportError: Kafka cannot be reached, or there is no such topic.
        """
        try:
            self._require_topic()
        except TransportError:
            self._consumer.close()
            raise
        self._consumer.subscribe(
            [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )
        self._worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._worker.stop(_COMMIT_SECONDS)
        self._consumer.close()

    @property
    def leads(self) -> bool:
        """Whether this member is the one that works."""
        return self._leads

    @property
    def lag(self) -> int | None:
        """Records of the topic that are not forwarded, checkpoints included; None while it is not known."""
        with self._changed:
            ends, committed = self._ends, self._committed
            return sum(max(ends[each] - committed.get(each, 0), 0) for each in ends) if ends else None

    @property
    def lost(self) -> int:
        """Records that were deleted before they were forwarded, as far as that was seen."""
        return self._lost

    @property
    def is_outdated(self) -> bool:
        """Whether the topic has more partitions than are read: they are read once the trail is opened again."""
        return self._is_outdated

    def wait_to_lead(self, seconds: float) -> bool:
        """Wait until this member leads, and keep that from being passed on before :meth:`release`.

        Args:
            seconds: At most this long.

        Returns:
            Whether it leads.

        Raises:
            TelemetryError: Kafka does not let it join the group.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._leads or self._refusal or self._fault, seconds)
            self._in_use = self._leads
            self._is_outdated = False
            refusal = None if self._leads else self._refusal
            self._refusal = None
        if self._fault is not None:
            raise self._fault
        # While Kafka is away its client tries again, and says so in its log.
        if refusal is not None and not refusal.retriable:
            raise refusal
        return self._in_use

    def release(self) -> None:
        """Let another member lead, if the group has decided so: nothing is in hand any more."""
        with self._changed:
            self._in_use = False
            self._changed.notify_all()

    def watch(self, source: PositionedSource) -> None:
        """Have a source say what was read: that is not lost when the topic deletes it."""
        self._source = source

    def commit(self, offsets: Mapping[int, int], *, waits: bool = False) -> None:
        """Commit offsets soon; those of a member that no longer leads are dropped, and read again by its successor.

        Args:
            offsets: Offset after the last record, by partition.
            waits: Whether to wait for Kafka's answer.

        Raises:
            TransportError: Kafka refuses, or does not answer; only if it waits.
        """
        with self._changed:
            self._pending.update(offsets)
            self._refusal = None
        if waits and offsets:
            self.flush(_COMMIT_SECONDS)

    def flush(self, seconds: float) -> None:
        """Wait until Kafka has what was committed.

        Args:
            seconds: At most this long.

        Raises:
            TransportError: Kafka refuses, or does not answer.
        """
        deadline = Deadline(seconds)
        with self._changed:
            while self._pending and self._leads and not deadline.is_over:
                if self._refusal is not None and not self._refusal.retriable:
                    break
                self._changed.wait(min(deadline.remaining, _POLL_SECONDS))
            refusal = self._refusal if self._pending and self._leads else None
            is_left = bool(self._pending) and self._leads
        if is_left:
            message = f"Kafka did not take the offsets of the group for topic {self._topic!r} in {seconds:g} s"
            raise refusal or TransportError(message)

    def _require_topic(self) -> None:
        try:
            topic = self._consumer.list_topics(self._topic, timeout=self._timeout).topics[self._topic]
        except KafkaException as exc:
            # A time-out says nothing about its cause; what the client reported last does.
            raise transport_error(self._last_error or exc.args[0], self._topic) from exc
        if topic.error is not None:
            raise transport_error(topic.error, self._topic)

    def _error_of(self, error: KafkaError) -> TelemetryError:
        """Return our error for one that concerns the group."""
        reason = f"{error.name()} ({error.str()})"
        if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            message = f"Kafka does not let this principal join the group {self._group!r}: {reason}; allow it READ on the group"
            return TransportAuthorizationError(message)
        if error.code() in _REMEDIES:
            option, remedy = _REMEDIES[error.code()]
            return ConfigurationError(Problem(option, f"Kafka refuses the group {self._group!r}: {reason}", remedy))
        return transport_error(error, self._topic)

    def _note_error(self, error: KafkaError) -> None:
        # The client calls this inside its requests.
        self._last_error = error
        self._client_log.error(error)

    def _callbacks(self) -> dict[str, Any]:
        return {"error_cb": self._note_error, "logger": self._client_log.logger}

    def _run(self) -> None:
        try:
            self._take_part()
        except Exception as exc:  # noqa: BLE001 - without this thread nothing would be committed any more, unnoticed
            reason = exc.args[0].str() if isinstance(exc, KafkaException) else type(exc).__name__
            with self._changed:
                self._leads = False
                self._fault = TransportError(f"the member of group {self._group!r} ended: {reason}; start it again")
                self._changed.notify_all()

    def _take_part(self) -> None:
        while not self._worker.is_stopping:
            # Nothing is fetched: a record can only be one that arrived before its partition was paused.
            message = self._consumer.poll(_POLL_SECONDS)
            error = None if message is None else message.error()
            if error is not None:
                self._refused(self._error_of(error))
            self._commit_pending()
            if self._leads and time.monotonic() >= self._next_look:
                self._look()
                self._next_look = time.monotonic() + _LOOK_SECONDS
        self._commit_pending()

    def _refused(self, refusal: TelemetryError) -> None:
        with self._changed:
            self._refusal = refusal
            self._changed.notify_all()

    def _commit_pending(self) -> None:
        with self._changed:
            offsets = dict(self._pending) if self._leads else {}
            if not self._leads:
                self._pending.clear()
        if not offsets:
            return
        places = [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
        try:
            answers = self._consumer.commit(offsets=places, asynchronous=False) or []
            error = next((each.error for each in answers if each.error is not None), None)
        except KafkaException as exc:
            error = exc.args[0]
        if error is not None and error.code() in _LOST:
            # The group is deciding anew; whether this member still leads is known after that.
            return
        if error is not None:
            self._refused(self._error_of(error))
            return
        with self._changed:
            self._committed |= offsets
            for partition, offset in offsets.items():
                if self._pending.get(partition) == offset:
                    del self._pending[partition]
            self._changed.notify_all()

    def _look(self) -> None:
        """Ask where the partitions begin and end, and whether there are more of them."""
        with self._changed:
            committed = dict(self._committed)
        ends = {}
        read = self._source.positions() if self._source is not None else {}
        try:
            known = self._consumer.list_topics(self._topic, timeout=_LOOK_TIMEOUT).topics[self._topic].partitions
            for partition, offset in committed.items():
                place = TopicPartition(self._topic, partition)
                low, ends[partition] = self._consumer.get_watermark_offsets(place, timeout=_LOOK_TIMEOUT)
                self._count_lost(partition, max(offset, read.get(partition, 0)), low)
        except KafkaException as exc:
            logger.debug("the ends of the partitions are not known: %s", exc.args[0].str())
            return
        with self._changed:
            self._ends = ends
            self._is_outdated = bool(committed) and len(known) > len(committed)

    def _count_lost(self, partition: int, position: int, low: int) -> None:
        """Count what was deleted before it was read, once."""
        first = max(position, self._lows.get(partition, 0))
        if low <= first:
            return
        self._lows[partition] = low
        self._lost += low - first
        logger.error(
            "%s[%d]: the records from %d to %d were deleted before they were forwarded. Lengthen retention.ms of the topic",
            self._topic,
            partition,
            first,
            low - 1,
        )

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        consumer.pause(partitions)
        if any(each.partition == 0 for each in partitions):
            with self._changed:
                self._leads = True
                self._next_look = time.monotonic() + _LOOK_SECONDS / 10
                self._changed.notify_all()
            logger.info("this forwarder leads its group")

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if any(each.partition == 0 for each in partitions):
            self._step_down()
        consumer.incremental_unassign(partitions)

    def _step_down(self) -> None:
        """Stop leading.

        1. The thread that forwards finds out, and finishes what it has in hand; the group waits for it.
        2. What the target has acknowledged by then is committed, while this is still a member of the old generation.
        """
        # 1.
        with self._changed:
            is_in_use = self._in_use
            self._leads = False
            self._changed.notify_all()
        logger.info("this forwarder no longer leads its group")
        deadline = Deadline(_HAND_OVER_SECONDS)
        with self._changed:
            if is_in_use:
                self._changed.wait_for(lambda: not self._in_use, deadline.remaining)
            # 2.
            offsets, self._pending = self._pending, {}
            self._ends, self._committed = {}, {}
        if offsets:
            places = [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
            try:
                self._consumer.commit(offsets=places, asynchronous=False)
            except KafkaException as exc:
                # The next leader reads these records again.
                logger.info("the last offsets were not committed: %s", exc.args[0].str())


def _options(config: AuditConfig, group: str, takeover: float) -> dict[str, Any]:
    return {
        **consumer_options(config),
        "group.id": group,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": int(takeover * 1_000),
        "heartbeat.interval.ms": max(int(takeover * 1_000 / 4), 100),
        # A member reads nothing itself.
        "auto.offset.reset": "latest",
        "queued.min.messages": 1,
        "queued.max.messages.kbytes": 1,
    }
