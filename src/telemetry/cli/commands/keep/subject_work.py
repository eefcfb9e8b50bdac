"""Finds the subjects that a command names, forgets them, and shows how far that is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from telemetry.audit.accept.draft.adjusted import adjusted_text, is_fit
from telemetry.audit.accept.draft.adjuster import MAX_USER_ID
from telemetry.audit.accept.draft.full_event import ANONYMOUS
from telemetry.cli.output.console import err, escape_markup
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.subjects.register import SubjectRegister
from telemetry.exceptions import ConfigurationError, InputError, Problem, SubjectStoreError
from telemetry.format.value.message import source_of
from telemetry.system.clock import rfc3339
from telemetry.trail.read_event import record_about_subjects

if TYPE_CHECKING:
    from telemetry.config import TelemetryConfig
    from telemetry.encryption.subjects.store.rows import Destruction, SubjectRow
    from telemetry.trail.read_event import Access, SubjectEvent

_POLL_SECONDS = 0.5
_MAX_USERS = 100_000
_MAX_USER_CHARACTERS = 4_096
_KEYS_OF_AN_EVENT = 2_000


class Wanted:
    """The subjects that a command names.

    Args:
        users: User ids; ``-`` reads them from standard input, one a line.
        services: Services in which they may be known; none for the configured one.
        all_services: All services that have subjects in the store.
        keys: Names of keys, as events carry them.

    Attributes:
        users: All user ids.
        keys: As given.
        without_key: Which of the users, by their numbers from 1, had no key when :meth:`rows` was called last.
    """

    def __init__(
        self,
        users: Sequence[str] = (),
        *,
        services: Sequence[str] = (),
        all_services: bool = False,
        keys: Sequence[str] = (),
    ) -> None:
        self.users = [user for given in users for user in (_from_input() if given == "-" else [given])]
        self.keys = list(keys)
        self.without_key: list[int] = []
        self._services = list(services)
        self._all_services = all_services
        if not self.users and not self.keys:
            raise ConfigurationError(Problem("USER", "is missing", "name a user, `-`, or --subject-key"))

    def sources(self, config: TelemetryConfig, register: SubjectRegister) -> list[str]:
        """Return the sources of the services."""
        if self._all_services:
            return register.sources()
        return [source_of(config.environment, name) for name in self._services or [config.service_name]]

    def rows(self, config: TelemetryConfig, register: SubjectRegister) -> list[SubjectRow]:
        """Return the rows of the subjects, each once."""
        sources = self.sources(config, register)
        found, self.without_key = register.of_keys(self.keys), []
        for number, user in enumerate(self.users, start=1):
            rows = [row for logged in _as_logged(user) for row in register.of_user(logged, sources=sources)]
            found += rows
            if not rows:
                self.without_key.append(number)
        return list({row.key_id: row for row in found}.values())

    def require_persons(self) -> None:
        """Require that no user is the name that all events without a user have.

        Raises:
            ConfigurationError: One is.
        """
        if ANONYMOUS in self.users:
            reason = f'"{ANONYMOUS}" is the subject of every event that was logged without a user'
            remedy = "name its key with --subject-key if all of them are meant"
            raise ConfigurationError(Problem("USER", reason, remedy))


@contextmanager
def opened_register(config: TelemetryConfig, *, creates: bool = False) -> Iterator[SubjectRegister]:
    """Open the register of a configuration, and close it and the key service at the end."""
    encryption = config.audit_config.encryption_config
    if encryption is None:
        problem = Problem("encryption_config", "is missing", "the keys of subjects are wrapped by the key service")
        raise ConfigurationError(problem)
    with (
        EncryptionProviderFactory.create(encryption) as provider,
        SubjectRegister.of(config, provider, creates=creates) as register,
    ):
        yield register


def record(config: TelemetryConfig, access: Access, *, event_type: SubjectEvent, rows: Sequence[SubjectRow]) -> None:
    """Write into the trail what is about to be done to subjects, in as many events as their number needs."""
    key_ids = [row.key_id for row in rows]
    for start in range(0, len(key_ids), _KEYS_OF_AN_EVENT):
        part = key_ids[start : start + _KEYS_OF_AN_EVENT]
        record_about_subjects(config, access, event_type=event_type, key_ids=part)


class Forgetting:
    """Destroys marked keys as soon as no process may use them any more.

    Args:
        register: The register.
        key_ids: The marked keys.

    Attributes:
        destroyed: Keys that are gone.
    """

    def __init__(self, register: SubjectRegister, key_ids: Sequence[str]) -> None:
        self.destroyed: set[str] = set()
        self._register = register
        self._left = list(key_ids)
        self._shown = ""

    @property
    def left(self) -> list[str]:
        """Keys that are not destroyed yet."""
        return [key_id for key_id in self._left if key_id not in self.destroyed]

    def step(self) -> Destruction:
        """Destroy what can be destroyed now."""
        done = self._register.destroy(self.left)
        # A process that logs may have been faster.
        gone = {row.key_id for row in self._register.of_keys(self.left) if row.state == "forgotten"}
        self.destroyed |= done.destroyed | gone
        return done

    def wait(self, *, sleep: Callable[[float], object] = time.sleep) -> None:
        """Destroy everything; waits for processes that may use a key, each at most as long as its lease.

        A key that gets a hold meanwhile is left.
        """
        while True:
            done = self.step()
            if not self.left or not done.waiting_for:
                return
            self._show(done)
            sleep(_POLL_SECONDS)

    def _show(self, done: Destruction) -> None:
        names = ", ".join(holder.described for holder in done.waiting_for[:3])
        longest = max(holder.expires_in for holder in done.waiting_for)
        if names != self._shown:
            self._shown = names
            text = (
                f"waiting for {len(done.waiting_for)} processes that may use the keys, at most {longest:.0f} s: {names}"
            )
            err.print(escape_markup(text))


def cleaned(register: SubjectRegister) -> str:
    """Remove what is left of destroyed keys, and return what is left then; the keys are destroyed also if this fails."""
    try:
        return register.clean().note
    except SubjectStoreError as exc:
        return f"the files of the store may still have the destroyed rows, because they could not be cleaned: {exc}"


def row_of(row: SubjectRow, register: SubjectRegister) -> dict[str, Any]:
    """Return what is shown of a subject; nothing in it names the user."""
    hold = register.hold_of(row)
    shown = {
        "key": row.key_id,
        "source": row.source,
        "state": row.state,
        "created": moment(row.created_ms),
        "forgetting_since": moment(row.forgetting_ms),
        "forgotten": moment(row.forgotten_ms),
    }
    if hold is None:
        return {**shown, "hold": None}
    return {**shown, "hold": {"id": hold.hold_id, "by": hold.by, "reason": hold.reason, "since": moment(hold.set_ms)}}


def moment(milliseconds: int | None) -> str | None:
    """Return a moment of the store as RFC 3339."""
    if milliseconds is None:
        return None
    try:
        return rfc3339(datetime.fromtimestamp(milliseconds / 1_000, UTC))
    except (OverflowError, ValueError, OSError):
        return "unreadable"


def _as_logged(user: str) -> set[str]:
    """Return the texts that events may have for a user id: one that is too long or odd was logged as another one."""
    return {user} if is_fit(user, MAX_USER_ID) else {user, adjusted_text(user, MAX_USER_ID)}


def _from_input() -> list[str]:
    users: list[str] = []
    for number, line in enumerate(sys.stdin, start=1):
        user = line.rstrip("\r\n")
        if len(user) > _MAX_USER_CHARACTERS or number > _MAX_USERS:
            message = f"standard input, line {number}: more than {_MAX_USERS} users, or longer than {_MAX_USER_CHARACTERS} characters"
            raise InputError(message)
        if user:
            users.append(user)
    return users
