"""Runs a real Apache Kafka broker on 127.0.0.1: TLS, SASL and ACLs on, and every fault that a process can have."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import shutil
import string
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from tests.services import environment, fetch
from tests.services.certificates import Certificates, certificates_in, create_certificates
from tests.services.kafka_access import (
    ALL_GROUPS,
    ANSWER_SECONDS,
    CLUSTER,
    LISTENERS,
    QUIET,
    USERS,
    KafkaAccess,
    Mechanism,
    Protocol,
)
from tests.services.ports import free_ports
from tests.services.process import ServiceProcess, SharedProcess
from tests.services.required import ServiceUnavailableError
from tests.services.tcp_proxy import TcpProxy

__all__ = ["ALL_GROUPS", "CLUSTER", "LISTENERS", "USERS", "KafkaBroker", "Mechanism", "Protocol", "SharedBroker"]

JAVA_OPTIONS = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Djava.net.preferIPv4Stack=true",
)
_START_SECONDS = 180.0
_START_ATTEMPTS = 3
_READY_TOPIC = "harness-ready"


def archive_file() -> Path:
    """Return the file with the classes of a broker as Java maps them; it may not exist."""
    return fetch.CACHE / "kafka-classes.jsa"


def kafka_java(*options: str, is_archived: bool = True) -> list[str]:
    """Return the command that runs a class of Kafka's jars; the class and its arguments follow.

    Args:
        options: Further options of the virtual machine.
        is_archived: Whether Java may map the archive of the broker's classes.
    """
    command = [fetch.require_java(), *JAVA_OPTIONS]
    if is_archived and archive_file().exists():
        command.append(f"-XX:SharedArchiveFile={archive_file()}")
    return [*command, *options, "-cp", f"{fetch.kafka_libs()}/*"]


@dataclass(frozen=True)
class SharedBroker:
    """The facts with which another process reaches a running broker.

    Attributes:
        folder: The broker's folder.
        ports: Port of each listener.
        pid: Process id.
    """

    folder: str
    ports: dict[str, int]
    pid: int


class KafkaBroker(KafkaAccess):
    """One broker with its own folder, certificates, ports and process.

    Listeners: ``PLAINTEXT`` (every right; for the harness), ``SSL`` (client certificate required), ``SASL_SSL`` and
    ``SASL_PLAINTEXT`` (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; users in ``USERS``), and three with a certificate that a client
    must refuse: ``SSL_WRONG_HOST``, ``SSL_EXPIRED``, ``SSL_FOREIGN``.

    Args:
        folder: A folder of its own; data, certificates and log are kept in it.
        certificates: Certificates created before; created here if not given.
        options: Lines added to server.properties, for example ``{"message.max.bytes": "2000"}``.
        proxied: Listeners that clients reach through a ``TcpProxy`` only: ``bootstrap()`` and the address that the
            broker gives its clients are the proxy's; see ``proxy()``.
        java_options: Further options of the broker's Java virtual machine.
        is_archived: Whether Java may map the archive of the broker's classes.
        shared: A broker that another process runs; this object then reaches it, and does not start or stop it.

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
        is_archived: bool = True,
        shared: SharedBroker | None = None,
    ) -> None:
        self.folder = folder
        self._options = dict(options or {})
        self._proxied = tuple(proxied)
        self._proxies: dict[Protocol, TcpProxy] = {}
        self._ports: dict[str, int] = {}
        log = folder / "broker.log"
        if shared is not None:
            self.certificates = certificates_in(folder / "certificates")
            self._ports = shared.ports
            self.process: ServiceProcess = SharedProcess(shared.pid, name="Apache Kafka", log=log, folder=folder)
            return
        folder.mkdir(parents=True, exist_ok=True)
        self.certificates = certificates or create_certificates(folder / "certificates")
        command = [*kafka_java(*java_options, is_archived=is_archived), "kafka.Kafka", str(self._properties)]
        self.process = ServiceProcess(command, log=log, folder=folder)

    @classmethod
    def attach(cls, shared: SharedBroker) -> Self:
        """Return a broker that another process runs: tests may use it, and may not stop, kill or freeze it."""
        return cls(Path(shared.folder), shared=shared)

    def share(self) -> SharedBroker:
        """Return what another process needs for ``attach``."""
        return SharedBroker(folder=str(self.folder), ports=dict(self._ports), pid=self.process.pid)

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
        """End the broker cleanly (SIGTERM)."""
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
        if _READY_TOPIC not in admin.list_topics(timeout=ANSWER_SECONDS).topics:
            self.create_topic(_READY_TOPIC, partitions=1)
        producer = Producer({**self.quick_options(), "enable.idempotence": True}, logger=QUIET)
        producer.produce(_READY_TOPIC, value=b"ready")
        self.process.wait_until(lambda: producer.flush(0.2) == 0, timeout=_START_SECONDS)

    def _format(self) -> None:
        """Put the formatted storage into place: its identity, and the SCRAM users, which the first start needs.

        It is the same for every broker, so Java formats it once, and it is copied after that.
        """
        users = hashlib.sha256(repr(sorted(USERS.items())).encode()).hexdigest()[:16]
        formatted = fetch.CACHE / f"kafka-formatted-{users}"
        with fetch.locked("kafka-formatted"):
            if not formatted.exists():
                self._run_format()
                partial = formatted.with_suffix(".partial")
                shutil.rmtree(partial, ignore_errors=True)
                shutil.copytree(self.folder / "data", partial)
                partial.rename(formatted)
                return
        shutil.copytree(formatted, self.folder / "data")

    def _run_format(self) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        command = [*kafka_java(), "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties)]
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
