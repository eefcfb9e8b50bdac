"""Offers ``Telemetry`` to blocking code: the same object, with a start and a shutdown that block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from telemetry.audit.reports import SHUTDOWN_SECONDS, ShutdownReport
from telemetry.client import Telemetry as _Telemetry

if TYPE_CHECKING:
    from types import TracebackType


class Telemetry(_Telemetry):
    """Encrypted audit logging for scripts, threads and WSGI applications; arguments and errors as ``telemetry.Telemetry``.

    ``with Telemetry(config) as telemetry:`` starts it and shuts it down. ``start()`` and ``shutdown()`` block, and are no
    coroutines.
    """

    def start(self) -> None:  # type: ignore[override]
        """Check keys and fallback store, then accept events."""
        self._begin()

    def shutdown(self, timeout: float = SHUTDOWN_SECONDS) -> ShutdownReport:  # type: ignore[override]
        """Deliver or keep what was accepted, within ``timeout`` seconds, and stop."""
        return self._end(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
