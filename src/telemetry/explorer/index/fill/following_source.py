"""Waits for the records that come after the part of a topic that was read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from telemetry.config import AuditConfig
from telemetry.explorer.index.fill.watched_source import SourceWatch
from telemetry.reader import KafkaSource, ReadRange
from telemetry.reader.entry import SourceRecord
from telemetry.reader.proof.ticking import TickingSource


class FollowingSource:
    """The rest of a topic, without end. It begins where another source has ended, so that its end is known to the record.

    Args:
        config: How to reach Kafka, and the topic.
        before: Reads the topic up to where this one begins; it was read before this one is.
        watch: Counts the records, and has something to do while none comes.
    """

    is_endless = True

    def __init__(self, config: AuditConfig, before: KafkaSource, watch: SourceWatch) -> None:
        self._config = config
        self._before = before
        self._watch = watch
        # One thread reads, another one stops; the lock keeps a stop from coming between the look and the start.
        self._lock = threading.Lock()
        self._is_stopped = False
        self._ticking: TickingSource | None = None

    def __iter__(self) -> Iterator[SourceRecord]:
        """Yield the records.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        starts = {partition: end for partition, (_, end) in self._before.bounds.items()}
        with KafkaSource(self._config, within=ReadRange(starts=starts, follow=True), merged=True) as topic:
            topic.locate()
            ticking = TickingSource(topic)
            with self._lock:
                if self._is_stopped:
                    return
                self._ticking = ticking
            self._watch.reached_end()
            for record in ticking:
                if self._is_stopped:
                    return
                if record is None:
                    self._watch.quiet()
                    continue
                self._watch.read()
                yield record

    def describe(self) -> dict[str, Any]:
        """Return what is read, for the event that records the read."""
        return {"kind": "topic", "topic": self._config.kafka_topic, "range": {"follow": True}}

    def stop(self) -> None:
        """End the records soon; can be called from any thread."""
        with self._lock:
            self._is_stopped = True
            ticking = self._ticking
        if ticking is not None:
            ticking.stop()

    def close(self) -> None:
        """End the records, and the thread that fetches them."""
        self.stop()
