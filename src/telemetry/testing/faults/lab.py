"""Gives each fault its surroundings: a folder, an embedded Kafka, a key service that can hang, and exact counts."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from telemetry.audit.receipt import Receipt
from telemetry.audit.spool.segment import SUFFIX, SpoolSegment
from telemetry.config import AuditConfig, EncryptionConfig, StorageConfig, TelemetryConfig
from telemetry.encryption import Context, DataKey, EncryptionProviderFactory
from telemetry.encryption.providers.local_key import LocalKeyProvider
from telemetry.encryption.storage_keys import StorageKeys, storage_keys_of
from telemetry.exceptions import TelemetryError, UndeliveredError
from telemetry.reader import DamagedRecord, FallbackSource, KafkaSource, OpenedEvent, TrailReader
from telemetry.storage import StorageProviderFactory
from telemetry.sync import Telemetry
from telemetry.system.deadline import Deadline
from telemetry.testing.embedded_kafka import EmbeddedKafka

PATIENCE = 30.0
KEY_PROVIDER = "telemetry-fault-suite"
WORKER_MODULE = "telemetry.testing.faults.worker"

_USERS = 5
_PARTITIONS = 8
_LONGEST_HANG = 60.0
_TICK_SECONDS = 0.02

# One for the process: the pipeline creates its provider itself, so the fault cannot reach the instance.
_key_service = threading.Event()
_key_service.set()


class HangingLocalKey(LocalKeyProvider):
    """``local_key`` with a key service that answers only while it is not hanging."""

    def generate_data_key(self, context: Context) -> DataKey:
        """Create a data key as soon as the service answers."""
        _key_service.wait(_LONGEST_HANG)
        return super().generate_data_key(context)


@contextmanager
def hanging_key_service() -> Iterator[None]:
    """Keep the key service from answering inside the block."""
    _key_service.clear()
    try:
        yield
    finally:
        _key_service.set()


@dataclass(frozen=True, slots=True)
class FaultCounts:
    """What became of every event of a fault, exactly.

    ``logged = raised + delivered + stored + spooled + failed``, and ``missing`` is 0.

    Attributes:
        logged: Calls of ``log()``; if a process was killed, the events that it had reported as durable.
        raised: Calls that raised.
        delivered: Events that Kafka acknowledged.
        stored: Events that the fallback store acknowledged.
        spooled: Events left in the spool for the next process to send.
        failed: Events that failed through their receipts.
        missing: Accepted events that did not fail and are neither on the topic nor in the store nor in the spool.
    """

    logged: int = 0
    raised: int = 0
    delivered: int = 0
    stored: int = 0
    spooled: int = 0
    failed: int = 0
    missing: int = 0

    @property
    def balance(self) -> bool:
        """Whether every event is accounted for once."""
        settled = self.raised + self.delivered + self.stored + self.spooled + self.failed
        return self.logged == settled and self.missing == 0

    def as_dict(self) -> dict[str, int]:
        """Return the counts for JSON."""
        return asdict(self)


class FaultLab:
    """One fault's surroundings.

    Args:
        folder: Folder of this fault; nothing is written elsewhere.
        kafka: Running brokers.
    """

    def __init__(self, folder: Path, kafka: EmbeddedKafka) -> None:
        folder.mkdir(mode=0o700)
        EncryptionProviderFactory.register(KEY_PROVIDER, HangingLocalKey)
        self.kafka = kafka
        self.folder = folder
        self.store = folder / "fallback"
        self.spool = folder / "spool"
        self._passphrase = secrets.token_urlsafe(24)
        self._receipts: list[Receipt] = []
        self._logged = self._raised = 0

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[FaultLab]:
        """Create a lab with brokers of its own."""
        with EmbeddedKafka(partitions=_PARTITIONS) as kafka:
            yield cls(folder, kafka)

    def config(self, **changes: Any) -> TelemetryConfig:
        """Return a configuration that notices an outage within a second and refuses at once when the queue is full."""
        fields: dict[str, Any] = {
            "kafka_brokers": self.kafka.bootstrap_servers,
            "security_protocol": "PLAINTEXT",
            # Short, because the faults are local: a frozen broker counts as away after less than a second.
            "kafka_timeout_ms": 400,
            "max_retries": 1,
            "batch_timeout_ms": 5,
            "fallback_object_seconds": 0.2,
            "queue_full_timeout_ms": 0,
            "data_key_wait_ms": 5,
            "spool_path": self.spool,
            "encryption_config": EncryptionConfig(
                provider=KEY_PROVIDER, key_path=self.folder / "key.json", passphrase=SecretStr(self._passphrase)
            ),
            "storage_config": StorageConfig(provider="local_file", base_path=self.store),
        }
        return TelemetryConfig(
            service_name="faults", environment="faults", audit_config=AuditConfig(**{**fields, **changes})
        )

    def log(self, telemetry: Telemetry, count: int) -> list[Receipt]:
        """Log events; return the receipts of those that were accepted."""
        accepted = []
        for _ in range(count):
            payload = {"number": self._logged}
            self._logged += 1
            try:
                accepted.append(telemetry.audit.log("fault", payload, f"user-{self._logged % _USERS}"))
            except TelemetryError:
                self._raised += 1
        self._receipts += accepted
        return accepted

    def shut_down(self, telemetry: Telemetry, timeout: float = 15.0) -> FaultCounts:
        """Shut the pipeline down; return its own counts, which are not checked here."""
        try:
            report = telemetry.shutdown(timeout)
            counts = report.delivered, report.stored, report.spooled, report.failed
        except UndeliveredError as exc:
            # The report went with the exception: the receipts say what became of each event.
            settled = [receipt.delivery for receipt in self._receipts if receipt.delivery is not None]
            delivered = sum(delivery.topic is not None for delivery in settled)
            counts = delivered, len(settled) - delivered, len(self._receipts) - len(settled) - exc.count, exc.count
        return FaultCounts(self._logged, self._raised, *counts)

    def missing(self) -> int:
        """Return how many accepted events that did not fail are nowhere to be found."""
        ids = self.event_ids()
        return sum(1 for receipt in self._receipts if receipt.event_id not in ids and not _has_failed(receipt))

    def event_ids(self) -> set[str]:
        """Return the ids of all events on the topic, in the fallback store and in the spool.

        The records of topic and store are opened, so that a damaged one does not count as an event.

        Raises:
            TelemetryError: A record is damaged, or Kafka or the store cannot be read.
        """
        whole = self.config()
        config = whole.audit_config
        if config.encryption_config is None or config.storage_config is None:
            message = "the fault suite needs encryption and a store in its configuration"
            raise TelemetryError(message)
        ids: set[str] = set()
        with ExitStack() as stack:
            keys = stack.enter_context(EncryptionProviderFactory.create(config.encryption_config))
            store = stack.enter_context(StorageProviderFactory.create(config.storage_config))
            source = stack.enter_context(KafkaSource(config))
            opened = storage_keys_of(whole, provider=keys)
            stored = FallbackSource(store, topic=config.kafka_topic, keys=opened)
            for entry in TrailReader([*source, *stored], provider=keys):
                if isinstance(entry, DamagedRecord):
                    raise entry.error
                if isinstance(entry, OpenedEvent):
                    ids.add(entry.event.id)
            return ids | self._in_spool(opened)

    def _in_spool(self, keys: StorageKeys) -> set[str]:
        ids: set[str] = set()
        for path in self.spool.glob(f"*{SUFFIX}"):
            # None: its process is alive, or another one has adopted or settled it.
            segment = SpoolSegment.adopt(path, keys)
            if segment is not None:
                ids.update(event_id for _, event_id, _, _ in segment.rows())
                segment.close()
        return ids

    def start_worker(self, mode: str) -> subprocess.Popen[str]:
        """Start a process that runs ``telemetry.testing.faults.worker`` in a mode."""
        worker = subprocess.Popen(  # noqa: S603 - this interpreter, a module of this library
            [sys.executable, "-m", WORKER_MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        task = {
            "mode": mode,
            "brokers": self.kafka.bootstrap_servers,
            "folder": str(self.folder),
            "passphrase": self._passphrase,
        }
        # By standard input: other users can read the arguments and the environment of a process.
        if worker.stdin is not None:
            worker.stdin.write(json.dumps(task) + "\n")
            worker.stdin.close()
            worker.stdin = None
        return worker


def wait(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition.

    Raises:
        TelemetryError: The condition is not met within half a minute.
    """
    deadline = Deadline(PATIENCE)
    while not condition():
        if deadline.is_over:
            message = f"{what} did not happen within {PATIENCE:g} s"
            raise TelemetryError(message)
        time.sleep(_TICK_SECONDS)


def _has_failed(receipt: Receipt) -> bool:
    """Return whether a receipt says that its event is lost; an event in the spool is not."""
    try:
        receipt.wait_delivered(0)
    except UndeliveredError:
        return True
    except (TelemetryError, TimeoutError):
        return False
    return False
