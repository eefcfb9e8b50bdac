"""Logs for an integration: the application never learns that an event could not be logged, and the operator does."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Not used here, but loaded: a process that forks while the first event loads it could not load it in the child.
from telemetry.catalog.scrubber import Scrubber  # noqa: F401
from telemetry.client import started
from telemetry.context import FROM_CONTEXT
from telemetry.current import current_telemetry
from telemetry.hook_failures import HookFailures
from telemetry.types import ShutdownReport

if TYPE_CHECKING:
    from telemetry.client import Telemetry
    from telemetry.config import TelemetryConfig
    from telemetry.types import Receipt

SHUTDOWN_SECONDS = 30.0


class Recorder:
    """Starts what logs, or uses what is started, and logs without ever raising.

    Args:
        hook: Name of the integration, an attribute of ``audit.hooks.failed_total``.
        telemetry: What logs; None creates one.
        config: Configuration of the one that is created: an object, a TOML file, or None for ``TELEMETRY_*`` variables.
        use_started: Use the one that is started in this process at the moment of an event. One is created only by
            :meth:`start`, and only if none is started.
        scrub: Whether secrets and payment card numbers are replaced; a framework hands over whatever it has.

    Raises:
        ConfigurationError: Nothing was given, and the configuration cannot be loaded.
    """

    def __init__(
        self,
        hook: str,
        *,
        telemetry: Telemetry | None = None,
        config: TelemetryConfig | str | Path | None = None,
        use_started: bool = False,
        scrub: bool = True,
    ) -> None:
        self._failures = HookFailures(hook)
        self._scrub = scrub

        self._lock = threading.Lock()
        self._config = config
        self._telemetry = telemetry if telemetry is not None or use_started else _created(config)
        self._is_ready = False
        self._is_ours = False

    @property
    def telemetry(self) -> Telemetry:
        """What logs.

        Raises:
            LifecycleError: None was given, and none is started in this process, or several are.
        """
        return self._telemetry if self._telemetry is not None else current_telemetry()

    @property
    def own_telemetry(self) -> Telemetry | None:
        """What logs, if it was given or created here: for the audit context of what runs in the integration."""
        return self._telemetry

    @property
    def failures(self) -> int:
        """Events that could not be logged."""
        return self._failures.count

    def start(self) -> None:
        """Start what logs, unless it is started already; it blocks, and calling it again does nothing.

        Raises:
            TelemetryError: It cannot be started; as ``Telemetry.start()``.
        """
        with self._lock:
            if self._is_ready:
                return
            if self._telemetry is None and not started:
                self._telemetry = _created(self._config)
            if self.telemetry.health().state == "not_started":
                starting = self.telemetry.start()
                if starting is not None:
                    asyncio.run(starting)
                self._is_ours = True
            self._is_ready = True

    def shutdown(self, timeout: float = SHUTDOWN_SECONDS) -> None:
        """End what :meth:`start` has started; a failure is counted.

        Args:
            timeout: Limit in seconds.
        """
        with self._lock:
            is_due, self._is_ours = self._is_ours, False
        if not is_due:
            return
        try:
            ended = self.telemetry.shutdown(timeout)
            if not isinstance(ended, ShutdownReport):
                asyncio.run(ended)
        except Exception as exc:  # noqa: BLE001 - the application ends as it would; counted and logged
            self._failures.add(exc)

    async def astart(self) -> None:
        """Do the same as :meth:`start` without blocking the event loop."""
        await asyncio.to_thread(self.start)

    async def ashutdown(self, timeout: float = SHUTDOWN_SECONDS) -> None:  # noqa: ASYNC109 - a deadline for other threads
        """Do the same as :meth:`shutdown` without blocking the event loop."""
        await asyncio.to_thread(self.shutdown, timeout)

    def record(self, event_type: str, payload: Any, user_id: Any = FROM_CONTEXT, **fields: Any) -> Receipt | None:
        """Log an event; what does not fit is written as text, and secrets are scrubbed.

        Args:
            event_type: What happened.
            payload: Any value.
            user_id: The user; else the context names it.
            **fields: As to ``log()``.

        Returns:
            The receipt; None if the event could not be logged, which is counted.
        """
        try:
            values = {"scrub": self._scrub, **fields}
            return self.telemetry.audit.log(event_type, payload, user_id, unfit="repr", **values)
        except Exception as exc:  # noqa: BLE001 - the application must not learn of it; counted and logged
            self._failures.add(exc)
            return None

    def failed(self, error: BaseException) -> None:
        """Count an event that could not even be made, because a hook of the application failed."""
        self._failures.add(error)


def _created(config: TelemetryConfig | str | Path | None) -> Telemetry:
    # Not loaded where one is given.
    from telemetry.config import TelemetryConfig  # noqa: PLC0415
    from telemetry.sync import Telemetry  # noqa: PLC0415

    if config is None or isinstance(config, (str, Path)):
        config = TelemetryConfig.load(config)
    return Telemetry(config)
