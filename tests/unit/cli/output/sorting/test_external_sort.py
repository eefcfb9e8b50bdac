"""More than fits into memory is sorted, and nothing of it can be read on the disk."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.cli.output.sorting.external_sort import ExternalSort
from telemetry.cli.output.sorting.sealed_run import SealedRun
from telemetry.exceptions import StorageError
from telemetry.system.spill_file import SpillFile


def _sorted(keys: list[tuple[int, ...]], **bounds: int) -> list[bytes]:
    sort = ExternalSort(**bounds)
    for number, key in enumerate(keys):
        sort.add(key, b"%06d" % number)
    found = list(sort)
    sort.close()
    return found


@pytest.mark.parametrize(("memory", "fan_in"), [(1 << 30, 32), (20_000, 32), (5_000, 3), (1, 2)])
def test_order_is_that_of_the_keys(memory: int, fan_in: int) -> None:
    chance = random.Random(3)  # noqa: S311 - the same keys in each run
    keys: list[tuple[int, ...]] = [(chance.randrange(40), chance.randrange(3)) for _ in range(700)]

    found = _sorted(keys, memory=memory, fan_in=fan_in)

    assert found == [b"%06d" % number for _, number in sorted((key, number) for number, key in enumerate(keys))]


def test_nothing_is_written_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    written = bytearray()
    append = SpillFile.append

    def watched(file: SpillFile, data: bytes | bytearray) -> int:
        written.extend(data)
        return append(file, data)

    monkeypatch.setattr(SpillFile, "append", watched)
    sort = ExternalSort(memory=10_000)
    for number in range(100):
        sort.add((number, "canary-key"), b"canary-value" * 10)

    assert len(list(sort)) == 100
    assert len(written) > 10_000
    assert b"canary" not in written


def test_small_amount_touches_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpillFile, "append", lambda *_: pytest.fail("it was written"))

    assert _sorted([(2,), (1,)], memory=1 << 20) == [b"000001", b"000000"]


def test_altered_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    read = SpillFile.read
    run = SealedRun([((1,), b"item")], cipher=AESGCM(bytes(32)), number=0)
    monkeypatch.setattr(SpillFile, "read", lambda *place: read(*place)[:-1] + b"x")

    with pytest.raises(StorageError, match="altered"):
        list(run)


def test_blocks_cannot_be_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    run = SealedRun([((number,), bytes(70_000)) for number in range(2)], cipher=AESGCM(bytes(32)), number=0)
    assert len(run._blocks) == 2
    run._blocks.reverse()

    with pytest.raises(StorageError, match="altered"):
        list(run)


def test_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("telemetry.system.spill_file.tempfile.TemporaryFile", full)

    with pytest.raises(StorageError):
        _sorted([(1,), (2,)], memory=1)


def test_memory_is_bounded() -> None:
    sort = ExternalSort(memory=1 << 20, fan_in=4)
    tracemalloc.start()
    try:
        for number in range(20_000):
            sort.add((number * 7_919 % 20_000,), bytes(1_000))
        assert sum(1 for _ in sort) == 20_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        sort.close()

    # 20 MB of items.
    assert peak < 7 << 20
