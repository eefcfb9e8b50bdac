"""Knows what trusted keys have signed, as far as the trail was read, and judges records by it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from telemetry.exceptions import MalformedRecordError
from telemetry.format.proof.checkpoint_message import CheckpointMessage, decode_checkpoint_message
from telemetry.format.proof.merkle import split_hashes
from telemetry.reader.entry import EndedRun, Proven, RawRecord, RedactedEvent
from telemetry.reader.proof.places import PlaceReader, StreamPlace
from telemetry.reader.proof.signed_keys import SignedKeys
from telemetry.reader.proof.signed_leaves import SignedLeafStore
from telemetry.reader.proof.stream_proof import StreamProof
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.checkpoint_judge import CheckpointJudge
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow
from telemetry.reader.verify.unproven.stream_name import StreamName
from telemetry.reader.verify.unproven.waiting import WaitingRecords

MAX_HELD_EVENTS = 4_000_000
"""Leaf hashes of trusted streams that wait for a checkpoint, or for the records before it: about 140 MB."""

_INTERVAL_SECONDS = 3_600.0
"""Longest time between two checkpoints of a stream, with room for clocks that differ."""


class KeyListener(Protocol):
    """Learns which data keys trusted checkpoints list."""

    def list_keys(self, kids: Iterable[str]) -> None:
        """Called with the commitments to data keys."""


class ProofIndex:
    """What trusted keys have signed.

    Args:
        policy: Who may sign what.
        listener: Learns the data keys that are signed.

    Attributes:
        changes: A number that rises whenever more can be judged.
    """

    def __init__(self, policy: TrustPolicy, listener: KeyListener) -> None:
        self._judge = CheckpointJudge(policy)
        self._listener = listener
        self._places = PlaceReader()
        # By producer and source: what a service signs says nothing about another one, under whatever producer id.
        self._streams: dict[tuple[str, str], StreamProof] = {}
        self._producers: dict[str, StreamProof] = {}
        self._store = SignedLeafStore()
        self._room = LeafBudget(MAX_HELD_EVENTS)
        self._waiting = WaitingRecords()
        self._keys = SignedKeys()
        self._ended: dict[tuple[str, str], list[tuple[int, int]]] = {}
        # When the first record of each partition was appended.
        self._beginnings: dict[tuple[str, int | None], float] = {}
        self.changes = 0

    def observe(self, raw: RawRecord) -> StreamPlace | None:
        """Learn from a record; return the place that it claims if it is an event of this format, otherwise None.

        Raises:
            StorageError: What does not fit into memory cannot be written to the disk.
        """
        if raw.place.partition is not None and raw.place[:2] not in self._beginnings:
            appended = raw.timestamp if raw.append_time is None else raw.append_time
            # Before offset 0 nothing was deleted; anyone may write the first record of an empty partition, under any date.
            self._beginnings[raw.place[:2]] = -math.inf if appended is None or not raw.place.offset else appended
        if raw.value is None:
            return None
        place = self._places.read(raw.value)
        if place is None:
            self._observe_checkpoint(raw)
            return None
        if not place.leaf:
            return None
        stream = self._streams.get(place[:2])
        if stream is not None:
            self.changes += stream.add_record(place.sequence, place.leaf)
        else:
            self._waiting.add(_name_of(*place[:2]), place.sequence, place.leaf, None)
        return place

    def observe_redacted(self, record: RedactedEvent) -> StreamPlace:
        """Learn from an event without its value; return the place whose leaf hash is left of it."""
        place = StreamPlace(record.producer, record.source, record.sequence, record.leaf)
        stream = self._streams.get(place[:2])
        if stream is not None:
            self.changes += stream.add_record(place.sequence, place.leaf)
        else:
            self._waiting.add(_name_of(*place[:2]), place.sequence, place.leaf, None)
        return place

    def observe_ended(self, run: EndedRun) -> None:
        """Learn from events whose retention has ended: their leaf hashes may prove others, and they are not lacking."""
        self._ended.setdefault((run.producer, run.source), []).append((run.first, run.end))
        for number, leaf in enumerate(split_hashes(run.leaves or b""), start=run.first):
            stream = self._streams.get((run.producer, run.source))
            if stream is not None:
                self.changes += stream.add_record(number, leaf)
            else:
                self._waiting.add(_name_of(run.producer, run.source), number, leaf, None)

    def place_of(self, raw: RawRecord) -> StreamPlace | None:
        """Return the place that a record claims, in whatever form it is; None if it claims none."""
        return self._places.read(raw.value) if raw.value is not None else None

    def judge(self, place: StreamPlace) -> Proven | None:
        """Return whether a record is proven; None while nothing that was read says so.

        Raises:
            StorageError: What is on the disk cannot be read.
        """
        stream = self._streams.get(place[:2])
        if stream is None and not place.source:
            # In no form of this format: it claims the number all the same, and is not what was signed.
            stream = self._producers.get(place.producer)
        return stream.judge(place.sequence, place.leaf) if stream is not None else None

    def via(self, place: StreamPlace) -> str | None:
        """Return the gateway through which the events of a stream were logged, as was signed; None for none."""
        stream = self._streams.get(place[:2])
        return stream.via if stream is not None else None

    def is_signed(self, place: StreamPlace) -> bool:
        """Return whether a trusted key has signed for a number of a producer, whatever the record there is."""
        stream = self._streams.get(place[:2]) or self._producers.get(place.producer)
        return stream is not None and place.sequence < stream.size

    def is_trusted(self, producer: str) -> bool:
        """Return whether a trusted key has signed for a producer."""
        return producer in self._producers

    def refusal(self, place: StreamPlace, value: bytes) -> str:
        """Return why the data key of a record cannot have sealed it; empty if it can."""
        return self._keys.refusal(place, value, self._streams.get(place[:2]))

    def find(self, place: StreamPlace) -> None:
        """Count a proven record; called once for each."""
        stream = self._streams.get(place[:2])
        if stream is not None:
            stream.find(place.sequence)

    @property
    def lacking(self) -> int:
        """How many signed records are absent, although the part of the topic that was read should have them.

        What was signed before the read part of some partition begins may have been deleted, or was not wanted.
        """
        since = max(self._beginnings.values(), default=-math.inf) + _INTERVAL_SECONDS
        return sum(stream.lacking(since, self._ended.get(name, ())) for name, stream in self._streams.items())

    def close(self) -> None:
        """Forget everything."""
        self._streams.clear()
        self._store.close()
        self._waiting.close()
        self._ended.clear()

    def _observe_checkpoint(self, raw: RawRecord) -> None:
        try:
            message = decode_checkpoint_message(raw.value or b"")
        except MalformedRecordError:
            return
        if message is not None:
            self._add_checkpoint(message, raw)

    def _add_checkpoint(self, message: CheckpointMessage, raw: RawRecord) -> None:
        """Add a checkpoint, if it is believed.

        1. A key that the policy believes signed it.
        2. It was signed for the topic that it was read from, or the policy accepts the other one.
        3. Its interval, its keys and its end count from now on.
        """
        # 1.
        judged = self._judge.judge(message, raw)
        checkpoint = judged.checkpoint
        if checkpoint is None or not judged.accepted:
            return
        # 2. Files and fallback objects are no topics.
        is_other_topic = raw.place.partition is not None and checkpoint.topic not in (None, raw.place.source)
        if is_other_topic and not self._judge.lists_topic(judged):
            return
        # 3.
        self._stream(checkpoint.producer, checkpoint.source).add_checkpoint(checkpoint, judged.leaves())
        self._listener.list_keys(self._keys.add(checkpoint))
        self.changes += 1

    def _stream(self, producer: str, source: str) -> StreamProof:
        stream = self._streams.get((producer, source))
        if stream is None:
            stream = self._streams[producer, source] = StreamProof(LeafWindow(self._room), self._store)
            self._producers.setdefault(producer, stream)
            for record in self._waiting.take(_name_of(producer, source)):
                stream.add_record(record.sequence, record.leaf)
        return stream


_name_of = lru_cache(maxsize=1_024)(StreamName.of)
