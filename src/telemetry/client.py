"""``Telemetry``: what an application holds."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from telemetry.audit.reports import ShutdownReport
from telemetry.audit.runtime import SHUTDOWN_SECONDS, Runtime
from telemetry.audit.service import AuditService
from telemetry.config import AuditConfig, TelemetryConfig


class Telemetry:
    """Encrypted audit logging for asyncio applications.

    One object serves every event loop and thread of a process, and forked children too.
    ``async with Telemetry(config) as telemetry:`` starts it and shuts it down.

    Args:
        config: A ``TelemetryConfig``, or a bare ``AuditConfig``; the service name then comes from
            ``OTEL_SERVICE_NAME``, else from the program's name.

    Attributes:
        audit: Logs audit events.
    """

    def __init__(self, config: TelemetryConfig | AuditConfig) -> None:
        self._runtime = Runtime(config)
        self.audit = AuditService(self._runtime.pipeline)

    @property
    def config(self) -> TelemetryConfig:
        """The configuration in force."""
        return self._runtime.config

    async def start(self) -> None:
        """Check keys and fallback store, and begin.

        An unreachable Kafka does not stop it where a fallback is configured.

        Raises:
            ConfigurationError: The configuration cannot work.
            EncryptionError: The key cannot be used.
            StorageError: The fallback store cannot be used.
            TransportError: Kafka cannot be reached and there is no fallback.
        """
        await asyncio.to_thread(self._runtime.start)

    async def shutdown(self, timeout: float = SHUTDOWN_SECONDS) -> ShutdownReport:  # noqa: ASYNC109 - a deadline for other threads
        """Drain to Kafka, then to the fallback, then to the spool, and end.

        Args:
            timeout: Seconds for all of it.

        Returns:
            What was delivered, stored and left; the same report when called again.

        Raises:
            UndeliveredError: Accepted events could be kept nowhere.
        """
        return await asyncio.to_thread(self._runtime.shutdown, timeout)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()
