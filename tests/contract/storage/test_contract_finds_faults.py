"""A store that breaks a promise fails the contract: each fault, and the test that finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import StorageNotFoundError
from telemetry.storage import Lock, StorageProvider, StoredObject
from telemetry.testing import StorageProviderContract
from tests.support.memory_store import MemoryStore


class Sound(MemoryStore):
    """Keeps the contract; its instances share their objects by the configuration's prefix."""

    shared: ClassVar[dict[str, dict[str, bytes]]] = {}

    def __init__(self, config: StorageConfig) -> None:
        super().__init__(config, objects=self.shared.setdefault(config.prefix, {}))

    def put(self, name: str, data: bytes) -> None:
        if not name or " " in name or "\\" in name or "\x00" in name or {"", ".", ".."} & set(name.split("/")):
            raise ValueError(name)
        super().put(name, data)


class Overwriting(Sound):
    def put(self, name: str, data: bytes) -> None:
        self.objects[name] = data


class RefusingRepeats(Sound):
    def put(self, name: str, data: bytes) -> None:
        if name in self.objects:
            raise StorageNotFoundError(name)
        super().put(name, data)


class Forgetting(Sound):
    def put(self, name: str, data: bytes) -> None:
        """Claim a write and do nothing."""


class TextOnly(Sound):
    def get(self, name: str) -> bytes:
        return super().get(name).decode("utf-8", "replace").encode()


class EmptyForMissing(Sound):
    def get(self, name: str) -> bytes:
        return self.objects.get(name, b"")


class Miscounting(Sound):
    def size(self, name: str) -> int:
        return len(self.get(name)) + 1


class Overreaching(Sound):
    def read_part(self, name: str, start: int, length: int) -> bytes:
        return super().read_part(name, start, length + 1)


class Keeping(Sound):
    def delete(self, name: str) -> None:
        """Claim a deletion and do nothing."""


class FailingOnMissing(Sound):
    def delete(self, name: str) -> None:
        if name not in self.objects:
            raise StorageNotFoundError(name)
        super().delete(name)


class OnePage(Sound):
    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        for number, stored in enumerate(super().list(prefix)):
            if number < 1_000:
                yield stored


class Unsorted(Sound):
    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        yield from reversed(list(super().list(prefix)))


class PartsOnly(Sound):
    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        folder = prefix.rpartition("/")[0]
        yield from super().list(folder)


class _Fixed:
    """The holder of a lock that never changes its mind."""

    def __init__(self, *, is_held: bool) -> None:
        self.is_held = is_held


class SharingLocks(Sound):
    @contextmanager
    def lock(self, *_given: object, **_named: object) -> Iterator[Lock]:
        yield Lock(_Fixed(is_held=True))


class NeverLocking(Sound):
    @contextmanager
    def lock(self, *_given: object, **_named: object) -> Iterator[Lock]:
        yield Lock(_Fixed(is_held=False))


class Littering(Sound):
    def check(self) -> None:
        self.objects.setdefault("check/left", b"x")


class Escaping(MemoryStore):
    def __init__(self, config: StorageConfig) -> None:
        super().__init__(config, objects=Sound.shared.setdefault(config.prefix, {}))


class LyingWhenClosed(Sound):
    closed = False

    def put(self, name: str, data: bytes) -> None:
        if not self.closed:
            super().put(name, data)

    def close(self) -> None:
        self.closed = True


class ForeignErrors(Sound):
    def get(self, name: str) -> bytes:
        return self.objects[name]


FAULTS: list[tuple[type[StorageProvider], str]] = [
    (Overwriting, "test_overwriting_is_refused"),
    (Overwriting, "test_one_winner_among_concurrent_creates"),
    (RefusingRepeats, "test_same_bytes_again_succeed"),
    (Forgetting, "test_bytes_come_back_as_they_were"),
    (Forgetting, "test_large_object"),
    (TextOnly, "test_bytes_come_back_as_they_were"),
    (EmptyForMissing, "test_missing_object"),
    (Miscounting, "test_size_is_the_number_of_bytes"),
    (Overreaching, "test_parts_are_those_of_the_bytes"),
    (Keeping, "test_deleted_object_is_gone"),
    (Keeping, "test_objects_deleted_while_they_are_listed"),
    (FailingOnMissing, "test_missing_object"),
    (OnePage, "test_listing_of_many_pages_is_complete"),
    (Unsorted, "test_listing_of_many_pages_is_complete"),
    (PartsOnly, "test_listing_by_prefix"),
    (SharingLocks, "test_lock_excludes_others"),
    (SharingLocks, "test_one_winner_among_concurrent_locks"),
    (NeverLocking, "test_released_lock_is_free"),
    (Littering, "test_check_passes_and_leaves_nothing"),
    (Escaping, "test_name_that_could_escape_is_refused"),
    (LyingWhenClosed, "test_closed_provider_claims_nothing"),
    (ForeignErrors, "test_errors_are_of_this_library"),
]


def run(make: type[StorageProvider], test: str, folder: str) -> None:
    config = StorageConfig(provider="memory", prefix=folder)
    with make(config) as provider, make(config) as peer:
        known: dict[str, object] = {"provider": provider, "peer": peer, "folder": folder, "name": "../a"}
        method: Callable[..., None] = getattr(StorageProviderContract(), test)
        wanted = method.__code__.co_varnames[1 : method.__code__.co_argcount]
        method(**{name: known[name] for name in wanted})


@pytest.mark.parametrize(("make", "test"), FAULTS, ids=lambda value: getattr(value, "__name__", value))
def test_broken_promise_is_found(make: type[StorageProvider], test: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception, StorageNotFoundError, KeyError)):
        run(make, test, f"{make.__name__}-{test}")


@pytest.mark.parametrize("test", sorted({test for _, test in FAULTS}))
def test_kept_promise_is_not_reported(test: str) -> None:
    run(Sound, test, f"sound-{test}")
