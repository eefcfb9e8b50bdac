"""Verifies a trail: public keys in, records in any order, verdicts out; reads nothing, decrypts nothing, asks no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from telemetry.exceptions import MalformedRecordError
from telemetry.format.kafka_key import NOT_KEPT, KafkaKey
from telemetry.format.proof.checkpoint_message import CheckpointMessage, decode_checkpoint_message
from telemetry.format.proof.merkle import split_hashes
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.roster.message import decode_roster_message
from telemetry.format.roster.roster import Roster
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.head import parse_head, parse_loosely, parse_number_and_key
from telemetry.format.value.message import SEQUENCE
from telemetry.format.value.render import key_hash
from telemetry.reader.entry import DamagedRecord, EndedRun, HeldEvents, Place, RawRecord, RedactedEvent
from telemetry.reader.open_transaction import OpenTransaction
from telemetry.reader.trust.judgement import label_of
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.archived.removed import is_sound
from telemetry.reader.verify.checkpoint_judge import CheckpointJudge
from telemetry.reader.verify.continued.positions import ReadPositions
from telemetry.reader.verify.foreign import ForeignKind
from telemetry.reader.verify.record_group import RecordGroup
from telemetry.reader.verify.saved import SavedFinding
from telemetry.reader.verify.state import VerifierState, decode_stream, encode_stream
from telemetry.reader.verify.stream_check import StreamCheck
from telemetry.reader.verify.stream_report import Scope
from telemetry.reader.verify.streams import KnownHead, Streams
from telemetry.reader.verify.trail_report import Evidence, Expectations, TrailReporter, VerifiedPart
from telemetry.reader.verify.unproven.refusals import Refusal
from telemetry.reader.verify.unproven.stream_name import StreamName
from telemetry.reader.verify.verdicts import Acknowledgements, Finding, Verdict, VerificationReport
from telemetry.reader.verify.witnessed.witnessed_trail import WitnessedTrail, is_trusted_roster
from telemetry.system.clock import rfc3339

MAX_HELD_EVENTS = 4_000_000
"""Leaf hashes that wait for their interval to be complete: about 140 MB."""
MAX_REMEMBERED = 1 << 24
"""Proven records whose digests are kept to tell equal copies from altered ones: 128 MB."""

VerifiedRecord = RawRecord | DamagedRecord | HeldEvents | RedactedEvent | EndedRun
"""What a verifier is given."""

_MAX_KNOWN_KEYS = 1 << 16

_sha256 = hashlib.sha256


class Verifier:
    """Verifies a trail against the checkpoints that its producers signed.

    Feed it every record of every source with :meth:`observe`, in any order, then ask for the :meth:`report`. Memory is
    bounded by what trusted keys have signed: a producer's proven records are a tree of O(log n) hashes and 8 bytes each,
    up to ``MAX_REMEMBERED``. Records of producers that nobody signed for wait in 64 MB, then in a file without a name.

    Args:
        trusted: Who may sign what; or public keys, each of which may sign for the first service it is seen to sign for.
        state: State of an earlier verification; it is not changed.
        continued: The sources are read from where that one ended. If False they are read from their beginning, and
            must lead to what was verified then.
        from_start: The sources are read from their beginning; if False, records absent before the first one read are
            no finding.
        to_end: The sources are read to their end; if False, records absent after the last one read are no finding.
        open_seconds: A producer whose last checkpoint is not older than this counts as still running, and is not
            called truncated. By default none does: anyone who cuts off the end must not gain time. For a trail that
            is being written, twice the pause between two heartbeats (300 s) is right.
        expected: Least number of producers of each source that must be on the trail; a source may be a pattern, in
            which ``*`` matches within one part of the path.
        acknowledged: Findings that shall not count.
        witnessed: What witnesses saw of the trail; all of it must be there, unless retention removed it.
        max_held_events: Leaf hashes held for intervals that are not complete.
        max_remembered: Proven records that are remembered to judge later copies.
    """

    def __init__(
        self,
        trusted: TrustPolicy | Iterable[PublicKey],
        *,
        state: VerifierState | None = None,
        continued: bool = True,
        from_start: bool = True,
        to_end: bool = True,
        open_seconds: float = 0.0,
        expected: Mapping[str, int] | None = None,
        acknowledged: Acknowledgements | None = None,
        witnessed: WitnessedTrail | None = None,
        max_held_events: int = MAX_HELD_EVENTS,
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:
        self._policy = trusted if isinstance(trusted, TrustPolicy) else TrustPolicy.of_keys(trusted)
        self._judge = CheckpointJudge(self._policy, clock=witnessed)
        self._scope = Scope(
            open_seconds=open_seconds,
            from_start=from_start or (state is not None and continued),
            to_end=to_end,
            has_keys=bool(self._policy.keys),
            forgot_beginnings=state is not None and continued and state.forgot_records,
        )
        self._expectations = Expectations(
            producers=dict(expected or {}), acknowledged=acknowledged, witnessed=witnessed
        )
        self._streams = Streams(held_events=max_held_events, remembered=max_remembered, keys=self._policy.candidates())
        # The head of the record before, while its stream is in memory: batches have many records of one process in a row.
        self._recent: KnownHead | None = None
        self._key_hashes: dict[bytes | None, bytes] = {}
        self._evidence = Evidence()
        self._positions = ReadPositions(state.positions if state is not None else {})
        self._records = 0
        self._state = state
        if state is not None:
            self._restore(state, continued=continued)

    def observe(self, record: VerifiedRecord) -> None:
        """Check a record of any source.

        What can be checked of one record alone, or together with those read before:

        1. It can be read: it has a value, and its source did not find it damaged.
        2. It is a checkpoint or an event in the one form that the format prescribes.
        3. Its sequence is a number of this format.
        4. Its JWE header is that of the other records with its head.
        5. Its Kafka key, where the source keeps it, is the one that the value names by its hash.
        6. A copy of it that was read before has the same bytes.
        7. Its Kafka key has no later record before it on its partition.

        What fails is a finding only if a trusted key has signed for the record: anyone may write others. That, and the
        rest, is checked when all records are known: see :meth:`report`.
        """
        # 1. It can be read.
        if not isinstance(record, RawRecord):
            self._observe_other(record)
            return
        key, value, place, _, _, _, is_key_kept = record
        self._records += 1
        source, partition, offset, _ = place
        if partition is not None:
            self._positions.read[source][partition] = offset + 1
        if value is None:
            self._evidence.foreign.add(ForeignKind.JUNK, reason="it has no value (a tombstone)", place=place)
            return
        # 2. Its form. The head is compared as bytes: it is parsed once for each data key, not once for each record.
        known = self._recent
        if known is None or not value.startswith(known.text):
            head_end = value.find(SEQUENCE)
            known = self._recent = self._streams.heads.get(value[:head_end])
            if known is None:
                self._observe_new_head(record, value, head_end)
                return
        _, start, group, stream = known
        self._observe_event(group, stream, start, key if is_key_kept else NOT_KEPT, value, place)

    def observe_leaf(
        self, name: StreamName, sequence: int, leaf: bytes, place: Place, *, is_redacted: bool = False
    ) -> None:
        """Check an event of which only the leaf hash is known; it is proven as all others are, and its content is not seen.

        Args:
            name: The stream that the place names; only the signed tree says whether the event is its.
            sequence: Sequence that the place names.
            leaf: The leaf hash.
            place: Where it is.
            is_redacted: The value was removed on purpose.
        """
        self._records += 1
        stream = self._streams.of(name) if name.is_of_known_source else self._streams.of_unknown_source(name.producer)
        if stream.tree.add(sequence, leaf, place) and is_redacted:
            stream.removed.note_redacted(sequence)

    def observe_all(self, records: Iterable[VerifiedRecord]) -> None:
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
        finding = self._positions.note_bounds(source, partition, low=low, high=high)
        if finding is not None:
            self._evidence.findings.add(finding)

    def note_open_transactions(self, transactions: Iterable[OpenTransaction]) -> None:
        """Report transactions that are open although the topic was read to its end: they hide it from other readers."""
        self._evidence.open_transactions[:] = transactions

    def report(self, *, now: datetime | None = None) -> VerificationReport:
        """Return the verdicts so far; reading may continue afterwards.

        Args:
            now: When the reading ended, with its time zone. Without it no producer counts as still running.
        """
        scope = replace(self._scope, now=now, bounds=self._positions.bounds)
        result = TrailReporter(self._streams, self._evidence, scope, self._policy, self._expectations).report(
            records=self._records
        )
        return replace(
            result,
            findings=(*(_hidden_end(one, now) for one in self._evidence.open_transactions), *result.findings),
            open_transactions=tuple(self._evidence.open_transactions),
            checked_at=_rfc3339(now),
            trusted_keys=tuple(str(key) for key in self._policy.candidates()),
            continued_from=self._state.digest if self._state is not None else "",
        )

    def part(self) -> VerifiedPart:
        """Return everything that was collected, to be joined with that of other producers; nothing may be observed afterwards."""
        witnessed = self._expectations.witnessed
        return VerifiedPart(
            records=self._records,
            streams=self._streams.part(),
            evidence=self._evidence,
            inside=witnessed.inside() if witnessed is not None else {},
        )

    def join(self, part: VerifiedPart) -> None:
        """Add what was collected of other producers, so that the report is on all of them."""
        self._records += part.records
        self._streams.join(part.streams)
        self._evidence.join(part.evidence)
        if self._expectations.witnessed is not None:
            self._expectations.witnessed.learn(part.inside)

    def state(self, *, now: datetime | None = None) -> VerifierState:
        """Return what the next verification needs to continue from here.

        Args:
            now: Time that the state is given.
        """
        return VerifierState(
            serial=self._state.serial + 1 if self._state else 1,
            previous=self._state.digest if self._state else "",
            saved_at=_rfc3339(now),
            positions=self._positions.reached(),
            streams=[encode_stream(stream.snapshot()) for stream in self._streams.trusted.values()],
            findings=[SavedFinding.of(finding) for finding in self._evidence.findings.sorted()],
            **self._streams.saved(),
        )

    def _observe_event(
        self, group: RecordGroup, stream: StreamCheck, start: int, key: KafkaKey, value: bytes, place: Place
    ) -> None:
        """Check an event whose head is known; ``start`` is where the digits of its sequence begin."""
        # 3. Its sequence.
        sequence, named_key = parse_number_and_key(value, start)
        if sequence < 0:
            self._evidence.foreign.add(
                ForeignKind.JUNK, reason="its sequence is not a number of this format", place=place
            )
            return
        # 4. Its JWE header. A mismatch is judged in the report, when the records that are proven are known.
        if group.count >= group.most and value.find(group.data_start, start) >= 0:
            group.count += 1  # what add() does for nearly all records, without its call
        else:
            group.add(sequence, value, place)
        # 5. Its Kafka key: nothing else binds the key to the value. Where keys are not kept, the signed hash is in its place.
        if key is NOT_KEPT:
            # A key that was not kept was compared when it was left out; but no key has a hash in another form.
            key, is_named = named_key, named_key.endswith(b'"')
        else:
            is_named = named_key == (self._key_hashes.get(key) or self._hash_of(key))
        if not is_named:
            stream.suspect("the Kafka key is not the one that the record names", sequence, place=place, field="key")
        # 6. Its copies, and its place in the signed tree.
        is_first = stream.tree.add(sequence, _sha256(b"\x00" + value).digest(), place)
        # 7. Its order, and its date. A later copy is not out of order: delivery is at least once.
        if is_first:
            if key is not None and place[1] is not None:
                before = stream.order.add(stream.number, place, key, sequence)
                if before is not None:
                    self._observe_disorder(stream, sequence, before, key, place)
            # Nearly every record is dated as the one before it, at the same distance from its number.
            times = stream.times
            if not value.startswith(times.day, start + times.distance):
                times.add(value, start, sequence, place)
        elif place[1] is not None:
            stream.order.note_copy(stream.number, place, sequence)

    def _observe_disorder(self, stream: StreamCheck, sequence: int, before: int, key: bytes, place: Place) -> None:
        """Remember that a record comes after a later one of its Kafka key."""
        stream.suspect_order(sequence, before, place)
        # The later one may be forged, and must not make every record after it look late.
        if not stream.tree.is_proven(before):
            stream.order.forget(stream.number, place, key, sequence)

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
                self._observe_checkpoint(message, record)
                return
            roster = decode_roster_message(value)
            if roster is not None:
                self._observe_roster(roster, record.place)
                return
            attributes = parse_head(value, head_end)
        except MalformedRecordError as exc:
            self._observe_malformed(value, record.place, str(exc))
            return
        stream = self._streams.of(StreamName.of(attributes["producer"], attributes["source"]))
        group = self._streams.group(attributes, value, value[:head_end], stream)
        self._observe_event(group, stream, head_end + len(SEQUENCE), record.kafka_key, value, record.place)

    def _observe_roster(self, roster: Roster, place: Place) -> None:
        """Pass over a roster of a witness that is believed; it was compared before, or is not required."""
        witnessed = self._expectations.witnessed
        is_known = witnessed is not None and witnessed.is_of_a_witness(roster)
        if not is_known and not is_trusted_roster(roster, self._policy):
            reason = "a roster of a witness that is not known here"
            self._evidence.foreign.add(ForeignKind.JUNK, reason=reason, place=place)

    def _observe_malformed(self, value: bytes, place: Place, reason: str) -> None:
        loose = parse_loosely(value)
        if loose is None:
            self._evidence.foreign.add(ForeignKind.JUNK, reason=reason, place=place)
            return
        # It still counts as the record of its sequence: one altered record must not be called missing too.
        stream = self._streams.of_unknown_source(loose.producer)
        stream.suspect(reason, loose.sequence, place=place, field="form")
        stream.tree.add(loose.sequence, _sha256(b"\x00" + value).digest(), place)

    def _observe_other(self, record: DamagedRecord | HeldEvents | RedactedEvent | EndedRun) -> None:
        """Check what is no record: a place that the source could not read, a sealed object's header, or a removed event."""
        if isinstance(record, HeldEvents):
            if not is_uuid(record.producer) or not self._streams.held.add(record):
                reason = "the object is sealed, and no trusted key signed what it says it holds"
                self._evidence.foreign.add(ForeignKind.UNREADABLE, reason=reason, place=record.place)
            return
        place = record.place
        if isinstance(record, (RedactedEvent, EndedRun)):
            self._observe_removed(record)
            return
        self._records += 1
        if place.partition is not None:
            self._positions.read[place.source][place.partition] = place.offset + 1
        self._evidence.foreign.add(ForeignKind.UNREADABLE, reason=str(record.error), place=place)

    def _observe_removed(self, record: RedactedEvent | EndedRun) -> None:
        """Add the leaf hashes of events whose values are gone: whether they are the right ones is in the signed tree."""
        if not is_uuid(record.producer) or not is_sound(record):
            reason = "what it says of an event that was removed contradicts itself"
            self._records += 1
            self._evidence.foreign.add(ForeignKind.JUNK, reason=reason, place=record.place)
            return
        name = StreamName.of(record.producer, record.source)
        if isinstance(record, RedactedEvent):
            self.observe_leaf(name, record.sequence, record.leaf, record.place, is_redacted=True)
            return
        self._records += 1
        stream, leaves = self._streams.of(name), record.leaves
        stream.removed.note_run(record.first, record.end, record.policy, has_leaves=leaves is not None)
        for sequence, leaf in enumerate(split_hashes(leaves or b""), record.first):
            stream.tree.add(sequence, leaf, record.place)

    def _observe_checkpoint(self, message: CheckpointMessage, record: RawRecord) -> None:
        """Check a checkpoint: what is not believed is foreign, unless the holder of a known key did it."""
        judged = self._judge.judge(message, record)
        checkpoint, place = judged.checkpoint, record.place
        if judged.is_misuse:
            reason = f"a checkpoint {judged.reason}"
            self._evidence.findings.add(Finding(Verdict.TAMPERED, reason, place=str(place), field="data"))
            return
        if judged.reason or not judged.accepted:
            reason = judged.reason or "; ".join(refused.reason for refused in judged.refused)
            self._evidence.foreign.add(
                ForeignKind.CHECKPOINT, reason=f"the checkpoint proves nothing: {reason}", place=place
            )
        if checkpoint is None:
            return
        for refused in judged.refused:
            self._evidence.refusals.add(Refusal(checkpoint, refused.signer, refused.reason, place))
        name = StreamName.of(checkpoint.producer, checkpoint.source)
        if not judged.accepted:
            self._streams.of(name).add_signers(judged.signers)
            return
        if self._expectations.witnessed is not None:
            self._expectations.witnessed.observe(judged)
        stream = self._streams.trust(name)
        # Leaves of events that have ended would only wait for records that are not coming.
        is_wanted = stream.tree.wants_leaves(checkpoint.size) and not stream.removed.lies_in_run(checkpoint.size)
        leaves = judged.leaves() if is_wanted else None
        believed = {accepted.signer: accepted.why for accepted in judged.accepted}
        stream.add_trusted(checkpoint, believed, place, leaves)
        if record.append_time is not None:
            stream.trusted.note_append(checkpoint, record.append_time)
        if (
            place.partition is not None
            and checkpoint.topic not in (None, place.source)
            and not self._judge.lists_topic(judged)
        ):
            stream.note_other_topic(checkpoint, place)

    def _restore(self, state: VerifierState, *, continued: bool) -> None:
        labels = {label_of(key): key for key in self._policy.candidates()}
        for saved in state.streams:
            latest = saved.latest
            # Each key goes on signing for the service for which it was seen to sign.
            for label in saved.keys if latest is not None else ():
                if label in labels and latest is not None:
                    self._policy.bind(labels[label], latest.source)
            if continued:
                stream = self._streams.trust(saved.name) if latest is not None else self._streams.of(saved.name)
                stream.restore(decode_stream(saved))
                self._judge_again(stream, [labels[label] for label in saved.keys if label in labels])
            # Read from the beginning, the records must lead to each tree that was signed then; nothing else is kept.
            elif saved.passed is not None:
                self._streams.trust(saved.name).require_earlier_root(saved.passed.restored())
        if continued:
            self._streams.restore(state.unsigned_records)
            for finding in state.findings:
                self._evidence.findings.add(finding.restored())

    def _judge_again(self, stream: StreamCheck, keys: Iterable[PublicKey]) -> None:
        """Judge the keys that an earlier verification believed: the policy may have changed since then."""
        latest = stream.trusted.latest
        if latest is None:
            return
        judgements = [self._policy.judge_checkpoint(key, latest) for key in keys]
        accepted = [judgement for judgement in judgements if judgement.accepted]
        if not accepted:
            stream.note_disbelief(judgements)
        for judgement in accepted:
            before = stream.trusted.believed.get(judgement.signer)
            # A state has no append times: what was judged by that clock stays so until the dates change.
            if judgement.is_self_asserted if before is None else judgement.reason not in before:
                stream.trusted.believed[judgement.signer] = judgement.why


def _rfc3339(moment: datetime | None) -> str:
    return "" if moment is None else rfc3339(moment)


def _hidden_end(transaction: OpenTransaction, now: datetime | None) -> Finding:
    place = f"{transaction.topic}[{transaction.partition}]@{transaction.offset}"
    return Finding(Verdict.TAMPERED, transaction.describe(None if now is None else now.timestamp()), place=place)
