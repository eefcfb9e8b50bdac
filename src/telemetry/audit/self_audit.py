"""The library's own life as events of the trail: whoever stops or diverts the log leaves a mark in it (PCI DSS 10.2.1.6)."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable
from typing import Any

from telemetry.config import TelemetryConfig
from telemetry.version import __version__

USER_ID = "telemetry"

Log = Callable[[str, dict[str, Any]], None]


class SelfAudit:
    """Writes events of type ``telemetry.*``; does nothing when it is switched off.

    Args:
        config: The configuration in force; its ``self_audit`` is the switch.
        log: Accepts an event without waiting.
    """

    def __init__(self, config: TelemetryConfig, log: Log) -> None:
        self._config = config
        self._enabled = config.audit_config.self_audit
        self._log = log

    def started(self) -> None:
        """The process began to log."""
        self._write("started", pid=os.getpid(), library=__version__, python=platform.python_version(), **self._digest())

    def stopped(self, counts: dict[str, int]) -> None:
        """The process ends in good order."""
        self._write("stopped", pid=os.getpid(), **counts)

    def recovered(self, producer: str) -> None:
        """The spool segment of a dead process was adopted."""
        self._write("recovered", producer=producer)

    def fallback_entered(self, reason: str) -> None:
        """Kafka does not take events."""
        self._write("fallback_entered", reason=reason)

    def fallback_left(self) -> None:
        """Kafka takes events again."""
        self._write("fallback_left")

    def key_rotated(self, kid: str, key_uri: str) -> None:
        """A data key came into use."""
        self._write("data_key_rotated", kid=kid, key_uri=key_uri)

    def _write(self, what: str, **payload: Any) -> None:
        if self._enabled:
            self._log(f"telemetry.{what}", payload)

    def _digest(self) -> dict[str, str]:
        text = json.dumps(self._config.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return {"configuration_sha256": hashlib.sha256(text.encode()).hexdigest()}
