"""Writes the library's own life into the trail: anyone who stops or diverts the log leaves a mark in it (PCI DSS 10.2.1.6)."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.draft.fields import OwnEventType
from telemetry.audit.accept.intake import Intake
from telemetry.audit.record import SealedRecord
from telemetry.config import TelemetryConfig
from telemetry.exceptions import BackpressureError, EncryptionError, LifecycleError
from telemetry.version import __version__

logger = logging.getLogger("telemetry.audit")

USER_ID = "telemetry"


class RotatedKeys(Protocol):
    """Remembers data keys that came into use."""

    def take_rotations(self) -> Iterator[tuple[str, str]]:
        """Yield key id and KEK URI of each since the last call."""


class SelfAudit:
    """Logs events of type ``telemetry.*``; does nothing where ``self_audit`` is off.

    Starts and ends are logged by the thread that starts and shuts down, everything else by the sender.

    Args:
        config: The configuration in force.
        factory: Creates the events.
        intake: Accepts them, without waiting.
        keys: The data keys; None where events are not encrypted.
    """

    def __init__(
        self, config: TelemetryConfig, *, factory: EventFactory, intake: Intake, keys: RotatedKeys | None
    ) -> None:
        self._config = config
        self._factory = factory
        self._intake = intake
        self._keys = keys
        self._enabled = config.audit_config.self_audit
        self._has_stopped = False

    def started(self) -> None:
        """Log that the process began to log."""
        self._log("started", pid=os.getpid(), library=__version__, python=platform.python_version(), **self._digest())

    def stopped(self, *, logged: int, refused: int) -> None:
        """Log a clean shutdown; a change of direction during the shutdown is not logged after it."""
        self._log_rotations()
        self._has_stopped = True
        self._log("stopped", pid=os.getpid(), logged=logged, refused=refused)

    def recovered(self, producer: str) -> None:
        """Log that the spool segment of a dead process was adopted."""
        self._log("recovered", producer=producer)

    def fallback_entered(self, reason: str) -> None:
        """Log that Kafka does not accept events."""
        if not self._has_stopped:
            self._log("fallback_entered", reason=reason)

    def fallback_left(self) -> None:
        """Log that Kafka accepts events again."""
        if not self._has_stopped:
            self._log("fallback_left")

    def before_send(self, records: Sequence[SealedRecord]) -> Iterable[SealedRecord]:
        """Log the data keys that came into use, which is impossible then: the intake's lock is held."""
        del records
        self._log_rotations()
        return ()

    def _log_rotations(self) -> None:
        if self._keys is not None:
            for kid, key_uri in self._keys.take_rotations():
                self._log("data_key_rotated", kid=kid, key_uri=key_uri)

    def _log(self, what: str, **payload: Any) -> None:
        if not self._enabled:
            return
        try:
            self._intake.offer(self._factory.draft(OwnEventType(f"telemetry.{what}"), payload, USER_ID, {}))
        except LifecycleError:
            # The sender may still have something to log when the shutdown has closed the intake; it must not fail for that.
            logger.debug("telemetry.%s was not logged: the shutdown has begun", what)
        except (BackpressureError, EncryptionError) as exc:
            logger.warning("telemetry.%s could not be logged: %s", what, exc)

    def _digest(self) -> dict[str, str]:
        text = json.dumps(self._config.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return {"configuration_sha256": hashlib.sha256(text.encode()).hexdigest()}
