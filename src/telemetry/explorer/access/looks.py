"""Records in the trail who looks at what, before it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from telemetry.config import TelemetryConfig
from telemetry.explorer.access.session import Session


class Looks:
    """Writes an event for each look, and waits until it is durable.

    Args:
        config: Configuration of the trail; its ``read_audit`` says what happens if an event cannot be written.

    Attributes:
        with_text: Whether what was searched for may be written down: the trail is sealed.
    """

    def __init__(self, config: TelemetryConfig) -> None:
        self._config = config
        self.with_text = config.audit_config.encryption_enabled

    async def opened(self, session: Session, reason: str) -> None:
        """Record that a person opens the content of the trail (``telemetry.read``), once a session.

        Raises:
            ReadNotRecordedError: It could not be recorded, and ``read_audit`` is ``required``.
        """
        raise NotImplementedError

    async def searched(self, session: Session, description: Mapping[str, Any], found: int) -> None:
        """Record a search (``telemetry.searched``).

        Args:
            session: Who searches.
            description: The conditions, as ``EventFilter.describe(with_text=looks.with_text)`` says them.
            found: How many events were found.

        Raises:
            ReadNotRecordedError: It could not be recorded, and ``read_audit`` is ``required``.
        """
        raise NotImplementedError

    async def viewed(self, session: Session, event_id: str) -> None:
        """Record that an event was opened on the screen (``telemetry.viewed``); errors as :meth:`searched`."""
        raise NotImplementedError

    async def exported(self, session: Session, description: Mapping[str, Any], events: int) -> None:
        """Record that content leaves the explorer (``telemetry.exported``); errors as :meth:`searched`.

        Args:
            session: Who takes it.
            description: What was taken, and in which form.
            events: How many events.
        """
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
