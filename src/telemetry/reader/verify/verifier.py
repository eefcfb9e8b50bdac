"""The verifier: public keys in, records in any order, verdicts out. It reads nothing, decrypts nothing, asks no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from telemetry.exceptions import FormatError, MalformedRecordError, TamperedError
from telemetry.format.proof.checkpoint import CheckpointMessage, decode_checkpoint_message, read_unverified
from telemetry.format.proof.signed_note import PublicKey, verify_note
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.head import parse_head, parse_loosely, parse_number_and_key
from telemetry.format.value.message import SEQUENCE, key_hash
from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from telemetry.reader.verify.key_order import KeyOrder
from telemetry.reader.verify.leaf_window import DigestShelf, LeafBudget, LeafWindow, ProvenDigests
from telemetry.reader.verify.record_group import (
    MAX_SIGHTINGS,
    RecordHead,
    Sighting,
)
from telemetry.reader.verify.state import VerifierState, restore_stream, save_stream
from telemetry.reader.verify.stream_check import MAX_HEADS, Scope, StreamCheck
from telemetry.reader.verify.stream_tree import StreamTree
from telemetry.reader.verify.verdicts import Finding, FindingList, Verdict, VerificationReport

MAX_HELD_EVENTS = 4_000_000
"""Leaf hashes that wait for their interval to be complete: about 140 MB."""
MAX_REMEMBERED = 1 << 24
"""Proven records whose digest is kept to tell copies from altered ones: 128 MB."""

_MAX_KNOWN_HEADS = 1 << 15
_MAX_KNOWN_KEYS = 1 << 16

_sha256 = hashlib.sha256


class Verifier:
    """Holds a trail against the checkpoints that its producers signed.

    Feed it every record of every source with :meth:`observe`, in any order, then ask for the :meth:`report`. Memory is
    bounded: a producer's proven records are a tree of O(log n) hashes and 8 bytes each, up to ``MAX_REMEMBERED``.

    Args:
        trusted: Public keys that may have signed; old ones stay trusted after a rotation.
        state: Of an earlier verification.
        continued: The sources are read from where that one ended; otherwise they are read anew, and must lead to
            what was verified then.
        from_start: The sources are read from their beginning; otherwise what is absent before is no finding.
        to_end: The sources are read to their end; otherwise what is absent behind is no finding.
        open_seconds: A producer whose last checkpoint is not older than this counts as still running, and is not
            called truncated. By default none does: whoever cuts off the end must not gain time. For a trail that is
            being written, three times the pause between two checkpoints (30 s) is right.
        max_held_events: Leaf hashes held for intervals that are not complete.
        max_remembered: Proven records that are remembered to judge later copies.
    """

    def __init__(
        self,
        trusted: Iterable[PublicKey],
        *,
        state: VerifierState | None = None,
        continued: bool = True,
        from_start: bool = True,
        to_end: bool = True,
        open_seconds: float = 0.0,
        max_held_events: int = MAX_HELD_EVENTS,
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:
        self._trusted: Sequence[PublicKey] = tuple(trusted)
        self._trusted_names = {key.name for key in self._trusted}
        self._from_start = from_start or (state is not None and continued)
        self._to_end = to_end
        self._open_seconds = open_seconds
        self._budget = LeafBudget(max_held_events)
        self._shelf = DigestShelf(max_remembered)
        self._streams: dict[str, StreamCheck] = {}
        self._heads: dict[bytes, RecordHead] = {}
        self._order = KeyOrder()
        self._key_hashes: dict[bytes | None, bytes] = {}
        self._findings = FindingList()
        self._places: dict[str, dict[int, int]] = {}
        self._source: str | None = None
        self._ends: dict[int, int] = {}
        self._records = 0
        self._state = state
        if state is not None:
            self._restore(state, continued=continued)

    def observe(self, record: RawRecord | DamagedRecord) -> None:
        """Take a record of any source."""
        if isinstance(record, DamagedRecord):
            self._records += 1
            self._findings.add(Finding(Verdict.TAMPERED, str(record.error), place=str(record.place)))
            return
        key, value, place, _, _ = record
        self._records += 1
        source, partition, offset, _ = place
        if partition is not None:
            if source != self._source:
                self._source, self._ends = source, self._places.setdefault(source, {})
            self._ends[partition] = offset + 1
        if value is None:
            self._malformed(place, "the record has no value (a tombstone)")
            return
        # The head is compared as bytes: it is parsed once for each data key, not once for each record.
        at = value.find(SEQUENCE)
        head = self._heads.get(value[:at])
        if head is None:
            self._observe_slowly(record, value, at)
        else:
            self._take(head, at + len(SEQUENCE), key, value, place)

    def observe_all(self, records: Iterable[RawRecord | DamagedRecord]) -> None:
        """Take every record of a source."""
        for record in records:
            self.observe(record)

    def note_bounds(self, source: str, partition: int, *, low: int, high: int) -> None:
        """Hold a partition's first offset and its end against where the earlier verification stopped.

        Args:
            source: The topic.
            partition: Of it.
            low: First offset that is still there.
            high: One more than the last offset.
        """
        position = self._state.positions.get(source, {}).get(partition) if self._state is not None else None
        if position is None:
            return
        place = f"{source}[{partition}]"
        if high < position:
            reason = (
                f"the partition ends at offset {high}, although {position} was read earlier: it was cut or made anew"
            )
            self._findings.add(Finding(Verdict.TRUNCATED, reason, place=place))
        elif low > position:
            reason = f"the offsets {position} to {low - 1} were deleted before they were verified"
            self._findings.add(Finding(Verdict.MISSING, reason, place=place))

    def report(self, *, now: datetime | None = None) -> VerificationReport:
        """Return the verdicts so far; reading may go on afterwards.

        Args:
            now: When the reading ended, with its time zone. Without it no producer counts as still running.
        """
        scope = Scope(
            now=now,
            open_seconds=self._open_seconds,
            from_start=self._from_start,
            to_end=self._to_end,
            has_keys=bool(self._trusted),
        )
        owners = self._owners()
        reports = tuple(self._streams[producer].report(scope, owners) for producer in sorted(self._streams))
        findings = self._findings.copy()
        if not reports and not self._records:
            findings.add(Finding(Verdict.UNVERIFIABLE, "the source holds no records: there is nothing to verify"))
        return VerificationReport(
            producers=reports,
            findings=findings.sorted(),
            more_findings=findings.more,
            records=self._records,
            checked_at="" if now is None else now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            trusted_keys=tuple(str(key) for key in self._trusted),
            continued_from=self._state.digest if self._state is not None else "",
        )

    def state(self, *, now: datetime | None = None) -> VerifierState:
        """Return what the next verification needs to go on from here.

        Args:
            now: Noted in the state.
        """
        positions = {source: dict(offsets) for source, offsets in self._state.positions.items()} if self._state else {}
        for source, ends in self._places.items():
            known = positions.setdefault(source, {})
            for partition, offset in ends.items():
                known[partition] = max(offset, known.get(partition, 0))
        return VerifierState(
            serial=self._state.serial + 1 if self._state else 1,
            previous=self._state.digest if self._state else "",
            saved_at="" if now is None else now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            positions=positions,
            streams=[save_stream(stream) for stream in self._streams.values()],
            findings=list(self._findings.sorted()),
        )

    def _take(self, head: RecordHead, start: int, key: bytes | None, value: bytes, place: Place) -> None:
        stream = self._streams[head.producer]
        sequence, named = parse_number_and_key(value, start)
        if sequence < 0:
            stream.tampered("the record's sequence is not a number of this format", place=place, field="sequence")
            return
        if value.find(head.protected) < 0 or not head.protected:
            if len(head.strangers) < MAX_SIGHTINGS:
                head.strangers.append(Sighting(sequence, place))
        else:
            head.count += 1
            if head.count <= MAX_SIGHTINGS:
                head.first.append(Sighting(sequence, place))
        if named != (self._key_hashes.get(key) or self._hash_of(key)):
            stream.tampered(
                "the Kafka key is not the one that the record names", sequence=sequence, place=place, field="key"
            )
        is_first = stream.tree.add(sequence, _sha256(b"\x00" + value).digest(), place)
        partition = place[1]
        if is_first and key is not None and partition is not None:
            before = self._order.add(stream.number, partition, key, sequence)
            if before is not None:
                stream.reordered(sequence, before, place)

    def _hash_of(self, key: bytes | None) -> bytes:
        if len(self._key_hashes) >= _MAX_KNOWN_KEYS:
            self._key_hashes.clear()
        found = self._key_hashes[key] = b"no key" if key is None else key_hash(key) + b'"'
        return found

    def _observe_slowly(self, record: RawRecord, value: bytes, at: int) -> None:
        try:
            message = decode_checkpoint_message(value)
            if message is not None:
                self._observe_checkpoint(message, record.key, record.place)
                return
            attributes = parse_head(value, at)
        except MalformedRecordError as exc:
            self._observe_malformed(value, record.place, str(exc))
            return
        stream = self._stream(attributes["producer"])
        head = RecordHead(attributes, value)
        if len(self._heads) < _MAX_KNOWN_HEADS and len(stream.heads) < MAX_HEADS:
            self._heads[value[:at]] = head
            stream.heads.append(head)
        self._take(head, at + len(SEQUENCE), record.key, value, record.place)

    def _observe_malformed(self, value: bytes, place: Place, reason: str) -> None:
        loose = parse_loosely(value)
        if loose is None:
            self._malformed(place, reason)
            return
        stream = self._stream(loose.producer)
        stream.tampered(reason, sequence=loose.sequence, place=place, field="form")
        stream.tree.add(loose.sequence, _sha256(b"\x00" + value).digest(), place)

    def _observe_checkpoint(self, message: CheckpointMessage, key: bytes | None, place: Place) -> None:
        if not is_uuid(message.producer):
            self._malformed(place, "a checkpoint's producer is not a UUID", field="producer")
            return
        stream = self._stream(message.producer)
        try:
            note, checkpoint = read_unverified(message.data)
            signers = verify_note(note, self._trusted)
        except (FormatError, TamperedError) as exc:
            stream.tampered(str(exc), place=place, field="data")
            return
        for name in ("producer", "source", "time"):
            if getattr(message, name) != getattr(checkpoint, name):
                reason = f"the checkpoint's {name} is not the one in its signed note: it was altered or moved here"
                stream.tampered(reason, place=place, field=name)
                return
        if key != message.producer.encode():
            stream.tampered("the Kafka key of the checkpoint is not its producer", place=place, field="key")
        if signers:
            labels = tuple(f"{key.name}+{key.key_id.hex()}" for key in signers)
            stream.add_trusted(checkpoint, labels, place)
        else:
            claimed = ", ".join(line.label for line in note.signatures[:4])
            impersonates = any(line.name in self._trusted_names for line in note.signatures)
            stream.add_untrusted(checkpoint, claimed, place, impersonates=impersonates)

    def _owners(self) -> dict[bytes, RecordHead]:
        """Return the head with most records for each JWE header: a data key belongs to one producer."""
        owners: dict[bytes, RecordHead] = {}
        for stream in self._streams.values():
            for head in stream.heads:
                owner = owners.get(head.protected)
                if head.is_sealed and not head.is_outnumbered and (owner is None or head.count > owner.count):
                    owners[head.protected] = head
        return owners

    def _malformed(self, place: Place, reason: str, *, field: str = "") -> None:
        self._findings.add(Finding(Verdict.TAMPERED, reason, place=str(place), field=field))

    def _stream(self, producer: str) -> StreamCheck:
        stream = self._streams.get(producer)
        if stream is None:
            tree = StreamTree(LeafWindow(self._budget), ProvenDigests(self._shelf))
            stream = self._streams[producer] = StreamCheck(producer, len(self._streams), tree)
        return stream

    def _restore(self, state: VerifierState, *, continued: bool) -> None:
        for saved in state.streams:
            restore_stream(self._stream(saved.producer), saved, continued=continued)
        if continued:
            for finding in state.findings:
                self._findings.add(finding)
