"""Collects the subjects whose keys are asked for, and tells those who wait."""

from __future__ import annotations

import threading
from collections.abc import Collection
from concurrent.futures import Future, InvalidStateError

from telemetry.encryption.subjects.key_cache import SubjectName
from telemetry.exceptions import KeyServiceError


class KeyRequests:
    """Requests that no thread has begun. The lock protects them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[frozenset[SubjectName], Future[None]]] = []
        self._error: KeyServiceError | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, names: Collection[SubjectName]) -> Future[None]:
        """Ask for keys; the future is done when they are there, or fails."""
        future: Future[None] = Future()
        with self._lock:
            error = self._error
            if error is None:
                self._waiting.append((frozenset(names), future))
        if error is not None:
            future.set_exception(error)
        return future

    def take(self) -> KeyBatch:
        """Return everything that was asked for, as one batch."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        return KeyBatch(waiting)

    def close(self, error: KeyServiceError) -> None:
        """Fail every request, and those to come."""
        with self._lock:
            self._error = error
        self.take().fail(error)


class KeyBatch:
    """Requests that are answered together.

    Args:
        waiting: What each asks for, and its future.
    """

    def __init__(self, waiting: list[tuple[frozenset[SubjectName], Future[None]]]) -> None:
        self._waiting = waiting

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def names(self) -> set[SubjectName]:
        """All subjects that are asked for."""
        return set().union(*(names for names, _ in self._waiting))

    def finish(self, failures: dict[SubjectName, KeyServiceError]) -> None:
        """Tell everyone: a request fails if none of its subjects got a key."""
        for names, future in self._waiting:
            errors = [failures[name] for name in names if name in failures]
            _finish(future, errors[0] if errors and len(errors) == len(names) else None)

    def fail(self, error: KeyServiceError) -> None:
        """Tell everyone that there is no key."""
        for _, future in self._waiting:
            _finish(future, error)


def _finish(future: Future[None], error: KeyServiceError | None) -> None:
    try:
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
    except InvalidStateError:  # someone gave up waiting and cancelled it
        return
