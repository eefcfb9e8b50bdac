"""Verifies a share of the producers of an archive, so that several processes verify one trail."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from telemetry.exceptions import FormatError, MalformedRecordError, TamperedError
from telemetry.format.proof.checkpoint import parse_text
from telemetry.format.proof.checkpoint_message import CheckpointMessage, decode_checkpoint_message
from telemetry.format.proof.signed_note import PublicKey, parse_note
from telemetry.format.roster.message import decode_roster_message
from telemetry.format.value.head import parse_head, parse_loosely
from telemetry.format.value.message import SEQUENCE
from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.trust.policy import READER_SERVICE, TrustPolicy, service_of
from telemetry.reader.verify.shared.order_watch import OrderWatch
from telemetry.reader.verify.streams import Streams
from telemetry.reader.verify.verifier import MAX_HELD_EVENTS, MAX_REMEMBERED, VerifiedRecord, Verifier
from telemetry.reader.verify.witnessed.witnessed_trail import WitnessedTrail

MAX_STRAYS = 4_096
"""Records of other shares' producers that are kept; with more of them, everything is verified in one process."""
MAX_STRAY_BYTES = 32 << 20

MAX_SIGNINGS = 10_000
"""Pairs of a key and a source that are remembered; only the holder of a known key can add one."""

_MAX_TREES = 4

Moment = tuple[float, Place]
"""A time of Kafka, 0 where there is none, and a place."""


class StreamSigner(NamedTuple):
    """A stream, and a key that is said to have signed for it; whether it did was not verified.

    Attributes:
        source: CloudEvents source of the stream.
        producer: UUIDv7 of the producer.
        signer: Id of the key in the first signature line of a checkpoint, 8 hexadecimal digits.
    """

    source: str
    producer: str
    signer: str


class SignedTree(NamedTuple):
    """A tree that a checkpoint names.

    Attributes:
        size: Its number of leaves.
        root: Its root hash.
    """

    size: int
    root: bytes


class ShareVerifier(Verifier):
    """A verifier of some producers, which are all that it is responsible for.

    Nothing but the value of a record says whose it is: the archive's columns can be wrong. A record of a producer that this
    share does not have is a stray, which is kept for the share that has it.

    Args:
        policy: Who may sign what.
        producers: The producers of the share; None for all.
        is_in_order_of_places: The records are given in the order of their places, as from a topic; otherwise in that of
            their sequences, and their order is watched.
        witnessed: What witnesses saw of the trail.
        collects_trees: The trees that checkpoints name are collected, for those that seals name.

    Attributes:
        trees: The largest trees that checkpoints name, believed or not.
        rosters: Digests of the rosters, in hexadecimal.
        signings: Where policies bind keys to services: the first time at which each key signed for each source.
        strays: Records of producers that other shares have.
        has_too_many_strays: There were more of them than are kept.
        displaced: Places of records in rows that name another producer, with the producers that the records name.
        has_too_many_displaced: There were more of them than are kept.
    """

    def __init__(
        self,
        policy: TrustPolicy,
        *,
        producers: Container[str] | None = None,
        is_in_order_of_places: bool = False,
        witnessed: WitnessedTrail | None = None,
        collects_trees: bool = False,
    ) -> None:
        super().__init__(policy, witnessed=witnessed)
        self.trees: dict[StreamSigner, list[SignedTree]] = {}
        self.signings: dict[tuple[PublicKey, str], Moment] = {}
        self.rosters: set[str] = set()
        self._collects_trees = collects_trees
        self.strays: list[RawRecord] = []
        self.has_too_many_strays = False
        self.displaced: dict[Place, str] = {}
        self.has_too_many_displaced = False
        self._stray_bytes = 0
        self._producers = producers
        self._watch: OrderWatch | None = None
        if not is_in_order_of_places:
            self._watch = OrderWatch()
            self._streams = Streams(
                held_events=MAX_HELD_EVENTS, remembered=MAX_REMEMBERED, keys=policy.candidates(), order=self._watch
            )

    def observe_row(self, record: VerifiedRecord, producer: str | None) -> None:
        """Check a record, and whether its row names the producer that the record names.

        Args:
            record: The record.
            producer: Producer that the row names.
        """
        self.observe(record)
        # The producer of nearly every record is known from its head.
        known = self._recent
        if known is None or known.stream.producer != producer:
            self._note_displaced(record, producer)

    def disordered(self) -> frozenset[str]:
        """Return the producers whose records have to be read in the order of their places."""
        if self._watch is None:
            return frozenset()
        numbers = self._watch.disordered
        streams = (*self._streams.trusted.values(), *self._streams.young.values())
        return frozenset(stream.producer for stream in streams if stream.number in numbers)

    def _observe_new_head(self, record: RawRecord, value: bytes, head_end: int) -> None:
        if self._producers is not None:
            producer = _claimed_producer(value, head_end)
            if producer is not None and producer not in self._producers:
                self._keep_stray(record)
                return
        if self._collects_trees and _is_roster(value):
            self.rosters.add(hashlib.sha256(value).hexdigest())
        super()._observe_new_head(record, value, head_end)

    def _observe_checkpoint(self, message: CheckpointMessage, record: RawRecord) -> None:
        if self._collects_trees:
            self._note_tree(message)
        if self._policy.binds_first_source:
            self._note_signing(message, record)
        super()._observe_checkpoint(message, record)

    def _note_tree(self, message: CheckpointMessage) -> None:
        try:
            note = parse_note(message.data)
            checkpoint = parse_text(note.text)
        except (FormatError, TamperedError):
            return
        name = StreamSigner(checkpoint.source, checkpoint.producer, note.signatures[0].key_id.hex())
        kept, tree = self.trees.setdefault(name, []), SignedTree(checkpoint.size, checkpoint.root)
        # Seals name the largest tree; a few more, for a checkpoint that no seal had room for.
        if tree not in kept:
            kept.append(tree)
            kept.sort(reverse=True)
            del kept[_MAX_TREES:]

    def _note_signing(self, message: CheckpointMessage, record: RawRecord) -> None:
        """Remember when a key was first seen to sign for a source: in the archive, the order of arrival does not tell."""
        judged = self._judge.judge(message, record)
        if judged.checkpoint is None:
            return
        moment = (0.0 if record.timestamp is None else record.timestamp, record.place)
        for judgement in (*judged.accepted, *judged.refused):
            name = judgement.key, judged.checkpoint.source
            if len(self.signings) < MAX_SIGNINGS or name in self.signings:
                self.signings[name] = min(moment, self.signings.get(name, moment), key=_moment_rank)

    def _note_displaced(self, record: VerifiedRecord, producer: str | None) -> None:
        claimed = claimed_producer(record.value) if isinstance(record, RawRecord) else None
        if claimed is None or claimed == producer:
            return
        if len(self.displaced) >= MAX_STRAYS:
            self.has_too_many_displaced = True
            return
        self.displaced[record.place] = claimed

    def _keep_stray(self, record: RawRecord) -> None:
        self._records -= 1
        self._stray_bytes += len(record.value or b"")
        if len(self.strays) >= MAX_STRAYS or self._stray_bytes > MAX_STRAY_BYTES:
            self.has_too_many_strays = True
            return
        self.strays.append(record)


def _is_roster(value: bytes) -> bool:
    try:
        return decode_roster_message(value) is not None
    except MalformedRecordError:
        return False


def claimed_producer(value: bytes | None) -> str | None:
    """Return the producer that a value names; None where it names none."""
    return _claimed_producer(value, value.find(SEQUENCE)) if value is not None else None


def _claimed_producer(value: bytes, head_end: int) -> str | None:
    try:
        message = decode_checkpoint_message(value)
        if message is not None:
            return message.producer
        return parse_head(value, head_end)["producer"]
    except MalformedRecordError:
        loose = parse_loosely(value)
        return None if loose is None else loose.producer


def first_sources(signings: Iterable[Mapping[tuple[PublicKey, str], Moment]]) -> list[tuple[PublicKey, str]]:
    """Return each key with the source that it signed for first, if it signed for several.

    Args:
        signings: Those of each share.
    """
    first: dict[tuple[PublicKey, str], Moment] = {}
    for each in signings:
        for name, moment in each.items():
            first[name] = min(moment, first.get(name, moment), key=_moment_rank)
    sources: dict[PublicKey, list[str]] = {}
    for key, source in sorted(first, key=lambda name: _moment_rank(first[name])):
        if service_of(source) != READER_SERVICE:
            sources.setdefault(key, []).append(source)
    return [(key, named[0]) for key, named in sources.items() if len(named) > 1]


def _moment_rank(moment: Moment) -> tuple[float, str, int, int]:
    time, place = moment
    return time, place.source, -1 if place.partition is None else place.partition, place.offset
