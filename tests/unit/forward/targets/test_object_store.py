"""Objects are created once: what a forwarder that died had written is not written twice, and nothing is replaced."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import StorageAccessDeniedError, StorageUnreachableError, TargetAwayError, TargetRefusedError
from telemetry.forward.targets.object_store import ObjectStoreTarget
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.support.parcels import Patient, batch, event_id

DAY = "audit-events/2026/01/31/00000"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StorageProvider]:
    with StorageProviderFactory.create(StorageConfig(provider="local_file", base_path=tmp_path / "lake")) as store:
        yield store


def ids_in(store: StorageProvider) -> dict[str, list[str]]:
    return {
        stored.name: [json.loads(line)["id"] for line in gzip.decompress(store.get(stored.name)).splitlines()]
        for stored in store.list("audit-events/")
    }


def ids(numbers: range) -> list[str]:
    return [event_id(number) for number in numbers]


def send(store: StorageProvider, *ranges: range, **fields: Any) -> None:
    """Send batches as one process would."""
    target = ObjectStoreTarget(store)
    for numbers in ranges:
        target.send(batch(target, numbers, **fields))
        target.settle(Patient())


def test_objects_by_day_partition_and_offsets(store: StorageProvider) -> None:
    send(store, range(3), range(3, 5))
    send(store, range(3), partition=2, timestamp=1_769_904_000.0)

    assert ids_in(store) == {
        f"{DAY}/{0:020d}-{2:020d}.jsonl.gz": ids(range(3)),
        f"{DAY}/{3:020d}-{4:020d}.jsonl.gz": ids(range(3, 5)),
        f"audit-events/2026/02/01/00002/{0:020d}-{2:020d}.jsonl.gz": ids(range(3)),
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([range(10)], [range(10)]),
        ([range(10)], [range(4), range(4, 13)]),
        ([range(10)], [range(15)]),
        ([range(4), range(4, 7), range(7, 10)], [range(15)]),
        ([range(4), range(4, 10)], [range(7), range(7, 12)]),
        ([range(10)], [range(4, 13)]),
        ([range(4), range(4, 10)], [range(2, 6), range(6, 12)]),
    ],
    ids=["same", "smaller", "larger", "several", "across", "from within", "from within and across"],
)
def test_what_was_written_is_not_written_again(store: StorageProvider, before: list[range], after: list[range]) -> None:
    send(store, *before)
    send(store, *after)

    found = [each for names in ids_in(store).values() for each in names]
    assert sorted(found) == ids(range(max(10, after[-1].stop)))


def test_reading_that_begins_anew_writes_nothing_twice(store: StorageProvider) -> None:
    # In one process: another forwarder led the group for a while, or the connection was lost.
    send(store, range(4), range(4, 10), range(2, 8), range(8, 12))

    found = [each for names in ids_in(store).values() for each in names]
    assert sorted(found) == ids(range(12))


def test_objects_of_others_are_no_events(store: StorageProvider) -> None:
    for name in ("notes.txt", f"{0:020d}-{9:020d}.json", f"x/{0:020d}-{9:020d}.jsonl.gz"):
        store.put(f"{DAY}/{name}", gzip.compress(b"[]\n"))
    send(store, range(3, 6))

    assert gzip.decompress(store.get(f"{DAY}/{3:020d}-{5:020d}.jsonl.gz")).count(b"\n") == 3


def test_other_content_at_the_same_offsets(store: StorageProvider) -> None:
    send(store, range(3))
    send(store, range(3), payload={"amount": 2})
    send(store, range(3), payload={"amount": 2})

    assert [sorted(each) for each in ids_in(store).values()] == [ids(range(3))] * 2


def test_rubbish_in_the_place_of_an_object(store: StorageProvider) -> None:
    store.put(f"{DAY}/{0:020d}-{9:020d}.jsonl.gz", b"no gzip")
    send(store, range(3))

    assert store.get(f"{DAY}/{0:020d}-{2:020d}.jsonl.gz")


class Faulty:
    """A store whose next calls fail."""

    def __init__(self, store: StorageProvider, *errors: Exception) -> None:
        self._store = store
        self._errors = iter(errors)

    def put(self, name: str, data: bytes) -> None:
        error = next(self._errors, None)
        self._store.put(name, data)
        if error is not None:
            raise error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_lost_answer_writes_nothing_twice(store: StorageProvider) -> None:
    target = ObjectStoreTarget(Faulty(store, StorageUnreachableError("away")))  # type: ignore[arg-type]
    with pytest.raises(TargetAwayError, match="away"):
        target.send(batch(target, range(3)))
    target.send(batch(target, range(3)))

    assert list(ids_in(store).values()) == [ids(range(3))]


def test_refusal_of_the_store(store: StorageProvider) -> None:
    target = ObjectStoreTarget(Faulty(store, StorageAccessDeniedError("denied")))  # type: ignore[arg-type]
    with pytest.raises(TargetRefusedError, match="denied"):
        target.send(batch(target, range(3)))
