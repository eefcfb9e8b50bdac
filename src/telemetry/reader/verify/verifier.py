"""Verifies a trail: public keys in, records in any order, verdicts out; reads nothing, decrypts nothing, asks no clock."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from telemetry.exceptions import FormatError, MalformedRecordError, TamperedError
from telemetry.format.proof.checkpoint import read_unverified
from telemetry.format.proof.checkpoint_message import CheckpointMessage, decode_checkpoint_message
from telemetry.format.proof.signed_note import PublicKey, verify_note
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.head import parse_head, parse_loosely, parse_number_and_key
from telemetry.format.value.message import SEQUENCE
from telemetry.format.value.render import key_hash
from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from telemetry.reader.verify.key_order import KeyOrder
from telemetry.reader.verify.record_group import MAX_SIGHTINGS, RecordGroup
from telemetry.reader.verify.saved import SavedFinding
from telemetry.reader.verify.state import VerifierState, decode_stream, encode_stream
from telemetry.reader.verify.stream_check import MAX_GROUPS, StreamCheck
from telemetry.reader.verify.stream_report import Scope, StreamReporter
from telemetry.reader.verify.tree.digests import DigestBudget, ProvenDigests
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow
from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.verdicts import Finding, FindingList, Verdict, VerificationReport

MAX_HELD_EVENTS = 4_000_000
"""Leaf hashes that wait for their interval to be complete: about 140 MB."""
MAX_REMEMBERED = 1 << 24
"""Proven records whose digests are kept to tell equal copies from altered ones: 128 MB."""

_MAX_KNOWN_HEADS = 1 << 15
_MAX_KNOWN_KEYS = 1 << 16
_MAX_NAMED_SIGNERS = 4

_sha256 = hashlib.sha256


class Verifier:
    """Verifies a trail against the checkpoints that its producers signed.

    Feed it every record of every source with :meth:`observe`, in any order, then ask for the :meth:`report`. Memory is
    bounded: a producer's proven records are a tree of O(log n) hashes and 8 bytes each, up to ``MAX_REMEMBERED``.

    Args:
        trusted: Public keys that may have signed; old ones stay trusted after a rotation.
        state: State of an earlier verification; it is not changed.
        continued: The sources are read from where that one ended. If False they are read from their beginning, and
            must lead to what was verified then.
        from_start: The sources are read from their beginning; if False, records absent before the first one read are
            no finding.
        to_end: The sources are read to their end; if False, records absent after the last one read are no finding.
        open_seconds: A producer whose last checkpoint is not older than this counts as still running, and is not
            called truncated. By default none does: anyone who cuts off the end must not gain time. For a trail that
            is being written, three times the pause between two checkpoints (30 s) is right.
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
        self._scope = Scope(
            open_seconds=open_seconds,
            from_start=from_start or (state is not None and continued),
            to_end=to_end,
            has_keys=bool(self._trusted),
        )
        self._streams = _Streams(LeafBudget(max_held_events), DigestBudget(max_remembered))
        self._groups: dict[bytes, RecordGroup] = {}
        self._order = KeyOrder()
        self._key_hashes: dict[bytes | None, bytes] = {}
        self._findings = FindingList()
        self._positions: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._records = 0
        self._state = state
        if state is not None:
            self._restore(state, continued=continued)

    def observe(self, record: RawRecord | DamagedRecord) -> None:
        """Check a record of any source.

        What can be checked of one record alone, or together with those read before:

        1. It can be read: it has a value, and its source did not find it damaged.
        2. It is a checkpoint or an event in the one form that the format prescribes.
        3. Its sequence is a number of this format.
        4. Its JWE header is that of the other records with its head.
        5. Its Kafka key is the one that the value names by its hash.
        6. A copy of it that was read before has the same bytes.
        7. Its Kafka key has no later record before it on its partition.

        The rest is checked when all records are known: see :meth:`report`.
        """
        # 1. It can be read.
        if isinstance(record, DamagedRecord):
            self._records += 1
            self._findings.add(Finding(Verdict.TAMPERED, str(record.error), place=str(record.place)))
            return
        key, value, place, _, _, _ = record
        self._records += 1
        source, partition, offset, _ = place
        if partition is not None:
            self._positions[source][partition] = offset + 1
        if value is None:
            self._malformed(place, "the record has no value (a tombstone)")
            return
        # 2. Its form. The head is compared as bytes: it is parsed once for each data key, not once for each record.
        head_end = value.find(SEQUENCE)
        group = self._groups.get(value[:head_end])
        if group is None:
            self._observe_new_head(record, value, head_end)
        else:
            self._observe_event(group, head_end + len(SEQUENCE), key, value, place)

    def observe_all(self, records: Iterable[RawRecord | DamagedRecord]) -> None:
        """Check every record of a source."""
        for record in records:
            self.observe(record)

    def note_bounds(self, source: str, partition: int, *, low: int, high: int) -> None:
        """Compare a partition's first offset and its end with where the earlier verification stopped.

        Args:
            source: The topic.
            partition: Number of the partition.
            low: First offset that is still there.
            high: One more than the last offset.
        """
        position = self._state.positions.get(source, {}).get(partition) if self._state is not None else None
        if position is None:
            return
        place = f"{source}[{partition}]"
        if high < position:
            reason = (
                f"the partition ends at offset {high}, although {position} was read earlier: "
                "it was cut or created again"
            )
            self._findings.add(Finding(Verdict.TRUNCATED, reason, place=place))
        elif low > position:
            reason = f"the offsets {position} to {low - 1} were deleted before they were verified"
            self._findings.add(Finding(Verdict.MISSING, reason, place=place))

    def report(self, *, now: datetime | None = None) -> VerificationReport:
        """Return the verdicts so far; reading may continue afterwards.

        Args:
            now: When the reading ended, with its time zone. Without it no producer counts as still running.
        """
        scope, owners = replace(self._scope, now=now), self._owners()
        reports = tuple(
            StreamReporter(self._streams[producer], scope, owners).report() for producer in sorted(self._streams)
        )
        findings = self._findings.copy()
        if not reports and not self._records:
            findings.add(Finding(Verdict.UNVERIFIABLE, "the source holds no records: there is nothing to verify"))
        return VerificationReport(
            producers=reports,
            findings=findings.sorted(),
            more_findings=findings.more,
            records=self._records,
            checked_at=_rfc3339(now),
            trusted_keys=tuple(str(key) for key in self._trusted),
            continued_from=self._state.digest if self._state is not None else "",
        )

    def state(self, *, now: datetime | None = None) -> VerifierState:
        """Return what the next verification needs to continue from here.

        Args:
            now: Time that the state is given.
        """
        positions = {source: dict(offsets) for source, offsets in self._state.positions.items()} if self._state else {}
        for source, ends in self._positions.items():
            known = positions.setdefault(source, {})
            for partition, offset in ends.items():
                known[partition] = max(offset, known.get(partition, 0))
        return VerifierState(
            serial=self._state.serial + 1 if self._state else 1,
            previous=self._state.digest if self._state else "",
            saved_at=_rfc3339(now),
            positions=positions,
            streams=[encode_stream(stream.snapshot()) for stream in self._streams.values()],
            findings=[SavedFinding.of(finding) for finding in self._findings.sorted()],
        )

    def _observe_event(self, group: RecordGroup, start: int, key: bytes | None, value: bytes, place: Place) -> None:
        """Check an event whose head is known; ``start`` is where the digits of its sequence begin."""
        stream = self._streams[group.producer]
        # 3. Its sequence.
        sequence, named_key = parse_number_and_key(value, start)
        if sequence < 0:
            stream.tampered("the record's sequence is not a number of this format", place=place, field="sequence")
            return
        # 4. Its JWE header. A mismatch is judged in the report, when the records that are proven are known.
        if group.count >= MAX_SIGHTINGS and group.data_start in value:
            group.count += 1  # what add() does for nearly all records, without its call
        else:
            group.add(sequence, value, place)
        # 5. Its Kafka key: nothing else binds the key to the value.
        if named_key != (self._key_hashes.get(key) or self._hash_of(key)):
            stream.tampered(
                "the Kafka key is not the one that the record names", sequence=sequence, place=place, field="key"
            )
        # 6. Its copies, and its place in the signed tree.
        is_first = stream.tree.add(sequence, _sha256(b"\x00" + value).digest(), place)
        # 7. Its order. A later copy is not out of order: delivery is at least once.
        partition = place[1]
        if is_first and key is not None and partition is not None:
            before = self._order.add(stream.number, partition, key, sequence)
            if before is not None:
                stream.reordered(sequence, before, place)

    def _hash_of(self, key: bytes | None) -> bytes:
        """Return the hash of a Kafka key as it is in a value, with its closing quote."""
        if len(self._key_hashes) >= _MAX_KNOWN_KEYS:
            self._key_hashes.clear()
        # A record without a key names none: no value has this text in place of a hash.
        hashed = self._key_hashes[key] = b"no key" if key is None else key_hash(key) + b'"'
        return hashed

    def _observe_new_head(self, record: RawRecord, value: bytes, head_end: int) -> None:
        """Check a record that is a checkpoint, or malformed, or the first of its head."""
        try:
            message = decode_checkpoint_message(value)
            if message is not None:
                self._observe_checkpoint(message, record.key, record.place)
                return
            attributes = parse_head(value, head_end)
        except MalformedRecordError as exc:
            self._observe_malformed(value, record.place, str(exc))
            return
        stream = self._streams[attributes["producer"]]
        group = RecordGroup(attributes, value)
        if len(self._groups) < _MAX_KNOWN_HEADS and len(stream.groups) < MAX_GROUPS:
            self._groups[value[:head_end]] = group
            stream.groups.append(group)
        self._observe_event(group, head_end + len(SEQUENCE), record.key, value, record.place)

    def _observe_malformed(self, value: bytes, place: Place, reason: str) -> None:
        loose = parse_loosely(value)
        if loose is None:
            self._malformed(place, reason)
            return
        # It still counts as the record of its sequence: one altered record must not be called missing too.
        stream = self._streams[loose.producer]
        stream.tampered(reason, sequence=loose.sequence, place=place, field="form")
        stream.tree.add(loose.sequence, _sha256(b"\x00" + value).digest(), place)

    def _observe_checkpoint(self, message: CheckpointMessage, key: bytes | None, place: Place) -> None:
        """Check a checkpoint.

        1. Its producer is a UUID, so that it is a stream of this format.
        2. Its note is well-formed, and no signature under a trusted key's id is wrong.
        3. Its clear attributes are those of the signed note: it was not altered or moved to another producer.
        4. Its Kafka key is its producer.
        5. A trusted key signed it; otherwise it proves nothing.
        """
        # 1. The producer.
        if not is_uuid(message.producer):
            self._malformed(place, "a checkpoint's producer is not a UUID", field="producer")
            return
        stream = self._streams[message.producer]
        # 2. The note.
        try:
            note, checkpoint = read_unverified(message.data)
            signers = verify_note(note, self._trusted)
        except (FormatError, TamperedError) as exc:
            stream.tampered(str(exc), place=place, field="data")
            return
        # 3. The clear attributes.
        for name in ("producer", "source", "time"):
            if getattr(message, name) != getattr(checkpoint, name):
                reason = f"the checkpoint's {name} is not the one in its signed note: it was altered or moved here"
                stream.tampered(reason, place=place, field=name)
                return
        # 4. The Kafka key. The note is genuine all the same, so it may prove records.
        if key != message.producer.encode():
            stream.tampered("the Kafka key of the checkpoint is not its producer", place=place, field="key")
        # 5. The signature.
        if signers:
            labels = tuple(f"{key.name}+{key.key_id.hex()}" for key in signers)
            stream.add_trusted(checkpoint, labels, place)
        else:
            claimed = ", ".join(line.label for line in note.signatures[:_MAX_NAMED_SIGNERS])
            trusted_names = {key.name for key in self._trusted}
            impersonates = any(line.name in trusted_names for line in note.signatures)
            stream.add_untrusted(checkpoint, claimed, place, impersonates=impersonates)

    def _owners(self) -> dict[bytes, RecordGroup]:
        """Return the group with most records for each JWE header: a data key belongs to one producer."""
        owners: dict[bytes, RecordGroup] = {}
        for stream in self._streams.values():
            for group in stream.groups:
                owner = owners.get(group.data_start)
                is_larger = owner is None or group.count > owner.count
                if group.is_sealed and not group.mismatches_dominate and is_larger:
                    owners[group.data_start] = group
        return owners

    def _malformed(self, place: Place, reason: str, *, field: str = "") -> None:
        self._findings.add(Finding(Verdict.TAMPERED, reason, place=str(place), field=field))

    def _restore(self, state: VerifierState, *, continued: bool) -> None:
        if continued:
            for saved in state.streams:
                self._streams[saved.producer].restore(decode_stream(saved))
            for finding in state.findings:
                self._findings.add(finding.restored())
            return
        # Read from the beginning, the records must lead to each tree that was signed then; nothing else is kept.
        for saved in state.streams:
            stream = self._streams[saved.producer]
            if saved.passed is not None:
                stream.require_earlier_root(saved.passed.restored())


class _Streams(dict[str, StreamCheck]):
    """The producers by id; looking up a new one adds it.

    Args:
        leaves: Bounds the leaf hashes of all producers together.
        digests: Bounds the digests of all producers together.
    """

    def __init__(self, leaves: LeafBudget, digests: DigestBudget) -> None:
        super().__init__()
        self._leaves = leaves
        self._digests = digests

    def __missing__(self, producer: str) -> StreamCheck:
        tree = StreamTree(LeafWindow(self._leaves), ProvenDigests(self._digests))
        stream = self[producer] = StreamCheck(producer, len(self), tree)
        return stream


def _rfc3339(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
