"""Finds the open stream of each service, opens it with the first event, and ends it when it is idle."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

from telemetry.audit.record import SealedRecord
from telemetry.audit.streams.open_stream import OpenStream
from telemetry.exceptions import BackpressureError, LifecycleError, TelemetryError

logger = logging.getLogger("telemetry.audit")


class StreamEndedError(LifecycleError):
    """The stream was idle and has ended; the next event opens another one."""


_ENDED = StreamEndedError("the stream was idle and has ended")


class StreamOpener(Protocol):
    """Builds the parts of a stream, and takes those apart that are shared with others."""

    def open(self, service_name: str) -> OpenStream:
        """Return a new stream."""

    @property
    def ending(self) -> int:
        """How many streams have ended and still have a file in the spool."""

    def release(self, stream: OpenStream) -> None:
        """Forget the keys of a stream that has ended, and its place in what is shared."""


class StreamRegistry:
    """The streams that a process carries for other services.

    ``log()`` looks its stream up without a lock. Opening and ending happen under one lock, so a service has one open stream
    at most; the lock of the intakes is taken within it, never the other way round.

    Args:
        opener: Opens streams.
        max_streams: So many may be open.
    """

    def __init__(self, opener: StreamOpener, *, max_streams: int) -> None:
        self._opener = opener
        self._max_streams = max_streams
        self._lock = threading.Lock()
        self._by_name: dict[str, OpenStream] = {}
        self._by_producer: dict[str, OpenStream] = {}
        self._ended_events = 0
        self._closed: TelemetryError | None = None

    def __len__(self) -> int:
        """How many streams are open."""
        return len(self._by_name)

    @property
    def accepted(self) -> int:
        """How many events were accepted, of open streams and of those that have ended."""
        with self._lock:
            return self._ended_events + sum(stream.intake.accepted for stream in self._by_name.values())

    @property
    def waiting(self) -> int:
        """How many events wait for room or for a key."""
        return sum(stream.intake.waiting for stream in self.streams())

    @property
    def is_key_withheld(self) -> bool:
        """Whether the key service gives one of the streams no new data key."""
        return any(stream.keys is not None and stream.keys.keyring.is_withheld for stream in self.streams())

    @property
    def fullest_share(self) -> float:
        """How much of its share of the queue the stream uses that uses most of it, from 0 to 1."""
        return max((stream.share.fill for stream in self.streams()), default=0.0)

    def streams(self) -> Sequence[OpenStream]:
        """Return the open streams, in the order in which they were opened."""
        return list(self._by_name.values())

    def by_producer(self, producer: str) -> OpenStream | None:
        """Return the open stream of a producer."""
        return self._by_producer.get(producer)

    def of(self, service_name: str) -> OpenStream:
        """Return the open stream of a service; one is opened if there is none.

        Raises:
            BackpressureError: As many streams are open as may.
            LifecycleError: The pipeline is shut down.
        """
        return self._by_name.get(service_name) or self._opened(service_name)

    def after(self, ended: OpenStream) -> OpenStream:
        """Return the stream that follows one which has refused an event with :class:`StreamEndedError`; errors as :meth:`of`."""
        # Under the lock, which is free once the one that has ended is no longer found.
        return self._opened(ended.service_name)

    def require_room(self, service_name: str) -> None:
        """Raise what :meth:`of` would raise, and open nothing."""
        if service_name not in self._by_name:
            with self._lock:
                self._require_room()

    def end_if_idle(self, stream: OpenStream) -> Sequence[SealedRecord]:
        """End a stream of which nothing waits and everything is settled; called by the sender.

        Returns:
            Its final checkpoint; none where it cannot be created, which is logged.
        """
        with self._lock:
            if not stream.intake.close_if_unused(_ENDED):
                return ()
            del self._by_name[stream.service_name]
            self._ended_events += stream.intake.accepted
        stream.expect_end()
        final = _final_of(stream)
        del self._by_producer[stream.producer]
        self._opener.release(stream)
        return final

    def close(self, error: TelemetryError) -> None:
        """Refuse every further event with ``error``, and open no further stream."""
        with self._lock:
            self._closed = error
        for stream in self.streams():
            stream.intake.close(error)

    def refuse_waiting(self) -> None:
        """Refuse the events that still wait after :meth:`close`."""
        for stream in self.streams():
            stream.intake.refuse_waiting()

    def _opened(self, service_name: str) -> OpenStream:
        with self._lock:
            stream = self._by_name.get(service_name)
            if stream is None:
                self._require_room()
                stream = self._opener.open(service_name)
                self._by_producer[stream.producer] = stream
                self._by_name[service_name] = stream
            return stream

    def _require_room(self) -> None:
        if self._closed is not None:
            raise self._closed
        if len(self._by_name) + self._opener.ending >= self._max_streams:
            message = (
                f"{self._max_streams} services have an open stream, as many as may, so the event was not logged; "
                "raise shared_streams.max_streams, or lower idle_seconds"
            )
            raise BackpressureError(message)


def _final_of(stream: OpenStream) -> Sequence[SealedRecord]:
    try:
        return list(stream.before_send(()))
    except Exception:
        # Its events are delivered, and what it shared must be free again; the checkpoints of the other streams go on.
        logger.exception(
            "the final checkpoint of the idle stream %s cannot be created, so verification reports the stream as truncated",
            stream.producer,
        )
        return ()
