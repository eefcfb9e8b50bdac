"""Looks after all streams in the sender: their checkpoints, and the end of those that are idle."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpoints.checkpointer import Checkpointer
from telemetry.audit.streams.open_stream import OpenStream
from telemetry.audit.streams.stream_registry import StreamRegistry

logger = logging.getLogger("telemetry.audit")

_ROUND_SECONDS = 0.25


class StreamRounds:
    """A ``BatchObserver``: each stream sees its own records of a batch, and all streams are looked at four times a second.

    Args:
        registry: The streams of other services.
        own: Producer of the process's own stream.
        checkpointer: Signs that one; None where nothing is signed.
        idle_seconds: A stream without events for so long ends.
    """

    def __init__(
        self, registry: StreamRegistry, *, own: str, checkpointer: Checkpointer | None, idle_seconds: float
    ) -> None:
        self._registry = registry
        self._own = own
        self._checkpointer = checkpointer
        self._idle_seconds = idle_seconds
        self._next_round = 0.0
        self._is_ending = False

    def expect_end(self) -> None:
        """Sign the final checkpoint of every stream as soon as its tree has every event; no more are accepted."""
        if self._checkpointer is not None:
            self._checkpointer.expect_end()
        for stream in self._registry.streams():
            stream.expect_end()
        self._is_ending = True

    def before_send(self, records: Sequence[SealedRecord]) -> Iterable[SealedRecord]:
        """Return the checkpoints of all streams that are due."""
        now = time.monotonic()
        groups = _by_producer(records)
        added = self._of_own(groups.get(self._own, ()))
        for producer, group in groups.items():
            stream = self._registry.by_producer(producer)
            if stream is not None:
                stream.seen_at = now
                added += _due(stream, group)
        if now >= self._next_round or self._is_ending:
            self._next_round = now + _ROUND_SECONDS
            added += self._round(groups, now)
        return added

    def _of_own(self, records: Sequence[SealedRecord]) -> list[SealedRecord]:
        return _due(self._checkpointer, records) if self._checkpointer is not None else []

    def _round(self, seen: dict[str, list[SealedRecord]], now: float) -> Iterator[SealedRecord]:
        for stream in self._registry.streams():
            if stream.producer in seen:
                continue
            if not self._is_ending and self._is_idle(stream, now):
                yield from self._registry.end_if_idle(stream)
            else:
                yield from _due(stream, ())

    def _is_idle(self, stream: OpenStream, now: float) -> bool:
        return now - stream.seen_at >= self._idle_seconds


def _by_producer(records: Sequence[SealedRecord]) -> dict[str, list[SealedRecord]]:
    groups: dict[str, list[SealedRecord]] = {}
    for record in records:
        group = groups.get(record.producer)
        if group is None:
            groups[record.producer] = [record]
        else:
            group.append(record)
    return groups


def _due(stream: OpenStream | Checkpointer, records: Sequence[SealedRecord]) -> list[SealedRecord]:
    try:
        return list(stream.before_send(records))
    except Exception:
        # The other streams have their checkpoints all the same.
        logger.exception("a checkpoint of one stream cannot be created now; it is tried again")
        return []
