"""Logs at a steady rate for many users while a test breaks things, and compares the topic with the accepted events."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from telemetry.exceptions import BackpressureError
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig, AuditStats, TelemetryConfig
from tests.services.kafka import KafkaBroker
from tests.support.until import until

_WRITERS = 4
_TICK_SECONDS = 0.02
_MOST_SECONDS_BEHIND, _FEW_SECONDS_BEHIND = 8.0, 0.2
"""A machine that is too slow for the rate pauses until few events are missing on the topic, and then goes on."""
_ANSWER_SECONDS = 30.0
_ID = re.compile(rb'"id":"([^"]{36})"')
_QUIET = logging.getLogger("tests.support.load_by_user")
_QUIET.propagate = False
_QUIET.addHandler(logging.NullHandler())


class LoadByUser:
    """A service under load, in this process.

    Args:
        config: Its audit pipeline.
        rate: Events a second, of all users together.
        users: How many there are; each one's events are logged by one thread.
    """

    def __init__(self, config: AuditConfig, *, rate: int = 5_000, users: int = 120) -> None:
        self.telemetry = Telemetry(TelemetryConfig(service_name="load", audit_config=config))
        self._rate = rate
        self._users = [f"user-{number}" for number in range(users)]
        self.accepted: dict[str, list[str]] = {user: [] for user in self._users}
        self.refused = 0
        self._stop = threading.Event()
        self._pausing = False
        self._errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(_WRITERS)]
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self.telemetry.start()
        self.seconds = -time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.telemetry.shutdown()

    @property
    def count(self) -> int:
        """How many events were accepted."""
        return sum(len(ids) for ids in self.accepted.values())

    @property
    def stats(self) -> AuditStats:
        """The pipeline's counts."""
        return self.telemetry.audit.get_audit_stats()

    def stop(self) -> None:
        """Stop logging; raise the error that ended a writer."""
        if self._stop.is_set():
            return
        self._stop.set()
        for thread in self._threads:
            thread.join(_ANSWER_SECONDS)
        self.seconds += time.monotonic()
        if self._errors:
            raise self._errors[0]

    def until(self, condition: Callable[[AuditStats], bool], *, timeout: float = 180.0) -> None:
        """Wait for a state of the pipeline."""
        until(lambda: condition(self.stats), timeout=timeout, state=lambda: self.stats)

    def until_more(self, events: int) -> None:
        """Wait until this many more events are delivered to Kafka directly."""
        goal = self.stats.delivered + events
        self.until(lambda stats: not stats.diverted and stats.delivered >= goal)

    def until_drained(self) -> None:
        """Wait until all that was accepted is on the topic."""
        self.until(
            lambda stats: stats.queued == 0 and stats.replayed >= stats.stored and not stats.diverted, timeout=300.0
        )

    def _is_behind(self) -> bool:
        stats = self.stats
        missing = (stats.queued + stats.stored - stats.replayed) / self._rate
        self._pausing = missing > (_FEW_SECONDS_BEHIND if self._pausing else _MOST_SECONDS_BEHIND)
        return self._pausing

    def _write(self, number: int) -> None:
        users = self._users[number::_WRITERS]
        try:
            self._write_at_rate(users, self._rate / _WRITERS)
        except BaseException as exc:  # noqa: BLE001 - raised again by stop()
            self._errors.append(exc)

    def _write_at_rate(self, users: list[str], rate: float) -> None:
        log, began, written = self.telemetry.audit.log, time.monotonic(), 0
        while not self._stop.wait(_TICK_SECONDS):
            if self._is_behind():
                began += _TICK_SECONDS
                continue
            for _ in range(min(int((time.monotonic() - began) * rate) - written, round(rate))):
                user = users[written % len(users)]
                written += 1
                try:
                    receipt = log("step", {"number": written, "text": "x" * 100}, user)
                except BackpressureError:
                    self.refused += 1
                else:
                    self.accepted[user].append(receipt.event_id)


@dataclass
class Comparison:
    """The topic compared with the accepted events.

    Attributes:
        accepted: Events that ``log()`` accepted.
        records: Records on the topic.
        duplicates: Records with an ``id`` that an earlier record has.
        missing: Accepted events that are not on the topic.
        unknown: Records that were never accepted.
        disordered: Users with events that, without duplicates, are not in the order of the calls.
        altered: Duplicates that differ from the first record.
    """

    accepted: int = 0
    records: int = 0
    duplicates: int = 0
    missing: int = 0
    unknown: int = 0
    disordered: list[str] = field(default_factory=list)
    altered: int = 0

    def require_complete(self) -> None:
        """Fail unless every event is on the topic in order, and duplicates are equal."""
        assert (self.missing, self.unknown, self.altered, self.disordered) == (0, 0, 0, []), self
        assert self.records == self.accepted + self.duplicates, self


def compare(broker: KafkaBroker, topic: str, accepted: dict[str, list[str]]) -> Comparison:
    """Read a topic from its beginning to its end, and compare."""
    found = Comparison(accepted=sum(len(ids) for ids in accepted.values()))
    firsts: dict[str, list[str]] = {user: [] for user in accepted}
    seen: dict[str, int] = {}
    for message in _records(broker, topic):
        value = bytes(message.value() or b"")
        match = _ID.search(value)
        if match is None:
            raise AssertionError(value[:100])
        event_id = match[1].decode()
        found.records += 1
        if event_id in seen:
            found.duplicates += 1
            found.altered += seen[event_id] != hash(value)
            continue
        seen[event_id] = hash(value)
        firsts.setdefault(bytes(message.key() or b"").decode().partition(":")[0], []).append(event_id)
    everyone = {event_id for ids in accepted.values() for event_id in ids}
    found.missing = len(everyone - seen.keys())
    found.unknown = len(seen.keys() - everyone)
    found.disordered = sorted(user for user in accepted if firsts[user] != accepted[user])
    return found


def _records(broker: KafkaBroker, topic: str) -> Iterator[Message]:
    options = {**broker.client_options(), "group.id": "load", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({**options, "auto.offset.reset": "earliest"}, logger=_QUIET)
    try:
        partitions = consumer.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic].partitions
        for partition in partitions:
            _, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_ANSWER_SECONDS)
            consumer.assign([TopicPartition(topic, partition, 0)])
            while consumer.position([TopicPartition(topic, partition)])[0].offset < high:
                for message in consumer.consume(5_000, timeout=0.2):
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.name() != "_PARTITION_EOF":
                        raise KafkaException(error)
    finally:
        consumer.close()
