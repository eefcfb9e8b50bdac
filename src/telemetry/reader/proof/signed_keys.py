"""Remembers which data keys trusted checkpoints list, and refuses records that were sealed with them elsewhere.

A reader who may unwrap has the data key, and could seal with it: in any stream of the service, at any time.
"""

from __future__ import annotations

from functools import lru_cache

from telemetry.exceptions import MalformedRecordError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.value.jwe import kid_in_header
from telemetry.reader.proof.places import StreamPlace
from telemetry.reader.proof.stream_proof import StreamProof

_DATA = b'"data":"'
_MAX_HEADER = 512


class SignedKeys:
    """The data keys of trusted streams, each with its producer and the records that it sealed."""

    def __init__(self) -> None:
        # By key: its source, and for each producer that lists it the first and the last sequence.
        self._spans: dict[str, tuple[str, dict[str, tuple[int, int]]]] = {}

    def add(self, checkpoint: Checkpoint) -> list[str]:
        """Add the keys that a checkpoint lists; return those that were not known."""
        added = []
        for span in checkpoint.keys:
            if span.kid not in self._spans:
                self._spans[span.kid] = (checkpoint.source, {})
                added.append(span.kid)
            source, spans = self._spans[span.kid]
            # A data key is bound to one source: what another service says about it means nothing.
            if source == checkpoint.source:
                first, last = spans.get(checkpoint.producer, (span.first, span.last))
                spans[checkpoint.producer] = min(first, span.first), max(last, span.last)
        return added

    def refusal(self, place: StreamPlace, value: bytes, stream: StreamProof | None) -> str:
        """Return why the data key of a record cannot have sealed it; empty if it can.

        Args:
            place: The place that the record claims.
            value: Value of the record.
            stream: What is signed for its producer; None if nothing is.
        """
        source, spans = self._spans.get(_kid(value), (None, {}))
        if source != place.source:
            return ""
        span = spans.get(place.producer)
        if span is None:
            return "its data key belongs to another process, which lists it in its signed checkpoints"
        first, last = span
        # The present key of a process that is running has sealed more than its last checkpoint says.
        may_be_in_use = stream is None or (not stream.is_closed and place.sequence >= stream.size)
        if first <= place.sequence <= last or may_be_in_use:
            return ""
        return f"its data key sealed the records {first} to {last} of its process, as the signed checkpoints say, and no other"


def _kid(value: bytes) -> str:
    """Return the commitment to the data key that a sealed value names; empty if there is none."""
    start = value.find(_DATA) + len(_DATA)
    end = value.find(b".", start, start + _MAX_HEADER)
    return _kid_in(value[start:end]) if start >= len(_DATA) and end >= 0 else ""


@lru_cache(maxsize=1_024)
def _kid_in(header: bytes) -> str:
    try:
        return kid_in_header(header)
    except MalformedRecordError:
        return ""
