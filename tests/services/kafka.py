"""A real Apache Kafka broker on 127.0.0.1: TLS, SASL and ACLs on, and every fault that a process can have."""

from __future__ import annotations

import base64
import contextlib
import logging
import string
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
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

from tests.services import environment, fetch
from tests.services.certificates import Certificates, make_certificates
from tests.services.ports import free_ports
from tests.services.process import ServiceProcess
from tests.services.required import ServiceUnavailableError
from tests.services.tcp_proxy import TcpProxy

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

_JAVA_OPTIONS = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Djava.net.preferIPv4Stack=true",
)
_START_SECONDS = 90.0
_START_ATTEMPTS = 3
_ANSWER_SECONDS = 30.0
_READY_TOPIC = "harness-ready"
_LOG = logging.getLogger("tests.services.kafka")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False


class KafkaBroker:
    """One broker with its own folder, certificates, ports and process.

    Listeners: ``PLAINTEXT`` (every right; for the harness), ``SSL`` (client certificate required), ``SASL_SSL`` and
    ``SASL_PLAINTEXT`` (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; users in ``USERS``), and three whose certificate a client
    must refuse: ``SSL_WRONG_HOST``, ``SSL_EXPIRED``, ``SSL_FOREIGN``.

    Args:
        folder: A folder of its own; data, certificates and log are kept in it.
        certificates: Certificates made before; made here if not given.
        options: Lines added to server.properties, for example ``{"message.max.bytes": "2000"}``.
        proxied: Listeners that clients reach through a ``TcpProxy`` only: ``bootstrap()`` and the address that the
            broker tells its clients are the proxy's; see ``proxy()``.
        java_options: Further options of the broker's Java virtual machine.

    Raises:
        ServiceUnavailableError: Java or Maven is missing, or the jars cannot be fetched.
    """

    def __init__(
        self,
        folder: Path,
        *,
        certificates: Certificates | None = None,
        options: Mapping[str, str] | None = None,
        proxied: Sequence[Protocol] = (),
        java_options: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificates = certificates or make_certificates(folder / "certificates")
        self._options = dict(options or {})
        self._proxied = tuple(proxied)
        self._proxies: dict[Protocol, TcpProxy] = {}
        self._classpath = f"{fetch.kafka_libs()}/*"
        self._java = fetch.require_java()
        self._ports: dict[str, int] = {}
        command = [self._java, *_JAVA_OPTIONS, *java_options, "-cp", self._classpath]
        command += ["kafka.Kafka", str(self._properties)]
        self.process = ServiceProcess(command, log=folder / "broker.log", folder=folder)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def bootstrap(self, protocol: Protocol = "PLAINTEXT") -> str:
        """Return ``127.0.0.1:port`` of a listener; the port stays the same through restarts."""
        return f"127.0.0.1:{self._public_port(protocol)}"

    def proxy(self, protocol: Protocol) -> TcpProxy:
        """Return the proxy in front of a listener that was named in ``proxied``."""
        return self._proxies[protocol]

    def _public_port(self, protocol: Protocol) -> int:
        proxy = self._proxies.get(protocol)
        return proxy.port if proxy else self._ports[protocol]

    def start(self) -> None:
        """Start the broker and wait until it answers on every listener's socket; formats its storage the first time."""
        if self._ports:
            self._launch()
            return
        for attempt in range(_START_ATTEMPTS):
            self._configure()
            try:
                self._launch()
            except ServiceUnavailableError:
                # Between choosing a port and listening on it, another process may have taken it.
                taken = "Address already in use" in self.process.log_tail()
                self.kill()
                if not taken or attempt == _START_ATTEMPTS - 1:
                    raise
            else:
                return

    def stop(self) -> None:
        """End the broker in good order (SIGTERM)."""
        self.process.stop()

    def close(self) -> None:
        """End the broker and its proxies for good."""
        self.stop()
        self._close_proxies()

    def kill(self) -> None:
        """End the broker as a crash would (SIGKILL)."""
        self.process.kill()

    def freeze(self) -> None:
        """Make the broker hang (SIGSTOP): connections stay open, nothing answers."""
        self.process.freeze()

    def thaw(self) -> None:
        """Let a frozen broker go on (SIGCONT)."""
        self.process.thaw()

    def restart(self) -> None:
        """Stop the broker if it runs, and start it again with its data and ports."""
        self.stop()
        self.start()

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
            client: Name of the client certificate on the SSL listeners; None for none.
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
        found = {"kafka_brokers": options["bootstrap.servers"], "security_protocol": options["security.protocol"]}
        kafka_config = {name: options[option] for option, name in names.items() if option in options}
        return found | ({"kafka_config": kafka_config} if kafka_config else {})

    def create_topic(self, name: str, *, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Create a topic and wait until it can be used."""
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        admin = self.admin()
        _settle(admin.create_topics([topic], operation_timeout=_ANSWER_SECONDS))

        def usable() -> bool:
            found = admin.list_topics(name, timeout=_ANSWER_SECONDS).topics[name]
            leaders = [partition.leader for partition in found.partitions.values()]
            return found.error is None and len(leaders) == partitions and -1 not in leaders

        self.process.wait_until(usable, timeout=_ANSWER_SECONDS)

    def add_acl(self, principal: str, topic: str | ResourceType, operations: Sequence[str] = TOPIC_RIGHTS) -> None:
        """Allow a principal operations on a topic, or on ``ALL_GROUPS`` or the ``CLUSTER``.

        Args:
            principal: Common name of a certificate or name of a SASL user.
            topic: The topic, or one of the two constants.
            operations: Names of Kafka operations, for example ``"WRITE"``, ``"IDEMPOTENT_WRITE"``.
        """
        kind = ResourceType.TOPIC if isinstance(topic, str) else topic
        name = topic if isinstance(topic, str) else {ALL_GROUPS: "*", CLUSTER: "kafka-cluster"}[topic]
        allow = AclPermissionType.ALLOW
        bindings = [
            AclBinding(
                kind, name, ResourcePatternType.LITERAL, f"User:{principal}", "*", AclOperation[operation], allow
            )
            for operation in operations
        ]
        admin = self.admin()
        _settle(admin.create_acls(bindings, request_timeout=_ANSWER_SECONDS))

        def in_force() -> bool:
            # The controller answers before the broker's authorizer has heard of it.
            wanted = AclBindingFilter(
                kind, name, ResourcePatternType.LITERAL, f"User:{principal}", "*", AclOperation.ANY, allow
            )
            found = admin.describe_acls(wanted, request_timeout=_ANSWER_SECONDS).result(_ANSWER_SECONDS)
            return {binding.operation for binding in bindings} <= {binding.operation for binding in found}

        self.process.wait_until(in_force, timeout=_ANSWER_SECONDS)

    def admin(self) -> AdminClient:
        """Return an administrator's client; it may do everything."""
        return AdminClient(self._quick_options(), logger=_LOG)

    def read(self, topic: str) -> list[Message]:
        """Return every record of a topic, partition by partition, in the order of their offsets."""
        consumer = Consumer({**self._quick_options(), "group.id": "harness", "enable.auto.commit": False}, logger=_LOG)
        try:
            metadata = consumer.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic]
            found: list[Message] = []
            for partition in sorted(metadata.partitions):
                found.extend(_read_partition(consumer, topic, partition))
            return found
        finally:
            consumer.close()

    def _quick_options(self) -> dict[str, Any]:
        quick = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 200, "log.connection.close": False}
        return {**self.client_options("PLAINTEXT"), **quick}

    def _configure(self) -> None:
        ports = free_ports(len(LISTENERS) + 1)
        self._ports = dict(zip((*LISTENERS, "CONTROLLER"), ports, strict=True))
        self._close_proxies()
        for protocol in self._proxied:
            self._proxies[protocol] = TcpProxy(self._ports[protocol])
            self._proxies[protocol].start()
        certificates = self.certificates
        template = string.Template((fetch.DEFINITIONS / "kafka" / "server.properties").read_text())
        text = template.substitute(
            controller_port=self._ports["CONTROLLER"],
            listeners=",".join(f"{name}://127.0.0.1:{self._ports[name]}" for name in LISTENERS),
            advertised_listeners=",".join(f"{name}://127.0.0.1:{self._public_port(name)}" for name in LISTENERS),
            data_folder=self.folder / "data",
            ca=certificates.ca,
            server_keystore=certificates.server,
            wrong_host_keystore=certificates.server_wrong_host,
            expired_keystore=certificates.server_expired,
            foreign_keystore=certificates.server_foreign,
            plain_users=" ".join(f'user_{name}="{password}"' for name, password in USERS.items()),
        )
        extra = "".join(f"{name}={value}\n" for name, value in self._options.items())
        self._properties.write_text(f"{text}\n{extra}")

    def _close_proxies(self) -> None:
        for proxy in self._proxies.values():
            proxy.close()
        self._proxies.clear()

    def _launch(self) -> None:
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()
        self.process.start()
        admin = self.admin()

        def answers() -> bool:
            with contextlib.suppress(KafkaException):
                return len(admin.list_topics(timeout=1.0).brokers) == 1
            return False

        self.process.wait_until(answers, timeout=_START_SECONDS)
        self._wait_for_producers(admin)

    def _wait_for_producers(self, admin: AdminClient) -> None:
        """Wait until an idempotent producer is served: for a moment after the start its requests are put off."""
        if _READY_TOPIC not in admin.list_topics(timeout=_ANSWER_SECONDS).topics:
            self.create_topic(_READY_TOPIC, partitions=1)
        producer = Producer({**self._quick_options(), "enable.idempotence": True}, logger=_LOG)
        producer.produce(_READY_TOPIC, value=b"ready")
        self.process.wait_until(lambda: producer.flush(0.2) == 0, timeout=_START_SECONDS)

    def _format(self) -> None:
        """Write the storage's identity and the SCRAM users, which must be there before the first start."""
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        command = [self._java, *_JAVA_OPTIONS, "-cp", self._classpath, "kafka.tools.StorageTool", "format"]
        command += ["-t", cluster_id, "-c", str(self._properties)]
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            for name, password in USERS.items():
                command += ["--add-scram", f"{mechanism}=[name={name},password={password}]"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment.for_service(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            message = f"the storage of Apache Kafka could not be formatted:\n{(done.stdout + done.stderr)[-2_000:]}"
            raise ServiceUnavailableError(message)


def _settle(futures: Mapping[Any, Any]) -> None:
    """Wait for the answers to an administrator's request; the client must live as long, so its caller holds it."""
    for future in futures.values():
        future.result(_ANSWER_SECONDS)


def _read_partition(consumer: Consumer, topic: str, partition: int) -> list[Message]:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_ANSWER_SECONDS)
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
