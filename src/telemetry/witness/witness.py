"""Looks at a topic round by round, and publishes a roster of what changed; refuses to sign a second history."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from telemetry.config import AuditConfig
from telemetry.exceptions import (
    FormatError,
    MalformedRecordError,
    SecondHistoryError,
    StorageConflictError,
    TamperedError,
)
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.signed_note import PublicKey, Signer
from telemetry.format.roster.entries import RangeEntry
from telemetry.format.roster.roster import (
    MAX_ENTRIES,
    MAX_ENTRIES_BYTES,
    Roster,
    decode_roster,
    is_signed_by,
    sign_roster,
)
from telemetry.reader.entry import RawRecord
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.trust.judgement import label_of
from telemetry.reader.trust.policy import READER_SERVICE, TrustPolicy, service_of
from telemetry.reader.verify.checkpoint_judge import CheckpointJudge
from telemetry.system.clock import rfc3339
from telemetry.witness.archive import SealsSeen, WitnessedArchive
from telemetry.witness.growth import Growth
from telemetry.witness.state import Position, WitnessState
from telemetry.witness.topic import WitnessedTopic

logger = logging.getLogger("telemetry.witness")

_STEP = timedelta(microseconds=1)
_NAMED = 20


class Rosters(Protocol):
    """The place where the rosters of one witness are published; each can be created once."""

    def publish(self, roster: Roster) -> None:
        """Create a roster; the same one again succeeds.

        Raises:
            StorageConflictError: Another roster continues the log at this size.
        """

    def documents(self) -> Iterator[bytes]:
        """Yield the rosters, in the order of the log."""

    def newest(self) -> Iterator[bytes]:
        """Yield the last rosters, the newest first."""


class RosterCopies(Protocol):
    """A further place of the rosters, which does not prevent a second history."""

    def publish(self, roster: Roster) -> None:
        """Publish a roster; it may come twice."""


class Authority(Protocol):
    """A time-stamping authority."""

    def stamp(self, text: bytes) -> bytes:
        """Return its answer to a request for a text.

        Raises:
            TimestampError: It did not answer, or refused.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round of a witness did.

    Attributes:
        records: New records on the topic.
        streams: Streams that grew, ended or are new.
        rosters: Rosters that were published.
        size: Size of the witness's log.
        time: Time of the newest roster.
        seals: New seals of the archive.
    """

    records: int
    streams: int
    rosters: int
    size: int
    time: str
    seals: int = 0


class Witness:
    """Watches one topic.

    Args:
        audit: How to reach Kafka, and the topic; nothing else of it is used.
        policy: Which keys may sign which streams.
        signer: The witness's own key.
        state: What it saw before.
        rosters: Where it publishes.
        authority: Stamps each roster; None without time stamps.
        copies: Gets each roster too, once it was created.
        archive: The archive that it watches too; None for none.
    """

    def __init__(
        self,
        audit: AuditConfig,
        *,
        policy: TrustPolicy,
        signer: Signer,
        state: WitnessState,
        rosters: Rosters,
        authority: Authority | None = None,
        copies: RosterCopies | None = None,
        archive: WitnessedArchive | None = None,
    ) -> None:
        self._audit = audit
        self._policy = policy
        self._judge = CheckpointJudge(policy)
        self._signer = signer
        self._key = PublicKey.parse(signer.public_key)
        self._state = state
        self._rosters = rosters
        self._authority = authority
        self._copies = copies
        self._archive = archive

    def start(self) -> None:
        """Compare the state with what was published.

        1. The state is of this key and this topic.
        2. Rosters that were signed before the witness was killed are published.
        3. A state that is absent is rebuilt from the rosters.
        4. Otherwise the newest roster is the one that the state knows.

        Raises:
            SecondHistoryError: The state is older than the newest roster, or rosters are absent: to go on would be to sign a
                second history.
            ConfigurationError: The state is of another witness.
            StorageError: The store refused or did not answer.
        """
        # 1.
        self._state.require("key", self._signer.public_key)
        self._state.require("topic", self._audit.kafka_topic)
        # 2.
        self._publish_pending()
        # 3. and 4.
        newest = self._newest()
        log = self._state.log
        if newest is not None and log.size == 0:
            self._rebuild()
        elif newest is not None and (newest.size, newest.root) != (log.size, log.root()):
            self._refuse(
                f"its newest roster has {newest.size} leaves and the state {log.size}: another witness has this key, or the "
                "state is an old copy. If the rosters are right, delete the state: it is rebuilt from them"
            )
        elif newest is None and log.size > 0:
            self._refuse(f"the state has {log.size} leaves and no roster is published; bring the rosters back")
        labels = {label_of(key): key for key in self._policy.candidates()}
        for label, source in self._state.bindings().items():
            if label in labels:
                self._policy.bind(labels[label], source)

    def look(self, *, now: datetime) -> Round:
        """Read what is new, and publish it.

        Args:
            now: Present time, with its time zone.

        Raises:
            SecondHistoryError: A stream or the topic is not what it was; nothing was signed.
            TransportError: Kafka cannot be reached, or refuses.
            TimestampError: The time-stamping authority refused or did not answer; nothing was signed.
            StorageError: The store refused or did not answer; the rosters are published in the next round.
        """
        self._publish_pending()
        known = self._state.positions()
        topic = WitnessedTopic(self._audit, known)
        growth = Growth(self._state, topic=self._audit.kafka_topic)
        bindings: dict[str, str] = {}
        records = 0
        for record in topic:
            records += 1
            self._observe(record, growth, bindings)
        seals = self._archive.look(self._state.seal()) if self._archive is not None else SealsSeen()
        faults = [*topic.faults, *growth.faults, *([seals.fault] if seals.fault else [])]
        if faults:
            self._refuse("; ".join(faults[:_NAMED]))
        if growth.unrecorded:
            logger.warning("%d checkpoints have values that no roster can carry; they are left out", growth.unrecorded)
        streams = list(growth.changed())
        texts = [*map(str, streams), *map(str, self._ranges(known, topic.positions))]
        if seals.newest is not None:
            texts.append(str(seals.newest))
        rosters = self._sign(texts, now)
        with self._state.changes() as changes:
            changes.put_streams(streams)
            changes.put_roots(growth.roots())
            changes.forget_roots(streams)
            changes.put_positions(topic.positions.items())
            changes.put_seal(seals.newest)
            changes.put_bindings(bindings.items())
            changes.put_log(rosters[-1].tree(), rosters[-1].time, rosters)
        # Only now: a roster that is published and unknown to the state would look like a second history.
        self._publish_pending()
        newest = rosters[-1]
        return Round(
            records=records,
            streams=len(streams),
            rosters=len(rosters),
            size=newest.size,
            time=newest.time,
            seals=seals.count,
        )

    def _observe(self, record: RawRecord, growth: Growth, bindings: dict[str, str]) -> None:
        try:
            message = decode_checkpoint_message(record.value) if record.value is not None else None
        except MalformedRecordError:
            return
        if message is None:
            return
        judged = self._judge.judge(message, record)
        checkpoint = judged.checkpoint
        if checkpoint is None or not judged.accepted:
            return
        if checkpoint.topic not in (None, self._audit.kafka_topic) and not self._judge.lists_topic(judged):
            return  # copied from another topic: it is not this one's
        first = judged.accepted[0]
        if service_of(checkpoint.source) != READER_SERVICE:
            bindings.setdefault(first.signer, checkpoint.source)
        growth.add(checkpoint, judged.leaves(), signer=first.key.key_id.hex(), place=record.place)

    def _ranges(self, known: dict[int, Position], now: dict[int, Position]) -> Iterable[RangeEntry]:
        """Return a leaf for each partition that changed, and at least one: a roster says that the witness is alive."""
        changed = []
        for partition, position in sorted(now.items()):
            before = known.get(partition)
            if before is None or (before.low, before.next) != (position.low, position.next):
                changed.append(self._range(partition, before, position))
        if not changed:
            partition = min(now)
            changed.append(self._range(partition, known.get(partition), now[partition]))
        return changed

    def _range(self, partition: int, before: Position | None, now: Position) -> RangeEntry:
        start = before.next if before is not None else now.low
        return RangeEntry(
            topic=self._audit.kafka_topic, partition=partition, low=now.low, start=min(start, now.next), end=now.next
        )

    def _sign(self, texts: Sequence[str], now: datetime) -> list[Roster]:
        """Return the rosters with these leaves; their times rise."""
        tree, before = self._state.log, self._state.time
        time = max(now, datetime.fromisoformat(before) + _STEP) if before else now
        rosters = []
        for part in _parts(texts):
            roster = sign_roster(tree, part, time=rfc3339(time, timespec="microseconds"), signer=self._signer)
            rosters.append(roster if self._authority is None else self._stamped(roster, self._authority))
            tree, time = roster.tree(), time + _STEP
        return rosters

    def _stamped(self, roster: Roster, authority: Authority) -> Roster:
        return roster.with_timestamp(authority.stamp(roster.note.encode()))

    def _publish_pending(self) -> None:
        pending = self._state.pending()
        for document in pending:
            roster = decode_roster(document)
            try:
                self._rosters.publish(roster)
            except StorageConflictError as exc:
                reason = f"another roster continues the log at {roster.start} ({exc}): another witness has this key"
                raise SecondHistoryError(_refusal(reason)) from exc
            if self._copies is not None:
                self._copies.publish(roster)
        if pending:
            with self._state.changes() as changes:
                changes.forget_pending()

    def _newest(self) -> Roster | None:
        """Return the newest roster of this witness; others may have put objects beside it."""
        for document in self._rosters.newest():
            try:
                roster = decode_roster(document)
                if is_signed_by(roster, self._key):
                    return roster
            except (FormatError, TamperedError):
                continue
        return None

    def _rebuild(self) -> None:
        history = RosterHistory.read(self._rosters.documents(), self._key)
        problems = [*history.faults, *history.gaps]
        if problems or history.newest is None:
            self._refuse(f"the state is absent and cannot be rebuilt: {'; '.join(problems[:_NAMED])}")
            return
        topic = self._audit.kafka_topic
        if any(entry.topic != topic for entry in history.ranges.values()):
            self._refuse("its rosters are of another topic; give it a place for its rosters of its own")
        with self._state.changes() as changes:
            changes.put_streams(stream.latest for stream in history.streams.values())
            changes.put_roots(
                (entry.producer, entry.source, entry.size, entry.root)
                for stream in history.streams.values()
                for entry, _ in stream.sightings
            )
            changes.put_positions(
                (partition, Position(entry.low, entry.end)) for (_, partition), entry in history.ranges.items()
            )
            changes.put_seal(history.last_seal())
            changes.put_log(history.log, history.newest.time)
        logger.warning("the state was rebuilt from %d leaves; the topic is read from its beginning", history.log.size)

    def _refuse(self, reason: str) -> None:
        raise SecondHistoryError(_refusal(reason))


def _refusal(reason: str) -> str:
    return f"the witness refuses to sign: {reason}"


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts in parts that fit into one roster each."""
    part: list[str] = []
    length = 0
    for text in texts:
        if part and (len(part) >= MAX_ENTRIES or length + len(text) > MAX_ENTRIES_BYTES):
            yield part
            part, length = [], 0
        part.append(text)
        length += len(text)
    if part:
        yield part
