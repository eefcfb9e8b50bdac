"""Compares a trail with the rosters of witnesses: what they saw must be there, unless retention has removed it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.format.roster.entries import StreamEntry
from telemetry.format.roster.roster import Roster, is_signed_by
from telemetry.reader.roster.cosigned import Cosigned
from telemetry.reader.roster.history import RosterHistory, Sighting
from telemetry.reader.trust.judgement import Role, Statement
from telemetry.reader.trust.policy import TrustPolicy, signers_of
from telemetry.reader.verify.checkpoint_judge import JudgedCheckpoint
from telemetry.reader.verify.stream_check import StreamCheck
from telemetry.reader.verify.verdicts import Finding, Verdict

MAX_ROSTER_AGE = timedelta(hours=1)
MAX_AHEAD = timedelta(minutes=5)
"""How far the clock of a witness may be ahead of the verifier's."""

Bounds = Mapping[tuple[str, int], tuple[int, int]]


class WitnessedTrail:
    """What witnesses saw of a trail.

    Args:
        histories: The log of each witness.
        policy: Who may sign what. Of a witness that it names, the key must have the role.
        max_age: Largest age of the newest roster of each witness.
        cosigned: When standard witnesses last cosigned these logs; each must be as young as the newest roster must be.
        retention: How long the topic keeps a record at least; None if that is not known, and whatever is absent before
            the topic's first offsets counts as removed by retention.
    """

    def __init__(
        self,
        histories: Sequence[RosterHistory],
        *,
        policy: TrustPolicy,
        max_age: timedelta = MAX_ROSTER_AGE,
        cosigned: Sequence[Cosigned] = (),
        retention: timedelta | None = None,
    ) -> None:
        self._histories = histories
        self._policy = policy
        self._max_age = max_age
        self._cosigned = cosigned
        self._retention = retention
        self._signers = {key.key_id.hex(): key for key in policy.candidates()}
        # Sizes inside the interval of a checkpoint on the trail, and whether its leaves lead to the root that was seen.
        self._inside: dict[tuple[str, str, int], bool] = {}
        self._expired: set[tuple[str, str, int]] = set()

    @property
    def histories(self) -> tuple[RosterHistory, ...]:
        """The log of each witness."""
        return tuple(self._histories)

    def seen_at(self, checkpoint: Checkpoint) -> float | None:
        """Return when a witness first saw as many records of a stream, in seconds since the epoch; None if none did."""
        times = [
            datetime.fromisoformat(sighting.time).timestamp()
            for history in self._histories
            if (stream := history.streams.get((checkpoint.producer, checkpoint.source))) is not None
            and (sighting := stream.first_sighting(checkpoint)) is not None
        ]
        return min(times, default=None)

    def had_expired(self, checkpoint: Checkpoint, bounds: Bounds) -> bool:
        """Return whether a stream, up to its last checkpoint, was where retention has removed what was there.

        Args:
            checkpoint: The last checkpoint of the stream on the trail.
            bounds: First and end offset of each partition that was read.
        """
        for history in self._histories:
            stream = history.streams.get((checkpoint.producer, checkpoint.source))
            seen = stream.first_sighting(checkpoint) if stream is not None else None
            # A heartbeat signs the same size later than it was seen first.
            if seen is not None and datetime.fromisoformat(checkpoint.time) <= datetime.fromisoformat(seen.time):
                return seen.entry.offset < bounds.get((seen.entry.topic, seen.entry.partition), (0, 0))[0]
        return False

    def is_of_a_witness(self, roster: Roster) -> bool:
        """Return whether one of the witnesses signed a roster."""
        return any(is_signed_by(roster, history.key) for history in self._histories)

    def observe(self, judged: JudgedCheckpoint) -> None:
        """Compare a checkpoint that is believed with the sizes that a witness saw inside its interval.

        Their own checkpoints may be absent; the leaves beside this one then say which roots they had.
        """
        checkpoint = judged.checkpoint
        if checkpoint is None or checkpoint.interval is None:
            return
        sightings = [
            sighting
            for history in self._histories
            for sighting in history.sightings(
                checkpoint.producer, source=checkpoint.source, first=checkpoint.interval + 1, end=checkpoint.size
            )
        ]
        leaves = judged.leaves() if sightings else None
        if leaves is None:
            return
        for entry, _ in sightings:
            tree = leaves.tree()
            tree.extend_packed(leaves.leaves[: (entry.size - leaves.start) * HASH_BYTES])
            place = checkpoint.producer, checkpoint.source, entry.size
            self._inside[place] = self._inside.get(place, True) and tree.root() == entry.root

    def inside(self) -> dict[tuple[str, str, int], bool]:
        """Return the sizes inside the intervals of checkpoints that were observed, and whether their roots are those seen."""
        return dict(self._inside)

    def learn(self, inside: Mapping[tuple[str, str, int], bool]) -> None:
        """Add what was observed of another share of the trail."""
        for place, is_same in inside.items():
            self._inside[place] = self._inside.get(place, True) and is_same

    def of_stream(self, stream: StreamCheck, bounds: Bounds, now: datetime | None) -> Iterator[Finding]:
        """Yield where a stream is not what a witness saw.

        1. A size that was signed has the root that the witness saw.
        2. The stream is as large as the witness saw it.
        3. A size between two that are on the trail is proven by the leaves of the interval around it.

        Args:
            stream: A stream of the trail that a trusted key has signed.
            bounds: First and end offset of each partition that was read.
            now: When the reading ended.
        """
        roots, signed = stream.tree.signed.roots, stream.tree.signed.size
        for history in self._histories:
            largest: Sighting | None = None
            for sighting in history.sightings(stream.producer, source=stream.source):
                entry, time = sighting
                if not self._is_expected(entry, time, bounds):
                    continue
                place = stream.producer, stream.source, entry.size
                # 1.
                root = roots.get(entry.size)
                if root is not None and root != entry.root:
                    yield _two_histories(history, entry, time)
                # 2.
                elif entry.size > signed:
                    largest = sighting
                # 3.
                elif root is None and self._inside.get(place) is False:
                    yield _two_histories(history, entry, time)
                elif root is None and place not in self._inside:
                    yield from self._absent_checkpoint(history, sighting, bounds, now)
            if largest is not None:
                yield from self._cut_off(history, largest, signed, bounds, now)

    def of_trail(self, present: Iterable[tuple[str, str]], bounds: Bounds, now: datetime | None) -> Iterator[Finding]:
        """Yield what concerns no stream of the trail: the rosters themselves, the topic, and streams that are absent.

        Args:
            present: Producers of the trail, each with a source, that a trusted key has signed for.
            bounds: First and end offset of each partition that was read.
            now: When the reading ended.
        """
        there = frozenset(present)
        yield from self._cosignatures(now)
        for history in self._histories:
            yield from self._rosters(history, now)
            yield from self._ranges(history, bounds)
            for name, stream in history.streams.items():
                seen = stream.sightings[-1]
                if name not in there and self._is_expected(seen.entry, seen.time, bounds):
                    yield from self._absent_stream(history, stream.sightings[0], seen, bounds, now)

    def notes(self) -> Iterator[str]:
        """Yield what is worth knowing and no finding; after the findings."""
        for history in self._histories:
            if history.newest is None:
                continue
            unchained = sum(not stream.is_chained for stream in history.streams.values())
            open_links = f", {unchained} of them without proof that they only grew" if unchained else ""
            yield (
                f"the witness {history.label} saw {len(history.streams)} streams{open_links}; its newest roster is of "
                f"{history.seen_last}"
            )
            if history.foreign:
                yield f"{history.foreign} documents beside the rosters of the witness {history.label} are not its own"
        if self._expired:
            yield f"{len(self._expired)} checkpoints that a witness saw are absent because retention removed them"

    def _rosters(self, history: RosterHistory, now: datetime | None) -> Iterator[Finding]:
        """Yield why a witness's log is not to be relied on."""
        who = f"the witness {history.label}"
        for fault in history.faults:
            yield Finding(Verdict.TAMPERED, f"the log of {who} is not one log: {fault}", field="roster")
        for gap in history.gaps:
            yield Finding(Verdict.UNVERIFIABLE, f"the log of {who} is not whole: {gap}", field="roster")
        newest = history.newest
        if newest is None:
            yield Finding(Verdict.UNVERIFIABLE, f"{who} has published no roster at this place", field="roster")
            return
        refused = self._why_not_witness(history, newest.time)
        if refused:
            yield Finding(Verdict.UNVERIFIABLE, f"{who} is not believed: {refused}", field="roster")
        age = now - datetime.fromisoformat(history.seen_last) if now is not None else timedelta()
        if age > self._max_age or age < -MAX_AHEAD:
            reason = f"the newest roster of {who} is of {history.seen_last}: it must not be older than {self._max_age}"
            yield Finding(Verdict.UNVERIFIABLE, reason, field="roster")

    def _cosignatures(self, now: datetime | None) -> Iterator[Finding]:
        for log, cosigner, time in self._cosigned:
            # The time is a number of 64 bits from outside.
            age = now.timestamp() - time if now is not None and time is not None else 0.0
            if time is None or not -MAX_AHEAD.total_seconds() <= age <= self._max_age.total_seconds():
                reason = f"the log of the witness {log} is not cosigned by {cosigner} within {self._max_age}"
                yield Finding(Verdict.UNVERIFIABLE, reason, field="roster")

    def _why_not_witness(self, history: RosterHistory, time: str) -> str:
        if history.key not in self._signers.values():
            return ""  # named by the auditor, and by no trust file
        statement = Statement(roles=frozenset({Role.WITNESS}), source="", signed_at=time)
        judgement = self._policy.judge(history.key, statement)
        return "" if judgement.accepted else judgement.reason

    def _ranges(self, history: RosterHistory, bounds: Bounds) -> Iterator[Finding]:
        """Yield where the topic ends before the end that a witness saw."""
        topics = {topic for topic, _ in bounds}
        seen = {topic for topic, _ in history.ranges}
        if seen and not topics <= seen:
            names = ", ".join(sorted(topics - seen))
            yield Finding(Verdict.UNVERIFIABLE, f"the witness {history.label} has never read the topic {names}")
        for (topic, partition), entry in history.ranges.items():
            end = bounds.get((topic, partition), (0, 0))[1]
            if topic in topics and end < entry.end:
                reason = (
                    f"the partition ends at offset {end}, and the witness {history.label} has read it up to {entry.end}: "
                    "it was cut, created again, or exchanged"
                )
                yield Finding(Verdict.MISSING, reason, place=f"{topic}[{partition}]")

    def _absent_stream(
        self, history: RosterHistory, first: Sighting, last: Sighting, bounds: Bounds, now: datetime | None
    ) -> Iterator[Finding]:
        entry = last.entry
        if self._is_expired(last, bounds, now):
            return
        reason = (
            f"the witness {history.label} saw {entry.size} records of {entry.producer} ({entry.source}), first on "
            f"{first.time}; no checkpoint of it is on the trail: the whole stream is absent"
        )
        yield Finding(Verdict.MISSING, reason, place=_place(entry), field="producer")

    def _absent_checkpoint(
        self, history: RosterHistory, sighting: Sighting, bounds: Bounds, now: datetime | None
    ) -> Iterator[Finding]:
        entry, time = sighting
        if self._is_expired(sighting, bounds, now):
            return
        reason = (
            f"the checkpoint of {entry.size} records that the witness {history.label} saw on {time} is absent, and nothing "
            "proves that the stream still contains what was signed then"
        )
        yield Finding(Verdict.MISSING, reason, place=_place(entry), field="root")

    def _cut_off(
        self, history: RosterHistory, largest: Sighting, signed: int, bounds: Bounds, now: datetime | None
    ) -> Iterator[Finding]:
        entry, time = largest
        if self._is_expired(largest, bounds, now):
            return
        reason = (
            f"the witness {history.label} saw {entry.size} signed records on {time}, and the trail has {signed}: its end "
            "was cut off"
        )
        yield Finding(Verdict.MISSING, reason, signed, entry.size - 1, _place(entry))

    def _is_expected(self, entry: StreamEntry, time: str, bounds: Bounds) -> bool:
        """Return whether what a witness saw belongs to this verification: its topic, and a key that is trusted for it."""
        key = self._signers.get(entry.signer)
        if key is None or (bounds and entry.topic not in {topic for topic, _ in bounds}):
            return False
        if self._policy.binds_first_source:
            # Which service a key is bound to follows from the trail, and the trail may have been exchanged.
            return True
        rostered = datetime.fromisoformat(time).timestamp()
        # A roster does not say who logged the events.
        statement = Statement(roles=signers_of(entry.source), source=entry.source, signed_at=time, rostered_at=rostered)
        return self._policy.judge(key, statement).accepted

    def _is_expired(self, sighting: Sighting, bounds: Bounds, now: datetime | None) -> bool:
        """Return whether retention may have removed what a witness saw: it was before the topic's first offset of today."""
        entry, time = sighting
        low = bounds.get((entry.topic, entry.partition), (0, 0))[0]
        if entry.offset >= low:
            return False
        # Deleting the beginning of a topic moves its first offset as retention does, but not only when it is due.
        if now is None or self._retention is None or now - datetime.fromisoformat(time) >= self._retention:
            self._expired.add((entry.producer, entry.source, entry.size))
            return True
        return False


def is_trusted_roster(roster: Roster, policy: TrustPolicy) -> bool:
    """Return whether a key with the role ``witness`` signed a roster."""
    return any(Role.WITNESS in key.roles and is_signed_by(roster, key.public) for key in policy.keys)


def _two_histories(history: RosterHistory, entry: StreamEntry, time: str) -> Finding:
    reason = f"the witness {history.label} saw another root signed for {entry.size} records on {time}: two histories of one stream"
    last = entry.size - 1 if entry.size else None
    return Finding(Verdict.TAMPERED, reason, None if last is None else 0, last, _place(entry), "root", exact=False)


def _place(entry: StreamEntry) -> str:
    return f"{entry.topic}[{entry.partition}]@{entry.offset}"
