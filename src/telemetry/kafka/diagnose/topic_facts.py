"""Asks the cluster about a topic, as far as this principal may."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AclOperation, AdminClient, ConfigResource, OffsetSpec, ResourceType

_SLACK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """Facts about a topic.

    Attributes:
        name: Name of the topic.
        partitions: Number of partitions.
        replicas: Smallest number of replicas of a partition.
        in_sync: Smallest number of in-sync replicas of a partition.
        leaderless: Number of partitions that have no leader now.
        operations: Names of the operations this principal may do; None if the broker did not say.
        settings: The topic's settings; None if this principal may not read them.
        newest: Newest timestamp of a record in seconds since 1970; None for an empty topic or if not known.
    """

    name: str
    partitions: int
    replicas: int
    in_sync: int
    leaderless: int
    operations: frozenset[str] | None
    settings: dict[str, str] | None
    newest: float | None

    @property
    def may_write(self) -> bool:
        """Whether this principal may write; True where the broker did not say."""
        return self.operations is None or bool(self.operations & {"WRITE", "ALL"})

    def setting(self, name: str) -> int | None:
        """Return a numeric setting, or None where it is not known."""
        value = (self.settings or {}).get(name, "")
        return int(value) if value.lstrip("-").isdigit() else None


def ask_topic(admin: AdminClient, topic: str, *, timeout: float) -> TopicFacts:
    """Ask the cluster about a topic.

    Args:
        admin: A client that is logged in.
        topic: Name of the topic.
        timeout: Seconds for each question.

    Raises:
        KafkaException: The topic does not exist, this principal may not describe it, or no broker answered.
    """
    description = _result(
        admin.describe_topics(TopicCollection([topic]), include_authorized_operations=True, request_timeout=timeout),
        topic,
        timeout,
    )
    partitions = description.partitions
    return TopicFacts(
        name=topic,
        partitions=len(partitions),
        replicas=min((len(partition.replicas) for partition in partitions), default=0),
        in_sync=min((len(partition.isr) for partition in partitions), default=0),
        leaderless=sum(1 for partition in partitions if partition.leader is None or partition.leader.id < 0),
        operations=_operations(description.authorized_operations),
        settings=_settings(admin, topic, timeout),
        newest=_newest(admin, topic, len(partitions), timeout),
    )


def _operations(operations: list[AclOperation] | None) -> frozenset[str] | None:
    return frozenset(operation.name for operation in operations) if operations is not None else None


def _settings(admin: AdminClient, topic: str, timeout: float) -> dict[str, str] | None:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        entries = _result(admin.describe_configs([resource], request_timeout=timeout), resource, timeout)
    except KafkaException:
        return None  # DESCRIBE_CONFIGS is a separate right, which a writer does not need
    return {name: entry.value for name, entry in entries.items() if entry.value is not None}


def _newest(admin: AdminClient, topic: str, partitions: int, timeout: float) -> float | None:
    newest_record: Any = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
    wanted = {TopicPartition(topic, number): newest_record for number in range(partitions)}
    newest = -1
    try:
        for future in admin.list_offsets(wanted, request_timeout=timeout).values():
            newest = max(newest, future.result(timeout + _SLACK_SECONDS).timestamp)
    except (KafkaException, TimeoutError):
        return None  # brokers before 3.0 do not know it
    return newest / 1_000 if newest >= 0 else None


def _result(futures: dict[Any, Future[Any]], wanted: Any, timeout: float) -> Any:
    try:
        return futures[wanted].result(timeout + _SLACK_SECONDS)
    except TimeoutError as exc:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from exc  # noqa: SLF001 - librdkafka's own codes have a leading underscore
