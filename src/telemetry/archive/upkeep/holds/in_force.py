"""Reads the legal holds of an archive, believes those that a trusted key signed, and says what they cover."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from telemetry.archive.upkeep.holds.hold import Hold, Release, parse_statement, parsed_time
from telemetry.exceptions import FormatError, StorageLimitError, TamperedError, VerificationError
from telemetry.format.proof.signed_note import MAX_NOTE_BYTES, PublicKey, require_signed
from telemetry.format.uuid7 import is_uuid
from telemetry.reader.trust.judgement import Role, Statement
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.storage import StorageProvider

logger = logging.getLogger("telemetry.archive")

FOLDER = "evidence/holds/"
MAX_HOLDS = 100_000
HOLD_SUFFIX, RELEASE_SUFFIX = ".hold", ".release"

_Kind = TypeVar("_Kind", Hold, Release)


class HeldRow(NamedTuple):
    """What a hold asks of a row; None where the row does not say it.

    Attributes:
        keyhash: Hash of the Kafka key.
        service: Service.
        event_type: Type of the event.
        times: Event time and Kafka's time, as far as they are known.
    """

    keyhash: str | None
    service: str | None
    event_type: str | None
    times: tuple[datetime, ...]


class Holds:
    """The holds that are in force.

    Args:
        holds: The holds.
    """

    def __init__(self, holds: Sequence[Hold] = ()) -> None:
        self._holds = tuple(holds)
        self._spans = tuple((hold, parsed_time(hold.since), parsed_time(hold.until)) for hold in self._holds)

    @classmethod
    def load(cls, store: StorageProvider, *, trust: TrustPolicy, source: str, archive: str = "") -> Holds:
        """Return the holds that were not released.

        What is unreadable, or signed by nobody who is trusted, ends it with an error: an event that a hold covers could not
        be brought back. A release by a trusted key lifts such an object as well.

        Args:
            store: The archive's store.
            trust: Who may sign holds: keys with the role archiver or auditor.
            source: CloudEvents source of the archiver, such as ``/production/telemetry-archiver``.
            archive: The archive; empty for any one.

        Raises:
            VerificationError: A hold is not believed.
            StorageError: The store refused or did not answer.
        """
        reader = _Reader(store, trust=trust, source=source, archive=archive)
        released, held = set(), []
        for name in _names(store):
            if name.endswith(RELEASE_SUFFIX) and reader.released(name):
                released.add(_id_of(name))
            elif name.endswith(HOLD_SUFFIX):
                held.append(name)
        holds = [reader.hold(name) for name in held if _id_of(name) not in released]
        return cls([hold for hold in holds if hold is not None])

    def __iter__(self) -> Iterator[Hold]:
        return iter(self._holds)

    def __len__(self) -> int:
        return len(self._holds)

    def covering(self, *, keyhashes: Collection[str] | None = (), service: str = "") -> list[Hold]:
        """Return the holds that may cover an event of a person.

        Args:
            keyhashes: Hashes of the person's Kafka keys; None if they are not known, so that it may be anybody's hold.
            service: Service of the person's events; empty for any.
        """
        return [
            hold
            for hold in self._holds
            if (not hold.keyhashes or keyhashes is None or not set(hold.keyhashes).isdisjoint(keyhashes))
            and (not hold.service or not service or hold.service == service)
        ]

    def of_row(self, row: HeldRow) -> Hold | None:
        """Return a hold that covers a row; what the row does not say is taken to be what the hold asks for."""
        for hold, since, until in self._spans:
            if (
                (not hold.keyhashes or row.keyhash is None or row.keyhash in hold.keyhashes)
                and (not hold.service or row.service is None or row.service == hold.service)
                and (not hold.event_type or row.event_type is None or row.event_type == hold.event_type)
                and _is_within(row.times, since, until)
            ):
                return hold
        return None


class _Reader:
    def __init__(self, store: StorageProvider, *, trust: TrustPolicy, source: str, archive: str) -> None:
        self._store = store
        self._trust = trust
        self._source = source
        self._archive = archive

    def hold(self, name: str) -> Hold | None:
        """Return a hold; None if it concerns another archive."""
        try:
            return self._read(name, Hold)
        except (FormatError, VerificationError, StorageLimitError) as exc:
            message = (
                f"the legal hold {name} is not believed: {exc}. Nothing is ended or redacted before it is clear: trust the "
                "key that signed it (role archiver or auditor), or lift it with `telemetry archive release`"
            )
            raise VerificationError(message) from exc

    def released(self, name: str) -> bool:
        """Return whether a release is believed; one that is not leaves its hold in force."""
        try:
            return self._read(name, Release) is not None
        except (FormatError, VerificationError, StorageLimitError) as exc:
            logger.warning("%s is passed over, and its hold stays in force: %s", name, exc)
            return False

    def _read(self, name: str, kind: type[_Kind]) -> _Kind | None:
        """Return a statement that is believed.

        1. It is a note of its kind, and its name is the hold's own.
        2. A trusted key signed it, with a role that may.
        3. It concerns this archive.
        """
        # 1.
        note, statement = parse_statement(self._store.get(name), kind)
        if statement.id != _id_of(name):
            message = "its name is not that of the hold in it"
            raise TamperedError(message)
        # 2.
        self._require_believed(require_signed(note, self._trust.candidates()), statement.time)
        # 3.
        if self._archive and statement.archive != self._archive:
            logger.warning("%s is passed over: it concerns another archive", name)
            return None
        return statement

    def _require_believed(self, signers: Sequence[PublicKey], time: str) -> None:
        refused = []
        for key in signers:
            for role, source in ((Role.ARCHIVER, self._source), (Role.AUDITOR, "")):
                statement = Statement(roles=frozenset({role}), source=source, signed_at=time)
                judgement = self._trust.judge(key, statement)
                # Its own clock alone says when it signed: a key in wrong hands gives any date.
                if judgement.accepted and not self._trust.is_revoked(judgement.key):
                    return
                refused.append(f"{judgement.signer}: {judgement.reason}")
        raise TamperedError("; ".join(refused))


def _names(store: StorageProvider) -> list[str]:
    names = []
    for stored in store.list(FOLDER):
        if not stored.name.endswith((HOLD_SUFFIX, RELEASE_SUFFIX)) or not is_uuid(_id_of(stored.name)):
            logger.warning("%s is passed over: it is no hold by its name", stored.name)
            continue
        if stored.size > MAX_NOTE_BYTES and stored.name.endswith(RELEASE_SUFFIX):
            continue
        names.append(stored.name)
        if len(names) > MAX_HOLDS:
            message = f"{FOLDER} has more than {MAX_HOLDS} objects; remove those that are no holds"
            raise VerificationError(message)
    return names


def _id_of(name: str) -> str:
    return name.removeprefix(FOLDER).rpartition(".")[0]


def _is_within(times: tuple[datetime, ...], since: datetime | None, until: datetime | None) -> bool:
    if not times or (since is None and until is None):
        return True
    return any((since is None or time >= since) and (until is None or time < until) for time in times)
