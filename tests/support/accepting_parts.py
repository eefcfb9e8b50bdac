"""What accepts the events of a process, without a sender: a test takes the records and settles them."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.audit.accept.event_pipeline import EventPipeline
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics.instruments import AuditMetrics
from telemetry.audit.opening.shared_streaming import SharedStreaming
from telemetry.audit.opening.spooling import open_spool
from telemetry.audit.opening.streaming import OwnStreaming, Streaming
from telemetry.audit.receipt import ACCEPTED, Receipt
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner
from telemetry.audit.send.checkpoints.checkpointer import Checkpointer
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.encryption.storage_keys import storage_keys_of
from telemetry.format.value.message import source_of
from tests.support.quick_telemetry import NOWHERE

OWN = "gateway"


def accepting_config(*, shared: dict[str, Any] | None = None, **changes: Any) -> TelemetryConfig:
    """Return the configuration of a process that encrypts and stores nothing; ``shared`` is ``shared_streams``."""
    values: dict[str, Any] = {
        "kafka_brokers": NOWHERE,
        "security_protocol": "PLAINTEXT",
        "encryption_enabled": False,
        "fallback_enabled": False,
        "batch_timeout_ms": 5,
        "queue_full_timeout_ms": 3_600_000,
        "shared_streams": shared,
    }
    return TelemetryConfig(service_name=OWN, environment="test", audit_config=AuditConfig(**{**values, **changes}))


class AcceptingParts:
    """The parts between ``log()`` and the sender, as an assembly builds them.

    Args:
        config: With ``shared_streams`` it logs for other services too.
        signer: Signs the streams; None where nothing is signed.

    Attributes:
        streaming: What built them.
        stream: The process's own.
        ledger: Counts.
        accepting: What accepts the events.
        whole: Stands in for the pipeline of the process.
        opened: Closes the spool, where there is one.
    """

    def __init__(self, config: TelemetryConfig, *, signer: CheckpointSigner | None = None) -> None:
        lock = threading.Lock()
        shared = config.audit_config.shared_streams
        self.streaming: Streaming = (
            OwnStreaming(config, lock)
            if shared is None
            else SharedStreaming(config, shared, lock, keys=None, signer=signer, catalog=None)
        )
        self.stream = ProducerStream(ClearEncoder(source=source_of("test", OWN)), signer=signer)
        self.ledger = Ledger(
            topic="audit-events",
            metrics=AuditMetrics(topic="audit-events", provider=None),
            room=self.streaming.room,
        )
        self.whole = cast("EventPipeline", SimpleNamespace(pid=os.getpid(), default_level=ACCEPTED))
        self.opened = ExitStack()
        spooling = open_spool(
            config,
            self.opened,
            self.stream,
            storage_keys_of(config),
            lock=lock,
            batcher=self.streaming.batcher,
            room=self.streaming.room,
        )
        checkpointer = None
        if signer is not None:
            checkpointer = Checkpointer(self.stream, signer=signer, every_events=1_000, every_seconds=600)
        self.accepting = self.streaming.accepting(self.stream, spooling, ledger=self.ledger, checkpointer=checkpointer)
        self._factory = EventFactory(service_name=OWN, environment="test", version="", max_event_bytes=1 << 20)

    def log(self, payload: dict[str, Any] | None = None) -> Receipt:
        """Log an event under the process's own name."""
        return self.accepting.intake.offer(self._factory.draft("step", payload or {}, "ada", {}))

    def log_for(self, service_name: str, payload: dict[str, Any] | None = None) -> Receipt:
        """Log an event of another service."""
        assert self.accepting.others is not None
        return self.accepting.others.pipeline_of(service_name, self.whole).offer("step", payload or {}, "ada", {})

    def log_as(self, service_name: str) -> Receipt:
        """Log an event of the process's own service, or of another one."""
        return self.log() if service_name == OWN else self.log_for(service_name)

    def settle(self) -> list[SealedRecord]:
        """Take what is ready for the sender, and settle it as delivered; what waits has its turn then."""
        records = self.streaming.batcher.take_all()
        for record in records:
            record.partition, record.offset = 0, 0
        self.ledger.delivered(records)
        return records
