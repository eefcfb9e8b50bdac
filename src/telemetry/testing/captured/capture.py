"""Captures events in memory: no broker, key, thread or file is used, whatever the configuration says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from telemetry.audit.local.captures import captures
from telemetry.audit.local.event_memory import EventMemory, memory_of_process
from telemetry.testing.captured.captured_events import CapturedEvents


@contextmanager
def capture_events() -> Iterator[CapturedEvents]:
    """Capture the events of every ``Telemetry`` of this process, from any thread, until the block ends.

    ``start()``, ``log()`` and ``shutdown()`` work as in production: the same arguments are refused, and receipts are
    accepted, durable and delivered. Nothing is sent. A ``Telemetry`` that was started before sends again afterwards; one
    that was started inside must be started again. Where captures are nested, each of them gets the event. Events that
    record a read of the trail are not captured.

    Yields:
        What was captured so far.
    """
    memory = EventMemory(max_events=None, max_bytes=None)
    captures.begin(memory)
    try:
        yield CapturedEvents(memory)
    finally:
        captures.end(memory)


def memory_events() -> CapturedEvents:
    """Return what ``kafka_brokers="memory:"`` keeps in this process: the last 10,000 events, of at most 32 MiB as JSON."""
    return CapturedEvents(memory_of_process())
