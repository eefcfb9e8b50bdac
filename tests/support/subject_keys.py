"""Keys of subjects in memory, for tests of what uses them: each appears when it is asked for, or when the test says so."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from concurrent.futures import Future

from telemetry.exceptions import EncryptionError, SubjectStoreError, TelemetryError
from telemetry.format.value.subject.subject_key import SubjectKey

SOURCE = "/production/shop"


def key_for(user_id: str, *, number: int = 0, source: str = SOURCE) -> SubjectKey:
    """Return a key that is always the same for a user and a number."""
    return SubjectKey(hashlib.sha256(f"{number} {user_id}".encode()).digest(), source=source)


class MemorySubjects:
    """The keys of the subjects of one service, to write and to read with.

    Args:
        answers: Whether requests are answered at once.
    """

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.keys: dict[str, SubjectKey] = {}
        self.every: dict[str, SubjectKey | None] = {}
        self.requests: list[list[str]] = []
        self.is_stopped = False
        self._waiting: list[tuple[list[str], Future[None]]] = []
        self._lost: set[str] = set()

    def take(self, user_id: str) -> SubjectKey | None:
        return self.keys.get(user_id)

    def still_holds(self, key: SubjectKey) -> bool:
        # A process that was stopped in the middle of sealing notices it afterwards.
        return not self.is_stopped and key in self.keys.values()

    def request(self, user_ids: Collection[str]) -> Future[None]:
        future: Future[None] = Future()
        self.requests.append(list(user_ids))
        self._waiting.append((list(user_ids), future))
        if self.answers:
            self.answer()
        return future

    def missing(self) -> EncryptionError:
        return SubjectStoreError("the store of subject keys did not answer")

    def answer(self, error: TelemetryError | None = None) -> None:
        """Answer what was requested so far."""
        waiting, self._waiting = self._waiting, []
        for user_ids, future in waiting:
            if error is not None:
                future.set_exception(error)
                continue
            for user_id in user_ids:
                self.give(user_id)
            future.set_result(None)

    def give(self, user_id: str) -> SubjectKey:
        """Create the key of a subject, if there is none."""
        if user_id not in self.keys:
            key = self.keys[user_id] = key_for(user_id, number=len(self.every))
            self.every[key.key_id] = key
        return self.keys[user_id]

    def forget(self, user_id: str) -> None:
        """Destroy the key of a subject."""
        self.every[self.keys.pop(user_id).key_id] = None

    def key_of(self, key_id: str) -> SubjectKey | None:
        """Return a key to open with; None if it was destroyed."""
        return self.every[key_id]

    def source_of(self, key_id: str) -> str:
        """Return the source of a destroyed key."""
        assert key_id in self.every
        return SOURCE
