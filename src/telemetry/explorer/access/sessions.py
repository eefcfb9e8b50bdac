"""Keeps the sessions of the explorer, in memory alone: they end with the process."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass

from telemetry.config.explorer.serving import ExplorerConfig
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.session import Session
from telemetry.system.clock import Clock

_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_PER_PERSON = 10
"""Browsers of one person: a further one ends the session that was idle longest, so that nobody can take all the room."""
_FULL = "As many persons are signed in as the explorer serves at once. Try again in some minutes."


@dataclass(slots=True)
class _Kept:
    session: Session
    began: float
    seen: float


class Sessions:
    """Finds a session by the token in its cookie, of which only the SHA-256 digest is kept.

    It is used in one event loop.

    Args:
        config: Bounds: how many, and how long.
        clock: Monotonic seconds.
    """

    def __init__(self, config: ExplorerConfig, *, clock: Clock = time.monotonic) -> None:
        self._idle = config.session_idle_seconds
        self._longest = config.session_seconds
        self._most = config.max_sessions
        self._clock = clock
        # In the order in which they were last used: those that are idle too long are the first ones.
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._digests: dict[Session, bytes] = {}
        self._of_person: Counter[str] = Counter()

    def __len__(self) -> int:
        self._forget_ended()
        return len(self._kept)

    def begin(self, person: Person, *, address: str | None) -> tuple[Session, str]:
        """Begin a session.

        Args:
            person: Who has signed in.
            address: From where.

        Returns:
            The session, and the token for its cookie.

        Raises:
            Refused: There are too many.
        """
        self._forget_ended()
        if self._of_person[person.subject] >= _PER_PERSON:
            self._drop(next(each for each, kept in self._kept.items() if kept.session.person.subject == person.subject))
        if len(self._kept) >= self._most:
            raise Refused(503, "too_many_sessions", _FULL)
        session, now = Session(person, address=address), self._clock()
        return session, self._keep(_Kept(session, now, now))

    def find(self, token: str, *, is_use: bool = True) -> Session | None:
        """Return the session of a token; None if it has ended or never was.

        Args:
            token: Token from the cookie.
            is_use: Whether this counts as a use of the session, from which the time begins that it may be idle.
        """
        self._forget_ended()
        digest = _digest_of(token) if _TOKEN.fullmatch(token) else b""
        kept = self._kept.get(digest)
        if kept is None:
            return None
        now = self._clock()
        if now - kept.began >= self._longest:
            self._drop(digest)
            return None
        if is_use:
            kept.seen = now
            self._kept.move_to_end(digest)
        return kept.session

    def renew(self, session: Session) -> str | None:
        """Return a new token for a session; the former one is worth nothing from now on. None if the session has ended."""
        digest = self._digests.get(session)
        return None if digest is None else self._keep(self._drop(digest))

    def end(self, session: Session) -> None:
        """End a session."""
        digest = self._digests.get(session)
        if digest is not None:
            self._drop(digest)

    def _keep(self, kept: _Kept) -> str:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        digest = _digest_of(token)
        self._kept[digest], self._digests[kept.session] = kept, digest
        self._of_person[kept.session.person.subject] += 1
        return token

    def _drop(self, digest: bytes) -> _Kept:
        kept = self._kept.pop(digest)
        del self._digests[kept.session]
        subject = kept.session.person.subject
        self._of_person[subject] -= 1
        if not self._of_person[subject]:
            del self._of_person[subject]
        return kept

    def _forget_ended(self) -> None:
        latest = self._clock() - self._idle
        while self._kept:
            digest, kept = next(iter(self._kept.items()))
            if kept.seen > latest:
                return
            self._drop(digest)


def _digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
