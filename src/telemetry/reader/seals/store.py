"""Reads and creates the seals of an archive in its store."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from telemetry.exceptions import FormatError, StorageLimitError, StorageNotFoundError
from telemetry.format.archive.seal import MAX_NUMBER, MAX_SEAL_BYTES, Seal
from telemetry.format.archive.seal_note import SEALS, decode_seal, number_of, seal_digest, seal_name
from telemetry.format.proof.signed_note import Note
from telemetry.storage import StorageProvider

_AHEAD = 12
"""Seals that are fetched ahead; each has at most 16 MiB, and usually a few KB."""
_THREADS = 8


@dataclass(frozen=True, slots=True)
class StoredSeal:
    """A seal as it is in the store; who signed it was not verified.

    Attributes:
        number: Its number, by its name and its content.
        data: Its bytes.
        note: The signed note.
        seal: What it says.
        digest: SHA-256 of its bytes, in hexadecimal; the next seal names it.
    """

    number: int
    data: bytes
    note: Note
    seal: Seal
    digest: str

    @classmethod
    def read(cls, number: int, data: bytes) -> StoredSeal:
        """Return the seal that bytes are.

        Raises:
            FormatError: They are none, or one of another number.
        """
        try:
            note, seal = decode_seal(data)
        except FormatError as exc:
            message = f"{seal_name(number)} cannot be read: {exc}"
            raise FormatError(message) from exc
        if seal.number != number:
            message = f"{seal_name(number)} contains seal {seal.number}: one was stored under the name of the other"
            raise FormatError(message)
        return cls(number, data, note, seal, seal_digest(data))


@dataclass(frozen=True, slots=True)
class UnreadSeal:
    """A seal that cannot be read.

    Attributes:
        number: Its number, by its name.
        reason: Why, in words for a report.
        is_absent: Whether there is no object of its name.
    """

    number: int
    reason: str
    is_absent: bool = False


class SealStore:
    """The seals in the store of an archive; each is created once and never changed.

    Args:
        store: The archive's store.
    """

    def __init__(self, store: StorageProvider) -> None:
        self._store = store

    @property
    def store(self) -> StorageProvider:
        """The archive's store."""
        return self._store

    def last_number(self) -> int | None:
        """Return the number of the last seal; None where there is none.

        It asks for single names, so an archive of many years costs no more than some tens of requests. If seals are
        absent in the middle, it may be the last one before them: nobody continues such an archive unnoticed, because
        the seal after the hole names another predecessor.

        Raises:
            StorageError: The store refused or did not answer.
        """
        if not self._exists(0):
            return None
        low, step = 0, 1
        while low + step <= MAX_NUMBER and self._exists(low + step):
            low, step = low + step, 2 * step
        high = min(low + step, MAX_NUMBER + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._exists(middle) else (low, middle)
        return low

    def numbers(self) -> list[int]:
        """Return the numbers of all seals that are there, in order; objects of other names are no seals.

        Raises:
            StorageError: The store refused or did not answer.
        """
        found = (number_of(entry.name) for entry in self._store.list(SEALS))
        return sorted(number for number in found if number is not None)

    def read(self, number: int) -> StoredSeal:
        """Return a seal; who signed it is not verified.

        Raises:
            FormatError: There is an object of its name that is not this seal.
            StorageNotFoundError: There is no such seal.
            StorageError: The store refused or did not answer.
        """
        return StoredSeal.read(number, self._fetch(number))

    def create(self, number: int, data: bytes) -> StoredSeal:
        """Create a seal: this is the moment at which its commit is part of the archive.

        Args:
            number: Its number.
            data: Its bytes, from ``encode_seal``.

        Raises:
            FormatError: The bytes are not the seal of this number.
            StorageConflictError: Another writer has committed this number with other content; nothing was changed.
            StorageError: The store refused or did not answer; the commit may have happened, and creating the same bytes
                again tells.
        """
        stored = StoredSeal.read(number, data)
        self._store.put(seal_name(number), data)
        return stored

    def walk(self, first: int = 0, end: int | None = None) -> Iterator[StoredSeal | UnreadSeal]:
        """Yield the seals in order, those that cannot be read too; several are fetched at a time.

        Args:
            first: Number of the first one.
            end: One more than the last number; None for one more than the last that is there.

        Raises:
            StorageError: The store refused or did not answer.
        """
        if end is None:
            end = max(self.numbers(), default=-1) + 1
        return self.read_all(range(first, end))

    def read_all(self, numbers: Iterable[int]) -> Iterator[StoredSeal | UnreadSeal]:
        """Yield the seals of these numbers, those that cannot be read too; several are fetched at a time.

        Raises:
            StorageError: The store refused or did not answer.
        """
        waiting: deque[tuple[int, Future[bytes]]] = deque()
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="telemetry-seals")
        try:
            for number in numbers:
                waiting.append((number, pool.submit(self._fetch, number)))
                if len(waiting) >= _AHEAD:
                    yield _read_or_say(*waiting.popleft())
            while waiting:
                yield _read_or_say(*waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _fetch(self, number: int) -> bytes:
        name = seal_name(number)
        try:
            # One byte more than a seal may have: an object of any size can have this name.
            return self._store.read_part(name, 0, MAX_SEAL_BYTES + 1)
        except StorageLimitError as exc:
            message = f"{name} cannot be read: {exc}"
            raise FormatError(message) from exc

    def _exists(self, number: int) -> bool:
        try:
            self._store.size(seal_name(number))
        except StorageNotFoundError:
            return False
        return True


def _read_or_say(number: int, fetched: Future[bytes]) -> StoredSeal | UnreadSeal:
    try:
        return StoredSeal.read(number, fetched.result())
    except StorageNotFoundError:
        return UnreadSeal(number, f"{seal_name(number)} is absent", is_absent=True)
    except FormatError as exc:
        return UnreadSeal(number, str(exc))
