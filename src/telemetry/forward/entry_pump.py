"""Reads the entries of a trail in a thread of its own, as far ahead as a bound allows: a slow target stops the reading."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from telemetry.reader.entry import Entry
from telemetry.system.worker import Worker

MAX_ENTRIES = 2_000
MAX_BYTES = 16 << 20

_ENTRY_BYTES = 2_000
"""Memory of an opened entry beside the bytes of its record, about."""
_STOP_SECONDS = 30.0


class EntryPump:
    """Entries that another thread reads; leaving the ``with`` block ends it.

    Args:
        entries: The entries; they are iterated in the thread ``telemetry-forward-read``.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = entries
        # The thread appends, the user takes; both under the lock of the condition.
        self._changed = threading.Condition()
        self._waiting: deque[Entry] = deque()
        self._size = 0
        self._is_ended = False
        self._error: BaseException | None = None
        self._worker = Worker("telemetry-forward-read", self._run)

    def __enter__(self) -> Self:
        self._worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._worker.stop(_STOP_SECONDS)

    @property
    def is_ended(self) -> bool:
        """Whether every entry was taken, and none will follow."""
        with self._changed:
            return self._is_ended and not self._waiting and self._error is None

    def take(self, seconds: float) -> Entry | None:
        """Return the next entry; None if none came in this time, or none will come.

        Raises:
            TelemetryError: Reading failed; all entries before that were taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_ended, seconds)
            if self._waiting:
                entry = self._waiting.popleft()
                self._size -= _size(entry)
                self._changed.notify_all()
                return entry
            if self._error is not None:
                raise self._error
            return None

    def stop(self) -> None:
        """Have the thread read nothing more; what it has read can still be taken."""
        self._worker.ask_to_stop()
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            for entry in self._entries:
                with self._changed:
                    self._changed.wait_for(lambda: self._has_room() or self._worker.is_stopping)
                    if self._worker.is_stopping:
                        return
                    self._waiting.append(entry)
                    self._size += _size(entry)
                    self._changed.notify_all()
        except BaseException as exc:  # noqa: BLE001 - raised again in the thread that takes the entries
            self._error = exc
        finally:
            with self._changed:
                self._is_ended = True
                self._changed.notify_all()

    def _has_room(self) -> bool:
        return not self._waiting or (len(self._waiting) < MAX_ENTRIES and self._size < MAX_BYTES)


def _size(entry: Entry) -> int:
    return len(entry.raw.value or b"") + _ENTRY_BYTES
