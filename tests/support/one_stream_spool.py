"""A spool with one stream, whose segment is given."""

from __future__ import annotations

import threading
from pathlib import Path

from telemetry.audit.accept.room import Room
from telemetry.audit.producer import ProducerTree
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.audit.spool.spool import Spool
from telemetry.audit.spool.stream.segments import Segments
from telemetry.audit.spool.stream.spooled_stream import CommittedQueue


class OneStreamSpool:
    """A spool and its part of one stream.

    Args:
        segment: The stream's file.
        lock: The intake's lock.
        queue: Accepts committed records.
        tree: The producer's tree.
        room: Room of accepted events; default: one that nothing fills.
        max_kept_bytes: How many settled bytes may stay on disk.
    """

    def __init__(
        self,
        segment: SpoolSegment,
        *,
        lock: threading.Lock,
        queue: CommittedQueue,
        tree: ProducerTree,
        room: Room | None = None,
        max_kept_bytes: int = 1 << 60,
    ) -> None:
        room = room or Room(lock=lock, max_events=1_000, max_bytes=1 << 20)
        self.spool = Spool(lock=lock, room=room, max_kept_bytes=max_kept_bytes)
        unused = Segments(folder=Path("unused"), topic="audit-events", source="/production/shop")
        self.stream = self.spool.open_stream(tree, unused, queue=queue, segment=segment)
        self.add = self.stream.add
        self.acknowledge = self.stream.acknowledge
        self.keep_open_for = self.stream.keep_open_for
        self.save = self.spool.save
        self.stop = self.spool.stop
        self.close = self.spool.close

    @property
    def is_accepting(self) -> bool:
        """Whether the last commit succeeded."""
        return self.spool.is_accepting
