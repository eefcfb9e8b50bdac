"""Defines a fallback store: it creates, reads, lists and deletes whole objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Self

from telemetry.config import StorageConfig
from telemetry.exceptions import StorageLimitError
from telemetry.storage.lease import LeaseWatch, Lock, hold_lease

MAX_OBJECT_BYTES = 256 << 20
"""Largest object that is stored or read; one event is smaller than half of it."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One entry of a listing.

    Attributes:
        name: Full name, with ``/`` between the parts, without the store's own prefix.
        size: Bytes.
    """

    name: str
    size: int


def require_size(name: str, data: bytes) -> None:
    """Raise ``StorageLimitError`` if ``data`` is larger than an object may be."""
    if len(data) > MAX_OBJECT_BYTES:
        message = f"storing {name!r} is refused: {len(data)} bytes are more than the limit of {MAX_OBJECT_BYTES}"
        raise StorageLimitError(message)


def require_part(name: str, start: int, length: int) -> None:
    """Raise ``StorageLimitError`` if ``start`` and ``length`` are not those of a part of an object."""
    if start < 0 or not 0 <= length <= MAX_OBJECT_BYTES:
        message = f"reading {name!r} is refused: no part of an object has {length} bytes from {start}"
        raise StorageLimitError(message)


class StorageProvider(ABC):
    """An object store. Calls block, may come from several threads, and raise ``StorageError`` subclasses only.

    Names are relative to the configured prefix or folder, use ``/``, and hold only ``A-Z a-z 0-9 . _ - = /``.

    Attributes:
        config_class: Class of this provider's configuration; a subclass of ``StorageConfig`` may add fields.
        config: The configuration it was created from; another instance with this one shares the same objects.
    """

    config_class: ClassVar[type[StorageConfig]] = StorageConfig

    def __init__(self, config: StorageConfig) -> None:
        """Keep the configuration; raise ``MissingExtraError`` or ``ConfigurationError`` if it cannot be used."""
        self.config = config
        # Kept from one attempt to the next: a contender must have watched an epoch for its whole duration.
        self._watch = LeaseWatch()

    @property
    def location(self) -> str:
        """URI of the place below which the objects are; no secret. By default the name of the provider, and its prefix."""
        return f"{self.config.provider}://{self.config.prefix}"

    @abstractmethod
    def put(self, name: str, data: bytes) -> None:
        """Create an object durably; once this returns it survives a crash.

        Creating again with the same bytes succeeds (a lost acknowledgement is recognised as one's own).

        Raises:
            StorageConflictError: The name exists with other bytes; nothing was overwritten.
            StorageError: The store refused or did not answer; the subclass says why.
        """

    @abstractmethod
    def get(self, name: str) -> bytes:
        """Return the object's bytes.

        Raises:
            StorageNotFoundError: There is no such object.
        """

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield the object's bytes in parts of any size, so that a large one is never in memory as a whole.

        By default it is one part, from :meth:`get`.

        Raises:
            StorageNotFoundError: There is no such object.
        """
        yield self.get(name)

    def size(self, name: str) -> int:
        """Return the number of an object's bytes.

        By default its bytes are read and counted.

        Raises:
            StorageNotFoundError: There is no such object.
        """
        return len(self.get(name))

    def read_part(self, name: str, start: int, length: int) -> bytes:
        """Return a part of an object's bytes: fewer at its end, and none beyond it.

        By default all of it is read.

        Args:
            name: Name of the object.
            start: Where the part begins, from 0.
            length: Bytes of the part, from 0 to ``MAX_OBJECT_BYTES``.

        Raises:
            StorageNotFoundError: There is no such object.
            StorageLimitError: The part cannot be one of an object.
        """
        require_part(name, start, length)
        return self.get(name)[start : start + length]

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield the objects whose name starts with ``prefix``, sorted by name, a page at a time."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete an object; one that is absent is no error."""

    def lock(self, name: str, *, owner: str, seconds: float) -> AbstractContextManager[Lock]:
        """Try to become the only holder of ``name`` among all processes.

        Entering never waits. It yields a ``Lock`` that is true while this holder has the lock, and false when
        another one had it already. While the context is open the provider itself renews the lock; a holder
        that dies loses it at once (file lock) or after ``seconds`` (lease), and one that could not renew in time
        sees its ``Lock`` turn false: ask it before each step that only the holder may take.

        By default it is a lease of objects below ``locks/``; see ``telemetry.storage.lease`` for its clocks.

        Args:
            name: Name of the lock, in the same alphabet as objects.
            owner: Name of this process, for the operator who looks at the lock; no secret.
            seconds: Time by which a lease outlives a holder that died; more than 0.
        """
        return hold_lease(self, name, owner=owner, seconds=seconds, watch=self._watch)

    @abstractmethod
    def check(self) -> None:
        """Write, read and delete a small object below the prefix; raise naming what is missing."""

    def close(self) -> None:  # noqa: B027 - a provider that holds nothing has nothing to release
        """Release connections; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
