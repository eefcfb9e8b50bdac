"""F puts objects into the fallback store, and the service publishes them under its own Kafka identity, or never again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.audit.replay import worker
from telemetry.audit.replay.turn import NeverStopping, Turn, take_turn
from telemetry.format.objects.fallback_object import StoredRecord, decode_object, encode_object
from telemetry.storage import lease
from tests.attacks.forge import TOPIC, Writer
from tests.attacks.planted import plant, stored, stored_in_an_outage
from tests.attacks.site import Site
from tests.support.in_process import Ended, run
from tests.support.memory_store import MemoryStore
from tests.unit.audit.replay.test_worker import bench_on

_STRANGER = "0198c0de-ffff-7000-8000-000000000001"
_LEASE_SECONDS = 30.0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of the fallback store, as the service left it."""
    folder = tmp_path / "fallback"
    folder.mkdir(mode=0o700)
    return folder


def replay(site: Site, store: Path) -> Ended:
    """Replay the store by the command; a process that logs does the same by itself."""
    ended = run("fallback", "replay", "-c", str(site.file), "--fallback-path", str(store))
    assert "replayed" in ended.err, ended.err
    return ended


class Clock:
    """A machine's clocks, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lease, "time", clock)
    monkeypatch.setattr(worker, "time", clock)
    return clock


def test_junk_in_the_store_is_not_published(site: Site, store: Path) -> None:
    junk = StoredRecord(b"ceo:payments", b'{"not":"even ours"}', 0)
    planted = plant(store, [junk], producer=_STRANGER)

    ended = replay(site, store)

    assert site.records() == []
    # It is evidence of the attack: it is not deleted, and the operator is told.
    assert [path.name for path in (store / "quarantine").rglob("*.jsonl")] == [planted.name]
    assert planted.name in ended.err


def test_forged_event_in_the_store_is_not_published(site: Site, store: Path) -> None:
    # After the time in which objects of an earlier version, which have no mark, are published.
    site.file.write_text(
        site.file.read_text().replace("[audit_config]", '[audit_config]\naccept_unmarked_until = "2026-01-01"')
    )
    forged = Writer(9, is_sealed=False)
    planted = plant(store, stored([forged.event("admin_granted", user="ceo")], first=0), producer=forged.producer)

    replay(site, store)

    assert site.records() == []
    assert [path.name for path in (store / "quarantine").rglob("*.jsonl")] == [planted.name]


def _stored_in_an_outage(site: Site, store: Path, **audit: object) -> Path:
    """Have the service store three events while Kafka is away; return the object with them."""
    return stored_in_an_outage(site, store, ["login", "wire_transfer", "logout"], **audit)


def test_object_with_an_event_less_is_reported(site: Site, tmp_path: Path) -> None:
    store = tmp_path / "fallback"
    path = _stored_in_an_outage(site, store)
    content = path.read_bytes()
    assert b"wire_transfer" not in content
    # F cannot open it. It can leave out a leaf and a part of the ciphertext, and correct the count.
    head, _, rest = content.partition(b"\n")
    path.write_bytes(head.replace(b'"count":', b'"count":-') + b"\n" + rest[32:-40])

    ended = replay(site, store)

    assert path.name in ended.err
    assert site.records() == []
    assert [found.name for found in (store / "=sealed" / "quarantine").rglob("*.tobj")] == [path.name]


def test_object_of_an_earlier_version_with_an_event_less_is_reported(site: Site, tmp_path: Path) -> None:
    store = tmp_path / "fallback"
    path = _stored_in_an_outage(site, store, fallback_object_format=1)
    opened = decode_object(path.read_bytes())
    left = [record for record in opened.records if b"wire_transfer" not in record.value]
    header = opened.header
    path.write_bytes(encode_object(left, topic=header.topic, producer=header.producer, reason=header.reason))

    ended = replay(site, store)

    # Nothing in it has a mark, so what is left is sent; that something may be missing is said.
    assert path.name in ended.err
    assert "missing" in ended.err


def lock_folders() -> list[str]:
    """Return the folders of the locks that a replay of the topic needs."""
    empty = MemoryStore()
    with take_turn(empty, topic=TOPIC, owner="probe", stop=NeverStopping()) as turn:
        assert turn is not None
        return sorted({name.rpartition("/")[0] for name in empty.objects})


def attempt(store: MemoryStore) -> bool:
    """Return whether this process gets its turn now."""
    with take_turn(store, topic=TOPIC, owner="victim", stop=NeverStopping()) as turn:
        return isinstance(turn, Turn)


@pytest.mark.parametrize("epoch", ["00000000000000000007", "00999999999999999999", "99999999999999999999"])
def test_lease_without_end_ends(clock: Clock, epoch: str) -> None:
    body = b'{"owner":"f","holder":"f","seconds":1e300,"expires":1e300,"released":false}'
    store = MemoryStore(objects={f"{folder}/{epoch}": body for folder in lock_folders()})
    attempt(store)

    # Longer than any holder of ours would be believed, and than clocks may differ.
    clock.now += 2 * _LEASE_SECONDS + lease.CLOCK_MARGIN

    assert attempt(store)


@pytest.fixture
def renewed_by_another(clock: Clock) -> Iterator[MemoryStore]:
    """A store in which another holder renews its lease whenever somebody looks."""
    store = MemoryStore()
    folders = lock_folders()
    epochs = iter(range(1, 1_000_000))

    def renew(operation: str, name: str) -> None:
        folder = name.rstrip("/")
        if operation == "list" and folder in folders:
            body = b'{"owner":"f","holder":"f","seconds":30,"expires":%d,"released":false}' % (clock.time() + 30)
            store.objects[f"{folder}/{next(epochs):020d}"] = body

    store.before = renew
    return iter([store])


def test_lease_that_is_never_ours_is_reported(
    clock: Clock, renewed_by_another: Iterator[MemoryStore], caplog: pytest.LogCaptureFixture
) -> None:
    with bench_on(next(renewed_by_another)) as bench:
        bench.store.objects[f"{TOPIC}/odd"] = b""
        for _ in range(20):
            bench.worker._round()
            clock.now += _LEASE_SECONDS

    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert any("lock" in line or "lease" in line for line in said)
