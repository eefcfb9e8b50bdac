"""Offers ``Telemetry`` to blocking code: the same pipeline for scripts, threads and WSGI applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Self

from telemetry.audit.reports import SHUTDOWN_SECONDS, ShutdownReport

if TYPE_CHECKING:
    from types import TracebackType

    from telemetry.config import AuditConfig, TelemetryConfig


class Telemetry:
    """Encrypted audit logging for blocking code; see ``telemetry.Telemetry`` for arguments, results and errors.

    Attributes:
        audit: Logs audit events.
    """

    def __init__(self, config: TelemetryConfig | AuditConfig) -> None:
        # Loaded for an object, not for the name of the class: see telemetry.client.
        from telemetry.audit.runtime import Runtime  # noqa: PLC0415
        from telemetry.audit.service import BlockingAuditService  # noqa: PLC0415

        self._runtime = Runtime(config)
        self.audit = BlockingAuditService(self._runtime)

    @property
    def config(self) -> TelemetryConfig:
        """The configuration in force."""
        return self._runtime.config

    def start(self) -> None:
        """Check keys and fallback store, then accept events."""
        self._runtime.start()

    def shutdown(self, timeout: float = SHUTDOWN_SECONDS) -> ShutdownReport:
        """Deliver or keep what was accepted, within ``timeout`` seconds, and stop."""
        return self._runtime.shutdown(timeout)

    def __copy__(self) -> Self:
        return self  # there is one pipeline, and it belongs to this process

    def __reduce__(self) -> NoReturn:
        message = "Telemetry cannot be pickled: create one in each process, or share this one by fork()"
        raise TypeError(message)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
