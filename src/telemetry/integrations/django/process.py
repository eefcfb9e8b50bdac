"""Owns what logs in a Django process: created with the first use, started after the fork, ended at exit."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.utils.module_loading import import_string

from telemetry.client import Telemetry
from telemetry.integrations.django.settings import AuditSettings, load_settings
from telemetry.integrations.recorder import Recorder
from telemetry.integrations.web.web_audit import WebAudit
from telemetry.types import TelemetryConfig

logger = logging.getLogger("telemetry.integrations")

_PAUSE_SECONDS = 10.0
"""After a failed start the next attempt waits: each may take as long as a key service does not answer."""


class AuditProcess:
    """What logs in this process, and how; all parts of the app share it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._settings: AuditSettings | None = None
        self._web: WebAudit | None = None
        self._next_attempt = 0.0

    @property
    def settings(self) -> AuditSettings:
        """What ``settings.TELEMETRY`` says."""
        if self._settings is None:
            self._settings = load_settings()
        return self._settings

    @property
    def web(self) -> WebAudit:
        """What logs requests.

        Raises:
            ConfigurationError: The configuration cannot be loaded.
        """
        if self._web is None:
            with self._lock:
                if self._web is None:
                    self._web = self._created()
        return self._web

    @property
    def recorder(self) -> Recorder:
        """What logs."""
        return self.web.recorder

    @property
    def is_started(self) -> bool:
        """Whether this process, not one that it was forked from, has started."""
        return self._web is not None and self._web.is_started

    def start(self) -> None:
        """Start what logs, unless it is started; it blocks.

        Raises:
            TelemetryError: It cannot be started.
        """
        with self._lock:
            if not self.is_started:
                self.web.start()

    def try_to_start(self) -> None:
        """Start what logs; a failure is counted, and the application goes on."""
        if self.is_started or time.monotonic() < self._next_attempt:
            return
        try:
            self.start()
        except Exception as exc:  # noqa: BLE001 - a request is answered without its audit event; counted and logged
            self._next_attempt = time.monotonic() + _PAUSE_SECONDS
            self.recorder.failed(exc)

    async def atry_to_start(self) -> None:
        """Do the same without blocking the event loop."""
        if not self.is_started:
            await asyncio.to_thread(self.try_to_start)

    def record(self, event_type: str, payload: Any, **fields: Any) -> None:
        """Log an event, in a process that may not have logged before; a failure is counted."""
        try:
            self.try_to_start()
            self.recorder.record(event_type, payload, **fields)
        except Exception:
            # Without a configuration there is not even a recorder that could count.
            logger.exception("an audit event could not be logged")

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Keep a failure of the audit away from the application; it is counted."""
        try:
            yield
        except Exception as exc:  # noqa: BLE001 - as the docstring says
            self._failed(exc)

    def reset(self) -> None:
        """Forget everything, as if the process had just begun; for tests that change the settings."""
        if self._web is not None:
            self._web.shutdown()
        self.__init__()  # type: ignore[misc]

    def _failed(self, error: Exception) -> None:
        try:
            self.recorder.failed(error)
        except Exception:
            logger.exception("a change could not be audited")

    def _created(self) -> WebAudit:
        own = self.settings
        telemetry = import_string(own.telemetry) if own.telemetry is not None else None
        if telemetry is not None and not isinstance(telemetry, Telemetry):
            message = f'TELEMETRY["telemetry"]: {own.telemetry} is no Telemetry'
            raise TypeError(message)
        # Not with the settings: a command that logs nothing needs no configuration, such as one that builds an image.
        config = own.config
        if isinstance(config, Mapping):
            config = TelemetryConfig(**config)
        elif config is not None and not isinstance(config, TelemetryConfig):
            config = TelemetryConfig.load(config)
        return WebAudit("django", own.web, telemetry=telemetry, config=config)


process = AuditProcess()
