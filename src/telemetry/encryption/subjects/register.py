"""Forgets subjects, holds and releases them, and renews what seals their keys: the work of the command."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import NamedTuple, Self

from telemetry.config import TelemetryConfig
from telemetry.encryption.provider import EncryptionProvider
from telemetry.encryption.subjects.holds import LegalHold, decoded_hold
from telemetry.encryption.subjects.store.opening import open_store
from telemetry.encryption.subjects.store.rows import Counts, Destruction, Holder, Residue, State, SubjectRow
from telemetry.encryption.subjects.store.store import MAX_BATCH, SubjectStore
from telemetry.encryption.subjects.store_keys import StoreKeys
from telemetry.encryption.subjects.wrapping import StoreKey
from telemetry.exceptions import ConfigurationError, Problem, SubjectHeldError, SubjectTableError
from telemetry.system.clock import rfc3339

_PAGE = 1_000


class Rewrapped(NamedTuple):
    """What was sealed anew.

    Attributes:
        keys: Keys of subjects.
        removed: Store keys under which nothing is sealed any more, and which are gone.
        kept: Former store keys under which another process has sealed since; they go with the next run.
    """

    keys: int
    removed: int
    kept: int


class SubjectRegister:
    """The subjects of a store, for those who administer them. One thread uses it.

    Args:
        store: The store; it is closed with this.
        store_keys: Open what the store has.
    """

    def __init__(self, store: SubjectStore, store_keys: StoreKeys) -> None:
        self._store = store
        self._store_keys = store_keys

    @classmethod
    def of(cls, config: TelemetryConfig, provider: EncryptionProvider, *, creates: bool = False) -> SubjectRegister:
        """Return the register of a configuration; nothing is opened yet.

        Args:
            config: Names the store.
            provider: The key service.
            creates: Whether a SQLite file that is absent is created.

        Raises:
            ConfigurationError: There is no section ``subject_keys``, or it cannot be used.
        """
        section = config.audit_config.subject_keys
        if section is None:
            remedy = "name the store: [audit_config.subject_keys] store = ..."
            raise ConfigurationError(Problem("audit_config.subject_keys", "is missing", remedy))
        store = open_store(section, creates=creates)
        return cls(store, StoreKeys(store, provider, max_age_days=section.store_key_max_age_days))

    def create_tables(self) -> None:
        """Create the tables of the store that are absent."""
        self._store.create_tables()

    def sources(self) -> list[str]:
        """Return the sources that have subjects here."""
        return sorted({row.source for row in self._store.store_keys()})

    def of_user(self, user_id: str, *, sources: Iterable[str]) -> list[SubjectRow]:
        """Return the keys of a user that are not destroyed.

        Args:
            user_id: The user.
            sources: Services in which it may be known.

        Raises:
            KeyServiceError: Store or key service refused or did not answer.
        """
        found: list[SubjectRow] = []
        for source in sources:
            secret = self._store_keys.find_lookup_secret(source)
            if secret is not None:
                found += self._store.of_lookups([secret.lookup_of(user_id)])
        return found

    def of_keys(self, key_ids: Sequence[str]) -> list[SubjectRow]:
        """Return rows by the names of their keys, as events carry them."""
        return [row for part in _parts(key_ids) for row in self._store.of_keys(part)]

    def rows(self, *, state: State | None = None) -> Iterator[SubjectRow]:
        """Yield every row, in the order of the key ids.

        Args:
            state: Only those in this state.
        """
        after = ""
        while page := self._store.rows(after=after, limit=_PAGE, state=state):
            yield from page
            after = page[-1].key_id

    def counts(self) -> Counts:
        """Return how many subjects there are."""
        return self._store.counts()

    def hold_of(self, row: SubjectRow) -> LegalHold | None:
        """Return the hold of a row; raises ``SubjectTableError`` if it was altered."""
        if row.hold is None:
            return None
        secret = self._store_keys.lookup_secret(row.source)
        return decoded_hold(secret.open_hold(row.hold, key_id=row.key_id))

    def require_no_hold(self, rows: Sequence[SubjectRow]) -> None:
        """Require that subjects may be forgotten.

        Raises:
            SubjectHeldError: One of them has a hold.
        """
        for row in rows:
            hold = self.hold_of(row)
            if hold is not None:
                message = (
                    f"the subject of key {row.key_id} is not forgotten: it has the legal hold {hold.hold_id}, which {hold.by} "
                    f"set at {_moment(hold.set_ms)}; `telemetry subject show` says why, `telemetry subject release` ends it"
                )
                raise SubjectHeldError(message)

    def begin_forgetting(self, rows: Sequence[SubjectRow]) -> None:
        """Mark keys, so that no process gets them any more; those that are marked already stay so.

        Raises:
            SubjectHeldError: One of them has a hold; none was marked.
        """
        self.require_no_hold(rows)
        for part in _parts([row.key_id for row in rows]):
            self.require_no_hold(self._store.begin_forgetting(part))

    def destroy(self, key_ids: Sequence[str]) -> Destruction:
        """Destroy the marked keys of these that no process may use any more; say which processes may use the others."""
        destroyed: set[str] = set()
        waiting: dict[str, Holder] = {}
        for part in _parts(key_ids):
            done = self._store.destroy(part)
            destroyed |= done.destroyed
            waiting.update((holder.holder_id, holder) for holder in done.waiting_for)
        return Destruction(frozenset(destroyed), tuple(waiting.values()))

    def clean(self) -> Residue:
        """Remove what is left of destroyed keys in the files of the database."""
        return self._store.clean()

    def hold(self, rows: Sequence[SubjectRow], *, by: str, reason: str) -> LegalHold:
        """Keep subjects from being forgotten, in place of an earlier hold.

        Args:
            rows: Keys that are not destroyed.
            by: Who asks for it.
            reason: Why.

        Raises:
            SubjectTableError: A key was destroyed meanwhile; the others have the hold.
        """
        hold = LegalHold.create(by=by, reason=reason, set_ms=time.time_ns() // 1_000_000)
        late = []
        for row in rows:
            secret = self._store_keys.lookup_secret(row.source)
            if not self._store.set_hold(row.key_id, secret.seal_hold(hold.encoded(), key_id=row.key_id)):
                late.append(row.key_id)
        if late:
            message = (
                f"the legal hold {hold.hold_id} came too late for the key {late[0]}"
                + (f" and {len(late) - 1} others" if len(late) > 1 else "")
                + ": destroyed before it was set; the other keys have the hold"
            )
            raise SubjectTableError(message)
        return hold

    def release(self, rows: Sequence[SubjectRow]) -> int:
        """Remove the holds of subjects; return how many there were."""
        held = [row for row in rows if row.hold is not None]
        for row in held:
            self._store.set_hold(row.key_id, None)
        return len(held)

    def give_key(self, user_id: str, *, source: str) -> None:
        """Give a user a key, if it has none: what has no key cannot be held."""
        lookup = self._store_keys.lookup_secret(source).lookup_of(user_id)
        if not any(row.state == "active" for row in self._store.of_lookups([lookup])):
            self._store.add([self._store_keys.current(source).new_subject(lookup)])

    def rewrap(self, source: str) -> Rewrapped:
        """Seal every key of a source under a new store key, and remove the former ones.

        Processes that seal meanwhile go on; copies of the store from before still open with the KEK that wrapped the former
        store keys, until that is destroyed.

        Args:
            source: The source.
        """
        former = [row.store_key_id for row in self._store.store_keys(source)]
        fresh = self._store_keys.replace(source)
        lookup = self._store.lookup(source)
        if lookup is not None and lookup.store_key_id != fresh.store_key_id:
            secret = self._store_keys.open(lookup.store_key_id).open_lookup(lookup)
            self._store.reseal_lookup(fresh.seal_lookup(secret), former_store_key_id=lookup.store_key_id)
        # Only what is under the former keys: a second run at the same time seals under a key of its own, and neither waits.
        done = sum(self._reseal(store_key_id, fresh) for store_key_id in former)
        removed = sum(self._store.remove_store_key(store_key_id) for store_key_id in former)
        return Rewrapped(done, removed, len(former) - removed)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reseal(self, store_key_id: str, fresh: StoreKey) -> int:
        done = 0
        while rows := self._store.sealed_under(store_key_id, limit=MAX_BATCH):
            former = self._store_keys.open(store_key_id)
            seals = [(row.key_id, fresh.reseal(row, former.open_secret(row))) for row in rows]
            self._store.reseal([(key_id, store_key_id, fresh.store_key_id, sealed) for key_id, sealed in seals])
            done += len(rows)
        return done


def _moment(milliseconds: int) -> str:
    return rfc3339(datetime.fromtimestamp(milliseconds / 1_000, UTC))


def _parts(key_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(key_ids), MAX_BATCH):
        yield key_ids[start : start + MAX_BATCH]
