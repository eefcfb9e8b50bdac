"""Judges signatures by the trust file, or by keys that were named on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache

from telemetry.exceptions import TamperedError
from telemetry.format.calendar_time import has_time_form
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.trust.judgement import Judgement, Role, Statement, TimeBasis
from telemetry.system.clock import rfc3339

LATE = timedelta(days=7)
"""Default delay that is accepted between the signing and the appending of a record whose key has ended meanwhile."""
UNSEEN = timedelta(hours=1)
"""Longest time before a witness saw a record for which the broker is believed to have had it already."""
READER_SERVICE = "telemetry-reader"
"""Service name under which readers record their reads."""
WITNESS_SERVICE = "telemetry-witness"
"""Service name of a witness."""

_OWN_ROLES = {READER_SERVICE: Role.READER, WITNESS_SERVICE: Role.WITNESS}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A public key and what it may sign.

    Attributes:
        public: The key.
        roles: What it may sign.
        sources: Patterns of the sources for which it may sign; ``*`` matches within one part of the path.
        topics: Topics for which it may sign; None for any.
        not_before: Nothing earlier is believed.
        not_after: Nothing signed later is believed; what was signed before may be appended late.
        revoked_from: Nothing signed or appended from then on is believed: the key is in wrong hands.
    """

    public: PublicKey
    roles: frozenset[Role]
    sources: tuple[str, ...]
    topics: tuple[str, ...] | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    revoked_from: datetime | None = None

    @property
    def is_dated(self) -> bool:
        """Whether anything depends on when the key signed."""
        return any((self.not_before, self.not_after, self.revoked_from))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRule:
    """What is expected of a source.

    Attributes:
        name: Pattern of the source.
        clear_until: Events dated before this may be in the clear.
        expect: Least number of producers that must be on the trail.
    """

    name: str
    clear_until: datetime | None = None
    expect: int | None = None


@dataclass(slots=True)
class TrustPolicy:
    """Who may sign what.

    Attributes:
        keys: The trusted keys. One public key may occur more than once, with different rights.
        rules: What is expected of sources.
        late: Delay that is accepted between signing and appending, where a key has ended meanwhile.
        binds_first_source: Each key may sign for one service: the first one for which it is seen to sign.
    """

    keys: tuple[TrustedKey, ...]
    rules: tuple[SourceRule, ...] = ()
    late: timedelta = LATE
    binds_first_source: bool = False
    _bound: dict[PublicKey, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A key that is in wrong hands is so for all that it may sign: no other entry of it counts longer.
        revoked: dict[PublicKey, datetime] = {}
        for key in self.keys:
            if key.revoked_from is not None:
                revoked[key.public] = min(key.revoked_from, revoked.get(key.public, key.revoked_from))
        if revoked:
            self.keys = tuple(
                replace(key, revoked_from=revoked[key.public]) if key.public in revoked else key for key in self.keys
            )

    @classmethod
    def of_keys(cls, keys: Iterable[PublicKey]) -> TrustPolicy:
        """Return the policy of keys that were named without rights: each one is the key of one service.

        A service that reads its own trail signs its reads with the same key, so readers' sources do not count.
        """
        roles = frozenset({Role.SERVICE, Role.READER})
        return cls(
            tuple(TrustedKey(public=key, roles=roles, sources=("/*/*",)) for key in dict.fromkeys(keys)),
            binds_first_source=True,
        )

    def afresh(self) -> TrustPolicy:
        """Return the same policy before it has judged anything: no key is bound to a service yet."""
        return TrustPolicy(self.keys, self.rules, self.late, self.binds_first_source)

    def candidates(self) -> tuple[PublicKey, ...]:
        """Return every key under which a signature is worth checking."""
        return tuple(dict.fromkeys(key.public for key in self.keys))

    def judge(self, key: PublicKey, statement: Statement) -> Judgement:
        """Return whether a signature that was verified is believed.

        Args:
            key: The key that made it.
            statement: What it signed.
        """
        entries = [entry for entry in self.keys if entry.public == key]
        if not entries:
            return _refused(key, "the key is not trusted")
        # One entry that admits the statement is enough; otherwise the last one that comes near to it says most.
        entries.sort(key=lambda entry: (_covers(entry, statement.source), bool(entry.roles & statement.roles)))
        judgements = [self._judge_entry(entry, statement) for entry in entries]
        accepted = next((judgement for judgement in judgements if judgement.accepted), None)
        if accepted is None:
            return judgements[-1]
        # A key could name any gateway; it is the one whose own events it may sign.
        if statement.via is not None and not any(
            Role.SERVICE in entry.roles and _covers(entry, statement.via) for entry in entries
        ):
            return _refused(key, _not_that_gateway(statement.via))
        return self._bind(accepted, statement)

    def judge_checkpoint(
        self,
        key: PublicKey,
        checkpoint: Checkpoint,
        *,
        appended_at: float | None = None,
        rostered_at: float | None = None,
    ) -> Judgement:
        """Return whether a checkpoint is believed of a key whose signature under it was verified.

        Args:
            key: The key that signed it.
            checkpoint: The checkpoint.
            appended_at: LogAppendTime of its record in seconds since the epoch; None where no broker stamped it.
            rostered_at: Time of the first roster that covers it, in seconds since the epoch; None without one.
        """
        statement = Statement(
            roles=roles_of(checkpoint.source, checkpoint.via),
            source=checkpoint.source,
            via=checkpoint.via,
            topic=checkpoint.topic,
            signed_at=checkpoint.time,
            appended_at=appended_at,
            rostered_at=rostered_at,
        )
        return self.judge(key, statement)

    def require_believed(self, signers: Iterable[PublicKey], checkpoint: Checkpoint) -> tuple[Judgement, ...]:
        """Return the judgements of the keys that are believed of a checkpoint outside its record.

        Raises:
            TamperedError: None of them may sign it.
        """
        judgements = [self.judge_checkpoint(key, checkpoint) for key in signers]
        accepted = tuple(judgement for judgement in judgements if judgement.accepted)
        if not accepted:
            reasons = "; ".join(f"{judgement.signer}: {judgement.reason}" for judgement in judgements)
            message = f"no key that signed the checkpoint of {checkpoint.source} is believed ({reasons})"
            raise TamperedError(message)
        return accepted

    def bind(self, key: PublicKey, source: str) -> None:
        """Continue with what an earlier verification has seen: this key signs for this source."""
        if self.binds_first_source and service_of(source) != READER_SERVICE:
            self._bound.setdefault(key, source)

    def is_revoked(self, key: PublicKey) -> bool:
        """Return whether a key is in wrong hands, from whatever time on."""
        return any(entry.public == key and entry.revoked_from is not None for entry in self.keys)

    def sources_of(self, key: PublicKey, role: Role) -> tuple[str, ...]:
        """Return the patterns of the sources for which a key has a role."""
        entries = (entry for entry in self.keys if entry.public == key and role in entry.roles)
        return tuple(pattern for entry in entries for pattern in entry.sources)

    def clear_until(self, source: str) -> datetime | None:
        """Return until when events of a source may be in the clear; None if they never may."""
        times = [rule.clear_until for rule in self.rules if rule.clear_until and matches(rule.name, source)]
        return max(times, default=None)

    def _judge_entry(self, entry: TrustedKey, statement: Statement) -> Judgement:
        """Judge a statement by one entry of the trust file.

        1. The key has one of the roles that may sign this.
        2. It may sign for this source.
        3. It may sign for this topic, if the statement names one.
        4. The time lies inside the key's dates.
        """
        # 1.
        if not entry.roles & statement.roles:
            return _refused(entry.public, _why_other_role(entry, statement))
        # 2.
        if statement.source and not _covers(entry, statement.source):
            return _refused(entry.public, f"the key may not sign for {statement.source}")
        # 3.
        if statement.topic is not None and entry.topics is not None and statement.topic not in entry.topics:
            return _refused(entry.public, f"the key may not sign for the topic {statement.topic}")
        # 4.
        return _judge_time(entry, statement, self.late)

    def _bind(self, judgement: Judgement, statement: Statement) -> Judgement:
        """Bind a key that was named without rights to the first service for which it signs."""
        if not self.binds_first_source or not statement.source or service_of(statement.source) == READER_SERVICE:
            return judgement
        first = self._bound.setdefault(judgement.key, statement.source)
        if first == statement.source:
            return judgement
        reason = (
            f"the key signs for {first} already; a key that may sign for {statement.source} too needs a trust file "
            "that says so"
        )
        return _refused(judgement.key, reason)


def roles_of(source: str, via: str | None = None) -> frozenset[Role]:
    """Return the roles of which one may sign checkpoints of a source; none may where a gateway logs for nobody.

    Args:
        source: Source of the stream.
        via: Source of the gateway that the checkpoint names; None for none.
    """
    own = _OWN_ROLES.get(service_of(source))
    if own is not None:
        return frozenset({own}) if via is None else frozenset()
    return frozenset({Role.SERVICE if via is None else Role.GATEWAY})


def signers_of(source: str) -> frozenset[Role]:
    """Return the roles of which one may sign for a source, where it is not known who logged the events."""
    return roles_of(source) | roles_of(source, source)


def service_of(source: str) -> str:
    """Return the last part of a source, as it is written there."""
    return source.rpartition("/")[2]


@lru_cache(maxsize=1_024)
def matches(pattern: str, source: str) -> bool:
    """Return whether a pattern matches a source; ``*`` does not match across a slash."""
    parts, wanted = source.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(fnmatchcase(part, glob) for part, glob in zip(parts, wanted, strict=True))


def _covers(entry: TrustedKey, source: str) -> bool:
    return any(matches(pattern, source) for pattern in entry.sources)


def _why_other_role(entry: TrustedKey, statement: Statement) -> str:
    has, wanted = (", ".join(sorted(roles)) for roles in (entry.roles, statement.roles))
    if not wanted:
        return f"no gateway may log for {statement.source}, and it names {statement.via} as one"
    if statement.via is not None:
        return (
            f"the key has the role {has}, and only the role {wanted} may sign what was logged through {statement.via}; "
            "a trust file has to list it for this service (`telemetry trust add --gateway`)"
        )
    if Role.GATEWAY in entry.roles and Role.SERVICE in statement.roles:
        return f"the key has the role {has}, and may sign for {statement.source} only what names its gateway"
    return f"the key has the role {has}, and only the role {wanted} may sign this"


def _not_that_gateway(via: str) -> str:
    return (
        f"the key may not sign as {via}, through which it says that the events were logged: a gateway needs an entry with "
        "the role service for its own source"
    )


def _judge_time(entry: TrustedKey, statement: Statement, late: timedelta) -> Judgement:
    signed_at = _parsed(statement.signed_at)
    independent, basis = _independent_time(statement)
    if signed_at is None:
        return _refused(entry.public, "the time that it states is not a time", basis)
    for time, end in ((signed_at, timedelta(0)), (independent, late)):
        reason = _outside(entry, time, end) if time is not None else ""
        if reason:
            return _refused(entry.public, reason, basis)
    return Judgement(accepted=True, key=entry.public, reason=_why(entry), time_basis=basis, is_dated=entry.is_dated)


def _outside(entry: TrustedKey, time: datetime, late: timedelta) -> str:
    """Return why a time lies outside the dates of a key; empty if it does not."""
    if entry.revoked_from is not None and time >= entry.revoked_from:
        return f"the key is revoked from {rfc3339(entry.revoked_from)} on"
    if entry.not_before is not None and time < entry.not_before:
        return f"the key is valid from {rfc3339(entry.not_before)} on"
    # A record may wait in a fallback store while its key ends; it may not wait for ever.
    if entry.not_after is not None and time - entry.not_after > late:
        return f"the key was valid until {rfc3339(entry.not_after)}"
    return ""


def _independent_time(statement: Statement) -> tuple[datetime | None, TimeBasis]:
    """Return the earliest time that does not come from the signer and is believed, and where it comes from."""
    rostered, appended = _from_epoch(statement.rostered_at), _from_epoch(statement.appended_at)
    # Both say that it was signed by then. But a broker can date back, and the witness is there to find that out.
    if rostered is not None and (appended is None or not rostered - UNSEEN <= appended < rostered):
        return rostered, TimeBasis.ROSTER
    return (appended, TimeBasis.APPEND) if appended is not None else (None, TimeBasis.SELF)


def _why(entry: TrustedKey) -> str:
    role = ", ".join(sorted(entry.roles))
    return f"{role} key for {', '.join(entry.sources)}{_dates(entry)}"


def _dates(entry: TrustedKey) -> str:
    parts = (
        (" from ", entry.not_before),
        (" until ", entry.not_after),
        (", revoked from ", entry.revoked_from),
    )
    return "".join(f"{word}{rfc3339(time)}" for word, time in parts if time is not None)


def _refused(key: PublicKey, reason: str, basis: TimeBasis = TimeBasis.SELF) -> Judgement:
    return Judgement(accepted=False, key=key, reason=reason, time_basis=basis)


def _parsed(time: str) -> datetime | None:
    # Checkpoints come from outside: a text of the right form may still name no day of any year.
    if not has_time_form(time):
        return None
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        return None


def _from_epoch(seconds: float | None) -> datetime | None:
    # A number that is no time is no clock either.
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
    except (OverflowError, ValueError, OSError):
        return None
