"""Offers ``Telemetry``, the object through which an application logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Self

from telemetry.audit.reports import SHUTDOWN_SECONDS, ShutdownReport
from telemetry.system.loops.running import run_in_thread

if TYPE_CHECKING:
    from types import TracebackType

    from telemetry.audit.health import Health
    from telemetry.audit.service import AuditService
    from telemetry.catalog.catalog import AuditCatalog
    from telemetry.config import AuditConfig, TelemetryConfig


class Telemetry:
    """Encrypted audit logging.

    One object serves every event loop and thread of a process, and forked children too. Blocking code that has no event
    loop at all starts and ends :class:`telemetry.sync.Telemetry`, which is the same otherwise.
    ``async with Telemetry(config) as telemetry:`` starts it and shuts it down.

    Args:
        config: A ``TelemetryConfig``, or a bare ``AuditConfig``; the service name then comes from
            ``OTEL_SERVICE_NAME``, else from the program's name.
        catalog: The event types that may be logged, if they are declared.

    Attributes:
        audit: Logs audit events.
    """

    def __init__(self, config: TelemetryConfig | AuditConfig, *, catalog: AuditCatalog | None = None) -> None:
        # The pipeline with its Kafka client, cryptography and metrics is loaded here, and not with the name of this
        # class: before start(), so that the workers of a preforking server share the memory of it.
        from telemetry.audit.governed.governed_service import service_of  # noqa: PLC0415
        from telemetry.audit.runtime import Runtime  # noqa: PLC0415

        self._runtime = Runtime(config, catalog=catalog)
        self.audit: AuditService = service_of(self._runtime, self._runtime.config, catalog)

    @property
    def config(self) -> TelemetryConfig:
        """The configuration in force."""
        return self._runtime.config

    async def start(self) -> None:
        """Check keys and fallback store, then accept events.

        An unreachable Kafka does not stop it where a fallback is configured.

        Raises:
            ConfigurationError: The configuration cannot work.
            EncryptionError: The key cannot be used.
            StorageError: The fallback store cannot be used.
            TransportError: Kafka cannot be reached and there is no fallback.
        """
        if self._runtime.never_blocks:
            return self._begin()  # a test that counts threads finds none of ours
        return await run_in_thread(self._begin)

    async def shutdown(self, timeout: float = SHUTDOWN_SECONDS) -> ShutdownReport:  # noqa: ASYNC109 - a deadline for other threads
        """Deliver to Kafka what was accepted; store or spool the rest, and stop.

        Args:
            timeout: Limit for all of it, in seconds.

        Returns:
            How many events were delivered, stored and left; the same report when called again.

        Raises:
            UndeliveredError: Some accepted events could not be kept anywhere.
        """
        if self._runtime.never_blocks:
            return self._end(timeout)
        return await run_in_thread(self._end, timeout)

    def health(self) -> Health:
        """Return whether events are accepted safely now, why not, and how the pipeline of this process is.

        It may be called at any moment, in any thread and in a forked child: it asks no server, waits for nothing and does not
        raise. Before ``start()`` and after ``shutdown()`` it is not ready.
        """
        return self._runtime.health()

    def _begin(self) -> None:
        self._runtime.start()
        # Replaced as a whole: other threads read it without a lock.
        if self not in started:
            started[:] = [*started, self]

    def _end(self, timeout: float) -> ShutdownReport:
        started[:] = [other for other in started if other is not self]
        return self._runtime.shutdown(timeout)

    def __copy__(self) -> Self:
        return self  # there is one pipeline, and it belongs to this process

    def __reduce__(self) -> NoReturn:
        message = "Telemetry cannot be pickled: create one in each process, or share this one by fork()"
        raise TypeError(message)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()


started: list[Telemetry] = []
"""Those that were started in this process and not shut down."""
