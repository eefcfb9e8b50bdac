"""Asks a cluster about a topic: where its partitions begin and end, who leads them, which transactions are open."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from functools import cached_property, partial
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from telemetry.config import AuditConfig
from telemetry.exceptions import TransportError
from telemetry.kafka.client_log import ClientLog
from telemetry.kafka.diagnose.topic_facts import ask_topic
from telemetry.kafka.errors import transport_error
from telemetry.kafka.green_threads import require_real_threads
from telemetry.kafka.options import common_options, consumer_options
from telemetry.kafka.peek.connection import PeekError
from telemetry.reader.sources.coordinator import asked_again
from telemetry.reader.sources.fetch.frames import Failure, LogLine
from telemetry.reader.sources.read_range import ReadRange
from telemetry.reader.sources.topic_bounds import TopicBounds

logger = logging.getLogger("telemetry.kafka")

_GROUP_ERRORS = frozenset((KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.COORDINATOR_NOT_AVAILABLE))
_SLACK_SECONDS = 1.0
_COORDINATOR_SECONDS = 15.0


class TopicClient:
    """A client that fetches no records; it translates the errors of those that do.

    Args:
        config: How to reach Kafka, and the topic.
        group: Consumer group whose offsets count; None for none.

    Raises:
        ConfigurationError: gevent or eventlet has replaced threads.
    """

    def __init__(self, config: AuditConfig, *, group: str | None) -> None:
        require_real_threads()
        self._config = config
        self._topic = config.kafka_topic
        self._group = group
        self._last_error: KafkaError | None = None
        self._client_log = ClientLog(logger)
        self._leaders: dict[int, tuple[str, int]] = {}
        self._consumer = Consumer(
            {
                **consumer_options(config),
                "group.id": group or "telemetry-reader",
                "error_cb": self._note_error,
                "logger": self._client_log.logger,
            }
        )

    @cached_property
    def _admin(self) -> AdminClient:
        # Needed after a fault or at the end only, and then also if the consumer has left already.
        settings: dict[str, Any] = {**common_options(self._config), "logger": self._client_log.logger}
        return AdminClient(settings)

    @property
    def timeout(self) -> float:
        """Seconds that one request may take."""
        return max(self._config.kafka_timeout_ms / 1_000, 1.0)

    def bounds(self, within: ReadRange) -> dict[int, tuple[int, int]]:
        """Return first and end offset of each partition within a range.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        try:
            return TopicBounds(self._consumer, self._topic, within=within, timeout=self.timeout).locate()[1]
        except KafkaException as exc:
            raise self._explained(exc) from exc

    def offsets_at(self, seconds: float, partitions: Collection[int]) -> dict[int, int | None]:
        """Return the first offset of each partition whose time is not before a moment; None where there is none.

        Args:
            seconds: The moment, in seconds since the epoch.
            partitions: The partitions.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        # The protocol puts the time where the answer has the offset.
        wanted = [TopicPartition(self._topic, partition, int(seconds * 1_000)) for partition in partitions]
        try:
            found = self._consumer.offsets_for_times(wanted, timeout=self.timeout) if wanted else []
        except KafkaException as exc:
            raise self._explained(exc) from exc
        return {each.partition: each.offset if each.offset >= 0 else None for each in found}

    def setting(self, name: str) -> int | None:
        """Return a setting of the topic that is a number; None where it has none, or where this principal may not ask.

        Args:
            name: Name of the setting, such as ``retention.ms``.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        try:
            return ask_topic(self._admin, self._topic, timeout=self.timeout).setting(name)
        except KafkaException as exc:
            raise self._explained(exc) from exc

    def stable_ends(self, partitions: Mapping[int, int]) -> dict[int, int]:
        """Return the last stable offset of each partition: the first record of the oldest open transaction.

        A partition that no broker leads at the moment is left out.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        # Not the consumer's request: that one answers with the isolation with which it reads.
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # pyright: ignore[reportAssignmentType]
        wanted = {TopicPartition(self._topic, partition): latest for partition in partitions}
        asked = (
            self._admin.list_offsets(
                wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=self.timeout
            )
            if wanted
            else {}
        )
        ends = {}
        for place, future in asked.items():
            try:
                ends[place.partition] = future.result(self.timeout + _SLACK_SECONDS).offset
            except TimeoutError:
                continue
            except KafkaException as exc:
                raise transport_error(exc.args[0], self._topic) from exc
        return ends

    def leader(self, partition: int) -> tuple[str, int]:
        """Return host and port of the broker that leads a partition.

        Raises:
            PeekError: None does, or none is known.
        """
        if partition not in self._leaders:
            try:
                cluster = self._admin.list_topics(self._topic, timeout=self.timeout)
            except KafkaException as exc:
                message = f"the leader of partition {partition} is not known: {exc.args[0].str()}"
                raise PeekError(message) from exc
            for number, each in cluster.topics[self._topic].partitions.items():
                broker = cluster.brokers.get(each.leader)
                if broker is not None and broker.host is not None:
                    self._leaders[number] = (broker.host, broker.port)
        if partition not in self._leaders:
            message = f"no broker leads partition {partition}"
            raise PeekError(message)
        return self._leaders[partition]

    def forget(self) -> None:
        """Ask who leads the partitions again."""
        self._leaders.clear()

    def commit(self, offsets: Mapping[int, int], *, waits: bool = False) -> None:
        """Commit offsets for the group, if there is one.

        Args:
            offsets: Offset after the last record, by partition.
            waits: Whether to wait for Kafka's answer.

        Raises:
            TransportError: Kafka refuses, or does not answer; only if it waits.
        """
        if self._group is None or not offsets:
            return
        places = [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
        if not waits:
            self._consumer.commit(offsets=places, asynchronous=True)
            return
        try:
            ask = partial(self._consumer.commit, offsets=places, asynchronous=False)
            answers: list[TopicPartition] | None = asked_again(ask, seconds=_COORDINATOR_SECONDS)
        except KafkaException as exc:
            raise transport_error(exc.args[0], self._topic) from exc
        for each in answers or []:
            if each.error is not None:
                raise transport_error(each.error, self._topic)

    def failed(self, failure: Failure) -> None:
        """Judge an error of the client that fetches.

        Raises:
            TransportError: Reading cannot continue.
        """
        error = KafkaError(failure.code, failure.text)
        if failure.is_remark:
            self._note_error(error)
        elif not self._may_ignore(error):
            raise transport_error(error, self._topic)

    def logged(self, line: LogLine) -> None:
        """Pass on a line of the log of the client that fetches."""
        self._client_log.logger.log(line.level, "%s", line.text)

    def close(self) -> None:
        """Leave Kafka."""
        self._consumer.close()

    def _explained(self, exc: KafkaException) -> TransportError:
        error = exc.args[0]
        # A time-out says nothing about its cause; what the client reported last does.
        if error.code() in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT):  # noqa: SLF001 - librdkafka's own codes
            error = self._last_error or error
        return transport_error(error, self._topic)

    def _may_ignore(self, error: KafkaError) -> bool:
        """Return whether an error is about a consumer group that is not used: the client asks for one in any case."""
        return self._group is None and error.code() in _GROUP_ERRORS

    def _note_error(self, error: KafkaError) -> None:
        # The client calls this inside its requests, in the thread that reads.
        if self._may_ignore(error):
            return
        self._last_error = error
        self._client_log.error(error)
