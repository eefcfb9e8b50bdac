"""The blocking face of ``Telemetry``: the same pipeline for scripts, threads and WSGI applications."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from telemetry.audit.reports import ShutdownReport
from telemetry.audit.runtime import SHUTDOWN_SECONDS, Runtime
from telemetry.audit.service import BlockingAuditService
from telemetry.config import AuditConfig, TelemetryConfig


class Telemetry:
    """Encrypted audit logging for blocking code; see ``telemetry.Telemetry`` for arguments, results and errors.

    Attributes:
        audit: Logs audit events.
    """

    def __init__(self, config: TelemetryConfig | AuditConfig) -> None:
        self._runtime = Runtime(config)
        self.audit = BlockingAuditService(self._runtime.pipeline)

    @property
    def config(self) -> TelemetryConfig:
        """The configuration in force."""
        return self._runtime.config

    def start(self) -> None:
        """Check keys and fallback store, and begin."""
        self._runtime.start()

    def shutdown(self, timeout: float = SHUTDOWN_SECONDS) -> ShutdownReport:
        """Drain within ``timeout`` seconds, and end."""
        return self._runtime.shutdown(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
