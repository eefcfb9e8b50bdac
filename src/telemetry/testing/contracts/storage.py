"""Tests every promise of a ``StorageProvider``; the author of a provider runs them on it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import ClassVar

import pytest

from telemetry.exceptions import StorageConflictError, StorageError, StorageNotFoundError, TelemetryError
from telemetry.storage import StorageProvider
from telemetry.storage.lease import Lock

# Every byte value, text that JSON and line readers treat specially, a NUL at the end.
_ODD_BYTES = bytes(range(256)) + "\u2028 é 事件 \U0001f512\r\n\x00".encode()
_LARGE = 8 << 20
_WRITERS = 8


class StorageProviderContract:
    """The suite: subclass it in a test module under a name that begins with ``Test``, with a ``provider`` fixture.

    As in::

        class TestMyStore(StorageProviderContract):
            @pytest.fixture
            def provider(self, tmp_path):
                with MyStore(MyConfig(provider="my_store", path=tmp_path)) as provider:
                    yield provider

    Every test uses names of its own, so the store may hold other objects, and all tests may share one store.

    Attributes:
        many: Number of objects that the listing test creates; more than one page of the store.
        largest: Size in bytes of the largest object that is written.
    """

    many: ClassVar[int] = 1_050
    largest: ClassVar[int] = _LARGE

    @pytest.fixture
    def provider(self) -> Iterator[StorageProvider]:
        """The provider under test; the subclass overrides this."""
        message = f"{type(self).__name__} must define a fixture named 'provider'"
        raise NotImplementedError(message)

    @pytest.fixture
    def peer(self, provider: StorageProvider) -> Iterator[StorageProvider]:
        """Another provider on the same store, as another process would have it."""
        with type(provider)(provider.config) as peer:
            yield peer

    @pytest.fixture
    def folder(self) -> str:
        """Part of a name that no other test uses."""
        return f"contract-{secrets.token_hex(8)}"

    def test_check_passes_and_leaves_nothing(self, provider: StorageProvider) -> None:
        """``check()`` succeeds twice and deletes what it wrote."""
        before = _names(provider, "")
        provider.check()
        provider.check()
        _equal(_names(provider, ""), before, "check() leaves objects in the store")

    def test_bytes_come_back_as_they_were(self, provider: StorageProvider, folder: str) -> None:
        """Any bytes are stored unchanged: none, text in any script, every byte value, line ends."""
        for number, data in enumerate((b"", b"{}\n", _ODD_BYTES)):
            name = f"{folder}/2025/01/31/{number}.jsonl"
            provider.put(name, data)
            _equal(provider.get(name), data, f"{len(data)} bytes were not returned unchanged")

    def test_stream_gives_the_same_bytes(self, provider: StorageProvider, folder: str) -> None:
        """``stream()`` yields what ``get()`` returns, in any parts, and raises for a name that does not exist."""
        for number, data in enumerate((b"", _ODD_BYTES, secrets.token_bytes(3 << 20))):
            provider.put(f"{folder}/{number}", data)
            _require(b"".join(provider.stream(f"{folder}/{number}")) == data, "stream() yields other bytes than get()")
        with pytest.raises(StorageNotFoundError):
            list(provider.stream(f"{folder}/none"))

    def test_size_is_the_number_of_bytes(self, provider: StorageProvider, folder: str) -> None:
        """``size()`` is that of the bytes that were stored, and raises for a name that does not exist."""
        for number, data in enumerate((b"", _ODD_BYTES)):
            provider.put(f"{folder}/{number}", data)
            _equal(provider.size(f"{folder}/{number}"), len(data), "size() is not the number of bytes")
        with pytest.raises(StorageNotFoundError):
            provider.size(f"{folder}/none")

    def test_parts_are_those_of_the_bytes(self, provider: StorageProvider, folder: str) -> None:
        """``read_part()`` gives any part: fewer bytes at the end, none beyond it; and raises for a name that does not exist."""
        data = secrets.token_bytes(100_000)
        provider.put(f"{folder}/a", data)
        provider.put(f"{folder}/empty", b"")
        for start, length in ((0, 8), (99_990, 10), (99_990, 50), (0, 200_000), (7, 0), (100_000, 1), (200_000, 5)):
            part = provider.read_part(f"{folder}/a", start, length)
            _require(part == data[start : start + length], f"read_part() gives other bytes at {start}, {length}")
        _equal(provider.read_part(f"{folder}/empty", 0, 5), b"", "an empty object has a part")
        for start, length in ((0, 1), (5, 5), (0, 0)):
            with pytest.raises(StorageNotFoundError):
                provider.read_part(f"{folder}/none", start, length)
        for start, length in ((-1, 5), (0, -1), (0, 1 << 40)):
            with pytest.raises(StorageError):
                provider.read_part(f"{folder}/a", start, length)

    def test_names_may_have_every_character(self, provider: StorageProvider, folder: str) -> None:
        """Letters, digits and ``. _ - =`` are stored unchanged; sealed objects are below ``=sealed/``."""
        name = f"={folder}/AZaz09._-=/a.b_c-d=e"
        provider.put(name, b"1")
        _equal(_names(provider, f"={folder}/"), [name], "a name was changed")
        _equal(provider.get(name), b"1", "an object cannot be read by its name")

    def test_large_object(self, provider: StorageProvider, folder: str) -> None:
        """An object of several MiB is one object."""
        data = secrets.token_bytes(self.largest)
        provider.put(f"{folder}/large", data)
        _require(provider.get(f"{folder}/large") == data, "a large object was not returned unchanged")
        _equal([stored.size for stored in provider.list(f"{folder}/")], [len(data)], "its listed size is wrong")

    def test_written_object_is_seen_by_another_instance(
        self, provider: StorageProvider, peer: StorageProvider, folder: str
    ) -> None:
        """An object that one instance wrote is read, listed and deleted by another at once."""
        provider.put(f"{folder}/a", b"1")
        _equal(peer.get(f"{folder}/a"), b"1", "another instance does not read it")
        _equal(_names(peer, f"{folder}/"), [f"{folder}/a"], "another instance does not list it")
        peer.delete(f"{folder}/a")
        _equal(_names(provider, f"{folder}/"), [], "a deletion by another instance is not seen")

    def test_overwriting_is_refused(self, provider: StorageProvider, peer: StorageProvider, folder: str) -> None:
        """Other bytes under an existing name raise ``StorageConflictError`` and change nothing."""
        name = f"{folder}/a"
        provider.put(name, b"first")
        # By the instance that wrote it, which may know the name, and by another, which must ask the store.
        for writer in (provider, peer):
            for data in (b"second", b"", b"first and more"):
                with pytest.raises(StorageConflictError):
                    writer.put(name, data)
        _equal(provider.get(name), b"first", "the object was overwritten")

    def test_same_bytes_again_succeed(self, provider: StorageProvider, peer: StorageProvider, folder: str) -> None:
        """A repeated create, as after a lost acknowledgement, succeeds and stores the object once."""
        for writer in (provider, provider, peer):
            writer.put(f"{folder}/a", b"same")
        _equal(_names(provider, f"{folder}/"), [f"{folder}/a"], "the object is listed more than once")

    def test_one_winner_among_concurrent_creates(
        self, provider: StorageProvider, peer: StorageProvider, folder: str
    ) -> None:
        """Of several writers of one name exactly one succeeds, and its bytes are stored."""

        def write(number: int) -> bytes | None:
            try:
                (provider, peer)[number % 2].put(f"{folder}/contended", b"%d" % number)
            except StorageConflictError:
                return None
            return b"%d" % number

        with ThreadPoolExecutor(_WRITERS) as pool:
            winners = [data for data in pool.map(write, range(_WRITERS)) if data is not None]
        _equal(len(winners), 1, "not exactly one of the concurrent creates succeeded")
        _equal(provider.get(f"{folder}/contended"), winners[0], "the winner's bytes are not what is stored")

    def test_missing_object(self, provider: StorageProvider, folder: str) -> None:
        """Reading an absent object raises ``StorageNotFoundError``; deleting it is no error."""
        with pytest.raises(StorageNotFoundError):
            provider.get(f"{folder}/none")
        provider.delete(f"{folder}/none")

    def test_deleted_object_is_gone(self, provider: StorageProvider, folder: str) -> None:
        """After a deletion the object is neither read nor listed, and its name is free again."""
        name = f"{folder}/a"
        provider.put(name, b"first")
        provider.delete(name)
        provider.delete(name)
        with pytest.raises(StorageNotFoundError):
            provider.get(name)
        _equal(_names(provider, f"{folder}/"), [], "a deleted object is listed")
        provider.put(name, b"second")
        _equal(provider.get(name), b"second", "the name of a deleted object is not free")

    def test_listing_of_nothing(self, provider: StorageProvider, folder: str) -> None:
        """A prefix without objects gives an empty listing, not an error."""
        _equal(_names(provider, f"{folder}/"), [], "an empty prefix lists objects")

    def test_listing_by_prefix(self, provider: StorageProvider, folder: str) -> None:
        """A prefix is compared with the beginning of the whole name, and may end inside a part of it."""
        # "-" sorts before "/", so a store that lists folder by folder gives another order than that of the names.
        names = [f"{folder}/{rest}" for rest in ("a/1", "a/2/x", "a-b/1", "ab", "b", ".hidden", "_")]
        for name in names:
            provider.put(name, b"x")
        for prefix in ("", "/", "/a", "/a/", "/a/2", "/a-", "/a/2/x", "/b/", "/none", "/."):
            expected = sorted(name for name in names if name.startswith(folder + prefix))
            _equal(sorted(_names(provider, folder + prefix)), expected, f"wrong listing of the prefix {prefix!r}")

    def test_listing_of_many_pages_is_complete(self, provider: StorageProvider, folder: str) -> None:
        """More objects than a page holds are listed once each, in the order of their names, with their sizes."""
        sizes = {f"{folder}/2025/01/{1 + number % 3:02d}/{number:06d}": number % 7 for number in range(self.many)}
        with ThreadPoolExecutor(_WRITERS) as pool:
            list(pool.map(lambda name: provider.put(name, b"x" * sizes[name]), sizes))
        listed = [(stored.name, stored.size) for stored in provider.list(f"{folder}/")]
        _equal(listed, sorted(sizes.items()), "the listing is not complete, or not in order")
        _equal(next(iter(provider.list(f"{folder}/"))).name, min(sizes), "a listing cannot be ended early")

    def test_objects_deleted_while_they_are_listed(self, provider: StorageProvider, folder: str) -> None:
        """Deleting objects while they are listed, as the replay does, does not disturb the listing."""
        names = [f"{folder}/{number:02d}" for number in range(20)]
        for name in names:
            provider.put(name, b"x")
        seen = []
        for stored in provider.list(f"{folder}/"):
            seen.append(stored.name)
            provider.delete(stored.name)
        _equal(seen, names, "the listing was disturbed")
        _equal(_names(provider, f"{folder}/"), [], "not everything was deleted")

    @pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "../a", "a/../../b", "a/./b", "a\x00b", "a\\b", "a b"])
    def test_name_that_could_escape_is_refused(self, provider: StorageProvider, name: str) -> None:
        """A name that is not a plain path below the prefix is never written."""
        with pytest.raises((TelemetryError, ValueError)):
            provider.put(name, b"x")

    def test_lock_excludes_others(self, provider: StorageProvider, peer: StorageProvider, folder: str) -> None:
        """While one instance holds a lock, no other does, even in the same process; other locks are free."""
        with ExitStack() as stack:
            first = stack.enter_context(provider.lock(folder, owner="first", seconds=60.0))
            second = stack.enter_context(peer.lock(folder, owner="second", seconds=60.0))
            again = stack.enter_context(provider.lock(folder, owner="again", seconds=60.0))
            other = stack.enter_context(peer.lock(f"{folder}-other", owner="second", seconds=60.0))
            seen = [first.is_held, bool(first), second.is_held, bool(second), again.is_held, other.is_held]
        _equal(seen, [True, True, False, False, False, True], "the lock does not exclude")
        _require(not first.is_held, "a released lock still says that it is held")

    def test_released_lock_is_free(self, provider: StorageProvider, peer: StorageProvider, folder: str) -> None:
        """A released lock can be acquired again at once, by any instance, many times, and after an error too."""

        def fail_while_holding(holder: StorageProvider) -> None:
            with holder.lock(folder, owner="holder", seconds=60.0) as lock:
                _require(lock.is_held, "a free lock was not acquired")
                raise KeyError

        for holder in (provider, peer, provider, peer):
            with pytest.raises(KeyError):
                fail_while_holding(holder)

    def test_one_winner_among_concurrent_locks(
        self, provider: StorageProvider, peer: StorageProvider, folder: str
    ) -> None:
        """Of several instances that try at the same moment exactly one holds the lock."""
        with ExitStack() as stack, ThreadPoolExecutor(_WRITERS) as pool:
            contexts = [
                (provider, peer)[number % 2].lock(folder, owner=f"{number}", seconds=60.0) for number in range(_WRITERS)
            ]
            locks: list[Lock] = list(pool.map(stack.enter_context, contexts))
            _equal(sum(lock.is_held for lock in locks), 1, "not exactly one holds the lock")

    def test_closed_provider_claims_nothing(
        self, provider: StorageProvider, peer: StorageProvider, folder: str
    ) -> None:
        """After ``close()``, which may be called twice, a write either raises or really happens."""
        # Silence would be a lost event: its receipt would say that it is stored.
        provider.close()
        provider.close()
        try:
            provider.put(f"{folder}/late", b"x")
        except TelemetryError:
            return
        _equal(peer.get(f"{folder}/late"), b"x", "a closed provider claims a write that did not happen")

    def test_errors_are_of_this_library(self, provider: StorageProvider, folder: str) -> None:
        """Any failed read raises a ``StorageError``, so that callers can act on it."""
        provider.put(f"{folder}/a", b"x")
        # Below an object, where a file system has no folder; and longer than a file name may be.
        for name in (f"{folder}/a/below", f"{folder}/" + "n" * 250):
            with pytest.raises(StorageError):
                provider.get(name)


def _names(provider: StorageProvider, prefix: str) -> list[str]:
    # A lock may leave marks in the store, which are not objects.
    return [stored.name for stored in provider.list(prefix) if not stored.name.startswith("locks/")]


def _equal(seen: object, expected: object, otherwise: str) -> None:
    _require(seen == expected, f"{otherwise}: {str(seen)[:500]} instead of {str(expected)[:500]}")


def _require(fits: bool, otherwise: str) -> None:
    # Not an assert statement: pytest explains those in test modules only.
    if not fits:
        raise AssertionError(otherwise)
