"""Remembers which data keys trusted checkpoints list for which records, and refuses what was sealed with them elsewhere.

A reader who may unwrap has the data key, and could seal with it: in any stream of the service, at any time. The data key
of an outbox belongs to no stream: a relay lists it for the records that it relayed, and so may the next relay.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache

from telemetry.exceptions import MalformedRecordError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.key_span import KeySpan
from telemetry.format.value.jwe import kid_in_header
from telemetry.reader.proof.places import StreamPlace
from telemetry.reader.proof.stream_proof import StreamProof
from telemetry.reader.sequence_ranges import SequenceRanges

_DATA = b'"data":"'
_MAX_HEADER = 512


class SignedKeys:
    """The data keys of trusted streams, each with the producers that list it, and the records that it sealed.

    A data key is bound to one source: what another service says about it means nothing.
    """

    def __init__(self) -> None:
        # By key and source: for each producer, the records that the key has sealed.
        self._owners: dict[tuple[str, str], defaultdict[str, SequenceRanges]] = {}
        # The keys that some process lists as its own. Those of relayed events are the application's: any relay may list them.
        self._own: set[tuple[str, str]] = set()
        # By producer and source: the records whose keys are listed, and the process's own keys in the order of their records.
        self._listed: defaultdict[tuple[str, str], SequenceRanges] = defaultdict(SequenceRanges)
        self._successions: defaultdict[tuple[str, str], KeySuccession] = defaultdict(KeySuccession)

    def add(self, checkpoint: Checkpoint) -> list[str]:
        """Add the keys that a checkpoint lists; return those that were not known."""
        added, relayed = [], SequenceRanges()
        for run in checkpoint.relayed:
            relayed.add(run.first, run.last + 1)
        for span in checkpoint.keys:
            is_own = span.first not in relayed or span.last not in relayed
            producers = self._owners.setdefault((span.kid, checkpoint.source), defaultdict(SequenceRanges))
            if not producers:
                added.append(span.kid)
            if is_own:
                self._own.add((span.kid, checkpoint.source))
                producers[checkpoint.producer].add(span.first, span.last + 1)
                self._successions[checkpoint.producer, checkpoint.source].add(span)
            else:
                # The data keys of many processes alternate: a range for each record would be kept for ever.
                producers[checkpoint.producer].stretch(span.first, span.last + 1)
            self._listed[checkpoint.producer, checkpoint.source].add(span.first, span.last + 1)
        return added

    def refusal(self, place: StreamPlace, value: bytes, stream: StreamProof | None) -> str:
        """Return why the data key of a record cannot have sealed it; empty if it can.

        Not asked where the record is proven: its leaf hash alone decides then. A checkpoint that lists the key for this
        record may not have been read, unless one lists another key for it, or the process has said that nothing comes
        after its last one.

        Args:
            place: The place that the record claims.
            value: Value of the record.
            stream: What is signed for its producer; None if nothing is.
        """
        kid = _kid(value)
        producers: Mapping[str, SequenceRanges] = self._owners.get((kid, place.source), {})
        if (kid, place.source) in self._own and place.producer not in producers:
            return "its data key belongs to another process, which lists it in its signed checkpoints"
        is_listed = kid and place.sequence in self._listed.get(place[:2], ())
        if is_listed and place.sequence not in producers.get(place.producer, ()):
            return "its data key is not the one that its process lists for this record in its signed checkpoints"
        if producers and stream is not None and stream.is_after_final(place.sequence):
            return "its data key belongs to a process that has signed its last record before"
        # A process goes on to another data key, and never back.
        is_own = (kid, place.source) in self._own
        if is_own and not is_listed and not self._successions[place[:2]].is_next_to(kid, place.sequence):
            return (
                "its process has gone on to another data key between this record and those that it sealed with this one"
            )
        return ""


class KeySuccession:
    """The data keys of one process in the order of its records, each where it is first listed without another in between."""

    __slots__ = ("_firsts", "_kids")

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._kids: list[str] = []

    def add(self, span: KeySpan) -> None:
        """Add the records that a key has sealed."""
        at = bisect_left(self._firsts, span.first)
        if at and self._kids[at - 1] == span.kid:
            return
        if at < len(self._kids) and self._kids[at] == span.kid:
            self._firsts[at] = span.first
            return
        self._firsts.insert(at, span.first)
        self._kids.insert(at, span.kid)

    def is_next_to(self, kid: str, sequence: int) -> bool:
        """Return whether no other key is listed between a record and those of a key."""
        at = bisect_right(self._firsts, sequence)
        return kid in self._kids[max(at - 1, 0) : at + 1]


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
