"""Publishes rosters on the topic too, where verifiers find them without a store."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any, Self

import uuid_utils
from confluent_kafka import KafkaError, KafkaException, Producer

from telemetry.config import AuditConfig
from telemetry.exceptions import TransportError
from telemetry.format.roster.message import encode_roster_message
from telemetry.format.roster.roster import Roster
from telemetry.kafka.client_log import ClientLog
from telemetry.kafka.errors import transport_error
from telemetry.kafka.options import producer_options

logger = logging.getLogger("telemetry.kafka")


class RosterTopic:
    """Writes rosters to the topic; they are copies of those in the store, and may come twice.

    Args:
        audit: How to reach Kafka, and the topic. The witness needs the right to write to it.
    """

    def __init__(self, audit: AuditConfig) -> None:
        self._topic = audit.kafka_topic
        self._timeout = max(audit.kafka_timeout_ms / 1_000, 1.0)
        self._client_log = ClientLog(logger)
        self._failure: KafkaError | None = None
        options = producer_options(audit) | {"message.timeout.ms": max(audit.kafka_timeout_ms, 1_000)}
        self._producer = Producer({**options, "logger": self._client_log.logger})

    def publish(self, roster: Roster) -> None:
        """Write a roster, and wait until Kafka has acknowledged it.

        Raises:
            TransportError: Kafka refused or did not answer.
        """
        self._failure = None
        value = encode_roster_message(roster, event_id=str(uuid_utils.uuid7()))
        try:
            self._producer.produce(self._topic, value, roster.origin.encode(), on_delivery=self._note_delivery)
            left = self._producer.flush(2 * self._timeout)
        except (KafkaException, BufferError) as exc:
            message = f"the roster was not written to topic {self._topic!r}: {exc}; it is tried again in the next round"
            raise TransportError(message) from exc
        if self._failure is not None:
            raise transport_error(self._failure, self._topic)
        if left:
            message = f"Kafka did not acknowledge the roster on topic {self._topic!r}; it is written in the next round"
            raise TransportError(message)

    def close(self) -> None:
        """Leave Kafka; what was not acknowledged is written again in the next round."""
        self._producer.purge()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _note_delivery(self, error: KafkaError | None, _message: Any) -> None:
        # The client calls this inside flush(), in the thread that publishes.
        if error is not None:
            self._failure = error
