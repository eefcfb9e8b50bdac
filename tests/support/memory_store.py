"""Stores objects in a dictionary, with the least that a lease needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from telemetry.config import StorageConfig
from telemetry.exceptions import StorageConflictError, StorageNotFoundError
from telemetry.storage import StorageProvider, StoredObject


class MemoryStore(StorageProvider):
    """Objects in a dictionary, which another instance may share.

    Attributes:
        objects: Name to bytes.
        before: Called before each operation with its name and the object's, to let others act in between, or to fail.
    """

    def __init__(self, config: StorageConfig | None = None, *, objects: dict[str, bytes] | None = None) -> None:
        super().__init__(config or StorageConfig(provider="memory"))
        self.objects = {} if objects is None else objects
        self.before: Callable[[str, str], None] = lambda _operation, _name: None
        self._guard = threading.Lock()

    def put(self, name: str, data: bytes) -> None:
        self.before("put", name)
        with self._guard:
            if self.objects.setdefault(name, data) != data:
                raise StorageConflictError(name)

    def get(self, name: str) -> bytes:
        self.before("get", name)
        try:
            return self.objects[name]
        except KeyError as exc:
            raise StorageNotFoundError(name) from exc

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        self.before("list", prefix)
        for name in sorted(self.objects):
            if name.startswith(prefix):
                yield StoredObject(name, len(self.objects[name]))

    def delete(self, name: str) -> None:
        self.before("delete", name)
        self.objects.pop(name, None)

    def check(self) -> None:
        """Nothing can be missing."""
