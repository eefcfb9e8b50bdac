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
    """The data keys of trusted streams, each with the producers that list it.

    A data key is bound to one source: what another service says about it means nothing.
    """

    def __init__(self) -> None:
        self._owners: dict[tuple[str, str], set[str]] = {}

    def add(self, checkpoint: Checkpoint) -> list[str]:
        """Add the keys that a checkpoint lists; return those that were not known."""
        added = []
        for span in checkpoint.keys:
            producers = self._owners.setdefault((span.kid, checkpoint.source), set())
            if not producers:
                added.append(span.kid)
            producers.add(checkpoint.producer)
        return added

    def refusal(self, place: StreamPlace, value: bytes, stream: StreamProof | None) -> str:
        """Return why the data key of a record cannot have sealed it; empty if it can.

        Where the leaf hash is signed, it alone decides. Elsewhere the checkpoint that lists the key for this record may
        not have been read, unless the process itself has said that nothing comes after its last one.

        Args:
            place: The place that the record claims.
            value: Value of the record.
            stream: What is signed for its producer; None if nothing is.
        """
        producers = self._owners.get((_kid(value), place.source))
        if producers is None:
            return ""
        if place.producer not in producers:
            return "its data key belongs to another process, which lists it in its signed checkpoints"
        if stream is not None and stream.is_after_final(place.sequence):
            return "its data key belongs to a process that has signed its last record before"
        return ""


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
