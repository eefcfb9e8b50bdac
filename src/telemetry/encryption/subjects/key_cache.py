"""Keeps the keys of the subjects that a process has logged for last, bounded, in two generations."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import NamedTuple

from telemetry.format.value.subject.subject_key import SubjectKey


class SubjectName(NamedTuple):
    """Names a subject: a user of one service."""

    source: str
    user_id: str


class KeyCache:
    """Keys by subject. A key that was not used while half of the room was filled anew gives way.

    :meth:`get` reads without the lock, which protects every change.

    Args:
        most: Number of keys, at most.
    """

    def __init__(self, most: int) -> None:
        self._half = max(most // 2, 1)
        self._lock = threading.Lock()
        self._young: dict[tuple[str, str], SubjectKey] = {}
        self._old: dict[tuple[str, str], SubjectKey] = {}
        # Which key ids are kept: what was dropped is known to be so at once, by everyone who still has the key.
        self._names: dict[str, tuple[str, str]] = {}

    def __len__(self) -> int:
        return len(self._names)

    def get(self, name: tuple[str, str]) -> SubjectKey | None:
        """Return the key of a subject, named by source and user id; None if it is not kept."""
        key = self._young.get(name)
        return key if key is not None else self._get_old(name)

    def has(self, key: SubjectKey) -> bool:
        """Return whether a key is kept still."""
        return key.key_id in self._names

    def put(self, name: SubjectName, key: SubjectKey) -> None:
        """Keep a subject's key, in place of an earlier one."""
        with self._lock:
            self._remove(name)
            if len(self._young) >= self._half:
                for former in self._old.values():
                    self._names.pop(former.key_id, None)
                self._old, self._young = self._young, {}
            self._young[name] = key
            self._names[key.key_id] = name

    def drop(self, key_ids: Iterable[str]) -> None:
        """Drop keys; once this returns, no :meth:`get` finds them and :meth:`has` denies them."""
        with self._lock:
            for key_id in key_ids:
                name = self._names.get(key_id)
                if name is not None:
                    self._remove(name)

    def clear(self) -> None:
        """Drop every key."""
        with self._lock:
            self._names, self._young, self._old = {}, {}, {}

    def _get_old(self, name: tuple[str, str]) -> SubjectKey | None:
        if name not in self._old:
            return None
        with self._lock:
            key = self._old.pop(name, None)
            if key is not None:
                self._young[name] = key
            return key

    def _remove(self, name: tuple[str, str]) -> None:
        key = self._young.pop(name, None) or self._old.pop(name, None)
        if key is not None:
            self._names.pop(key.key_id, None)
