"""Reads the pipeline's gauges: values that can be asked for at any moment."""

from __future__ import annotations

from telemetry.audit.watch.parts import WatchedParts


class PipelineGauges:
    """The gauges of one pipeline, read in the thread of the application's metric reader.

    Args:
        parts: The parts that are asked.
    """

    def __init__(self, parts: WatchedParts) -> None:
        self._parts = parts

    def gauges(self) -> dict[str, float]:
        """Return the values by metric name; a part that is not configured has none."""
        parts = self._parts
        events, size = parts.room.used
        values: dict[str, float] = {
            "audit.queue.events": events,
            "audit.queue.bytes": size,
            "audit.queue.fill": parts.room.fill,
            "audit.queue.waiting_calls": parts.intakes.waiting,
            "audit.kafka.diverted": int(parts.dispatcher.is_diverted),
            "audit.oldest_undelivered_age_seconds": parts.oldest_age(),
        }
        sharing = parts.intakes.sharing()
        if sharing is not None:
            values["audit.streams.open"], values["audit.streams.fullest_share"] = sharing
        if parts.keyring is not None:
            values |= {
                "audit.data_key.uses_left": parts.keyring.uses_left,
                "audit.data_key.age_seconds": parts.keyring.age,
                "audit.data_key.overdue": int(parts.keyring.is_withheld or parts.intakes.is_key_withheld),
                "audit.kms.last_call_ms": parts.keyring.last_fetch_seconds * 1_000,
            }
        if parts.subjects is not None:
            values["audit.subject_keys.cached"] = parts.subjects.keys_in_memory
            values["audit.subject_keys.unreachable"] = int(parts.subjects.last_error is not None)
        if parts.spool is not None:
            values["audit.spool.bytes"] = parts.spool.size
            values["audit.spool.broken"] = int(not parts.spool.is_accepting)
        if parts.handler is not None:
            names = ("backlog_objects", "backlog_events", "backlog_bytes", "oldest_age_seconds")
            backlog = zip(names, parts.handler.backlog(), strict=True)
            values |= {f"audit.fallback.{name}": value for name, value in backlog}
        if parts.worker is not None:
            values["audit.fallback.lock_waiting_seconds"] = parts.worker.lock_waiting_seconds
        return values
