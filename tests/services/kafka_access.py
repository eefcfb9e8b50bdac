"""Reaches a broker of the tests: settings for its clients, topics, rights, and what is on a topic."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from tests.services.certificates import Certificates
from tests.services.process import ServiceProcess

Protocol = Literal["PLAINTEXT", "SSL", "SASL_SSL", "SASL_PLAINTEXT", "SSL_WRONG_HOST", "SSL_EXPIRED", "SSL_FOREIGN"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
LISTENERS: tuple[Protocol, ...] = (
    "PLAINTEXT",
    "SSL",
    "SASL_SSL",
    "SASL_PLAINTEXT",
    "SSL_WRONG_HOST",
    "SSL_EXPIRED",
    "SSL_FOREIGN",
)
USERS = {"alice": "alice-secret", "nobody": "nobody-secret"}
TOPIC_RIGHTS = ("WRITE", "DESCRIBE", "READ")
ALL_GROUPS = ResourceType.GROUP
CLUSTER = ResourceType.BROKER

ANSWER_SECONDS = 60.0
QUIET = logging.getLogger("tests.services.kafka")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


class KafkaAccess(ABC):
    """The part of a broker that tests use, whichever process started it.

    Attributes:
        certificates: Certificates of the broker and of its clients.
        process: The broker's process.
    """

    certificates: Certificates
    process: ServiceProcess

    @abstractmethod
    def bootstrap(self, protocol: Protocol = "PLAINTEXT") -> str:
        """Return ``127.0.0.1:port`` of a listener."""

    def client_options(
        self,
        protocol: Protocol = "PLAINTEXT",
        *,
        client: str | None = "payments",
        mechanism: Mechanism = "PLAIN",
        username: str = "alice",
        password: str = USERS["alice"],
    ) -> dict[str, Any]:
        """Return librdkafka's settings for a client of this broker.

        Args:
            protocol: The listener.
            client: Name of the client certificate on the SSL listeners; None for no certificate.
            mechanism: SASL mechanism on the SASL listeners.
            username: SASL user.
            password: SASL password.
        """
        security = "SSL" if protocol.startswith("SSL") else protocol
        options: dict[str, Any] = {"bootstrap.servers": self.bootstrap(protocol), "security.protocol": security}
        if security.endswith("SSL"):
            options["ssl.ca.location"] = str(self.certificates.ca)
        if security == "SSL" and client is not None:
            certificate = self.certificates.clients[client]
            options["ssl.certificate.location"] = str(certificate.certificate)
            options["ssl.key.location"] = str(certificate.key)
        if security.startswith("SASL"):
            options |= {"sasl.mechanism": mechanism, "sasl.username": username, "sasl.password": password}
        return options

    def audit_options(
        self, protocol: Protocol = "SSL", *, client: str | None = "payments", mechanism: Mechanism = "PLAIN"
    ) -> dict[str, Any]:
        """Return the fields of ``AuditConfig`` that reach this broker: brokers, security protocol, ``kafka_config``."""
        options = self.client_options(protocol, client=client, mechanism=mechanism)
        names = {
            "ssl.ca.location": "ssl_ca_location",
            "ssl.certificate.location": "ssl_certificate_location",
            "ssl.key.location": "ssl_key_location",
            "sasl.mechanism": "mechanism",
            "sasl.username": "username",
            "sasl.password": "password",
        }
        fields = {"kafka_brokers": options["bootstrap.servers"], "security_protocol": options["security.protocol"]}
        kafka_config = {name: options[option] for option, name in names.items() if option in options}
        return fields | ({"kafka_config": kafka_config} if kafka_config else {})

    def create_topic(self, name: str, *, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Create a topic and wait until it can be used."""
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        admin = self._administrator
        _wait_for_answers(admin.create_topics([topic], operation_timeout=ANSWER_SECONDS))

        def usable() -> bool:
            found = admin.list_topics(name, timeout=ANSWER_SECONDS).topics[name]
            leaders = [partition.leader for partition in found.partitions.values()]
            return found.error is None and len(leaders) == partitions and -1 not in leaders

        self.process.wait_until(usable, timeout=ANSWER_SECONDS)

    def add_acl(
        self,
        principal: str | Sequence[str],
        topic: str | ResourceType,
        operations: Sequence[str] = TOPIC_RIGHTS,
    ) -> None:
        """Allow principals operations on a topic, or on ``ALL_GROUPS`` or the ``CLUSTER``.

        Args:
            principal: Common name of a certificate or name of a SASL user, or several of them.
            topic: The topic, or one of the two constants.
            operations: Names of Kafka operations, for example ``"WRITE"``, ``"IDEMPOTENT_WRITE"``.
        """
        kind = ResourceType.TOPIC if isinstance(topic, str) else topic
        name = topic if isinstance(topic, str) else {ALL_GROUPS: "*", CLUSTER: "kafka-cluster"}[topic]
        allow = AclPermissionType.ALLOW
        users = [f"User:{user}" for user in ([principal] if isinstance(principal, str) else principal)]
        bindings = [
            AclBinding(kind, name, ResourcePatternType.LITERAL, user, "*", AclOperation[operation], allow)
            for user in users
            for operation in operations
        ]
        admin = self._administrator
        _wait_for_answers(admin.create_acls(bindings, request_timeout=ANSWER_SECONDS))
        granted = {(binding.principal, binding.operation) for binding in bindings}

        def in_force() -> bool:
            # The controller answers before the broker's authorizer has heard of it.
            every: Any = None
            wanted = AclBindingFilter(kind, name, ResourcePatternType.LITERAL, every, "*", AclOperation.ANY, allow)
            present = admin.describe_acls(wanted, request_timeout=ANSWER_SECONDS).result(ANSWER_SECONDS)
            return granted <= {(binding.principal, binding.operation) for binding in present}

        self.process.wait_until(in_force, timeout=ANSWER_SECONDS)

    def admin(self) -> AdminClient:
        """Return an administrator's client; it may do everything."""
        return AdminClient(self.quick_options(), logger=QUIET)

    def read(self, topic: str) -> list[Message]:
        """Return every record of a topic, partition by partition, in the order of their offsets."""
        consumer = Consumer({**self.quick_options(), "group.id": "harness", "enable.auto.commit": False}, logger=QUIET)
        try:
            metadata = consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
            found: list[Message] = []
            for partition in sorted(metadata.partitions):
                found.extend(_read_partition(consumer, topic, partition))
            return found
        finally:
            consumer.close()

    @cached_property
    def _administrator(self) -> AdminClient:
        return self.admin()

    def quick_options(self) -> dict[str, Any]:
        """Return the settings of the harness's own clients, which find a restarted broker quickly."""
        quick = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 200, "log.connection.close": False}
        return {**self.client_options("PLAINTEXT"), **quick}


def _wait_for_answers(futures: Mapping[Any, Any]) -> None:
    """Wait for the answers to an administrator's request; the client must live as long, so its caller holds it."""
    for future in futures.values():
        future.result(ANSWER_SECONDS)


def _read_partition(consumer: Consumer, topic: str, partition: int) -> list[Message]:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ANSWER_SECONDS)
    if low == high:
        return []
    consumer.assign([TopicPartition(topic, partition, low)])
    found: list[Message] = []
    while consumer.position([TopicPartition(topic, partition)])[0].offset < high:
        batch = consumer.consume(1_000, timeout=0.1)
        for message in batch:
            error = message.error()
            if error is not None:
                raise KafkaException(error)
            found.append(message)
    return found
